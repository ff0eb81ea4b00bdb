"""Faults and doubts of library files, by file and line; types as plain data and back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.knowledge import build
from bot.library_diff import compare
from content.fraud_type import FraudType
from content.library import DEFAULT_FOLDER, load_library, make_library
from content.library_bodies import (
    FIELDS,
    LONGEST,
    Body,
    clean_body,
    digest_of,
    faults_of_body,
    read_body,
    type_of_body,
    write_body,
)
from content.library_check import check_folder, doubts_by_field, find_doubts
from tests.unit.content.voices import library

SHUADAN = DEFAULT_FOLDER / "shuadan.yaml"


def body_of(type_id: str = "shuadan") -> Body:
    return read_body((DEFAULT_FOLDER / f"{type_id}.yaml").read_bytes())


def without_lines(fraud_type: FraudType) -> FraudType:
    return replace(fraud_type, phrases=tuple(replace(phrase, line=0) for phrase in fraud_type.phrases))


# ── as data ──


def test_every_file_survives_the_way_to_data_and_back(tmp_path: Path) -> None:
    for type_id, fraud_type in library().types.items():
        body = body_of(type_id)
        assert without_lines(type_of_body(body)) == without_lines(fraud_type)
        (tmp_path / f"{type_id}.yaml").write_text(write_body(body), encoding="utf-8")
        assert read_body((tmp_path / f"{type_id}.yaml").read_bytes()) == body
    again = load_library(tmp_path)
    assert list(again.types) == list(library().types)
    assert all(without_lines(again.types[key]) == without_lines(each) for key, each in library().types.items())


any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
some_body = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, any_value))


@settings(deadline=None, max_examples=60)
@given(some_body)
def test_whatever_is_stored_can_be_shown_checked_and_written(raw: dict[str, Any]) -> None:
    body = clean_body(raw)
    assert clean_body(body) == body
    assert read_body(write_body(body).encode()) == body
    assert faults_of_body(body)  # something is always missing
    assert type_of_body(body).name == (body["name"] or body["id"])
    assert digest_of(body) == digest_of(dict(reversed(body.items())))


def test_faults_are_named_by_field_and_entry() -> None:
    body = body_of()
    body["phrases"][3], body["phrases"][5] = "6 | 太重", body["phrases"][4]
    body["summary"], body["steps"], body["faq"][1]["a"] = "", [], "长" * 101
    body["examples"]["telling"][2] = "短"
    faults = faults_of_body(body)
    assert set(faults) == {"phrases.3", "phrases.5", "summary", "steps", "faq.1.a", "examples.telling.2"}
    assert faults["summary"] == "请填写一句话说明"
    assert faults["steps"] == "怎么骗的 有 0 条，应为 3 至 5 条"
    assert faults["faq.1.a"].startswith("回答 有 101 个字，最多 100 个")
    assert "与第 5 条重复" in faults["phrases.5"]
    assert faults_of_body(body_of()) == {}


def test_a_text_is_kept_long_enough_to_be_faulty() -> None:
    body = clean_body({"summary": "长" * 1000, "aka": ["甲\n乙\u0000丙"]})
    assert len(body["summary"]) == LONGEST
    assert body["aka"] == ["甲 乙丙"]


# ── doubts ──


def test_near_duplicates_and_shared_phrases_are_found_where_they_are() -> None:
    body, other = body_of(), library().types["zhongjiang"]
    strong = next(phrase for phrase in other.phrases if phrase.weight == 5)
    body["examples"]["asking"].append(f"{other.asking[0]}呀")
    body["phrases"].append(f"5 | {strong.text}")
    found = doubts_by_field(library(), body)
    assert set(found) == {
        f"examples.asking.{len(body['examples']['asking']) - 1}",
        f"phrases.{len(body['phrases']) - 1}",
    }
    said = " ".join(text for texts in found.values() for text in texts)
    assert f"“{other.name}”" in said
    assert "几乎一样" in said
    assert "同时指向多个类型" in said


def test_lost_relations_and_too_long_answers_are_doubts() -> None:
    known = library().types["shuadan"]
    long = replace(known, signs=("很长的特征" * 6,) * 4, steps=("很长的步骤" * 8,) * 5, do=("很长的办法" * 9,) * 4)
    alone = make_library([replace(long, related=("nothing",))])
    said = {doubt.field: doubt.message for doubt in find_doubts(alone)}
    assert "nothing" in said["related"]
    assert "会略去其中" in said["signs"]


def test_numbers_of_real_people_are_doubted() -> None:
    body = body_of()
    body["examples"]["telling"] += [
        "他让我打13812345678这个电话",
        "转到6222021234567890123了",
        "骗了我13800元和20261121",
    ]
    last = len(body["examples"]["telling"])
    assert set(doubts_by_field(library(), body)) == {f"examples.telling.{last - 3}", f"examples.telling.{last - 2}"}


def test_a_type_of_which_nothing_is_written_yet_breaks_no_answer() -> None:
    empty = type_of_body(clean_body({"id": "empty"}))
    loaded = build(make_library([*library().types.values(), empty]))
    assert loaded.asker.ask("刷单是真的吗").types[0] == "shuadan"


# ── files ──


def test_a_folder_is_checked_line_by_line(tmp_path: Path) -> None:
    shutil.copy(SHUADAN, tmp_path)
    text = SHUADAN.read_text(encoding="utf-8")
    lines = text.replace("id: shuadan", "id: second").replace("\nrelated: [", "\nrelated: [nothing, ").splitlines()
    (tmp_path / "second.yaml").write_text("\n".join(lines), encoding="utf-8")
    checked = check_folder(tmp_path)
    related = next(number for number, line in enumerate(lines, 1) if line.startswith("related:"))
    assert [(fault.file, fault.line) for fault in checked.faults] == [("second.yaml", related)]
    # Both types say the same, so every example of one is doubtful, at its own line.
    first = next(doubt for doubt in checked.doubts if "几乎一样" in doubt.message)
    example = (tmp_path / first.file).read_text(encoding="utf-8").splitlines()[first.line - 1]
    assert example.strip().removeprefix("- ")[:10] in first.message
    shared = next(doubt for doubt in checked.doubts if "同时指向" in doubt.message)
    assert "|" in (tmp_path / shared.file).read_text(encoding="utf-8").splitlines()[shared.line - 1]


def test_broken_files_do_not_hide_the_others(tmp_path: Path) -> None:
    shutil.copy(SHUADAN, tmp_path)
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    checked = check_folder(tmp_path)
    assert [fault.file for fault in checked.faults] == ["broken.yaml"]
    assert checked.types == 1
    with pytest.raises(OSError, match="nowhere"):
        (tmp_path / "nowhere" / "x.yaml").read_bytes()


# ── what changed ──


def test_changes_are_shown_entry_by_entry_and_word_by_word() -> None:
    old, new = body_of(), body_of()
    new["summary"] = old["summary"].replace("骗子", "坏人")
    new["steps"] = [*reversed(old["steps"])]  # moved only
    new["phrases"] = [*old["phrases"][1:], "4 | 新短语"]
    found = {field.field: field for field in compare(old, new)}
    assert set(found) == {"summary", "phrases"}
    (row,) = found["summary"].rows
    assert row.kind == "changed"
    assert ("坏人", True) in row.new
    assert [each.kind for each in found["phrases"].rows] == ["added", "removed"]
    assert found["phrases"].kept == len(old["phrases"]) - 1
    assert {field.field for field in compare(None, old)} >= {"id", "summary", "examples.asking", "faq"}
    assert compare(old, old) == []


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.text("甲乙丙丁", min_size=1, max_size=6), max_size=6),
    st.lists(st.text("甲乙丙丁", min_size=1, max_size=6), max_size=6),
)
def test_a_comparison_loses_nothing(before: list[str], after: list[str]) -> None:
    old, new = clean_body({"aka": before}), clean_body({"aka": after})
    rows = [row for field in compare(old, new) for row in field.rows]
    gone = ["".join(text for text, _ in row.old) for row in rows if row.old]
    come = ["".join(text for text, _ in row.new) for row in rows if row.new]
    assert sorted(gone) == sorted(text for text in before if text not in after)
    assert sorted(come) == sorted(text for text in after if text not in before)
