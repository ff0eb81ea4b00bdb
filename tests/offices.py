"""An office for tests of commands: a folder with its own database, and the commands called as from a shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner, Result

from bot.database import open_ready
from bot.settings import load_settings
from tests.factories import NOW

T = TypeVar("T")
_runner = CliRunner()


def call(command: typer.Typer | Callable[..., Any], *arguments: str, answer: str = "") -> Result:
    """What `python bot.py …` does for this command. Errors that are no `typer.Exit` are raised."""
    app = command
    if not isinstance(app, typer.Typer):
        app = typer.Typer()
        app.command()(command)
    result = _runner.invoke(app, list(arguments), input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def line(result: Result) -> Any:
    """The one line of JSON that a script gets."""
    assert result.stdout.count("\n") == 1, result.stdout
    return json.loads(result.stdout)


def write(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run `work` in one transaction on the database of the environment's settings."""

    async def run() -> T:
        database = await open_ready(load_settings(), now=NOW)
        try:
            async with database.write() as session:
                return await work(session)
        finally:
            await database.close()

    return asyncio.run(run())


def shown(result: Result, *words: str) -> None:
    """The command went well and said every one of `words`."""
    assert result.exit_code == 0, result.output
    for word in words:
        assert word in result.stdout, f"{word!r} is not in:\n{result.stdout}"


def refused(result: Result, *words: str, code: int = 2) -> None:
    """The command ended with `code`, said every one of `words` on stderr and nothing on stdout."""
    assert result.exit_code == code, result.output
    plain = result.stderr.replace("\n", "")
    for word in words:
        assert word in plain, f"{word!r} is not in:\n{result.stderr}"


def set_up(folder: Path, monkeypatch: Any, url: str = "") -> None:
    """Run commands in `folder`, on `url` or on an SQLite file in `folder`/data that the first command makes."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XINFANG_DATA_DIR", str(folder / "data"))
    if url:
        monkeypatch.setenv("XINFANG_DATABASE_URL", url)
