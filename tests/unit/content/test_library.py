"""The packaged library is whole; a faulty file is refused with file and line of every fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from content.library import (
    DEFAULT_FOLDER,
    PUBLISHED_IDS,
    Fault,
    LibraryError,
    load_library,
    make_library,
)
from content.library_check import find_doubts
from tests.unit.content.voices import library


def test_every_published_type_is_there_in_menu_order() -> None:
    types = library().types
    assert set(PUBLISHED_IDS) <= set(types)
    numbers = [each.class_number for each in types.values()]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 14))


def test_every_type_has_enough_to_match_and_to_say() -> None:
    for fraud_type in library().types.values():
        assert len(fraud_type.phrases) >= 15, fraud_type.id
        assert len(list(fraud_type.examples())) >= 40, fraud_type.id
        assert "110" in "".join(fraud_type.do), fraud_type.id
        assert all(1 <= phrase.weight <= 5 and all(phrase.parts) for phrase in fraud_type.phrases)


def test_related_types_exist() -> None:
    types = library().types
    assert all(other in types for each in types.values() for other in each.related)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = (DEFAULT_FOLDER / "shuadan.yaml").read_text(encoding="utf-8")
    (tmp_path / "shuadan.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def spoil(folder: Path, change: Callable[[str], str]) -> tuple[Fault, ...]:
    path = folder / "shuadan.yaml"
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")
    with pytest.raises(LibraryError) as caught:
        load_library(folder)
    for fault in caught.value.faults:
        assert str(fault) in str(caught.value)
    return caught.value.faults


def test_a_good_file_loads_alone(folder: Path) -> None:
    assert list(load_library(folder).types) == ["shuadan"]


def test_a_wrong_phrase_is_named_with_its_line(folder: Path) -> None:
    faults = spoil(folder, lambda text: text.replace("phrases:\n", "phrases:\n  - 9 | 太重\n  - 刷单\n", 1))
    line = (folder / "shuadan.yaml").read_text(encoding="utf-8").split("phrases:\n")[0].count("\n") + 2
    assert [(fault.file, fault.line) for fault in faults] == [("shuadan.yaml", line), ("shuadan.yaml", line + 1)]
    assert "9 | 太重" in faults[0].message


def test_missing_unknown_and_doubled_fields_are_named(folder: Path) -> None:
    def change(text: str) -> str:
        return text.replace("summary:", "sumary:", 1) + "victims: 又写一次\n"

    messages = " ".join(fault.message for fault in spoil(folder, change))
    assert "sumary" in messages
    assert "缺少字段“summary”" in messages
    assert "“victims”重复" in messages


def test_all_faults_come_together(folder: Path) -> None:
    def change(text: str) -> str:
        text = text.replace("id: shuadan", "id: 刷单", 1).replace("class: 1 ", "class: 第一", 1)
        return text.replace("summary: ", "summary: " + "长" * 100, 1)

    lines = {fault.line for fault in spoil(folder, change)}
    assert {1, 2} < lines


def test_broken_yaml_is_named_with_its_line(folder: Path) -> None:
    (fault,) = spoil(folder, lambda text: text.replace("victims:", "victims: [", 1))
    assert fault.line > 10
    assert "YAML" in fault.message


def test_bytes_that_are_no_text_are_a_fault(folder: Path) -> None:
    (folder / "x.yaml").write_bytes(b"\xff\xfe\x00bad\x80")
    with pytest.raises(LibraryError, match=r"x\.yaml:1"):
        load_library(folder)


def test_an_empty_folder_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="没有任何"):
        load_library(tmp_path)


def test_a_repeated_example_is_a_fault(folder: Path) -> None:
    twice = "  telling:\n    - 这句例句写了两次\n    - 这句 例句 写了两次\n"
    (fault,) = spoil(folder, lambda text: text.replace("  telling:\n", twice, 1))
    assert f"例句与第 {fault.line - 1} 行重复" in fault.message


def test_an_unknown_relative_is_a_fault(folder: Path) -> None:
    (fault,) = spoil(folder, lambda text: text.replace("related: [", "related: [nosuch, ", 1))
    assert "nosuch" in fault.message


def test_doubts_name_shared_phrases_and_near_copies() -> None:
    first, second = list(library().types.values())[:2]
    copied = replace(
        second,
        phrases=(*second.phrases, replace(first.phrases[0], line=7)),
        asking=(*second.asking, first.asking[0] + "啊"),
    )
    doubts = find_doubts(make_library([first, copied]))
    assert (copied.id, 7) in {(doubt.type_id, doubt.line) for doubt in doubts}
    assert any(first.asking[0][:10] in doubt.message for doubt in doubts)
