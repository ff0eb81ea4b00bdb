"""Units of the tree. A subtree is one range of the `path` index: no recursion, no LIKE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Unit
from db.states import UnitState


class NoSuchUnit(LookupError):
    """No unit has this id or code."""


def in_subtree(path: str, column: Any = Unit.path) -> sa.ColumnElement[bool]:
    """Condition: the unit at `path` and everything below it; everything when `path` is "".

    Every path ends with "/", and "0" is the character after it, so the subtree is `path ≤ x < path with 0`.
    `column` is the path column of an alias when the query does not use `Unit` itself.
    """
    if not path:
        return sa.true()
    return sa.and_(column >= path, column < path[:-1] + "0")


def within(path: str, scope: str) -> bool:
    """`in_subtree` for values already read: is the unit at `path` inside the subtree at `scope`?"""
    return path.startswith(scope)


def ancestor_paths(path: str) -> list[str]:
    """Paths from the root down to `path` itself: "a/b/" gives "a/", "a/b/"."""
    codes = path.split("/")[:-1]
    return ["/".join(codes[: i + 1]) + "/" for i in range(len(codes))]


async def get_unit(session: AsyncSession, unit_id: int) -> Unit:
    unit = await session.get(Unit, unit_id)
    if unit is None:
        raise NoSuchUnit(unit_id)
    return unit


async def find_unit(session: AsyncSession, code: str) -> Unit | None:
    return (await session.scalars(sa.select(Unit).where(Unit.code == code))).one_or_none()


# Nearly every page asks for it; put together once.
_ROOT = sa.select(Unit).where(Unit.parent_id.is_(None), Unit.state == UnitState.ACTIVE).order_by(Unit.path).limit(1)


async def find_root(session: AsyncSession) -> Unit | None:
    """The one unit without a parent that is in use, or None in an empty registry."""
    return (await session.scalars(_ROOT)).one_or_none()


async def list_units(
    session: AsyncSession, *, scope: str = "", levels: Sequence[int] = (), retired: bool = False
) -> Sequence[Unit]:
    """Units of a subtree in path order (parents before children)."""
    query = sa.select(Unit).where(in_subtree(scope)).order_by(Unit.path)
    if levels:
        query = query.where(Unit.level.in_(levels))
    if not retired:
        query = query.where(Unit.state == UnitState.ACTIVE)
    return (await session.scalars(query)).all()


async def list_children(session: AsyncSession, unit_id: int) -> Sequence[Unit]:
    active = Unit.state == UnitState.ACTIVE
    query = sa.select(Unit).where(Unit.parent_id == unit_id, active).order_by(Unit.path)
    return (await session.scalars(query)).all()


async def list_ancestors(session: AsyncSession, unit: Unit) -> Sequence[Unit]:
    """From the root down to `unit` itself: what a page shows as its trail."""
    query = sa.select(Unit).where(Unit.path.in_(ancestor_paths(unit.path))).order_by(Unit.path)
    return (await session.scalars(query)).all()


async def list_units_named(session: AsyncSession, text: str, *, scope: str = "", limit: int = 20) -> Sequence[Unit]:
    """Units in use whose name contains `text` or whose code is `text`, upper levels first."""
    query = (
        sa.select(Unit)
        .where(in_subtree(scope), Unit.state == UnitState.ACTIVE)
        .where(sa.or_(Unit.name.contains(text, autoescape=True), Unit.code == text))
        .order_by(Unit.level, Unit.path)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def count_units(session: AsyncSession, *, scope: str = "") -> int:
    query = sa.select(sa.func.count()).select_from(Unit).where(in_subtree(scope), Unit.state == UnitState.ACTIVE)
    return (await session.scalar(query)) or 0


async def list_tags(session: AsyncSession) -> list[str]:
    """Every tag that some unit in use carries, sorted."""
    query = sa.select(Unit.tags).where(Unit.tags != "", Unit.state == UnitState.ACTIVE).distinct()
    return sorted({tag for tags in await session.scalars(query) for tag in split_tags(tags)})


def split_tags(stored: str) -> list[str]:
    return [tag for tag in stored.split("|") if tag]


def join_tags(tags: Sequence[str]) -> str:
    """The stored form, closed on both sides so that one tag is found by `LIKE '%|tag|%'`; sorted, no repeats."""
    unique = sorted({tag for tag in tags if tag})
    return f"|{'|'.join(unique)}|" if unique else ""
