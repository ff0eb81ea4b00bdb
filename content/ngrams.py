"""Fold chat text to the bare characters that survive copying, and cut it into 3-grams.

This fold is harsher than ``content.normalising``: a copy keeps its letters but loses its punctuation, spacing, emoji,
script and figures on the way, so none of those are kept. It also never rewrites words, because a copied word
needs no interpretation.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import compress, count
from typing import Final

import opencc

FIGURE: Final = "0"
"""What stands for every figure in folded text."""
GRAM: Final = 3
"""Characters in a gram: two are shared by any two texts on a topic, four are lost to every typing error."""

_MEMO_LIMIT: Final = 60_000
_BRACKET_CODE: Final = re.compile(r"\[[^\[\]\s]{1,6}\]")  # WeChat writes its own emoji as [强], [玫瑰]
_LINK: Final = re.compile(r"(?:https?://|www\.)[!-~]+", re.IGNORECASE)  # tokens differ from unit to unit
# The office's or the forwarder's name behind a dash at the end of a line.
_SIGNATURE: Final = re.compile(r"(?:^|(?<=[。！？!?\s]))[—－-]{2,4}[^—－\n-]{2,24}$", re.MULTILINE)
# One figure, in digits or in words: people change it, and write it the other way round (三万八, 3.8万). A single
# Chinese numeral is left alone: it is part of ordinary words.
_FIGURE: Final = re.compile(r"[\d零〇一二两三四五六七八九十百千万亿]{2,}|\d")
_NUMBER: Final = re.compile(r"(?<![\d警])(?<!警 )20\d{6}-\d{2,3}(?!\d)")
_TO_SIMPLIFIED: Final = opencc.OpenCC("t2s")
# Regional forms that OpenCC's general table leaves alone, and two that writers of simplified text mix up.
_REGIONAL: Final = dict(zip("著裡妳祂牠帳衹隻", "着里你他它账只只", strict=True))

# Converters set to Taiwan's usage exchange words, not only characters. Of each pair the mainland's word comes first;
# where two of its words become one there (打开, 开启 → 開啟), the one that alerts use more often stands for both.
_WORDS: Final = """
短信 簡訊 信息 資訊 视频 影片 软件 軟體 网络 網路 程序 程式 小程序 小程式 屏幕 螢幕 链接 連結 登录 登入 注销 登出 设置 設定
打开 開啟 添加 新增 代码 程式碼 对话框 對話方塊 屏蔽 遮蔽 呼叫转移 來電轉接 社区 社群 服务器 伺服器 点击 點選 联系人 聯絡人
视频会议 視訊會議 视频 視訊 激活 啟用 打印 列印 用户 使用者 内存 記憶體 搜索 搜尋 保存 儲存 互联网 網際網路 短视频 短影片
出租车 計程車 自行车 腳踏車 权限 許可權 卸载 解除安裝 窗口 視窗 界面 介面 默认 預設 信号 訊號 发布 釋出 实时 即時 查看 檢視
支持 支援 硬盘 硬碟 邮箱 郵箱 导入 匯入
"""
_MAINLAND: Final = dict(zip(_WORDS.split()[1::2], _WORDS.split()[::2], strict=True))
_TRADITIONAL: Final = re.compile(
    "[個們這來對說會為國發請轉電話錢詐騙號碼與時學還進過將經帳賬緊關鎮開點體裡連結訊網頁視頻]"
)
_TAIWAN: Final = re.compile("|".join(sorted(_MAINLAND, key=len, reverse=True)))


DROPPED: Final = "\0"
"""Stands in :func:`kept` for a character that a copy may lose."""


class _Fold(dict[int, str]):
    """Character table that fills itself: code point → its folded form, always one character."""

    def __missing__(self, code: int) -> str:
        folded = _fold_char(chr(code))
        if len(self) < _MEMO_LIMIT:  # so that hostile text cannot fill the memory with rare characters
            self[code] = folded
        return folded


def _fold_char(char: str) -> str:
    letters = [c for c in unicodedata.normalize("NFKC", char).casefold() if c.isalnum()]
    if not letters:
        return DROPPED
    # The first letter stands for a ligature, so that every index of the fold is an index of the text. Character by
    # character, not by phrase: both sides of a comparison are folded alike, and a table is faster than a converter.
    letter = letters[0]
    return _REGIONAL.get(letter) or str(_TO_SIMPLIFIED.convert(letter))[0]


_FOLD: Final = _Fold()


def _blank(match: re.Match[str]) -> str:
    return DROPPED * len(match[0])


def _as_mainland(match: re.Match[str]) -> str:
    word = _MAINLAND[match[0]]
    return word[: len(match[0])].ljust(len(match[0]), DROPPED)


def kept(text: str) -> str:
    """Return ``text`` at the same length with its letters folded and all else :data:`DROPPED`."""
    if "[" in text:
        text = _BRACKET_CODE.sub(_blank, text)
    if "://" in text or "www." in text:
        text = _LINK.sub(_blank, text)
    if "——" in text or "--" in text:
        text = _SIGNATURE.sub(_blank, text)
    if _TRADITIONAL.search(text):
        text = _TAIWAN.sub(_as_mainland, text)
    return text.translate(_FOLD)


def joined(kept_text: str) -> str:
    """Return the folded text: what :func:`kept` kept, each figure as one ``0``."""
    return _FIGURE.sub(FIGURE, kept_text.replace(DROPPED, ""))


def fold(text: str) -> str:
    """Return the characters of ``text`` that a copy keeps: simplified, lower case, each figure as one ``0``."""
    return joined(kept(text))


def figures(kept_text: str) -> frozenset[str]:
    """Return the numbers that :func:`joined` hides, to tell apart alerts that differ in nothing else."""
    return frozenset(_FIGURE.findall(kept_text.replace(DROPPED, "")))


def alert_numbers(text: str) -> list[str]:
    """Return the numbers of alerts (20261121-03) that a text holds, in their order."""
    return _NUMBER.findall(text) if "-" in text else []


def grams(folded: str) -> list[str]:
    """Return the 3-grams of folded text in their order, repeats included."""
    return [folded[at : at + GRAM] for at in range(len(folded) - GRAM + 1)]


def origins(kept_text: str) -> list[int]:
    """Return, for each character of ``joined(kept_text)``, its index in the text."""
    places = list(compress(count(), map(DROPPED.__ne__, kept_text)))
    for figure in reversed(list(_FIGURE.finditer(kept_text.replace(DROPPED, "")))):
        del places[figure.start() + 1 : figure.end()]
    return places
