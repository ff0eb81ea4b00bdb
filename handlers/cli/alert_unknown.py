"""`alert unknown`: deliveries in doubt, and what a person decides about them."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from bot.clock import local_text
from bot.delivery import decide_unknown
from bot.errors import NotFound, UserError
from db.deliveries import DeliveryRow, list_deliveries
from db.models import Alert
from db.states import DeliveryState
from handlers.cli.acting import Desk, Json, Number, change_desk, get_actor, get_numbered, read_desk
from handlers.cli.alert_views import time_json
from handlers.cli.common import out, print_json

Ids = list[int] | None
MOST = 10_000


def unknown_command(
    number: Number,
    resend: Annotated[Ids, typer.Option("--resend", help="重发此条（编号见列表），可多次")] = None,
    leave: Annotated[Ids, typer.Option("--leave", help="不再重发此条，可多次")] = None,
    username: Annotated[str, typer.Option("--as", help="以哪个控制台用户的身份处理（用户名）")] = "",
    as_json: Json = False,
) -> None:
    """待确认的投递：列出，或决定重发、不再重发。处理前请先到群里看一眼是否已经收到。"""
    decisions = [(each, "resend") for each in resend or []] + [(each, "leave") for each in leave or []]

    async def look(desk: Desk) -> tuple[list[DeliveryRow], ZoneInfo]:
        return await _unknown(desk, await get_numbered(desk, number)), desk.settings.zone

    async def decide(desk: Desk) -> tuple[list[DeliveryRow], ZoneInfo]:
        if not username:
            raise UserError("处理待确认的投递请加上 --as 用户名")
        await _decide(desk, username, number, decisions)
        return await look(desk)

    rows, zone = change_desk(decide, as_json=as_json) if decisions else read_desk(look, as_json=as_json)
    if decisions and not as_json:
        out.print(Text(f"已处理 {len(decisions)} 条", style="green"))
    _show(rows, zone, as_json=as_json)


async def _unknown(desk: Desk, alert: Alert) -> list[DeliveryRow]:
    return await list_deliveries(desk.session, alert.id, states=[DeliveryState.UNKNOWN], limit=MOST)


async def _decide(desk: Desk, username: str, number: str, decisions: list[tuple[int, str]]) -> None:
    """All of the decisions, or none."""
    actor = await get_actor(desk, username)
    known = {row.id for row in await _unknown(desk, await get_numbered(desk, number))}
    strange = [str(delivery_id) for delivery_id, _ in decisions if delivery_id not in known]
    if strange:
        raise NotFound(f"预警 {number} 没有编号为 {'、'.join(strange)} 的待确认投递")
    for delivery_id, decision in decisions:
        await decide_unknown(desk.session, actor, delivery_id, decision, now=desk.now)


def _show(rows: list[DeliveryRow], zone: ZoneInfo, *, as_json: bool) -> None:
    if as_json:
        facts = [
            {
                "id": row.id,
                "group": row.group_code,
                "name": row.group_name,
                "unit": row.unit_name,
                "account": row.account_name,
                "reason": row.reason,
                "sending_at": time_json(row.sending_at, zone),
            }
            for row in rows
        ]
        print_json(facts)
        return
    if not rows:
        out.print(Text("没有待确认的投递", style="green"))
        return
    table = Table("编号", "群", "单位", "账号", "原因", "发送时间", header_style="bold")
    for row in rows:
        sent = local_text(row.sending_at, zone, seconds=True)
        table.add_row(str(row.id), *map(Text, (row.group_name, row.unit_name, row.account_name, row.reason)), sent)
    out.print(table)
