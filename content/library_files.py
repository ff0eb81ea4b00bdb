"""Reading one library file: every fault is named with its line, so that the editor mends all of them in one go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from content.fraud_type import Faq, FraudType, Phrase
from content.normalising import normalise, remember

_MIN_PHRASES: Final = 15
_MIN_EXAMPLES: Final = {"asking": 15, "telling": 10, "scammer": 15}
_CLASS: Final = re.compile(r"(\d{1,2}) (\S.{0,18})")
_ID: Final = re.compile(r"[a-z][a-z0-9_]{1,31}")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong (or doubtful) in a library file, at a 1-based line."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.message}"


def read_type(data: bytes, file: str, faults: list[Fault]) -> FraudType | None:
    """Read one file's text; its faults are appended to ``faults`` and then None is returned."""
    reader = _Reader(file)
    fraud_type = reader.read(data)
    faults.extend(reader.faults)
    return None if reader.faults else fraud_type


class _Reader:
    """Walks the node tree of one file, which keeps line numbers that plain loading would lose."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.top = 1

    def fault(self, line: int, message: str) -> None:
        self.faults.append(Fault(self.file, line, message))

    def read(self, data: bytes) -> FraudType | None:
        try:
            root = yaml.compose(data, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "无法解析"
            self.fault(mark.line + 1 if mark else 1, f"不是正确的 YAML：{problem}")
            return None
        if not isinstance(root, yaml.MappingNode):
            self.fault(1, "文件应是“字段: 内容”的结构")
            return None
        remember(_words_of(root))
        fields = self.mapping(root, _FIELDS)
        examples = self.mapping(fields.get("examples"), _MIN_EXAMPLES, "examples")
        fraud_type = FraudType(
            id=self.type_id(fields.get("id")),
            fraud_class=self.class_of(fields.get("class")),
            name=self.text(fields.get("name"), "name", 20),
            aka=self.texts(fields.get("aka"), "aka", 5, 60, 24),
            phrases=self.phrases(fields.get("phrases")),
            summary=self.text(fields.get("summary"), "summary", 90),
            steps=self.texts(fields.get("steps"), "steps", 3, 5, 40),
            signs=self.texts(fields.get("signs"), "signs", 3, 4, 30),
            victims=self.text(fields.get("victims"), "victims", 30),
            do=self.texts(fields.get("do"), "do", 2, 4, 45),
            never=self.texts(fields.get("never"), "never", 1, 3, 30),
            related=self.texts(fields.get("related"), "related", 0, 8, 32),
            faq=self.faqs(fields.get("faq")),
            source=self.file,
            **{voice: self.examples(examples.get(voice), voice) for voice in _MIN_EXAMPLES},
        )
        self.repeated(examples)
        return fraud_type

    def mapping(self, node: Any, known: Mapping[str, Any], name: str = "") -> dict[str, Any]:
        """The fields of a mapping node; unknown, repeated and missing ones are faults."""
        where = f"{name} 里" if name else ""
        if not isinstance(node, yaml.MappingNode):
            if node is not None:
                self.fault(_line(node), f"{name} 应分成 {'、'.join(known)} 几栏")
            return {}
        fields: dict[str, Any] = {}
        for key, value in node.value:
            label = str(key.value)
            if label not in known:
                self.fault(_line(key), f"{where}不认识的字段“{label}”，可用：{'、'.join(known)}")
            elif label in fields:
                self.fault(_line(key), f"{where}字段“{label}”重复")
            fields[label] = value
        for label in known:
            if label not in fields:
                self.fault(_line(node), f"{where}缺少字段“{label}”")
        return fields

    def text(self, node: Any, name: str, longest: int) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self.fault(_line(node), f"{name} 应是一段文字")
            return ""
        value = str(node.value).strip()
        if len(value) > longest:
            self.fault(_line(node), f"{name} 有 {len(value)} 个字，最多 {longest} 个：“{value[:12]}…”")
        return value

    def items(self, node: Any, name: str, least: int, most: int) -> list[Any]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.fault(_line(node), f"{name} 应是列表（每行以“- ”开头）")
            return []
        if not least <= len(node.value) <= most:
            self.fault(_line(node), f"{name} 有 {len(node.value)} 条，应为 {least} 至 {most} 条")
        return list(node.value)

    def texts(self, node: Any, name: str, least: int, most: int, longest: int) -> tuple[str, ...]:
        return tuple(self.text(item, name, longest) for item in self.items(node, name, least, most))

    def type_id(self, node: Any) -> str:
        value = self.text(node, "id", 32)
        if node is not None and not _ID.fullmatch(value):
            self.fault(_line(node), f"id“{value}”只能用小写字母、数字和下划线")
        elif node is not None and self.file.removesuffix(".yaml") != value:
            self.fault(_line(node), f"id“{value}”应与文件名一致")
        return value

    def class_of(self, node: Any) -> str:
        value = self.text(node, "class", 24)
        if node is not None and not _CLASS.fullmatch(value):
            self.fault(_line(node), f"class“{value}”应写成“编号 类名”，例如“1 刷单返利类”")
            return "0 ?"
        return value or "0 ?"

    def phrases(self, node: Any) -> tuple[Phrase, ...]:
        """All phrases; spellings that normalise to the same words count once, with the highest weight."""
        phrases: dict[tuple[str, ...], Phrase] = {}
        written: dict[str, int] = {}
        for item in self.items(node, "phrases", _MIN_PHRASES, 400):
            phrase = self.phrase(item)
            if phrase is None:
                continue
            words = item.value.partition("|")[2].strip()
            if words in written:
                self.fault(phrase.line, f"短语“{words}”与第 {written[words]} 行重复")
            written.setdefault(words, phrase.line)
            known = phrases.get(phrase.parts)
            if known is None or known.weight < phrase.weight:
                phrases[phrase.parts] = phrase
        return tuple(phrases.values())

    def phrase(self, node: Any) -> Phrase | None:
        written = self.text(node, "phrases", 80)
        weight, bar, rest = written.partition("|")
        if not bar or weight.strip() not in {"1", "2", "3", "4", "5"}:
            self.fault(_line(node), f"短语“{written[:20]}”应写成“权重 | 短语”，权重为 1 至 5")
            return None
        parts = tuple(normalise(part) for part in rest.split("+"))
        if not all(parts):
            self.fault(_line(node), f"短语“{rest.strip()}”是空的，或“+”旁边是空的")
            return None
        if len(parts) == 1 and len(parts[0]) < 2 and int(weight) > 2:
            self.fault(_line(node), f"短语“{rest.strip()}”只有一个字，权重最多为 2")
            return None
        return Phrase(int(weight), parts, _line(node))

    def examples(self, node: Any, voice: str) -> tuple[str, ...]:
        found = self.texts(node, f"examples.{voice}", _MIN_EXAMPLES[voice], 400, 120)
        for item, text in zip(getattr(node, "value", ()), found, strict=False):
            if 0 < len(text) < 4:
                self.fault(_line(item), f"例句“{text}”太短，至少 4 个字")
        return found

    def repeated(self, examples: dict[str, Any]) -> None:
        """An example given twice teaches nothing and hides that there are too few."""
        seen: dict[str, int] = {}
        for node in examples.values():
            for item in getattr(node, "value", ()):
                if not isinstance(item, yaml.ScalarNode):
                    continue
                key = normalise(item.value)
                if key in seen:
                    self.fault(_line(item), f"例句与第 {seen[key]} 行重复：“{item.value[:20]}”")
                seen.setdefault(key, _line(item))

    def faqs(self, node: Any) -> tuple[Faq, ...]:
        found: list[Faq] = []
        for item in self.items(node, "faq", 2, 8):
            pair = self.mapping(item, {"q": 0, "a": 0}, "faq")
            found.append(Faq(self.text(pair.get("q"), "faq.q", 60), self.text(pair.get("a"), "faq.a", 100)))
        return tuple(found)


_FIELDS: Final = dict.fromkeys(
    (
        *("id", "class", "name", "aka", "phrases", "summary", "steps", "signs", "victims"),
        *("do", "never", "related", "examples", "faq"),
    )
)


def _words_of(node: Any) -> Iterator[str]:
    """Every text below ``node``, those of phrases part by part: what reading the file will normalise."""
    if isinstance(node, yaml.ScalarNode):
        _, bar, rest = node.value.partition("|")
        yield from rest.split("+") if bar else (node.value.strip(),)
    else:
        for child in node.value:
            for below in child if isinstance(child, tuple) else (child,):
                yield from _words_of(below)


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
