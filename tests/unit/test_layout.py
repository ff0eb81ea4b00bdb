"""The design's layout: imports run one way, and nobody imports the entry file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "content": {"content"},
    "db": {"db"},
    "bot": {"bot", "content", "db"},
    "handlers": {"handlers", "bot", "content", "db"},
}
OURS = set(ALLOWED) | {"tests", "benchmarks"}
FILES = [path for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Top-level names of everything that the file imports, at whatever depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(str(node.module).split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    assert imported(path) & OURS <= ALLOWED[package]


def test_import_bot_is_the_package() -> None:
    import bot

    assert bot.__file__ is not None
    assert Path(bot.__file__).name == "__init__.py"


def test_entry_file_only_composes() -> None:
    assert imported(ROOT / "bot.py") <= {"handlers"}
    assert len((ROOT / "bot.py").read_text().splitlines()) <= 20


def test_content_is_pure() -> None:
    """No SQL and no network in what we know."""
    forbidden = {"sqlalchemy", "aiohttp", "asyncio", "socket", "aiosqlite", "asyncpg"}
    for path in (ROOT / "content").rglob("*.py"):
        assert not imported(path) & forbidden, path


def test_modules_stay_small() -> None:
    """A module has one subject; 400 lines is where it stops having one."""
    long = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in FILES
        if "migrations" not in path.parts
    }
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def test_no_wait_loses_a_cancellation() -> None:
    """`asyncio.wait_for` does on Python 3.11 (see `bot.events.set_within`); `asyncio.timeout` does not."""
    assert [str(path.relative_to(ROOT)) for path in FILES if "asyncio.wait_for(" in path.read_text("utf-8")] == []
