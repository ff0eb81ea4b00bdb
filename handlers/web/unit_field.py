"""A form's field in which a unit is typed by its name or its code."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid
from db.console import list_unit_trails
from db.models import Unit
from db.states import UnitState
from db.units import find_unit, list_units_named, within

SHOWN = 5  # candidates that a fault names


async def unit_of_text(session: AsyncSession, text: str, *, field: str, scope: str = "") -> Unit:
    """The one unit in use that is meant. Raises `Invalid` at `field`, naming the candidates when there are several."""
    if not text:
        raise Invalid({field: "请填写单位的名称或编码"})
    exact = await find_unit(session, text)
    if exact is not None and exact.state is UnitState.ACTIVE and within(exact.path, scope):
        return exact
    named = list(await list_units_named(session, text, scope=scope, limit=10))
    alike = [unit for unit in named if unit.name == text] or named
    if len(alike) == 1:
        return alike[0]
    if not alike:
        raise Invalid({field: f"没有名为“{text}”的单位，请检查名称"})
    trails = await list_unit_trails(session, [unit.path for unit in alike])
    listed = "；".join(f"{unit.code} {trails[unit.path]} › {unit.name}" for unit in alike[:SHOWN])
    raise Invalid({field: f"有 {len(alike)} 个单位符合，请填编码：{listed}"})
