"""`migrate-database`: an office moves to another database, whole or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.pictures import save_picture
from db import migrating
from db.copying import count_rows
from db.models import AuditEntry, Delivery, Reach, Unit
from db.session import Database
from handlers.cli.init import init
from handlers.cli.move import migrate_database
from tests.conftest import PostgresTemplates
from tests.contract.channel_contract import a_picture
from tests.factories import make_account, make_alert, make_group, make_unit, make_user
from tests.offices import call, line, refused, set_up, shown, write


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(tmp_path, monkeypatch)
    call(init)


async def _fill(session: AsyncSession) -> None:
    account = await make_account(session, name="心防一号")
    county = await make_unit(session, code="33", name="嵊泗县")
    for number in range(30):
        town = await make_unit(session, parent=county, code=f"33{number:02}", name=f"第{number}镇 'Ж' 😀")
        await make_group(session, unit=town, account=account)
    await make_user(session, username="writer")
    await make_alert(session)


def _picture(url: str) -> None:
    async def save() -> None:
        database = Database(url)
        await save_picture(database, a_picture())
        await database.close()

    asyncio.run(save())


def _state(url: str) -> tuple[dict[str, int], list[Any]]:
    async def read() -> tuple[dict[str, int], list[Any]]:
        database = Database(url)
        try:
            async with database.engine.connect() as connection:
                rows = await count_rows(connection)
                units = (await connection.execute(sa.select(Unit.__table__).order_by(Unit.id))).all()
                return rows, [tuple(unit) for unit in units]
        finally:
            await database.close()

    return asyncio.run(read())


def _target(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    postgres: PostgresTemplates = request.getfixturevalue("postgres")
    return asyncio.run(postgres.create_empty())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_everything_is_there_afterwards(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source = f"sqlite:///{tmp_path / 'data' / 'xinfang.db'}"
    write(_fill)
    _picture(source)
    target = _target(kind, tmp_path, request)
    before, units = _state(source)
    moved = line(call(migrate_database, "--to", target, "--json"))
    assert moved["rows"] == sum(before.values())
    assert moved["tables"]["units"]["rows"] == 31
    assert len(moved["tables"]["pictures"]["checksum"]) == 32
    after, there = _state(target)
    assert there == units
    assert {name: rows for name, rows in after.items() if name != "audit"} == {
        name: rows for name, rows in before.items() if name != "audit"
    }
    assert after["audit"] == before["audit"] + 1  # the move itself
    assert _state(source) == (before, units)


def test_the_new_database_goes_on_counting_where_the_old_one_stopped(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write(_fill)
    target = _target("postgresql", tmp_path, request)
    shown(call(migrate_database, "--to", target), "逐表核对一致", "units", "请把设置 database_url 改为新地址")

    async def add() -> str:
        database = Database(target)
        async with database.write() as session:
            await make_unit(session, code="99", name="新单位")
            entry = (await session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1))).one()
        await database.close()
        return entry.action

    assert asyncio.run(add()) == "database.move"


def test_what_stands_in_the_way_is_explained_and_nothing_is_copied(tmp_path: Path) -> None:
    write(_fill)
    refused(
        call(migrate_database, "--to", f"sqlite:///{tmp_path / 'data' / 'xinfang.db'}"), "目标就是现在使用的数据库"
    )
    refused(call(migrate_database, "--to", "mysql://somewhere/x"), "看不懂目标地址", "postgresql://")
    refused(call(migrate_database, "--to", f"sqlite:///{tmp_path / 'none' / 'x.db'}"), "目标文件夹", "不存在")
    refused(call(migrate_database, "--to", "postgresql://x:secret@127.0.0.1:9/x"), "无法使用数据库", "连接不上")
    target = f"sqlite:///{tmp_path / 'new.db'}"
    shown(call(migrate_database, "--to", target), "已迁移")
    refused(call(migrate_database, "--to", target), "已经有数据", "请换一个空的数据库")


def test_a_row_that_differs_undoes_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(_fill)
    target = f"sqlite:///{tmp_path / 'new.db'}"

    def spoil() -> None:
        async def work() -> None:
            database = Database(target)
            await migrating.upgrade(database)
            async with database.engine.begin() as connection:
                await connection.execute(
                    sa.text(
                        "CREATE TRIGGER spoil AFTER INSERT ON units WHEN NEW.code = '3307' "
                        "BEGIN UPDATE units SET name = 'other' WHERE id = NEW.id; END"
                    )
                )
            await database.close()

        asyncio.run(work())

    spoil()
    refused(call(migrate_database, "--to", target), "核对不一致，没有迁移", "units")
    rows, _ = _state(target)
    assert sum(rows.values()) == 0
    assert Delivery.__tablename__ in rows
    assert Reach.__tablename__ in rows
