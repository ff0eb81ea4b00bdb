"""`alert review`: what a reviewer must see before anybody else does."""

from __future__ import annotations

from dataclasses import dataclass

from rich.panel import Panel
from rich.text import Text

from bot.alerts import related_number, rendered_text
from bot.clock import local_text
from db.models import Alert
from db.states import ContentKind
from db.users import list_user_names
from handlers.cli.acting import Desk, Json, Number, get_numbered, read_desk
from handlers.cli.alert_new import forecast
from handlers.cli.alert_views import AudienceForecast, alert_json, alert_line, forecast_json, show_forecast
from handlers.cli.common import out, print_json


@dataclass(frozen=True)
class Sheet:
    """One alert as it is reviewed."""

    alert: Alert
    text: str  # exactly what the groups read
    rule: list[tuple[str, str]]
    author: str
    reviewer: str
    forecast: AudienceForecast | None  # None once the audience is frozen


def review_command(number: Number, as_json: Json = False) -> None:
    """审核前查看：群里将看到的全文、受众、编写人。"""

    async def work(desk: Desk) -> None:
        sheet = await _read(desk, number)
        zone = desk.settings.zone
        if not as_json:
            _show(sheet, desk)
            return
        print_json(
            {
                **alert_json(sheet.alert, zone),
                "text": sheet.text,
                "kind": sheet.alert.kind.value,
                "link_url": sheet.alert.link_url,
                "author": sheet.author,
                "reviewer": sheet.reviewer,
                "audience": dict(sheet.rule),
                "preview": forecast_json(sheet.forecast, zone) if sheet.forecast else None,
                "expected_groups": sheet.alert.expected_groups,
                "expected_members": sheet.alert.expected_members,
            }
        )

    read_desk(work, as_json=as_json)


async def _read(desk: Desk, number: str) -> Sheet:
    from db.audience import Audience
    from handlers.web.audience import (
        describe,
        find_chosen,
    )  # the console's words for a rule; aiohttp is slow to import

    alert = await get_numbered(desk, number)
    rule = Audience.from_json(alert.audience)
    names = await list_user_names(desk.session, [alert.created_by, alert.reviewed_by])
    return Sheet(
        alert=alert,
        text=rendered_text(alert, desk.settings, await related_number(desk.session, alert)),
        rule=describe(rule, await find_chosen(desk.session, rule)),
        author=names.get(alert.created_by or 0, "命令行"),
        reviewer=names.get(alert.reviewed_by or 0, ""),
        forecast=await forecast(desk, alert) if alert.released_at is None else None,
    )


def _show(sheet: Sheet, desk: Desk) -> None:
    alert, zone = sheet.alert, desk.settings.zone
    out.print(alert_line(alert), soft_wrap=True)
    out.print(Panel(Text(sheet.text), title="群里看到的全文", title_align="left"))
    if alert.kind is ContentKind.LINK:
        out.print(Text(f"链接：{alert.link_title} {alert.link_url}"), soft_wrap=True)
    elif alert.kind is ContentKind.PICTURE:
        out.print(Text("附图片一张，请在控制台查看"))
    for what, which in sheet.rule:
        out.print(Text.assemble((f"{what}：", "bold"), which))
    if sheet.forecast is not None:
        show_forecast(sheet.forecast)
    else:
        out.print(Text(f"受众已确定：{alert.expected_groups:,} 个群，{alert.expected_members:,} 人"))
    when = "审核后立即发布" if alert.scheduled_at is None else local_text(alert.scheduled_at, zone)
    out.print(Text(f"发布时间：{when}；有效期至：{local_text(alert.expires_at, zone)}"))
    reviewed = f"；审核：{sheet.reviewer}" if sheet.reviewer else ""
    out.print(Text(f"编写：{sheet.author}，{local_text(alert.created_at, zone)}，第 {alert.version} 版{reviewed}"))
    if alert.note:
        out.print(Text(f"备注：{alert.note}", style="yellow"))
