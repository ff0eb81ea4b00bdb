"""`make bench` runs every benchmark; `make bench ARGS="release start"` only those named."""

from __future__ import annotations

import sys
from importlib import import_module

ALL = (
    "release", "import", "deliveries", "incoming", "forwards", "match", "reach", "load", "start", "wechaty",
    "paced",
)  # fmt: skip


def main() -> None:
    options = [word for word in sys.argv[1:] if word.startswith("--")]  # for the benchmarks that know them
    wanted = [word for word in sys.argv[1:] if word not in options] or list(ALL)
    if unknown := set(wanted) - set(ALL):
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    sys.argv[1:] = options
    for name in wanted:
        print(f"── {name} " + "─" * 60, flush=True)
        import_module(f"benchmarks.bench_{name}").main()


if __name__ == "__main__":
    main()
