"""How good the answers are: `make eval`, or `python -m benchmarks.eval_answers [folder of development sets]`.

Three measurements:

- own: ``benchmarks/eval`` (questions, scammers' lines, emergencies and near-emergencies, ordinary talk and genuine
  notices), written apart from the library, and the hand-written lists of the tests (``fit_signs.py`` learns from the
  emergencies; the blind rounds in ``docs/matching.md`` tell what to expect of unseen ones);
- development sets (`../shared/eval`): their Chinese labels are mapped to the types and classes that would be right;
- held out: the library's own examples in five parts, each answered by a library without it. This is the friendliest
  figure: their phrases stay, and the voice model has been fitted with all of them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from content.asking import Asker
from content.fraud_type import VOICES, FraudType
from content.library import Library, load_library, make_library
from content.matching import Matcher
from content.ordinary import ordinary_texts
from content.screening import judge

ROOT = Path(__file__).resolve().parents[1]
PARTS = 5
TESTS = ROOT / "tests" / "unit" / "content"
OWN = Path(__file__).parent / "eval"
CONFUSIONS = 12

# What a source calls a row → the types that answer it rightly. Labels that no type of the library covers (a cash
# machine that swallowed a card, a replaced payment code) are left out and counted as such.
RIGHT_TYPES: dict[str, str] = {
    "刷单返利": "shuadan",
    "虚假投资理财": "licai xunibi",
    "虚假网贷": "daikuan",
    "冒充电商客服": "kefu",
    "冒充公检法": "gongjianfa",
    "虚假征信": "zhengxin",
    "虚假购物": "gouwu menpiao",
    "冒充熟人/老师": "shuren lingdao",
    "网游虚假交易": "youxi",
    "婚恋杀猪盘": "shazhupan",
    "兼职押金陷阱": "zhaopin",
    "奖助学金诈骗": "butie",
    "钓鱼链接/陌生APP": "etc songli",
    "校园贷美容贷": "daikuan",
    "虚假彩票赌博": "duchang",
    "AI换脸拟声": "ai shuren lingdao",
    "论文学术诈骗": "fuwu",
    "留学中介诈骗": "fuwu",
    "实习内推诈骗": "zhaopin",
    "兼职打字员": "zhaopin",
    "二手交易": "gouwu",
    "教务系统钓鱼": "etc",
    "火车票退票": "jipiao",
    "校外租房中介": "zufang",
    "ETC认证": "etc",
    "银行积分兑换": "etc yinhang",
    "交通违章短信": "etc",
    "退订话费宽带": "qiangzhi etc",
    "共享屏幕": "facetime",
    "出借银行卡": "liangka",
    "征信修复": "zhengxin",
    "验证码代收": "liangka",
    "数字货币元宇宙": "xunibi",
    "股票投顾": "licai",
    "注销借呗花呗": "zhengxin",
    "明星见面会": "menpiao",
    "限量球鞋盲盒": "gouwu",
    "二次诈骗清退": "ercipian",
    "假冒招行支付宝": "etc kefu qiangzhi yinhang",
    "假冒反诈App": "gongjianfa",
    "虚假中奖": "zhongjiang",
    "算命塔罗": "suanming",
    "公益慈善诈骗": "juankuan",
    "志愿者招募": "juankuan zhaopin",
    "钓鱼邮件/中奖": "zhongjiang etc gongjianfa",
    "虚假网络投资理财类": "licai xunibi",
    "虚构绑架/冒充熟人": "shuren",
    "冒充电商物流客服类": "kefu etc",
    "冒充银行客服(钓鱼)": "yinhang etc kefu gongjianfa",
}


@dataclass(frozen=True)
class Row:
    """A message with the types that would be right: none for ordinary talk."""

    text: str
    right: frozenset[str]


@dataclass
class Tally:
    """Counts of one set."""

    rows: int = 0
    answered: int = 0
    first: int = 0
    three: int = 0
    class_right: int = 0
    alarms: int = 0
    emergencies: int = 0
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, row: Row, asker: Asker, library: Library) -> None:
        match = asker.matcher.match(row.text)
        reply = asker.reply(row.text, match)
        ids = [type_id for type_id, _ in match.ranked]
        classes = {library.types[type_id].fraud_class for type_id in row.right if type_id in library.types}
        self.rows += 1
        self.answered += reply.kind in {"answer", "choices", "emergency"}
        self.emergencies += reply.kind == "emergency"
        self.first += ids[0] in row.right
        self.three += not row.right.isdisjoint(ids[:3])
        self.class_right += library.types[ids[0]].fraud_class in classes
        self.alarms += judge(match).alarm
        if row.right and ids[0] not in row.right:
            self.confusions[min(row.right), ids[0]] += 1

    def cells(self, fraud: bool) -> list[str]:
        def share(count: int) -> str:
            return f"{100 * count / self.rows:.1f} %" if self.rows else "-"

        right = [share(self.first), share(self.three), share(self.class_right)] if fraud else ["", "", ""]
        unanswered = share(self.rows - self.answered)
        return [str(self.rows), *right, unanswered, share(self.emergencies), share(self.alarms)]


def measure(rows: Iterable[Row], asker: Asker, tally: Tally | None = None) -> Tally:
    tally = tally or Tally()
    for row in rows:
        tally.add(row, asker, asker.library)
    return tally


def held_out(library: Library) -> dict[str, Tally]:
    """Each example answered by a library that does not hold it; each ordinary line by a matcher without it."""
    kinds = ordinary_texts()
    tallies = {voice: Tally() for voice in (*VOICES, *kinds)}
    for part in range(PARTS):
        rest = make_library([without(each, part) for each in library.types.values()])
        lines = {
            kind: [line for place, line in enumerate(found) if place % PARTS != part] for kind, found in kinds.items()
        }
        asker = Asker(rest, Matcher(rest, lines))
        for each in library.types.values():
            for voice in VOICES:
                texts = getattr(each, voice)[part::PARTS]
                measure((Row(text, frozenset([each.id])) for text in texts), asker, tallies[voice])
        for kind, found in kinds.items():
            measure((Row(text, frozenset()) for text in found[part::PARTS]), asker, tallies[kind])
    return tallies


def without(fraud_type: FraudType, part: int) -> FraudType:
    kept = {
        voice: tuple(text for place, text in enumerate(getattr(fraud_type, voice)) if place % PARTS != part)
        for voice in VOICES
    }
    return replace(fraud_type, **kept)


def rows_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def own_sets() -> Iterator[tuple[str, list[Row]]]:
    questions = rows_of(TESTS / "questions.jsonl")
    yield "questions of the tests", [Row(row["text"], frozenset([row["type"]])) for row in questions]
    for name in ("questions", "scammers"):
        yield name, [Row(row["text"], frozenset(row["type"].split("/"))) for row in rows_of(OWN / f"{name}.jsonl")]
    lines = (TESTS / "emergencies.txt").read_text(encoding="utf-8").splitlines()
    cases = [(line[2:], line[0] == "+") for line in lines if line[:2] in {"+ ", "- "}]
    cases += [(row["text"], bool(row["emergency"])) for row in rows_of(OWN / "emergencies.jsonl")]
    yield "emergencies (to be caught)", [Row(text, frozenset()) for text, caught in cases if caught]
    yield "no emergencies (to be left)", [Row(text, frozenset()) for text, caught in cases if not caught]
    yield "ordinary talk and notices", [Row(row["text"], frozenset()) for row in rows_of(OWN / "ordinary.jsonl")]


def development_sets(folder: Path) -> Iterator[tuple[str, list[Row], int]]:
    for path in sorted(folder.glob("*.jsonl")):
        fraud, ordinary, unmapped = [], [], 0
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if not row["fraud"]:
                ordinary.append(Row(row["text"], frozenset()))
            elif row["type"] in RIGHT_TYPES:
                fraud.append(Row(row["text"], frozenset(RIGHT_TYPES[row["type"]].split())))
            else:
                unmapped += 1
        for name, rows in ((f"{path.stem}, fraud", fraud), (f"{path.stem}, ordinary", ordinary)):
            if rows:
                yield name, rows, unmapped


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "eval"
    console = Console(width=150)
    library = load_library()
    asker = Asker(library)
    table = Table("set", "rows", "top-1", "top-3", "class", "unanswered", "emergency", "alarmed", title="Answers")
    confusions: Counter[tuple[str, str]] = Counter()
    for name, rows in own_sets():
        tally = measure(rows, asker)
        table.add_row(f"own: {name}", *tally.cells(any(row.right for row in rows)))
        confusions.update(tally.confusions)
    table.add_section()
    if not folder.is_dir():
        console.print(f"No development sets at {folder}; only the project's own were measured.")
    for name, rows, unmapped in development_sets(folder) if folder.is_dir() else ():
        tally = measure(rows, asker)
        table.add_row(name, *tally.cells("fraud" in name))
        if unmapped and "fraud" in name:
            console.print(f"{name}: {unmapped} rows of labels that no type covers were left out")
    table.add_section()
    for name, tally in held_out(library).items():
        table.add_row(f"held out: {name}", *tally.cells(name in VOICES))
        confusions.update(tally.confusions)
    console.print(table)
    console.print(
        "top-1, top-3 and class count the ranking; unanswered counts what the bot leaves to 96110 and an officer"
    )
    worst = Table("meant", "taken for", "times", title="Commonest confusions (held out and own)")
    for (meant, taken), times in confusions.most_common(CONFUSIONS):
        worst.add_row(meant, taken, str(times))
    console.print(worst)


if __name__ == "__main__":
    main()
