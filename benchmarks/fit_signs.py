"""Fit what tells emergencies: `python -m benchmarks.fit_signs [--without ROUND …] [--try] [ordinary text files …]`.

Writes the weights in ``content/signs_of_loss.py`` and ``content/loss_model.txt``. Learnt from are the emergencies and
near-emergencies of ``benchmarks/eval`` and of the tests, ``benchmarks/training`` (lines.tsv, told.txt, and the library's
asking and telling examples sorted into now and not now), and as what is none: questions, scammers' lines and everyday lines there,
``ordinary.txt``, the library's scammers and, if named, ordinary texts of one a line.

``--try`` writes nothing but measures: each blind round by weights that were fitted without it (the patterns have seen
the older rounds, so their rows are friendly), and told.txt in five parts of whole lines. ``--without N`` holds a round out.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from dataclasses import dataclass
from math import exp, sqrt
from pathlib import Path

from benchmarks.told import told
from content import signs_of_loss
from content.asking import Asker
from content.emergencies import find_emergency, read_for_signs, signs_in, sounds_of
from content.library import load_library
from content.loss_model import LOUDNESS, SCALE, WEIGHTS_FILE, loss_grams
from content.ordinary import ordinary_texts

ROOT = Path(__file__).resolve().parents[1]
EVAL = Path(__file__).parent / "eval"
SORTED = Path(__file__).parent / "training" / "library_told.jsonl"
WRITTEN = Path(__file__).parent / "training" / "lines.tsv"
TESTED = ROOT / "tests" / "unit" / "content" / "emergencies.txt"
EPOCHS, RATE, SHRINK = 14, 0.35, 0.004
LEAST_SEEN, LEAST_WEIGHT = 2, 6
SAMPLE = 14_000
WEIGHTS_OF = {
    "emergencies": 2.0,
    "tested": 2.5,
    "sorted": 1.5,
    "written": 2.0,
    "told": 0.4,
    "ordinary": 1.5,
    "questions": 1.0,
    "scammers": 0.7,
}
ASKED = ("什么是{}", "{}是什么意思", "{}怎么识别", "说说{}")
"""Who asks for a type by its name loses nothing."""
WEIGHT_OF_NAMES = 0.5
WEIGHT_OF_LIBRARY, WEIGHT_OF_CHAT, WEIGHT_OF_FILES = 0.4, 1.0, 0.5
PARTS = 5
_LONGEST_GRAM = 2
"""Signs are kept beside the grams as "=name", which is longer."""


@dataclass(frozen=True)
class Case:
    """``group``: the round of a blind batch (1, 2 …), minus the line of told.txt, or 0."""

    text: str
    told: bool
    weight: float
    group: int = 0


@dataclass(frozen=True)
class Row:
    signs: dict[str, float]
    grams: list[str]
    told: bool
    weight: float


def cases(files: list[Path]) -> list[Case]:
    found: list[Case] = []
    for name in ("emergencies", "ordinary", "questions", "scammers"):
        for row in map(json.loads, _lines(EVAL / f"{name}.jsonl")):
            found.append(Case(row["text"], bool(row.get("emergency")), WEIGHTS_OF[name], row.get("round", 0)))
    tested = [line for line in _lines(TESTED) if line[:2] in {"+ ", "- "}]
    found += [Case(line[2:], line[0] == "+", WEIGHTS_OF["tested"]) for line in tested]
    for line in _lines(WRITTEN):
        sign, text = line.split("\t")
        found.append(Case(text, sign == "+", WEIGHTS_OF["written"]))
    rows = map(json.loads, _lines(SORTED))
    found += [Case(row["text"], row["emergency"], WEIGHTS_OF["sorted"]) for row in rows]
    found += [Case(text, now, WEIGHTS_OF["told"], -number) for number, text, now in told()]
    types = load_library().types.values()
    named = [frame.format(name) for each in types for name in (each.name, *each.aka) for frame in ASKED]
    found += [Case(text, False, WEIGHT_OF_NAMES) for text in named]
    spoken = [text for each in types for text in each.scammer]
    found += [Case(text, False, WEIGHT_OF_LIBRARY) for text in spoken]
    found += [Case(line, False, WEIGHT_OF_CHAT) for kind in ordinary_texts().values() for line in kind]
    chance = random.Random(1)
    for lines in map(_lines, files):
        found += [Case(line, False, WEIGHT_OF_FILES) for line in chance.sample(lines, min(SAMPLE, len(lines)))]
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def read(asker: Asker, case: Case) -> Row:
    """What is weighed of a case."""
    match = asker.matcher.match(case.text)
    sounds = sounds_of(match)
    text = read_for_signs(match.text)
    signs = signs_in(text, sounds, find_emergency(match.text, match.fraud, sounds.scammer))
    return Row(signs, sorted(loss_grams(text)), case.told, case.weight)


class Fit:
    """Logistic regression by AdaGrad over signs (by name) and grams (by text)."""

    def __init__(self, rows: list[Row]) -> None:
        seen = Counter(gram for row in rows for gram in row.grams)
        self.rows = rows
        self.weights: dict[str, float] = {f"={name}": 0.0 for row in rows for name in row.signs}
        self.weights |= {gram: 0.0 for gram, count in seen.items() if count >= LEAST_SEEN}
        self.squares = dict.fromkeys(self.weights, 0.05)

    def run(self) -> None:
        chance = random.Random(20260101)
        known = [(self._known(row), row.told, row.weight) for row in self.rows]
        for _ in range(EPOCHS):
            chance.shuffle(known)
            for values, is_told, weight in known:
                error = weight * (_probability(self._sum(values)) - is_told)
                if abs(error) > 0.002:
                    self._update(values, error)

    def _known(self, row: Row) -> list[tuple[str, float]]:
        share = LOUDNESS / sqrt(len(row.grams)) if row.grams else 0.0
        values = [(f"={name}", value) for name, value in row.signs.items() if f"={name}" in self.weights]
        return values + [(gram, share) for gram in row.grams if gram in self.weights]

    def _sum(self, values: list[tuple[str, float]]) -> float:
        return sum(self.weights[name] * value for name, value in values)

    def _update(self, values: list[tuple[str, float]], error: float) -> None:
        weights, squares = self.weights, self.squares
        for name, value in values:
            slope = error * value + SHRINK * weights[name]
            squares[name] += slope * slope
            weights[name] -= RATE * slope / sqrt(squares[name])

    def probability(self, row: Row) -> float:
        return _probability(self._sum(self._known(row)))

    def write(self) -> None:
        signs = {
            name[1:]: round(value, 2) for name, value in sorted(self.weights.items()) if len(name) > _LONGEST_GRAM
        }
        lines = "".join(f'    "{name}": {value},\n' for name, value in signs.items())
        table = f"# FITTED\nWEIGHTS: Final[Mapping[str, float]] = {{\n{lines}}}\n# END"
        path = Path(signs_of_loss.__file__)
        source = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"# FITTED\n.*?# END", lambda _: table, source, flags=re.DOTALL), encoding="utf-8")
        kept = {gram: round(SCALE * value) for gram, value in self.weights.items() if len(gram) <= _LONGEST_GRAM}
        grams = [
            f"{gram.replace(chr(10), '⏎')}\t{value}"
            for gram, value in sorted(kept.items())
            if abs(value) >= LEAST_WEIGHT and "\t" not in gram
        ]
        WEIGHTS_FILE.write_text("\n".join(grams) + "\n", encoding="utf-8")
        print(f"{len(signs)} signs, {len(grams)} grams")


def _probability(logit: float) -> float:
    return 1 / (1 + exp(-max(-30.0, min(30.0, logit))))


def measure(pairs: list[tuple[Case, Row]]) -> None:
    rounds = sorted({case.group for case, _ in pairs if case.group > 0})
    tasks = [(f"round {number}", {number}) for number in rounds]
    lines = sorted({case.group for case, _ in pairs if case.group < 0})
    random.Random(3).shuffle(lines)
    tasks += [(f"told.txt, part {part + 1}", set(lines[part::PARTS])) for part in range(PARTS)]
    for name, held in tasks:
        fit = Fit([row for case, row in pairs if case.group not in held])
        fit.run()
        out = [(case.told, fit.probability(row)) for case, row in pairs if case.group in held]
        cells = []
        for least in (0.3, 0.5, 0.7):
            caught = sum(score >= least for now, score in out if now)
            false = sum(score >= least for now, score in out if not now)
            cells.append(
                f"≥ {least}: {caught} / {sum(now for now, _ in out)}, false {false} / {sum(not now for now, _ in out)}"
            )
        print(f"{name}: " + "; ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--without", type=int, nargs="*", default=[])
    parser.add_argument("--try", action="store_true", dest="only_try")
    chosen = parser.parse_args()
    asker = Asker(load_library())
    pairs = [(case, read(asker, case)) for case in cases(chosen.files) if case.group not in chosen.without]
    if chosen.only_try:
        measure(pairs)
        return
    fit = Fit([row for _, row in pairs])
    fit.run()
    fit.write()


if __name__ == "__main__":
    main()
