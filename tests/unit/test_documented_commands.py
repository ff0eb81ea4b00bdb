"""Commands that the documents for the office tell people to type are commands that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from handlers.cli.main import build_app

DOCS = Path(__file__).parents[2] / "docs"
COMMAND = re.compile(r"bot\.py ([a-z][a-z-]*(?: [a-z-]+)*)((?: --?[a-z-]+)*)")


@pytest.mark.parametrize("name", ["operations.md", "backup.md", "security.md", "setup.md"])
def test_every_command_exists(name: str) -> None:
    root = get_command(build_app())
    for words, options in set(COMMAND.findall((DOCS / name).read_text(encoding="utf-8"))):
        command = root
        for word in words.split():
            children = getattr(command, "commands", None)
            if children is None:
                break  # an argument
            assert word in children, f"bot.py {words}"
            command = children[word]
        known = {each for parameter in command.params for each in parameter.opts}
        assert set(options.split()) <= known, f"bot.py {words}{options}"
