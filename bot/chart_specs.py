"""What our charts look like, as Vega-Lite specifications. Pure: figures in, specification out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from db.figures import Figures
from db.timeline import Timeline

Spec = dict[str, Any]
Theme = Literal["light", "dark"]
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, never fetched
FONT = "Noto Sans CJK SC, Source Han Sans SC, Microsoft YaHei, PingFang SC, WenQuanYi Micro Hei, sans-serif"
_COLOURS: dict[str, dict[str, str]] = {  # those of console.css
    "light": {"back": "#ffffff", "text": "#182236", "muted": "#515d75", "line": "#d3dbe8", "one": "#14418b",
              "two": "#a8480a", "three": "#146c43", "warn": "#b3202a", "stripe": "#f2f5fa"},
    "dark": {"back": "#182130", "text": "#e7ecf5", "muted": "#a9b5ca", "line": "#313d53", "one": "#8ab4ff",
             "two": "#ffb37a", "three": "#7ddba6", "warn": "#ff9a9a", "stripe": "#222d40"},
}  # fmt: skip
_TICKS = ((1, "1 秒"), (10, "10 秒"), (60, "1 分"), (600, "10 分"), (3600, "1 小时"), (21_600, "6 小时"),
          (86_400, "1 天"), (259_200, "3 天"), (864_000, "10 天"))  # fmt: skip


def coverage_curve(
    timeline: Timeline, *, deadline_s: float | None, until_s: float, theme: Theme = "light", narrow: bool = False
) -> Spec:
    """Share of the expected groups and members over the time since release, on a logarithmic axis."""
    colours = _COLOURS[theme]
    end = max([until_s, 10.0, *timeline.seconds])
    rows = [
        {"秒": seconds, "占比": share, "什么": label}
        for what, label in (("groups", "群"), ("members", "人数"))
        for seconds, share in _shares(timeline, what, end)
    ]
    x = {
        "field": "秒",
        "type": "quantitative",
        "title": "发布后用时",
        "scale": {"type": "log", "domain": [1, end], "nice": False},
        "axis": {"values": [at for at, _ in _TICKS if at <= end], "labelExpr": _tick_labels(), "grid": True},
    }
    line = {
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2.5},
        "encoding": {
            "x": x,
            "y": {"field": "占比", "type": "quantitative", "title": "覆盖率", "scale": {"domain": [0, 1]}, "axis": {"format": "%"}},
            "color": {
                "field": "什么",
                "type": "nominal",
                "scale": {"domain": ["群", "人数"], "range": [colours["one"], colours["two"]]},
                "legend": {"title": None, "orient": "top"},
            },
            "strokeDash": {"field": "什么", "type": "nominal", "scale": {"domain": ["群", "人数"], "range": [[1, 0], [6, 4]]}, "legend": None},
        },
    }  # fmt: skip
    layers: list[Spec] = [line]
    if deadline_s and 1 < deadline_s <= end:
        layers += _deadline(deadline_s, colours)
    return _framed(theme, _size(narrow) | {"data": {"values": rows}, "layer": layers})


def _shares(timeline: Timeline, what: str, end: float) -> list[tuple[float, float]]:
    expected = sum(getattr(strand, f"expected_{what}") for strand in timeline.strands)
    steps = [
        (float(at), value / expected if expected else 0.0)
        for at, value in zip(timeline.seconds, timeline.total(what), strict=True)
    ]
    last = steps[-1][1] if steps else 0.0
    return [(1.0, 0.0), *((max(1.0, at), share) for at, share in steps), (end, last)]


def _deadline(deadline_s: float, colours: dict[str, str]) -> list[Spec]:
    data = {"values": [{"秒": deadline_s, "字": "时限"}]}
    at = {"x": {"field": "秒", "type": "quantitative"}}
    rule = {"mark": {"type": "rule", "color": colours["warn"], "strokeDash": [4, 4]}, "data": data, "encoding": at}
    text = {
        "mark": {"type": "text", "align": "right", "dx": -5, "y": 8, "color": colours["warn"], "fontSize": 13},
        "data": data,
        "encoding": at | {"text": {"field": "字"}},
    }
    return [rule, text]


def _tick_labels() -> str:
    expression = "''"
    for at, label in reversed(_TICKS):
        expression = f"datum.value == {at} ? '{label}' : {expression}"
    return expression


def months_chart(months: Sequence[tuple[int, Figures]], *, theme: Theme = "light", narrow: bool = False) -> Spec:
    """A unit's record: coverage of groups and members, and on time, month by month."""
    colours = _COLOURS[theme]
    labels = ("群覆盖率", "人数覆盖率", "按时率")
    rows = [
        {"月": f"{month // 100}-{month % 100:02}", "占比": share or 0.0, "什么": label}
        for month, figures in months
        for label, share in zip(
            labels, (figures.coverage_groups, figures.coverage_members, figures.ontime_share), strict=True
        )
    ]
    colour = {"domain": list(labels), "range": [colours["one"], colours["two"], colours["three"]]}
    encoding = {
        "x": {"field": "月", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}},
        "xOffset": {"field": "什么", "type": "nominal", "sort": list(labels)},
        "y": {"field": "占比", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]}, "axis": {"format": "%"}},
        "color": {"field": "什么", "type": "nominal", "scale": colour, "legend": {"title": None, "orient": "top"}},
    }  # fmt: skip
    return _framed(theme, _size(narrow) | {"data": {"values": rows}, "mark": "bar", "encoding": encoding})


