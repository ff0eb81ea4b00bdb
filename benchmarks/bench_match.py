"""How fast messages are normalised and matched, beside a plain `in` loop and a bare Aho–Corasick automaton.

All three see the same texts and the same words in one run. The loop and the automaton only find words; matching also
normalises, ranks every type and tells fraud from everyday talk.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ahocorasick
from rich.console import Console
from rich.table import Table

from content.asking import Asker
from content.library import Library, load_library
from content.names import meant
from content.normalising import MAX_LENGTH, normalise
from content.phrases import own_phrases
from content.screening import Screener

EVAL = Path(__file__).parent / "eval"
ROUNDS = 3
WANTED_RATE, WANTED_P99_MS, WANTED_LONGEST_MS, WANTED_LOAD_S = 5_000, 2.0, 50.0, 0.5
HOSTILE = 40
"""Random pieces, each repeated to full length."""


def chat() -> list[str]:
    paths = sorted(EVAL.glob("*.jsonl"))
    return [json.loads(line)["text"] for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def words_of(library: Library) -> list[str]:
    return sorted(
        {part for each in library.types.values() for phrase in own_phrases(each, normalise) for part in phrase.parts}
    )


def rate(work: Callable[[str], object], texts: Sequence[str]) -> float:
    """Messages a second, the best of some rounds: others use the machine, too."""
    best = 0.0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for text in texts:
            work(text)
        best = max(best, len(texts) / (time.perf_counter() - started))
    return best


def p99_ms(work: Callable[[str], object], texts: Sequence[str]) -> float:
    """The 99th percentile of single messages in milliseconds, each the best of some rounds. The matcher remembers the
    message it saw last, so no message is given twice in a row."""
    best = [float("inf")] * len(texts)
    for _ in range(ROUNDS):
        for place, text in enumerate(texts):
            if len(texts) == 1:
                work("你好")
            started = time.perf_counter()
            work(text)
            best[place] = min(best[place], (time.perf_counter() - started) * 1000)
    return sorted(best)[int(0.99 * len(best))]


def bare_automaton(words: Sequence[str]) -> Callable[[str], object]:
    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word, word)
    automaton.make_automaton()
    return lambda text: {word for _, word in automaton.iter(text)}


def hostile() -> dict[str, str]:
    """Texts of full length that would be slow to read where work grows faster than length."""
    chance = random.Random(5)
    pieces = [
        "\u0300\u0323",
        "刷 ",
        "﷽",
        "薇信",
        "刷.",
        " \n",
        "我转了",
        "验证码给他了",
        "((((",
        "1",
        "被",
        "a",
        "🔥",
        "正在跟",
    ]
    texts = {piece.strip() or "break": (piece * MAX_LENGTH)[:MAX_LENGTH] for piece in pieces}
    for number in range(HOSTILE):
        piece = "".join(chr(chance.randrange(0x20, 0xD7FF)) for _ in range(chance.randrange(1, 40)))
        texts[f"random {number}"] = (piece * MAX_LENGTH)[:MAX_LENGTH]
    return texts


def names_ms() -> float:
    """A room's name looked up among 2,000."""
    names = [f"菜园镇{a}{b}社区第{i}号楼反诈宣传群" for a in "海金基青石" for b in "滨平湖沙" for i in range(100)]
    return p99_ms(lambda text: meant(text, names), ["海宾社区第七号楼"])


def main() -> None:
    started = time.perf_counter()
    library = load_library()
    read = time.perf_counter()
    asker = Asker(library)
    built = time.perf_counter()
    screener = Screener(library, asker.matcher)
    texts, words = chat(), words_of(library)
    match = rate(asker.matcher.match, texts)
    table = Table("work", "messages/s", "times match", title=f"{len(texts)} chat messages, {len(words)} words")
    rows = {
        "normalise + match": match,
        "ask (with the reply)": rate(asker.ask, texts),
        "screen": rate(screener.screen, texts),
        "plain `in` loop over the words": rate(lambda text: [word for word in words if word in text], texts),
        "Aho–Corasick over the words": rate(bare_automaton(words), texts),
    }
    for name, value in rows.items():
        table.add_row(name, f"{value:,.0f}", f"{value / match:.2f}")
    console = Console(width=100)
    console.print(table)
    tail = p99_ms(asker.matcher.match, texts)
    longest = "".join(texts * 20)[:MAX_LENGTH]
    slowest = min(p99_ms(asker.ask, [longest]) for _ in range(ROUNDS))
    console.print(f"match: ≥ {WANTED_RATE:,}/s wanted; p99 {tail:.2f} ms (≤ {WANTED_P99_MS} wanted)")
    console.print(f"{MAX_LENGTH:,} characters: {slowest:.1f} ms (≤ {WANTED_LONGEST_MS:.0f} wanted)")
    worst, name = max((p99_ms(asker.ask, [text]), name) for name, text in hostile().items())
    console.print(f"slowest hostile text of {MAX_LENGTH:,} characters ({name!r}): {worst:.1f} ms")
    console.print(f"one name among 2,000: {names_ms():.1f} ms")
    console.print(
        f"load ≤ {WANTED_LOAD_S} s wanted: library read in {read - started:.2f} s, matcher built in {built - read:.2f} s"
    )


if __name__ == "__main__":
    main()
