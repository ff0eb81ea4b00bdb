"""Commands of alerts: `alert new|list|review|submit|release|send-back|status|pause|resume|cancel|unknown`.

What changes something is done in the name of a console user, see `handlers.cli.acting`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from bot import alerts
from bot.identity import Actor
from db.alerts import count_deliveries, list_alerts
from db.health import list_live_leases
from db.models import Alert
from db.states import AlertState, Severity, UnitKind
from handlers.cli.acting import As, Desk, Json, Number, change_desk, get_actor, get_numbered, read_desk
from handlers.cli.alert_new import Draft, write_alert
from handlers.cli.alert_review import review_command
from handlers.cli.alert_status import status_command
from handlers.cli.alert_unknown import unknown_command
from handlers.cli.alert_views import (
    AudienceForecast,
    alert_json,
    alert_line,
    alerts_table,
    forecast_json,
    show_forecast,
)
from handlers.cli.common import out, print_json

alert_app = typer.Typer(help="预警：编写、审核、发布、进度、暂停、取消", no_args_is_help=True)

Step = Callable[[Desk, Actor, Alert], Awaitable[Alert]]


@alert_app.command("new")
def new_command(
    title: Annotated[str, typer.Option("--title", help="标题，最多 40 字")],
    severity: Annotated[Severity, typer.Option("--severity", help="级别：red 红、orange 橙、yellow 黄、blue 蓝")],
    username: As,
    body: Annotated[str, typer.Option("--body", help="正文")] = "",
    body_file: Annotated[Path | None, typer.Option("--body-file", help="正文文件（UTF-8），- 为标准输入")] = None,
    link: Annotated[str, typer.Option("--link", help="链接地址，https:// 开头")] = "",
    link_title: Annotated[str, typer.Option("--link-title", help="链接标题，默认与标题相同")] = "",
    picture: Annotated[Path | None, typer.Option("--picture", help="图片文件")] = None,
    unit: Annotated[list[str] | None, typer.Option("--unit", help="只发给此单位及下级（编码），可多次")] = None,
    level: Annotated[list[int] | None, typer.Option("--level", help="只发给此层级：1 县 … 5 楼组，可多次")] = None,
    kind: Annotated[list[UnitKind] | None, typer.Option("--kind", help="只发给此类单位，可多次")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="只发给带此标签的单位，可多次")] = None,
    exclude_unit: Annotated[
        list[str] | None, typer.Option("--exclude-unit", help="不发给此单位及下级（编码），可多次")
    ] = None,
    exclude_group: Annotated[
        list[str] | None, typer.Option("--exclude-group", help="不发给此群（编码），可多次")
    ] = None,
    at: Annotated[str, typer.Option("--at", help='发布时间，如 "2026-11-21 09:00"；默认审核后立即发布')] = "",
    expires: Annotated[str, typer.Option("--expires", help="有效期至；默认见设置 expiry_hours")] = "",
    update_of: Annotated[str, typer.Option("--update-of", help="更正哪条预警（编号）")] = "",
    cancel_of: Annotated[str, typer.Option("--cancel-of", help="撤销哪条预警（编号）")] = "",
    submit: Annotated[bool, typer.Option("--submit", help="写好即提交审核")] = False,
    as_json: Json = False,
) -> None:
    """编写预警，并预览受众：多少群、多少人、推送不到哪里、大约何时完成。"""
    draft = Draft(
        title=title,
        severity=severity,
        body=body,
        body_file=body_file,
        link=link,
        link_title=link_title,
        picture=picture,
        units=unit or [],
        levels=level or [],
        kinds=kind or [],
        tags=tag or [],
        exclude_units=exclude_unit or [],
        exclude_groups=exclude_group or [],
        at=at,
        expires=expires,
        update_of=update_of,
        cancel_of=cancel_of,
        submit=submit,
    )

    async def work(desk: Desk) -> tuple[Alert, AudienceForecast, ZoneInfo]:
        return *await write_alert(desk, draft, username), desk.settings.zone

    alert, forecast, zone = change_desk(work, as_json=as_json)
    if as_json:
        print_json({**alert_json(alert, zone), "preview": forecast_json(forecast, zone)})
        return
    out.print(alert_line(alert), soft_wrap=True)
    show_forecast(forecast)


@alert_app.command("list")
def list_command(
    state: Annotated[list[AlertState] | None, typer.Option("--state", help="只列出此状态，可多次")] = None,
    search: Annotated[str, typer.Option("--search", help="在编号、标题和正文中查找")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="最多列出多少条")] = 20,
    as_json: Json = False,
) -> None:
    """列出预警，新的在前。"""

    async def work(desk: Desk) -> None:
        found = await list_alerts(desk.session, states=state or (), search=search, limit=limit)
        counts = await count_deliveries(desk.session, [alert.id for alert in found])
        zone = desk.settings.zone
        if as_json:
            rows = [
                {**alert_json(alert, zone), "audience": counts[alert.id].audience, "done": counts[alert.id].done}
                for alert in found
            ]
            print_json(rows)
        elif found:
            out.print(alerts_table(found, counts, zone))
        else:
            out.print(Text("没有预警", style="yellow"))

    read_desk(work, as_json=as_json)


alert_app.command("review")(review_command)
alert_app.command("status")(status_command)
alert_app.command("unknown")(unknown_command)


@alert_app.command("submit")
def submit_command(number: Number, username: As, as_json: Json = False) -> None:
    """提交审核。"""

    async def step(desk: Desk, actor: Actor, alert: Alert) -> Alert:
        return await alerts.submit(desk.session, actor, alert.id, now=desk.now)

    _take(step, number, username, as_json=as_json)


@alert_app.command("release")
def release_command(
    number: Number,
    username: As,
    version: Annotated[int | None, typer.Option("--version", help="审核时看到的版本；内容此后有改动则不发布")] = None,
    as_json: Json = False,
) -> None:
    """审核通过并发布；设了将来的时间则到时发布。编写人不能审核自己的预警（设置 second_person）。"""

    async def step(desk: Desk, actor: Actor, alert: Alert) -> Alert:
        return await alerts.release(
            desk.session, actor, alert.id, settings=desk.settings, now=desk.now, version=version
        )

    _take(step, number, username, as_json=as_json)


@alert_app.command("send-back")
def send_back_command(
    number: Number,
    username: As,
    reason: Annotated[str, typer.Option("--reason", help="退回原因")],
    as_json: Json = False,
) -> None:
    """退回为草稿，写明原因。"""

    async def step(desk: Desk, actor: Actor, alert: Alert) -> Alert:
        return await alerts.send_back(desk.session, actor, alert.id, reason, now=desk.now)

    _take(step, number, username, as_json=as_json)


@alert_app.command("pause")
def pause_command(number: Number, username: As, as_json: Json = False) -> None:
    """暂停推送；正在发送的一条会发完。"""

    async def step(desk: Desk, actor: Actor, alert: Alert) -> Alert:
        return await alerts.pause(desk.session, actor, alert.id, now=desk.now)

    _take(step, number, username, as_json=as_json)


@alert_app.command("resume")
def resume_command(number: Number, username: As, as_json: Json = False) -> None:
    """继续推送尚未推送的群。"""

    async def step(desk: Desk, actor: Actor, alert: Alert) -> Alert:
        return await alerts.resume(desk.session, actor, alert.id, now=desk.now)

    _take(step, number, username, as_json=as_json)


@alert_app.command("cancel")
def cancel_command(
    number: Number,
    username: As,
    reason: Annotated[str, typer.Option("--reason", help="取消原因")] = "",
    as_json: Json = False,
) -> None:
    """取消预警：未推送的不再推送。已推送的要收回，请用 alert new --cancel-of 另发一条。"""

    async def step(desk: Desk, actor: Actor, alert: Alert) -> Alert:
        return await alerts.cancel(desk.session, actor, alert.id, reason, now=desk.now)

    _take(step, number, username, as_json=as_json)


def _take(step: Step, number: str, username: str, *, as_json: bool) -> None:
    """Take one step of an alert's life and show what became of it."""

    async def work(desk: Desk) -> tuple[Alert, ZoneInfo, bool]:
        actor = await get_actor(desk, username)
        alert = await step(desk, actor, await get_numbered(desk, number))
        served = alert.state is not AlertState.RUNNING or bool(await list_live_leases(desk.session))
        return alert, desk.settings.zone, served

    alert, zone, served = change_desk(work, as_json=as_json)
    if as_json:
        print_json(alert_json(alert, zone))
        return
    out.print(alert_line(alert), soft_wrap=True)
    if not served:
        out.print(Text("没有发现正在运行的程序；启动 python bot.py run 后才会推送", style="yellow"))
