"""`alert new`: from options to an alert, with what its release would do."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bot import alerts
from bot.alerts import AlertContent
from bot.clock import duration_text, local_text
from bot.errors import Invalid, UserError
from bot.estimate import expected_finish
from bot.pictures import store_picture
from db.alerts import find_alert_by_number
from db.audience import Audience, preview
from db.groups import find_group
from db.models import Alert
from db.states import LEVEL_LABELS, ContentKind, Relation, Severity, UnitKind
from db.units import find_unit, list_tags
from handlers.cli.acting import Desk, get_actor
from handlers.cli.alert_views import AudienceForecast

TIME_FORMATS = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")


@dataclass(frozen=True)
class Draft:
    """The options of `alert new` as they were typed."""

    title: str
    severity: Severity
    body: str = ""
    body_file: Path | None = None
    link: str = ""
    link_title: str = ""
    picture: Path | None = None
    units: list[str] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    kinds: list[UnitKind] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    exclude_units: list[str] = field(default_factory=list)
    exclude_groups: list[str] = field(default_factory=list)
    at: str = ""
    expires: str = ""
    update_of: str = ""
    cancel_of: str = ""
    submit: bool = False


async def write_alert(desk: Desk, draft: Draft, username: str) -> tuple[Alert, AudienceForecast]:
    """Create the alert, submit it if that is wanted, and look ahead. Raises `Invalid` naming every option to mend."""
    actor = await get_actor(desk, username)
    content = await _content(desk, draft)
    alert = await alerts.create(desk.session, actor, content, settings=desk.settings, now=desk.now)
    if draft.submit:
        alert = await alerts.submit(desk.session, actor, alert.id, now=desk.now)
    return alert, await forecast(desk, alert)


async def forecast(desk: Desk, alert: Alert) -> AudienceForecast:
    """What releasing the alert at this moment would do."""
    outcome = await preview(desk.session, Audience.from_json(alert.audience))
    loads = {load.account_id: load.groups for load in outcome.loads}
    if not loads:
        return AudienceForecast(outcome, None, "")
    start = max(desk.now, alert.scheduled_at or desk.now)
    finish = await expected_finish(
        desk.session, loads, severity=alert.severity, start=start, settings=desk.settings, apart_from=alert.id
    )
    return AudienceForecast(outcome, finish, finish_words(start, finish, desk.settings.zone))


def finish_words(start: datetime, finish: datetime, zone: ZoneInfo) -> str:
    return f"约 {duration_text(finish - start)}，预计 {local_text(finish, zone)} 完成"


async def _content(desk: Desk, draft: Draft) -> AlertContent:
    faults: dict[str, str] = {}
    zone = desk.settings.zone
    content = AlertContent(
        title=draft.title,
        body=await asyncio.to_thread(_read_body, draft),
        severity=draft.severity,
        audience=await _audience(desk, draft, faults),
        scheduled_at=_time("--at", draft.at, zone, faults),
        expires_at=_time("--expires", draft.expires, zone, faults),
    )
    content = await _with_relation(desk, draft, content, faults)
    if draft.link and draft.picture:
        faults["--picture"] = "--link 和 --picture 只能选一种"
    if faults:
        raise Invalid(faults)
    return await _with_attachment(desk, draft, content)


def _read_body(draft: Draft) -> str:
    if bool(draft.body) == bool(draft.body_file):
        raise Invalid({"--body": "请用 --body 或 --body-file 写明正文（二选一）"})
    if draft.body_file is None:
        return draft.body
    try:
        if str(draft.body_file) == "-":
            return sys.stdin.read()
        return draft.body_file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"无法读取正文文件 {draft.body_file}：请检查路径，并保存为 UTF-8 文本") from error


def _time(option: str, text: str, zone: ZoneInfo, faults: dict[str, str]) -> datetime | None:
    """A time of the office's zone, aware; None when there is no text."""
    if not text:
        return None
    for form in TIME_FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=zone)
        except ValueError:
            continue
    faults[option] = f'{option} 应为办公时区的时间，如 "2026-11-21 09:00"，现在是“{text}”'
    return None


async def _audience(desk: Desk, draft: Draft, faults: dict[str, str]) -> Audience:
    unknown_levels = [level for level in draft.levels if level not in LEVEL_LABELS]
    if unknown_levels:
        levels = "、".join(f"{level} {label}" for level, label in LEVEL_LABELS.items())
        faults["--level"] = f"--level 只能是 {levels}"
    known_tags = await list_tags(desk.session) if draft.tags else []
    unknown_tags = [tag for tag in draft.tags if tag not in known_tags]
    if unknown_tags:
        faults["--tag"] = f"没有单位带有标签 {'、'.join(unknown_tags)}；已有标签：{'、'.join(known_tags) or '无'}"
    return Audience(
        units=await _unit_ids(desk, "--unit", draft.units, faults),
        levels=tuple(draft.levels),
        kinds=tuple(draft.kinds),
        tags=tuple(draft.tags),
        exclude_units=await _unit_ids(desk, "--exclude-unit", draft.exclude_units, faults),
        exclude_groups=await _group_ids(desk, draft.exclude_groups, faults),
    )


async def _unit_ids(desk: Desk, option: str, codes: list[str], faults: dict[str, str]) -> tuple[int, ...]:
    found = {code: await find_unit(desk.session, code) for code in codes}
    missing = [code for code, unit in found.items() if unit is None]
    if missing:
        faults[option] = f"{option}：没有编码为 {'、'.join(missing)} 的单位，可用 units export 查看全部编码"
    return tuple(unit.id for unit in found.values() if unit is not None)


async def _group_ids(desk: Desk, codes: list[str], faults: dict[str, str]) -> tuple[int, ...]:
    found = {code: await find_group(desk.session, code) for code in codes}
    missing = [code for code, group in found.items() if group is None]
    if missing:
        faults["--exclude-group"] = f"--exclude-group：没有编码为 {'、'.join(missing)} 的群"
    return tuple(group.id for group in found.values() if group is not None)


async def _with_relation(desk: Desk, draft: Draft, content: AlertContent, faults: dict[str, str]) -> AlertContent:
    if draft.update_of and draft.cancel_of:
        faults["--cancel-of"] = "--update-of 和 --cancel-of 只能选一种"
        return content
    number = draft.update_of or draft.cancel_of
    if not number:
        return content
    related = await find_alert_by_number(desk.session, number)
    if related is None:
        faults["--update-of" if draft.update_of else "--cancel-of"] = f"没有编号为 {number} 的预警"
        return content
    relation = Relation.UPDATE if draft.update_of else Relation.CANCEL
    return replace(content, relation=relation, related_id=related.id)


async def _with_attachment(desk: Desk, draft: Draft, content: AlertContent) -> AlertContent:
    if draft.link:
        return replace(
            content, kind=ContentKind.LINK, link_url=draft.link, link_title=draft.link_title or draft.title
        )
    if draft.picture is not None:
        try:
            data = await asyncio.to_thread(draft.picture.read_bytes)
        except OSError as error:
            raise UserError(f"无法读取图片 {draft.picture}：请检查路径") from error
        picture = await store_picture(desk.session, data)
        return replace(content, kind=ContentKind.PICTURE, picture_id=picture.id)
    return content
