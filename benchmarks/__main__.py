"""`make bench` runs every benchmark; `make bench ARGS="release start"` only those named; options stand behind the names."""

from __future__ import annotations

import sys
from importlib import import_module

ALL = (
    "release", "import", "deliveries", "incoming", "forwards", "match", "reach", "load", "start", "wechaty",
    "paced", "sizes", "memory",
)  # fmt: skip

BY_NAME = ("faults",)
"""Those that take longer than the others together: only run when they are named."""


def main() -> None:
    words = sys.argv[1:]
    first = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
    wanted, options = words[:first] or list(ALL), words[first:]  # options are for the benchmarks that know them
    if unknown := set(wanted) - {*ALL, *BY_NAME}:
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL + BY_NAME)}")
    sys.argv[1:] = options
    for name in wanted:
        print(f"── {name} " + "─" * 60, flush=True)
        import_module(f"benchmarks.bench_{name}").main()


if __name__ == "__main__":
    main()
