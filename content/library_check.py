"""What loading a library does not say: doubts about it, and the line of each.

A fault keeps a file from loading; a doubt does not: examples that are almost the same, a strong phrase that points to
several types, an answer too long for one message, a related type that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import yaml

from content.answers import LONGEST, render_answer
from content.fraud_type import FraudType, Phrase
from content.library import Library, LibraryError, load_library, make_library
from content.library_bodies import VOICE_LABELS, Body, places_of, write_body
from content.library_files import Fault, read_type
from content.normalising import normalise

SAME_FROM: Final = 0.8
"""Share of character pairs (Jaccard) from which two examples are called almost the same."""
_COMMON: Final = 60
"""A pair of characters seen in so many examples is not followed: alike examples share rare ones, too."""
_NUMBERS: Final = re.compile(r"(?<!\d)(1[3-9]\d{9}|\d{15,19}|\d{17}[Xx])(?!\d)")
"""A mobile number of mainland China, an identity card or a bank card: examples are to hold nobody's."""
_STRONG: Final = 3
"""Weight from which a phrase decides: weaker hints may be shared on purpose."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something doubtful in a type, at a `field` such as "examples.asking.3", or at a `line` where it was read from."""

    type_id: str
    message: str
    field: str = ""
    line: int = 0


@dataclass(frozen=True)
class Checked:
    """What is to be said about a folder of library files. `faults` keep it from loading."""

    types: int
    phrases: int
    examples: int
    faults: tuple[Fault, ...]
    doubts: tuple[Fault, ...]


def check_folder(folder: Path) -> Checked:
    """Every fault and doubt of the `*.yaml` files, by file and line. Raises `OSError` for what cannot be read."""
    faults: tuple[Fault, ...] = ()
    try:
        library = load_library(folder)
    except LibraryError as error:
        faults, library = error.faults, make_library(_readable(folder))
    lines = {path.name: _lines_of(path) for path in folder.glob("*.yaml")}
    doubts = [_located(doubt, library.types[doubt.type_id], lines) for doubt in find_doubts(library)]
    types = library.types.values()
    return Checked(
        types=len(types),
        phrases=sum(len(each.phrases) for each in types),
        examples=sum(1 for each in types for _ in each.examples()),
        faults=tuple(sorted((_relined(fault, lines) for fault in faults), key=_place)),
        doubts=tuple(sorted(doubts, key=_place)),
    )


def _place(fault: Fault) -> tuple[str, int]:
    return fault.file, fault.line


def _readable(folder: Path) -> list[FraudType]:
    found = (read_type(path.read_bytes(), path.name, []) for path in sorted(folder.glob("*.yaml")))
    return [each for each in found if each is not None]


def _lines_of(path: Path) -> dict[str, int]:
    """Field → its line; nothing for a file that cannot be parsed, which is a fault of its own."""
    try:
        return {field: line for line, field in places_of(path.read_bytes()).items()}
    except yaml.YAMLError:
        return {}


def _located(doubt: Doubt, fraud_type: FraudType, lines: dict[str, dict[str, int]]) -> Fault:
    known = lines.get(fraud_type.source, {})
    line = doubt.line or known.get(doubt.field) or known.get(doubt.field.partition(".")[0], 1)
    return Fault(fraud_type.source, line, doubt.message)


def _relined(fault: Fault, lines: dict[str, dict[str, int]]) -> Fault:
    """Loading knows no line for what concerns several files."""
    if fault.line == 1 and fault.message.startswith("related "):
        return Fault(fault.file, lines.get(fault.file, {}).get("related", 1), fault.message)
    return fault


# ── doubts ──────────────────────────────────────────────────────────────────


def find_doubts(library: Library, only: str = "") -> list[Doubt]:
    """Every doubt about the library, or about the type `only` as it stands among the others."""
    doubts = [*_shared_phrases(library), *_near_duplicates(library, only)]
    for fraud_type in library.types.values():
        doubts += _long_answer(fraud_type)
        doubts += _personal_data(fraud_type)
        doubts += _lost_relations(fraud_type, library)
    return [doubt for doubt in doubts if only in ("", doubt.type_id)]