def table_picture(title: str, notes: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]]) -> Spec:
    """A table as people read it in a chat: few columns, large type. The first two columns are rank and name."""
    colours = _COLOURS["light"]
    edges = _edges(header, rows)
    height = 34
    layers: list[Spec] = [
        {
            "data": {"values": [{"行": n} for n in range(2, len(rows) + 1, 2)]},
            "mark": {"type": "rect", "color": colours["stripe"], "height": height},
            "encoding": {"y": _row(height, len(rows)), "x": {"value": 0}, "x2": {"value": edges[-1]}},
        }
    ]
    for column, name in enumerate(header):
        left = column == 1
        mark = {
            "type": "text",
            "align": "left" if left else "right",
            "baseline": "middle",
            "fontSize": 16,
            "x": edges[column] + 10 if left else edges[column + 1] - 10,
            "limit": edges[column + 1] - edges[column] - 12,
        }
        head = [{"行": 0, "字": name}]
        body = [{"行": number, "字": row[column]} for number, row in enumerate(rows, start=1)]
        for data, extra in (
            (head, {"color": colours["muted"], "fontWeight": "bold"}),
            (body, {"color": colours["text"]}),
        ):
            encoding = {"y": _row(height, len(rows)), "text": {"field": "字", "type": "nominal"}}
            layers.append({"data": {"values": data}, "mark": mark | extra, "encoding": encoding})
    spec = {"width": edges[-1], "height": height * (len(rows) + 1), "layer": layers, "view": {"stroke": None}}
    return titled(_framed("light", spec), title, notes)


def titled(spec: Spec, title: str, notes: Sequence[str]) -> Spec:
    """A chart that goes away from its page: it says itself what it shows."""
    heading = {
        "text": title,
        "subtitle": list(notes),
        "anchor": "start",
        "fontSize": 22,
        "subtitleFontSize": 14,
        "offset": 14,
    }
    return spec | {"title": heading, "padding": 22}


def _size(narrow: bool) -> Spec:
    """As wide as a desk's page, or as a phone: the type is as large on both."""
    return {"width": 280, "height": 220} if narrow else {"width": 620, "height": 230}


def _row(height: int, rows: int) -> Spec:
    return {
        "field": "行",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [-0.5, rows + 0.5], "range": [0, height * (rows + 1)], "zero": False, "nice": False},
    }


def _edges(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Where columns begin and end, in pixels: a Chinese character is 16 wide, others 9."""
    edges = [0]
    for column, name in enumerate(header):
        longest = max(_width(text) for text in (name, *(row[column] for row in rows)))
        edges.append(edges[-1] + min(longest, 260) + 26)
    return edges


def _width(text: str) -> int:
    return sum(17 if ord(character) > 0x2E7F else 10 for character in text)


def _framed(theme: Theme, spec: Spec) -> Spec:
    colours = _COLOURS[theme]
    axis = {
        "labelColor": colours["muted"], "titleColor": colours["muted"], "gridColor": colours["line"],
        "domainColor": colours["line"], "tickColor": colours["line"], "labelFontSize": 13, "titleFontSize": 13,
        "titleFontWeight": "normal",
    }  # fmt: skip
    config = {
        "font": FONT,
        "axis": axis,
        "legend": {"labelColor": colours["text"], "labelFontSize": 14, "symbolSize": 160},
        "title": {"color": colours["text"], "subtitleColor": colours["muted"], "subtitlePadding": 6, "font": FONT, "subtitleFont": FONT},
        "view": {"stroke": colours["line"]},
    }  # fmt: skip
    frame = {"$schema": SCHEMA, "background": colours["back"], "padding": 10, "config": config}
    return frame | spec
