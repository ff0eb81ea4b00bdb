"""A fraud type as plain data: the fields of a library file, for editing, storing and writing files again.

A body is what a file holds: texts, lists of texts, phrases as "5 | 中奖 + 税", examples by voice, faq as pairs. Unlike a
`FraudType` it may be unfinished or faulty, because a draft is.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

import yaml

from content.fraud_type import VOICES, Faq, FraudType, Phrase
from content.library_files import Fault, read_type
from content.normalising import normalise

Body = dict[str, Any]

TEXTS: Final = {"id": "编号", "class": "官方大类", "name": "名称", "summary": "一句话说明", "victims": "容易受骗的人"}
LISTS: Final = {
    "aka": "别名和俗称",
    "phrases": "短语",
    "steps": "怎么骗的",
    "signs": "怎么认出来",
    "do": "现在怎么办",
    "never": "请记牢",
    "related": "相近类型",
}
VOICE_LABELS: Final = {"asking": "例句：来问的", "telling": "例句：讲经过的", "scammer": "例句：骗子说的"}
FIELDS: Final = (
    *("id", "class", "name", "aka", "phrases", "summary", "steps", "signs", "victims"),
    *("do", "never", "related", "examples", "faq"),
)
"""In the order of the files."""
LABELS: Final = (
    TEXTS | LISTS | {f"examples.{voice}": label for voice, label in VOICE_LABELS.items()} | {"faq": "常见问答"}
)
LONGEST: Final = 300
"""Characters of one text that are kept: more than any field may have, so that a fault can still be shown."""
MOST: Final = 500
"""Entries of one list that are kept."""


def clean_body(raw: Any) -> Body:
    """A body from whatever data: every field is there, texts in one line, empty entries dropped. Never raises."""
    raw = raw if isinstance(raw, dict) else {}
    body: Body = {name: _text(raw.get(name)) for name in TEXTS}
    body |= {name: _texts(raw.get(name)) for name in LISTS}
    examples = raw.get("examples")
    examples = examples if isinstance(examples, dict) else {}
    body["examples"] = {voice: _texts(examples.get(voice)) for voice in VOICES}
    pairs = [pair for pair in _items(raw.get("faq")) if isinstance(pair, dict)]
    faq = [{"q": _text(pair.get("q")), "a": _text(pair.get("a"))} for pair in pairs]
    body["faq"] = [pair for pair in faq if pair["q"] or pair["a"]]
    return {name: body[name] for name in FIELDS}


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float):
        return ""
    return " ".join("".join(c for c in str(value) if c.isprintable() or c.isspace()).split())[:LONGEST]


def _items(value: Any) -> list[Any]:
    return value[:MOST] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [text for text in map(_text, _items(value)) if text]


def field_of(body: Body, field: str) -> Any:
    """The value of a field as `LABELS` names it: "summary", "examples.asking"."""
    name, _, voice = field.partition(".")
    return body[name][voice] if voice else body[name]


def digest_of(body: Body) -> str:
    """The same for bodies that say the same."""
    plain = json.dumps(body, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


# ── files ───────────────────────────────────────────────────────────────────


def read_body(data: bytes) -> Body:
    """The fields of a file that is in order (see `content.library_files.read_type` for its faults)."""
    return clean_body(_plain(yaml.compose(data, Loader=yaml.CSafeLoader)))


def _plain(node: Any) -> Any:
    """Every scalar as it is written: 110 stays the text "110"."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return node.value if node is not None else None


class _InOneLine(list[str]):
    """Written as [a, b]."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Lists are indented below their field, as in the files of the package."""
        super().increase_indent(flow, False)


_Dumper.add_representer(
    _InOneLine, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)
)


def write_body(body: Body) -> str:
    """The text of a library file that reads as this body."""
    written = body | {"related": _InOneLine(body["related"])}
    text: str = yaml.dump(written, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10_000)
    return text


# ── as a type ───────────────────────────────────────────────────────────────


