"""The sample county is what the demo promises."""

from __future__ import annotations

from collections import Counter

from bot.registry_gaps import NEARLY_FULL
from bot.registry_plan import make_plan
from bot.registry_rows import read_rows
from bot.sample_county import ACCOUNTS, SAMPLE, build_registry, build_tables
from bot.sheets import read_tables
from db.registry import StoredRegistry
from db.states import GroupMode, UnitKind


def test_sample_has_the_shape_of_the_real_county() -> None:
    units, groups = build_registry()
    kinds = Counter(unit.kind for unit in units)
    assert kinds[UnitKind.TOWN] == 7
    assert kinds[UnitKind.DEPARTMENT] == 28
    assert kinds[UnitKind.COMMUNITY] + kinds[UnitKind.VILLAGE] == 38
    assert {unit.kind.level for unit in units} == {1, 2, 3, 4, 5}
    assert len(groups) == 213
    assert 20_000 < sum(group.members for group in groups) < 30_000
    assert min(group.members for group in groups) >= 30
    served = Counter((group.mode, bool(group.account)) for group in groups)
    assert served == {(GroupMode.PUSH, True): 150, (GroupMode.RELAY, True): 32, (GroupMode.RELAY, False): 31}
    assert {group.account for group in groups if group.account} == set(ACCOUNTS)
    assert sum(group.members >= NEARLY_FULL for group in groups) == 2
    assert len({group.room_id for group in groups}) == 213


def test_committed_file_is_what_the_code_builds() -> None:
    data = SAMPLE.read_bytes()
    assert len(data) <= 200 * 1024
    assert read_tables(data) == build_tables()


def test_sample_is_a_faultless_import() -> None:
    plan = make_plan(read_rows(build_tables()), StoredRegistry([], [], []), retire_missing=False)
    assert plan.counts()["groups"]["added"] == 213
    assert plan.accounts == sorted(("local", name) for name in ACCOUNTS)
    assert plan.notes == []
