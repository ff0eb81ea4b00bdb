"""What changed between two versions of a fraud type, field by field and word by word, for whoever reviews it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from content.library_bodies import LABELS, TEXTS, Body, field_of, split_phrase

Part = tuple[str, bool]
"""A piece of text, and whether it is what differs."""
_FEW = 2_500  # pairs of entries that are compared with each other


@dataclass(frozen=True)
class Row:
    """One entry on both sides; an empty side has no such entry."""

    kind: Literal["same", "changed", "added", "removed"]
    old: tuple[Part, ...] = ()
    new: tuple[Part, ...] = ()


@dataclass(frozen=True)
class FieldDiff:
    """A field that differs. `kept` entries are the same on both sides and are not among `rows`."""

    field: str
    label: str
    rows: tuple[Row, ...]
    kept: int = 0


def compare(old: Body | None, new: Body | None) -> list[FieldDiff]:
    """Every field that differs, in the order of the form; without one side, all that the other says."""
    found = []
    for field, label in LABELS.items():
        rows = list(_rows(_lines(old, field), _lines(new, field), one=field in TEXTS))
        differing = tuple(row for row in rows if row.kind != "same")
        if differing:
            found.append(FieldDiff(field, label, differing, len(rows) - len(differing)))
    return found


def compare_texts(field: str, label: str, old: str, new: str) -> FieldDiff:
    """One text that differs, of whatever kind of thing."""
    return FieldDiff(field, label, tuple(_rows([old] if old else [], [new] if new else [], one=True)))


def _lines(body: Body | None, field: str) -> list[str]:
    if body is None:
        return []
    value = field_of(body, field)
    if field == "phrases":
        return [_phrase(text) for text in value]
    if field == "faq":
        return [f"问：{pair['q']} 答：{pair['a']}" for pair in value]
    return value if isinstance(value, list) else [value] if value else []


def _phrase(written: str) -> str:
    weight, words = split_phrase(written)
    return f"{words}（权重 {weight or '？'}）"


def _rows(old: list[str], new: list[str], *, one: bool) -> Iterator[Row]:
    # Entries of a list are mostly a set: one that only moved is the same.
    kept = set(old) & set(new)
    yield from (Row("same") for text in new if text in kept)
    gone, come = [text for text in old if text not in kept], [text for text in new if text not in kept]
    for before, after in [(gone[0], come[0])] if one and gone and come else _paired(gone, come):
        if before and after:
            yield Row("changed", *_marked(before, after))
        elif before:
            yield Row("removed", old=((before, True),))
        else:
            yield Row("added", new=((after, True),))


def _paired(gone: list[str], come: list[str]) -> Iterator[tuple[str, str]]:
    """Each new entry beside the old one that it was probably made from."""
    if len(gone) * len(come) > _FEW:  # a whole new text: looking for pairs would take seconds and say nothing
        yield from ((before, "") for before in gone)
        yield from (("", after) for after in come)
        return
    left = list(gone)
    for after in come:
        best = max(left, key=lambda before: _likeness(before, after), default="")
        alike = bool(best) and _likeness(best, after) >= 0.5
        if alike:
            left.remove(best)
        yield (best, after) if alike else ("", after)
    yield from ((before, "") for before in left)


def _likeness(before: str, after: str) -> float:
    old, new = (text.partition("（权重")[0] for text in (before, after))
    return SequenceMatcher(None, old, new, autojunk=False).ratio()


def _marked(before: str, after: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    old: list[Part] = []
    new: list[Part] = []
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if i < j:
            old.append((before[i:j], tag != "equal"))
        if k < m:
            new.append((after[k:m], tag != "equal"))
    return tuple(old), tuple(new)
