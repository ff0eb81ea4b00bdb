"""What every command needs: settings, the database, a console, and errors that people and scripts can read.

People get Chinese text and colour; errors go to stderr and the exit code is 2. With `--json` a command prints exactly
one JSON line to stdout, also for errors: {"error": …, "faults": […]}.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from bot.database import has_no_room, open_ready
from bot.errors import ImportRefused, Invalid, SheetFault, UserError
from bot.identity import Actor
from bot.settings import Settings, load_settings
from db.session import Database
from db.states import Role

T = TypeVar("T")
EXIT_FAULT = 2
MAX_FAULTS = 50  # shown to people; scripts get all of them

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def run_command(work: Callable[[Settings], Coroutine[Any, Any, T]], *, as_json: bool = False) -> T:
    """Load the settings and run `work(settings)`; a `UserError` is shown and ends the program with code 2."""
    with shown_errors(as_json=as_json):
        return asyncio.run(work(load_settings()))


@contextlib.contextmanager
def shown_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn every `UserError` of the block into a message and exit code 2. Anything else is a defect and is raised."""
    try:
        yield
    except UserError as error:
        if as_json:
            print_json(error_json(error))
        else:
            _show(error)
        raise typer.Exit(EXIT_FAULT) from error
    except sa.exc.DBAPIError as error:
        if not has_no_room(error):
            raise
        _show(UserError("磁盘已满，无法写入数据库；请清理磁盘后再试，已经写入的都还在"))
        raise typer.Exit(EXIT_FAULT) from error


@contextlib.asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database of the settings at the program's version, closed at the end whatever happens."""
    database = await open_ready(settings, now=datetime.now(UTC))
    try:
        yield database
    finally:
        await database.close()


def command_actor() -> Actor:
    """Whoever can run commands on this machine can read the database anyway: an administrator, by login name."""
    try:
        login = getpass.getuser()
    except (OSError, KeyError):  # a container without an entry for the user
        login = "?"
    return Actor(name=f"命令行 {login}", role=Role.ADMIN, origin="命令行")


class Stages:
    """Progress of several stages as one bar after the other."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage)
        self._bar.update(self._tasks[stage], completed=done, total=total)


def print_json(value: Any) -> None:
    """One line, plain UTF-8, for scripts."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def error_json(error: UserError) -> dict[str, Any]:
    faults: Any = []
    if isinstance(error, ImportRefused):
        faults = [
            {"sheet": fault.sheet, "row": fault.row, "column": fault.column, "message": fault.message}
            for fault in error.faults
        ]
    elif isinstance(error, Invalid):
        faults = [{"column": name, "message": message} for name, message in error.faults.items()]
    return {"error": str(error), "faults": faults}


def progress(*, as_json: bool = False) -> Progress:
    """A progress bar on stderr that goes away when done; silent for scripts and when nobody watches."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=as_json or not err.is_terminal,
    )


def _show(error: UserError) -> None:
    err.print(Text(str(error), style="bold red"))
    if isinstance(error, ImportRefused):
        err.print(_fault_table(error.faults[:MAX_FAULTS]))
        if len(error.faults) > MAX_FAULTS:
            err.print(Text(f"……还有 {len(error.faults) - MAX_FAULTS} 处；加 --json 可列出全部", style="red"))


def _fault_table(faults: list[SheetFault]) -> Table:
    table = Table("工作表", "行", "列", header_style="bold")
    table.add_column("如何修改", overflow="fold")  # Chinese has no spaces to break at: it would be cut off
    for fault in faults:
        # Text, not str: a cell's content may look like rich's own markup.
        table.add_row(Text(fault.sheet or "—"), str(fault.row), Text(fault.column or "—"), Text(fault.message))
    return table
