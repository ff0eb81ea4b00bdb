"""Charts are drawn by another process, which may fail, hang or die; and what is asked of it is right."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Any

import pytest

from bot import charts as charts_module
from bot.chart_specs import coverage_curve, table_picture
from bot.charts import ChartFailed, Charts
from db.timeline import Strand, Timeline

TIMELINE = Timeline([5, 60, 3600], [Strand(None, 10, 1000, [2, 5, 9], [100, 400, 950])])
ECHO = """
import sys, struct, json, time, os
for line in sys.stdin.buffer:
    told = json.loads(line)["spec"]
    if told.get("die"): os._exit(1)
    if told.get("hang"): time.sleep(60)
    answer = str(os.getpid()).encode() + b" " + line
    sign = -1 if told.get("fail") else 1
    sys.stdout.buffer.write(struct.pack(">q", sign * len(answer)) + answer)
    sys.stdout.buffer.flush()
"""


@pytest.fixture
async def echo() -> Any:
    """A process that answers with its number and what it was asked, or misbehaves when told to."""
    charts = Charts((sys.executable, "-c", ECHO))
    yield charts
    await charts.close()


async def pid_of(charts: Charts, number: int) -> bytes:
    return (await charts.draw({"number": number})).split()[0]


async def test_one_process_draws_until_it_is_old(echo: Charts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts_module, "LIFE", 3)
    pids = [await pid_of(echo, number) for number in range(4)]
    assert pids[0] == pids[1] == pids[2] != pids[3]


async def test_the_same_chart_is_drawn_once_and_what_is_kept_is_bounded(
    echo: Charts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await echo.draw({"a": 1})
    await echo.close()
    assert await echo.draw({"a": 1}) == first  # by another process it would have another number
    monkeypatch.setattr(charts_module, "KEPT_BYTES", 1)
    await echo.draw({"a": 2})
    assert await echo.draw({"a": 1}) != first


@pytest.mark.parametrize("fault", ["fail", "die", "hang"])
async def test_a_chart_that_fails_takes_no_other_with_it(
    echo: Charts, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pid_of(echo, 0)  # it runs
    monkeypatch.setattr(charts_module, "TIMEOUT_SECONDS", 0.3)
    with pytest.raises(ChartFailed, match="请看表格"):
        await echo.draw({fault: True})
    monkeypatch.undo()
    assert await pid_of(echo, 1)


async def test_whoever_goes_away_leaves_no_half_answer(echo: Charts) -> None:
    task = asyncio.create_task(echo.draw({"hang": True}))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert b'"number": 7' in await echo.draw({"number": 7})


async def test_a_process_that_nobody_needs_goes(echo: Charts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts_module, "IDLE_SECONDS", 0.05)
    await pid_of(echo, 0)
    assert echo._process is not None
    async with asyncio.timeout(5):
        await echo._process.wait()
    assert await pid_of(echo, 1)


async def test_the_engine_draws_chinese_and_fetches_nothing() -> None:
    charts = Charts()
    try:
        svg = (await charts.draw(coverage_curve(TIMELINE, deadline_s=1800, until_s=4000))).decode()
        assert "发布后用时" in svg
        assert "时限" in svg
        assert "<script" not in svg
        hostile = table_picture("<script>", ["表"], ("名次", "单位"), [["1", "</text><script>alert(1)</script>"]])
        assert "<script" not in (await charts.draw(hostile)).decode()
        assert (await charts.draw(hostile, "png", scale=1)).startswith(b"\x89PNG")
        with pytest.raises(ChartFailed):
            await charts.draw({"data": {"url": "http://127.0.0.1:9/x.json"}, "mark": "bar", "encoding": {}})
    finally:
        await charts.close()


def test_the_curve_ends_at_the_coverage_and_marks_the_deadline() -> None:
    spec = coverage_curve(TIMELINE, deadline_s=1800, until_s=4000)
    rows = spec["data"]["values"]
    assert [row["占比"] for row in rows if row["什么"] == "群"] == [0, 0.2, 0.5, 0.9, 0.9]
    assert max(row["占比"] for row in rows if row["什么"] == "人数") == 0.95
    assert len(spec["layer"]) == 3
    assert len(coverage_curve(TIMELINE, deadline_s=None, until_s=4000)["layer"]) == 1
    nothing = replace(TIMELINE, seconds=[], strands=[])
    assert {row["占比"] for row in coverage_curve(nothing, deadline_s=None, until_s=60)["data"]["values"]} == {0.0}