def type_of_body(body: Body) -> FraudType:
    """The type that a body describes; of an unfinished one whatever is usable. Never raises for a clean body.

    The same as reading the file that `write_body` makes, if that has no fault.
    """
    fraud_class = body["class"] if re.fullmatch(r"\d{1,2} \S.*", body["class"]) else f"0 {body['class'] or '未分类'}"
    return FraudType(
        id=body["id"],
        fraud_class=fraud_class,
        name=body["name"] or body["id"],
        aka=tuple(body["aka"]),
        phrases=tuple(_phrases(body["phrases"]).values()),
        summary=body["summary"],
        steps=tuple(body["steps"]),
        signs=tuple(body["signs"]),
        victims=body["victims"],
        do=tuple(body["do"]),
        never=tuple(body["never"]),
        related=tuple(body["related"]),
        faq=tuple(Faq(pair["q"], pair["a"]) for pair in body["faq"]),
        source=f"{body['id']}.yaml",
        **{voice: tuple(body["examples"][voice]) for voice in VOICES},
    )


def split_phrase(written: str) -> tuple[str, str]:
    """ "5 | 中奖 + 税" → ("5", "中奖 + 税"); the weight is "" when there is none."""
    weight, bar, rest = written.partition("|")
    return (weight.strip(), rest.strip()) if bar else ("", written.strip())


def _phrases(written: list[str]) -> dict[tuple[str, ...], Phrase]:
    found: dict[tuple[str, ...], Phrase] = {}
    for text in written:
        weight, words = split_phrase(text)
        parts = tuple(normalise(part) for part in words.split("+"))
        if weight not in {"1", "2", "3", "4", "5"} or not all(parts):
            continue
        known = found.get(parts)
        if known is None or known.weight < int(weight):
            found[parts] = Phrase(int(weight), parts)
    return found


# ── faults ──────────────────────────────────────────────────────────────────


def faults_of_body(body: Body) -> dict[str, str]:
    """What is wrong, by field: "summary", "phrases" (the list), "phrases.3", "examples.asking.0", "faq.1.q".

    The rules are those of the files (`content.library_files`); entries are counted from 0.
    """
    found: list[Fault] = []
    text = write_body(body)
    read_type(text.encode(), f"{body['id']}.yaml", found)
    places = places_of(text)
    faults: dict[str, str] = {}
    for fault in found:
        field = places.get(fault.line, "id")
        if re.search(r"有 \d+ 条，应为|应是列表", fault.message):
            field = re.sub(r"\.\d+$", "", field)
        faults.setdefault(field, _for_people(fault.message, places))
    return faults


def places_of(text: str | bytes) -> dict[int, str]:
    """1-based line → field that begins there. Raises `yaml.YAMLError` for what is no YAML."""
    places: dict[int, str] = {}
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            _note(places, str(key.value), key, value)
    return places


def _note(places: dict[int, str], name: str, key: Any, value: Any) -> None:
    places.setdefault(int(key.start_mark.line) + 1, name)
    if isinstance(value, yaml.MappingNode):
        for inner, below in value.value:
            _note(places, f"{name}.{inner.value}", inner, below)
    elif isinstance(value, yaml.SequenceNode):
        for number, item in enumerate(value.value):
            if isinstance(item, yaml.MappingNode):
                _note(places, f"{name}.{number}", item, item)
            else:
                places.setdefault(int(item.start_mark.line) + 1, f"{name}.{number}")


_NAMES: Final = LABELS | {"faq.q": "问题", "faq.a": "回答"}


def _for_people(message: str, places: dict[int, str]) -> str:
    """Lines of a file mean nothing in a form: they become numbers of entries, names of fields become labels."""

    def entry(line: re.Match[str]) -> str:
        number = places.get(int(line[1]), "").rpartition(".")[2]
        return f"第 {int(number) + 1} 条" if number.isdigit() else "前面的"

    message = re.sub(r"第 (\d+) 行", entry, message)
    for name in sorted(_NAMES, key=len, reverse=True):
        if message.startswith(f"{name} 应是一段文字"):
            return f"请填写{_NAMES[name]}"
        if message.startswith((f"{name} ", f"{name}“")):
            return _NAMES[name] + message[len(name) :]
    return message
