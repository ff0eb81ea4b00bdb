"""Fraud talk is told from everyday talk, and residents from scammers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from content.normalising import MAX_LENGTH, normalise
from content.ordinary import lures
from content.voice_model import VoiceModel, load_voice_model
from content.wordings import read_wordings, spell_out
from tests.unit.content.voices import ANY_TEXT, asker, library, screener

EVAL = Path(__file__).parents[3] / "benchmarks" / "eval"


def own(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (EVAL / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_weights_are_added_up_exactly() -> None:
    model = VoiceModel((10, -20), ("甲", "乙", "甲乙"), ((300, -100, 0), (-500, 200, 7)))
    leaning = model.leaning("甲乙")
    assert leaning.resident == pytest.approx((200 / 100) / 3**0.5 + 0.1)
    assert leaning.scammer == pytest.approx((-293 / 100) / 3**0.5 - 0.2)
    assert model.leaning("丙").resident == 0.1
    assert max(model.leaning("")) < -5


def test_digits_are_alike() -> None:
    model = load_voice_model()
    assert model.leaning("转了35000元") == model.leaning("转了92000元")


def test_speakers_are_told_apart() -> None:
    model = load_voice_model()
    asks = [model.leaning(normalise(row["text"])) for row in own("questions")]
    lines = [model.leaning(normalise(row["text"])) for row in own("scammers")]
    ordinary = [model.leaning(normalise(row["text"])) for row in own("ordinary")]
    assert sum(each.resident > each.scammer for each in asks) >= 0.9 * len(asks)
    assert sum(each.scammer > each.resident for each in lines) >= 0.9 * len(lines)
    assert sum(max(each) > 0 for each in ordinary) <= 0.15 * len(ordinary)


def test_own_sets_reach_what_is_promised() -> None:
    questions = [(asker().rank(row["text"], 3), row["type"].split("/")) for row in own("questions")]
    assert sum(types[0].type_id in wanted for types, wanted in questions) >= 0.92 * len(questions)
    assert sum(not {each.type_id for each in types}.isdisjoint(wanted) for types, wanted in questions) >= 0.97 * len(
        questions
    )
    lines = [(row["text"], library().types[row["type"]].fraud_class) for row in own("scammers")]
    assert sum(asker().rank(text, 1)[0].fraud_class == wanted for text, wanted in lines) >= 0.9 * len(lines)
    assert sum(screener().screen(text).alarm for text, _ in lines) >= 0.9 * len(lines)
    told = [(asker().ask(row["text"]).kind == "emergency", row["emergency"]) for row in own("emergencies")]
    assert sum(found for found, wanted in told if wanted) >= 0.94 * sum(bool(wanted) for _, wanted in told)
    assert sum(found for found, wanted in told if not wanted) <= 0.02 * sum(not wanted for _, wanted in told)
    ordinary = [row["text"] for row in own("ordinary")]
    assert sum(asker().ask(text).kind != "none" for text in ordinary) <= 0.04 * len(ordinary)
    assert sum(screener().screen(text).alarm for text in ordinary) <= 0.01 * len(ordinary)


def test_the_measuring_sets_are_kept_apart_from_what_is_learnt() -> None:
    learnt = {normalise(text) for each in library().types.values() for _, text in each.examples()}
    learnt |= {text for texts in lures().values() for text in texts}
    measured = [normalise(row["text"]) for name in ("questions", "scammers") for row in own(name)]
    assert not learnt.intersection(measured)
    assert len({row["type"] for row in own("questions")} & set(library().types)) >= 34
    assert sum(len(own(name)) for name in ("questions", "scammers", "emergencies", "ordinary")) >= 600


def test_patterns_are_spelt_out_with_every_alternative() -> None:
    assert spell_out("一行") == ["一行"]
    spelt = spell_out("{甲|乙|丙}和{一|二}")
    assert len(spelt) == 3
    assert {line[0] for line in spelt} == set("甲乙丙")
    assert {line[-1] for line in spelt} == set("一二")


def test_files_of_patterns_have_headings(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("# 注\n## 一\n甲\n{乙|丙}\n\n## 二\n丁\n", encoding="utf-8")
    assert list(read_wordings(path)) == [("一", ["甲"]), ("一", ["乙", "丙"]), ("二", ["丁"])]


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet=st.characters(), min_size=1, max_size=40), st.integers(1, MAX_LENGTH))
def test_any_text_of_any_length_is_answered(piece: str, length: int) -> None:
    """How fast is measured by `make bench ARGS=match`."""
    text = (piece * (length // len(piece) + 1))[:length]
    assert len(asker().ask(text).text) <= 600
    assert 0 <= screener().screen(text).score <= 1


@settings(deadline=None, max_examples=100)
@given(ANY_TEXT)
def test_any_text_is_ranked(text: str) -> None:
    ranked = asker().rank(text, 3)
    assert len(ranked) == 3
    assert [each.score for each in ranked] == sorted((each.score for each in ranked), reverse=True)
    assert all(library().types[each.type_id].name == each.name for each in ranked)
