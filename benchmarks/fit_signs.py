"""Fit the weights in ``content/signs_of_loss.py``: `python -m benchmarks.fit_signs [ordinary text files …]`.

Learnt from are the emergencies and near-emergencies of ``benchmarks/eval`` and of the tests, and as what is none: the
questions, scammers' lines and everyday lines there, ``ordinary.txt`` and, if named, ordinary texts of one a line.
Texts that the rules take back (old, heard, averted, supposed) teach nothing, as they are never weighed.
"""

from __future__ import annotations

import json
import random
import re
import sys
from math import exp, sqrt
from pathlib import Path

from content import signs_of_loss
from content.asking import Asker
from content.emergencies import sounds_of, worth_weighing
from content.library import load_library
from content.ordinary import ordinary_texts

ROOT = Path(__file__).resolve().parents[1]
EVAL = Path(__file__).parent / "eval"
TOLD = ROOT / "tests" / "unit" / "content" / "emergencies.txt"
ROUNDS, RATE, SHRINK = 300, 0.6, 1.0
WEIGHT_OF_CASES, WEIGHT_OF_CHAT = 3.0, 2.0
SAMPLE = 1_500

Example = tuple[dict[str, float], bool, float]


def texts(skip: int | None, files: list[Path]) -> list[tuple[str, bool, float]]:
    """(text, whether it is an emergency, weight); ``skip``: a round of blind measuring that is held out."""
    found: list[tuple[str, bool, float]] = []
    for name, weight in (
        ("emergencies", WEIGHT_OF_CASES),
        ("ordinary", WEIGHT_OF_CHAT),
        ("questions", 1),
        ("scammers", 1),
    ):
        for row in map(json.loads, (EVAL / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()):
            if skip is None or row.get("round") != skip:
                found.append((row["text"], bool(row.get("emergency")), weight))
    for line in TOLD.read_text(encoding="utf-8").splitlines():
        if line[:2] in {"+ ", "- "}:
            found.append((line[2:], line[0] == "+", WEIGHT_OF_CASES))
    chance = random.Random(1)
    for lines in ([line for kind in ordinary_texts().values() for line in kind], *map(_lines, files)):
        found += [(line, False, 1.0) for line in chance.sample(lines, min(SAMPLE, len(lines)))]
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def examples(asker: Asker, rows: list[tuple[str, bool, float]]) -> list[Example]:
    found: list[Example] = []
    for text, told, weight in rows:
        match = asker.matcher.match(text)
        sounds = sounds_of(match)
        if worth_weighing(match.text, match.fraud, sounds.scammer):
            found.append((signs_of_loss.signs_of(match.text, *sounds), told, weight))
    return found


def fit(rows: list[Example]) -> dict[str, float]:
    names = sorted({name for signs, _, _ in rows for name in signs})
    weights, squares = dict.fromkeys(names, 0.0), dict.fromkeys(names, 1e-3)
    for _ in range(ROUNDS):
        slopes = {name: SHRINK * value for name, value in weights.items()}
        slopes["always"] = 0.0
        for signs, told, weight in rows:
            logit = sum(weights[name] * value for name, value in signs.items())
            error = weight * (1 / (1 + exp(-max(-30.0, min(30.0, logit)))) - told)
            for name, value in signs.items():
                slopes[name] += error * value
        for name in names:
            squares[name] += slopes[name] ** 2
            weights[name] -= RATE * slopes[name] / sqrt(squares[name])
    return {name: round(value, 2) for name, value in weights.items()}


def main() -> None:
    asker = Asker(load_library())
    weights = fit(examples(asker, texts(None, [Path(name) for name in sys.argv[1:]])))
    path = Path(signs_of_loss.__file__)
    lines = "".join(f'    "{name}": {value},\n' for name, value in weights.items())
    table = f"# FITTED\nWEIGHTS: Final[Mapping[str, float]] = {{\n{lines}}}\n# END"
    source = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"# FITTED\n.*?# END", lambda _: table, source, flags=re.DOTALL), encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
