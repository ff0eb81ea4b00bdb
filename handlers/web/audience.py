"""The audience as the console shows it: read from a form, counted, put into words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web
from multidict import MultiMapping
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid
from bot.estimate import expected_finish
from bot.identity import Actor
from bot.settings import Settings
from db.audience import Audience, AudiencePreview, preview
from db.console import list_groups_by_id, list_units_by_id
from db.models import Group, Unit
from db.states import LEVEL_LABELS, AccountState, Severity, UnitKind
from db.units import split_tags
from handlers.web.forms import choice_of, choices_of, ints_of, local_time_of, text_of
from handlers.web.keys import ENGINE
from handlers.web.progress import finish_text

SHOWN_LEFT_OUT = 60


@dataclass(frozen=True)
class AudienceView:
    """A rule's present outcome, for pages and for scripts in them."""

    preview: AudiencePreview
    finish: str  # "约 11 分钟，预计 09:42 完成"; empty when nothing is pushed
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        shown = self.preview.left_out[:SHOWN_LEFT_OUT]
        return {
            "groups": self.preview.groups,
            "members": self.preview.members,
            "pushed": self.preview.pushed,
            "relayed": self.preview.relayed,
            "loads": [
                {"name": load.name, "state": load.state.value, "label": load.state.label, "groups": load.groups}
                for load in self.preview.loads
            ],
            "left_out": [{"name": left.name, "reason": left.reason} for left in shown],
            "left_out_count": self.preview.left_out_count,
            "finish": self.finish,
            "warnings": self.warnings,
        }


def parse_audience(form: MultiMapping[Any]) -> Audience:
    """The rule of a form or query. Raises `Invalid` when single units are wanted and none is chosen."""
    units = ints_of(form, "unit") if text_of(form, "scope") == "some" else ()
    if text_of(form, "scope") == "some" and not units:
        raise Invalid({"unit": "请至少选择一个单位，或改为全部单位"})
    tags = (split_tags(value) for value in form.getall("tag", []) if isinstance(value, str))
    return Audience(
        units=units,
        levels=tuple(level for level in _levels(form) if level in LEVEL_LABELS),
        kinds=choices_of(UnitKind, form, "kind_of_unit"),
        tags=tuple(dict.fromkeys(tag for found in tags for tag in found)),
        exclude_units=ints_of(form, "exclude_unit"),
        exclude_groups=ints_of(form, "exclude_group"),
    )


def _levels(form: MultiMapping[Any]) -> list[int]:
    values = (value for value in form.getall("level", []) if isinstance(value, str))
    return [int(value) for value in values if value.lstrip("-").isdecimal() and len(value) < 4]


async def view_audience(
    session: AsyncSession,
    audience: Audience,
    *,
    severity: Severity,
    start: datetime | None,
    settings: Settings,
    now: datetime,
) -> AudienceView:
    """What a release would do; `start` is the time it is set for, None for at once."""
    outcome = await preview(session, audience, most_left_out=SHOWN_LEFT_OUT)
    begin = max(now, start or now)
    loads = {load.account_id: load.groups for load in outcome.loads}
    finish = await expected_finish(session, loads, severity=severity, start=begin, settings=settings)
    text = finish_text(finish, now=now, zone=settings.zone, start=begin) if loads else ""
    return AudienceView(outcome, text, _warnings(outcome))


def _warnings(outcome: AudiencePreview) -> list[str]:
    if outcome.groups == 0:
        return ["这个范围里没有任何群，不能发布"]
    away = [load for load in outcome.loads if load.state is not AccountState.ONLINE]
    return [f"账号“{load.name}”{load.state.label}，它的 {load.groups} 个群要等它上线后才推送" for load in away]


async def audience_json(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The live preview beside the form."""
    engine = request.app[ENGINE]
    now, settings = engine.clock.now(), engine.settings
    query = request.query
    try:
        start = local_time_of(query, "scheduled_at", settings.zone) if text_of(query, "when") == "later" else None
    except ValueError:
        start = None  # the form itself will say so
    async with engine.database.read() as session:
        view = await view_audience(
            session,
            parse_audience(query),
            severity=choice_of(Severity, query, "severity") or Severity.BLUE,
            start=start,
            settings=settings,
            now=now,
        )
    return web.json_response(view.to_json())


@dataclass(frozen=True)
class Chosen:
    """The units and groups that a rule names, for the form's chips and for words."""

    units: list[Unit]
    exclude_units: list[Unit]
    exclude_groups: list[Group]


async def find_chosen(session: AsyncSession, audience: Audience) -> Chosen:
    return Chosen(
        units=list(await list_units_by_id(session, audience.units)),
        exclude_units=list(await list_units_by_id(session, audience.exclude_units)),
        exclude_groups=list(await list_groups_by_id(session, audience.exclude_groups)),
    )


def describe(audience: Audience, chosen: Chosen) -> list[tuple[str, str]]:
    """The rule in words: (what, which)."""
    if audience.heard_alert is not None:
        whom = "收到或将要收到前一条预警的群" if audience.heard_or_waiting else "收到过前一条预警的群"
        return [("范围", whom)]
    lines = [("范围", "、".join(unit.name for unit in chosen.units) or "全部单位")]
    if audience.levels:
        lines.append(("层级", "、".join(LEVEL_LABELS[level] for level in sorted(audience.levels))))
    if audience.kinds:
        lines.append(("类型", "、".join(kind.label for kind in audience.kinds)))
    if audience.tags:
        lines.append(("标签", "、".join(audience.tags)))
    left_out = [unit.name for unit in chosen.exclude_units] + [group.name for group in chosen.exclude_groups]
    if left_out:
        lines.append(("不发给", "、".join(left_out)))
    return lines
