"""Words written by their sound come back; ordinary words stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pypinyin import Style, lazy_pinyin

from content.homophones import WORDS, fold_syllable, readings, restore_words
from content.normalising import normalise, remember
from content.ordinary import ordinary_texts
from tests.unit.content.voices import ANY_TEXT

EVAL = Path(__file__).parents[3] / "benchmarks" / "eval"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("待款下不来", "贷款下不来"),
        ("罗聊被敲炸", "裸聊被敲诈"),
        ("刷但能做吗", "刷单能做吗"),
        ("领鸡旦", "领鸡蛋"),
        ("农机补帖", "农机补贴"),
        ("通辑令", "通缉令"),
        ("取保侯审", "取保候审"),
        ("客付打电话", "客服打电话"),
        ("交保正金", "交保证金"),
        ("杨唱会", "演唱会"),
        ("内慕消息", "内幕消息"),
        ("屏目共享", "屏幕共享"),
        ("正信修复", "征信修复"),
        ("转脏给他", "转账给他"),
    ],
)
def test_words_written_by_their_sound(written: str, meant: str) -> None:
    assert normalise(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("shuadan能做不", "刷单能做不"),
        ("刷dan返li", "刷单返li"),
        ("daikuan", "贷款"),
        ("贝者博平台", "赌博平台"),
        ("马扁子", "骗子"),
        ("加微亻言", "加微信"),
        ("力口我微亻言", "加我微信"),
        ("君羊里荐月殳", "群里荐股"),
        ("兼 职 日 结", "兼职日结"),
        ("待 款", "贷款"),
        ("我刚转了三万 现在他不理我", "我刚转了三万,现在他不理我"),
    ],
)
def test_letters_parts_and_spaces(written: str, meant: str) -> None:
    assert normalise(written).replace("返利", "返li") == meant


@pytest.mark.parametrize(
    "ordinary",
    [
        "克服困难",
        "充分体现",
        "中间的位置",
        "我保证今天到",
        "用金属做的",
        "卡担保的事",
        "我们票买好了",
        "有力口号",
        "水电资源",
        "经济分析",
        "申请退学",
        "暂停营业",
        "签单成功",
        "在晋察冀",
    ],
)
def test_ordinary_words_stay(ordinary: str) -> None:
    assert normalise(ordinary) == ordinary


def test_ordinary_talk_is_hardly_ever_touched() -> None:
    texts = [json.loads(line)["text"] for line in (EVAL / "ordinary.jsonl").read_text(encoding="utf-8").splitlines()]
    texts += [text for texts in ordinary_texts().values() for text in texts]
    changed = [text for text in texts if restore_words(text) != text]
    assert len(changed) <= 0.002 * len(texts), changed


def test_sounds_that_many_do_not_tell_apart_are_one() -> None:
    pairs = [("zhang", "zan"), ("cheng", "cen"), ("shi", "si"), ("nan", "lan"), ("jing", "jin"), ("huang", "huan")]
    assert all(fold_syllable(one) == fold_syllable(other) for one, other in pairs)
    assert fold_syllable("dan") != fold_syllable("tan")


def test_the_table_of_readings_agrees_with_pypinyin() -> None:
    table = readings()
    assert len(table) > 6_700
    assert all(char in table for word in WORDS for char in word)
    wrong = [c for c in table if lazy_pinyin(c, style=Style.NORMAL)[0].replace("ü", "v") != table[c]]
    assert wrong == []


@settings(deadline=None, max_examples=200)
@given(ANY_TEXT | st.text(alphabet="刷单丹但贷待款代微薇信兼职鸡蛋旦验证码吗正", max_size=60))
@example("但\ud800款")
def test_restoring_keeps_the_length_and_is_stable(text: str) -> None:
    once = restore_words(text)
    assert len(once) == len(text)
    assert restore_words(once) == once


def test_lines_remembered_together_read_as_alone() -> None:
    lines = ["刷·单 返利甲", "", "  ", "一行\n二行", "薇信丙", "待 款丁", "a" * 10]
    alone = [normalise(line) for line in lines]
    remember(lines)
    assert [normalise(line) for line in lines] == alone