def doubts_by_field(library: Library, body: Body) -> dict[str, list[str]]:
    """The doubts about the type of this body, which is part of `library`, by field of the body."""
    # Phrases know the line they were read from; read from the body's own text, that line leads to their entry.
    text = write_body(body)
    places = places_of(text)
    fraud_type = read_type(text.encode(), f"{body['id']}.yaml", [])
    if fraud_type is not None:
        library = make_library([*(each for each in library.types.values() if each.id != body["id"]), fraud_type])
    found: dict[str, list[str]] = {}
    for doubt in find_doubts(library, body["id"]):
        found.setdefault(places.get(doubt.line) or doubt.field, []).append(doubt.message)
    return found


def _shared_phrases(library: Library) -> Iterator[Doubt]:
    owners: dict[tuple[str, ...], list[tuple[FraudType, Phrase]]] = {}
    for fraud_type in library.types.values():
        for phrase in fraud_type.phrases:
            owners.setdefault(tuple(sorted(phrase.parts)), []).append((fraud_type, phrase))
    for users in owners.values():
        if len(users) < 2 or max(phrase.weight for _, phrase in users) < _STRONG:
            continue
        names = "、".join(dict.fromkeys(fraud_type.name for fraud_type, _ in users))
        several = len({fraud_type.id for fraud_type, _ in users}) > 1
        said = f"同时指向多个类型：{names}" if several else "换了次序写了两次"
        for fraud_type, phrase in users:
            yield Doubt(fraud_type.id, f"短语“{phrase.text}”{said}", "phrases", phrase.line)


def _near_duplicates(library: Library, only: str) -> Iterator[Doubt]:
    """Found over rare pairs of characters, so that the whole library is compared in a fraction of a second."""
    seen: dict[str, list[int]] = {}
    known: list[tuple[FraudType, str, frozenset[str]]] = []
    for fraud_type in sorted(library.types.values(), key=lambda each: each.id == only):
        for field, text in _examples(fraud_type):
            pairs = frozenset(map("".join, pairwise(_plain(text))))
            if only in ("", fraud_type.id):
                candidates = {number for pair in pairs for number in seen.get(pair, ()) if len(seen[pair]) < _COMMON}
                for other, other_text, other_pairs in (known[number] for number in sorted(candidates)):
                    if len(pairs & other_pairs) >= SAME_FROM * len(pairs | other_pairs):
                        where = "本类型" if other.id == fraud_type.id else f"“{other.name}”"
                        said = f"例句“{_cut(text)}”与{where}的“{_cut(other_text)}”几乎一样"
                        yield Doubt(fraud_type.id, said, field)
            for pair in pairs:
                seen.setdefault(pair, []).append(len(known))
            known.append((fraud_type, text, pairs))


@lru_cache(maxsize=8_192)
def _plain(text: str) -> str:
    """Kept, because an editor asks for the same examples again with every change."""
    return normalise(text)


def _examples(fraud_type: FraudType) -> Iterator[tuple[str, str]]:
    for voice in VOICE_LABELS:
        for number, text in enumerate(getattr(fraud_type, voice)):
            yield f"examples.{voice}.{number}", text


def _cut(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:24]}…"


def _long_answer(fraud_type: FraudType) -> Iterator[Doubt]:
    said = render_answer(fraud_type).splitlines()
    left = sum(f"· {sign}" not in said for sign in fraud_type.signs)
    left += sum(f"{place}. {step}" not in said for place, step in enumerate(fraud_type.steps, 1))
    if left:
        yield Doubt(fraud_type.id, f"答复超过 {LONGEST} 字，机器人会略去其中 {left} 条特征或步骤", "signs")


def _personal_data(fraud_type: FraudType) -> Iterator[Doubt]:
    for field, text in _examples(fraud_type):
        if _NUMBERS.search(text):
            said = f"例句“{_cut(text)}”里像有真实的手机号、证件号或卡号，请删去或改成“某某”"
            yield Doubt(fraud_type.id, said, field)


def _lost_relations(fraud_type: FraudType, library: Library) -> Iterator[Doubt]:
    lost = [each for each in fraud_type.related if each not in library.types]
    if lost:
        yield Doubt(fraud_type.id, f"相近类型里的 {'、'.join(lost)} 现在没有或已停用", "related")
