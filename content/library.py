"""The fraud library: one YAML file per type, loaded, checked and held as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from content.fraud_type import Faq, FraudType, Phrase
from content.library_files import Fault, read_type

__all__ = ["Faq", "Fault", "FraudType", "Library", "LibraryError", "Phrase", "load_library"]

DEFAULT_FOLDER: Final = Path(__file__).parent / "fraud_types"

PUBLISHED_IDS: Final = (
    *("shuadan", "songli", "seqing", "licai", "shazhupan", "xunibi", "gouwu", "menpiao", "fuwu", "etc", "kefu"),
    *("facetime", "daikuan", "zhengxin", "lingdao", "shuren", "ai", "junjing", "gongjianfa", "butie", "hunlian"),
    *("youxi", "weichengnian", "jipiao", "duchang", "liangka", "huangjin", "yinliu", "luoliao", "yanglao"),
    *("ercipian", "zhongjiang", "zhaopin", "qiangzhi"),
)
"""Ids that scripts and stored questions rely on: more may be added, none renamed. Also the order of the menu."""


@dataclass(frozen=True, slots=True)
class Library:
    """All types by id, in the order of the menu: official class, then the published order, then id."""

    types: Mapping[str, FraudType]

    def by_class(self) -> dict[str, list[FraudType]]:
        """Types grouped under their class name, classes by number."""
        grouped: dict[str, list[FraudType]] = {}
        for fraud_type in self.types.values():
            grouped.setdefault(fraud_type.fraud_class, []).append(fraud_type)
        return grouped


class LibraryError(Exception):
    """反诈知识库有错误，未能载入。"""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        listed = "\n".join(str(fault) for fault in faults)
        super().__init__(f"反诈知识库有 {len(faults)} 处错误：\n{listed}")


def load_library(folder: Path | None = None) -> Library:
    """Read every ``*.yaml`` of ``folder`` (the packaged library by default).

    Raises ``LibraryError`` with all faults of all files; nothing is loaded by halves.
    """
    folder = folder or DEFAULT_FOLDER
    faults: list[Fault] = []
    found: list[FraudType] = []
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise LibraryError([Fault(str(folder), 1, "文件夹里没有任何 .yaml 类型文件")])
    for path in paths:
        fraud_type = read_type(path.read_bytes(), path.name, faults)
        if fraud_type is not None:
            found.append(fraud_type)
    _check_related(found, faults)
    if faults:
        raise LibraryError(faults)
    return make_library(found)


def make_library(found: list[FraudType]) -> Library:
    """A library of these types, put in menu order."""
    place = {type_id: number for number, type_id in enumerate(PUBLISHED_IDS)}
    found = sorted(found, key=lambda each: (each.class_number, place.get(each.id, len(place)), each.id))
    return Library(MappingProxyType({each.id: each for each in found}))


def _check_related(found: list[FraudType], faults: list[Fault]) -> None:
    known = {each.id for each in found}
    for each in found:
        for other in each.related:
            if other not in known and other not in PUBLISHED_IDS:
                faults.append(Fault(each.source, 1, f"related 里的“{other}”不是已有的类型编号"))
            elif other == each.id:
                faults.append(Fault(each.source, 1, "related 里不要写自己"))
