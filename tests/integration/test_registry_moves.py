"""Single steps in the tree: moving, merging, retiring, restoring, and taking them back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from bot.errors import Forbidden, Invalid, NotFound, WrongState
from bot.identity import Actor
from bot.people import create_bind_code
from bot.registry_moves import Step, carry_out, preview, set_group_retired, undo
from db.audit import list_audit
from db.figures import get_figures
from db.models import BindCode, Group, Person, Reach, Unit
from db.rollup import fold_step, verify_rollup
from db.session import Database
from db.states import AlertState, GroupState, Role, UnitState
from tests.factories import NOW, make_alert, make_group, make_person, make_unit

OFFICER = Actor(name="李静", role=Role.PUBLISHER, origin="10.0.0.1")


@dataclass
class Tree:
    """Two towns; the village of the east has a grid. Each unit has a group."""

    county: Unit
    east: Unit
    west: Unit
    village: Unit
    grid: Unit
    liaison: Person
    groups: dict[str, int]


@pytest.fixture
async def tree(database: Database) -> Tree:
    async with database.write() as session:
        county = await make_unit(session, code="33", name="嵊泗县")
        east = await make_unit(session, code="3301", name="菜园镇", parent=county)
        west = await make_unit(session, code="3302", name="洋山镇", parent=county)
        village = await make_unit(session, code="V", name="基湖村", parent=east)
        grid = await make_unit(session, code="N", name="一网格", parent=village)
        liaison = await make_person(session, unit=village, name="何叶")
        units = (county, east, west, village, grid)
        groups = {unit.code: (await make_group(session, unit=unit, code=f"g{unit.code}")).id for unit in units}
    return Tree(county, east, west, village, grid, liaison, groups)


async def step(
    database: Database, kind: Step, unit: Unit, target: Unit | None = None, *, actor: Actor = OFFICER
) -> int:
    """Preview and confirm; gives the entry in the audit log."""
    async with database.write() as session:
        to = await session.get(Unit, target.id) if target is not None else None
        seen = await preview(session, actor, kind, unit.id, to)
        return await carry_out(
            session, actor, kind, unit.id, to, basis=seen.basis, confirmed=f" {unit.name} ", now=NOW
        )


async def paths(database: Database) -> dict[str, str]:
    async with database.read() as session:
        rows = await session.execute(sa.select(Unit.code, Unit.path).where(Unit.state == UnitState.ACTIVE))
        return {row.code: row.path for row in rows}


async def homes(database: Database) -> dict[str, str]:
    """Group → unit, by code; retired groups are left out."""
    async with database.read() as session:
        query = sa.select(Group.code, Unit.code).join(Unit, Unit.id == Group.unit_id)
        rows = await session.execute(query.where(Group.state != GroupState.RETIRED))
        return {row[0]: row[1] for row in rows}


BEFORE = {"33": "33/", "3301": "33/3301/", "3302": "33/3302/", "V": "33/3301/V/", "N": "33/3301/V/N/"}
HOMES = {"g33": "33", "g3301": "3301", "g3302": "3302", "gV": "V", "gN": "N"}


async def test_a_unit_moves_with_its_subtree_and_back(database: Database, tree: Tree) -> None:
    async with database.read() as session:
        seen = await preview(session, OFFICER, Step.MOVE, tree.village.id, tree.west)
    assert (seen.units, len(seen.touched.groups)) == (1, 2)
    entry = await step(database, Step.MOVE, tree.village, tree.west)
    assert await paths(database) == BEFORE | {"V": "33/3302/V/", "N": "33/3302/V/N/"}
    async with database.write() as session:
        village = await undo(session, OFFICER, entry, now=NOW)
        assert village.parent_id == tree.east.id
    assert await paths(database) == BEFORE
    async with database.write() as session:
        with pytest.raises(WrongState, match="没有可以撤销的"):
            await undo(session, OFFICER, entry, now=NOW)
    async with database.read() as session:
        assert [(one.action, one.actor, one.subject) for one in await list_audit(session)] == [
            ("registry.undo", "李静", "基湖村（V）"),
            ("registry.move", "李静", "基湖村（V）"),
        ]


async def test_figures_follow_a_move_and_stay_with_a_merged_unit(database: Database, tree: Tree) -> None:
    async with database.write() as session:
        alert = await make_alert(session, state=AlertState.RUNNING, released_at=NOW)
        for code, unit in (("V", tree.village), ("N", tree.grid)):
            session.add(Reach(alert_id=alert.id, group_id=tree.groups[code], unit_id=unit.id, members=100))

    async def expected(unit: Unit) -> int:
        async with database.write() as session:
            while await fold_step(session):
                pass
            assert await verify_rollup(session) == []
            return (await get_figures(session, alert.id, unit.id)).expected_groups

    assert (await expected(tree.east), await expected(tree.west)) == (2, 0)
    await step(database, Step.MOVE, tree.village, tree.west)
    assert (await expected(tree.east), await expected(tree.west)) == (0, 2)
    await step(database, Step.MERGE, tree.village, tree.west)
    assert await expected(tree.west) == 2
    assert await expected(tree.village) == 1  # what its own group had; the grid is the town's now


async def test_merging_empties_one_unit_into_the_other_and_can_be_undone(database: Database, tree: Tree) -> None:
    async with database.write() as session:
        for unit in (tree.village, tree.east):
            await create_bind_code(
                session, OFFICER, name=f"新人{unit.code}", role=Role.LIAISON, unit_id=unit.id, now=NOW
            )
    entry = await step(database, Step.MERGE, tree.village, tree.east)
    after = BEFORE | {"N": "33/3301/N/"}
    del after["V"]
    assert await paths(database) == after
    assert await homes(database) == HOMES | {"gV": "3301"}

    async def homes_of_people() -> tuple[int, int, list[int]]:
        async with database.read() as session:
            person = await session.get(Person, tree.liaison.id)
            assert person is not None
            codes = list(await session.scalars(sa.select(BindCode.unit_id).order_by(BindCode.id)))
            return person.unit_id, person.link_version, codes

    assert await homes_of_people() == (tree.east.id, 2, [tree.east.id, tree.east.id])
    async with database.write() as session:
        await undo(session, OFFICER, entry, now=NOW)
    assert await paths(database) == BEFORE
    assert await homes(database) == HOMES
    assert await homes_of_people() == (tree.village.id, 3, [tree.village.id, tree.east.id])


async def test_retiring_takes_the_subtree_and_restoring_brings_back_just_that(database: Database, tree: Tree) -> None:
    async with database.write() as session:
        await set_group_retired(session, OFFICER, tree.groups["N"], True, now=NOW)  # given up long before
        await session.execute(sa.update(Group).where(Group.code == "gV").values(state=GroupState.LOST))
    for by_undo in (True, False):
        entry = await step(database, Step.RETIRE, tree.east)
        assert set(await paths(database)) == {"33", "3302"}
        assert await homes(database) == {"g33": "33", "g3302": "3302"}
        async with database.write() as session:
            with pytest.raises(WrongState, match="上级“菜园镇”已停用"):
                await preview(session, OFFICER, Step.RESTORE, tree.village.id)
            with pytest.raises(WrongState, match="已停用，请先恢复单位"):
                await set_group_retired(session, OFFICER, tree.groups["V"], False, now=NOW)
            if by_undo:
                await undo(session, OFFICER, entry, now=NOW)
        if not by_undo:
            await step(database, Step.RESTORE, tree.east)
        assert await paths(database) == BEFORE
        assert await homes(database) == {code: unit for code, unit in HOMES.items() if code != "gN"}
        async with database.read() as session:
            states = {row.code: row.state for row in await session.execute(sa.select(Group.code, Group.state))}
        assert states["gV"] is GroupState.LOST
        assert states["gN"] is GroupState.RETIRED
    async with database.write() as session:
        await set_group_retired(session, OFFICER, tree.groups["N"], False, now=NOW)
    assert await homes(database) == HOMES


@pytest.mark.parametrize(
    ("kind", "unit", "target", "words"),
    [
        (Step.MOVE, "village", "village", "请选择另一个单位"),
        (Step.MOVE, "east", "village", "不能选它自己或它的下级"),
        (Step.MOVE, "village", "east", "它现在的上级就是“菜园镇”"),
        (Step.MOVE, "east", "west", "“洋山镇”是乡镇，不高于乡镇"),
        (Step.MOVE, "county", "west", "不能选它自己或它的下级"),
        (Step.MERGE, "west", "grid", "低于乡镇，下级单位放不进去"),
        (Step.MERGE, "village", "grid", "不能选它自己或它的下级"),
        (Step.RETIRE, "county", "", "是最上级单位，不能停用"),
        (Step.RESTORE, "east", "", "没有停用，不需要恢复"),
        (Step.MOVE, "village", "", "请填写单位的名称或编码"),
    ],
)
async def test_what_cannot_be_done_says_why(
    database: Database, tree: Tree, kind: Step, unit: str, target: str, words: str
) -> None:
    async with database.write() as session:
        with pytest.raises((Invalid, WrongState), match=words):
            await preview(session, OFFICER, kind, getattr(tree, unit).id, getattr(tree, target) if target else None)
    assert await paths(database) == BEFORE


async def test_only_what_was_seen_and_confirmed_by_name_happens(database: Database, tree: Tree) -> None:
    async with database.write() as session:
        seen = await preview(session, OFFICER, Step.RETIRE, tree.village.id)
    given = {"basis": seen.basis, "now": NOW}
    async with database.write() as session:
        with pytest.raises(Invalid, match="请输入“基湖村”确认"):
            await carry_out(session, OFFICER, Step.RETIRE, tree.village.id, confirmed="基湖", **given)  # type: ignore[arg-type]
        await make_group(session, unit=tree.grid, code="late")
    async with database.write() as session:
        with pytest.raises(WrongState, match="有变动，没有做任何修改"):
            await carry_out(session, OFFICER, Step.RETIRE, tree.village.id, confirmed="基湖村", **given)  # type: ignore[arg-type]
    assert await paths(database) == BEFORE


async def test_nobody_reaches_outside_the_own_subtree(database: Database, tree: Tree) -> None:
    here = Actor(name="甲", role=Role.PUBLISHER, scope=tree.east.path)
    entry = await step(database, Step.RETIRE, tree.west)
    async with database.write() as session:
        with pytest.raises(NotFound):
            await preview(session, here, Step.RESTORE, tree.west.id)
        with pytest.raises(NotFound):
            await undo(session, here, entry, now=NOW)
        with pytest.raises(NotFound):
            await set_group_retired(session, here, tree.groups["3302"], False, now=NOW)
        with pytest.raises(Invalid, match="没有这个单位"):
            await preview(session, here, Step.MOVE, tree.village.id, tree.county)
        with pytest.raises(NotFound, match="不能撤销"):
            await undo(session, OFFICER, 987654, now=NOW)
        for role in (Role.REVIEWER, Role.LIAISON):
            with pytest.raises(Forbidden):
                await preview(session, Actor(name="乙", role=role), Step.RETIRE, tree.village.id)
