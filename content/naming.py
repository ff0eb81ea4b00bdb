"""A type asked for by its name: "什么是杀猪盘", "怎么防冒充公检法", "刷单是骗局吗"."""

from __future__ import annotations

import re
from typing import Final

from content.library import Library
from content.normalising import normalise

_BEFORE: Final = (
    "请问|问一下|想问|我想问|想问下|我想知道|我想了解|想了解一?下?|了解|说说|讲讲|介绍一?下?|科普一?下?|"
    "什么是|什么叫做?|啥是|啥叫|何为|遇到了?|碰到了?|遇上了?|如果遇到|怎么防范?|如何防范?|怎样防范?|怎么预防|如何预防|"
    "怎么识别|如何识别|怎样识别|怎么辨别|如何辨别|怎么避免|如何避免|有没有|有关|关于|这个|这种|那个|那种"
)
_AFTER: Final = (
    "是什么意思|是什么|是啥意思|是啥|什么意思|是怎么回事|怎么回事|是怎么骗人?的?|怎么骗人?的?|怎么骗|的套路|套路|"
    "是不是骗局|是不是骗人的?|是不是诈骗|是不是真的|是骗局|是骗人的|是诈骗|是真的|是假的|骗局|诈骗|骗术|陷阱|"
    "真的假的|靠谱|可信|怎么办|该怎么办|咋办|怎么防范?|如何防范?|怎么识别|如何识别|有哪些|是怎样的|的|吗|嘛|么|呢|啊|呀|吧"
)
_LEFT = re.compile(rf"(?:{_BEFORE})+")
_RIGHT = re.compile(rf"(?:{_AFTER})$")  # one at a time: "骗局" may belong to the name
_NOISE = re.compile(r"[\s,。.!?、:;\"'“”‘’()\[\]《》【】/|-]+")
_BETWEEN = re.compile(r"[/、()()与和]+")
_LEAST_PART: Final = 4  # characters: shorter parts of a name are words of everyday life


class Names:
    """Finds types by what they are called, inside the frames in which people ask. Built once, then free of state."""

    def __init__(self, library: Library) -> None:
        self._types: dict[str, dict[str, None]] = {}
        for each in library.types.values():
            for name in (each.name, *each.aka):
                for written in (name, *(part for part in _BETWEEN.split(name) if len(part) >= _LEAST_PART)):
                    self._types.setdefault(_squeeze(normalise(written)), {})[each.id] = None

    def find(self, text: str) -> tuple[str, ...]:
        """Ids of the types that ``text`` (normalised) asks for; empty when there is anything else in it."""
        core = _squeeze(text)
        for written in (core, _LEFT.sub("", core, count=1) if _LEFT.match(core) else core):
            rest: str | None = written
            while rest:
                if rest in self._types:
                    return tuple(self._types[rest])
                ending = _RIGHT.search(rest)
                rest = rest[: ending.start()] if ending else None
        return ()


def _squeeze(text: str) -> str:
    return _NOISE.sub("", text)
