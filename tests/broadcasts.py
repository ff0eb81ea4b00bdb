"""Alerts brought to a broadcast through the console's own forms, for its tests."""

from __future__ import annotations

import json
import re
from typing import Any

import sqlalchemy as sa

from db import rollup
from db.marks import reach_by_push
from db.models import Alert, Delivery
from db.states import DeliveryState
from tests.console import Browser, Console

TITLE = "谨防冒充客服退款"
BODY = "近期有人冒充客服，以退款为名索要验证码。"


def form(**changed: Any) -> dict[str, Any]:
    fields = {"title": TITLE, "body": BODY, "severity": "red", "kind": "text", "scope": "all", "when": "now"}
    return fields | {"action": "submit"} | changed


async def submitted(console: Console, writer: Browser, **changed: Any) -> Alert:
    answer = await writer.post("/alerts", **form(**changed))
    assert answer.status == 303, answer.text
    return await console.row(Alert, int(re.findall(r"\d+", answer.location)[0]))


async def running(console: Console, writer: Browser, reviewer: Browser, **changed: Any) -> Alert:
    alert = await submitted(console, writer, **changed)
    answer = await reviewer.post(f"/alerts/{alert.id}/release", version=alert.version)
    assert answer.location == f"/alerts/{alert.id}?done=release", answer.text
    return await console.row(Alert, alert.id)


async def mark(console: Console, alert: Alert, group_id: int, **values: Any) -> int:
    """Let a delivery be as if it had been sent."""
    async with console.database.write() as session:
        query = sa.select(Delivery).where(Delivery.alert_id == alert.id, Delivery.group_id == group_id)
        delivery = (await session.scalars(query)).one()
        for name, value in values.items():
            setattr(delivery, name, value)
        if delivery.state is DeliveryState.SENT:
            at = console.clock.now()
            await session.run_sync(lambda inner: reach_by_push(inner.connection(), [(alert.id, group_id)], at))
        return delivery.id


async def fold(console: Console) -> None:
    async with console.database.write() as session:
        while await rollup.fold_step(session):
            pass


async def event(response: Any) -> Any:
    """The figures of the next event."""
    block = await response.content.readuntil(b"\n\n")
    data = next(line for line in block.decode().splitlines() if line.startswith("data: "))
    return json.loads(data[6:])["alerts"]
