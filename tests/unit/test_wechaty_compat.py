"""The SDK imports on today's Python with today's packages, and stays where it is put. Each in a process of its own:
importing happens once, and without our lines it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WECHATY")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_our_lines_the_sdk_does_not_import(tmp_path: Path) -> None:
    done = run("import wechaty", tmp_path)
    assert done.returncode != 0, "the SDK imports by itself again: the compatibility module has nothing left to do"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("pyee.AsyncIOEventEmitter", "ImportError"),
        ("urllib3.get_host", "ImportError"),
        ("PuppetOptions.__hash__", "ValueError"),
    ],
)
def test_each_line_is_needed(tmp_path: Path, line: str, error: str) -> None:
    undo = {
        "pyee.AsyncIOEventEmitter": "import pyee; del pyee.AsyncIOEventEmitter",
        "urllib3.get_host": "import urllib3; del urllib3.get_host",
        "PuppetOptions.__hash__": (
            "from wechaty_puppet.schemas.puppet import PuppetOptions; PuppetOptions.__hash__ = None"
        ),
    }[line]
    code = f"from bot.channels.wechaty_compat import make_importable; make_importable(); {undo}; "
    # What the first line allowed to be imported is there already: begin anew.
    code += (
        "import sys; [sys.modules.pop(m) for m in list(sys.modules) if m == 'wechaty_puppet_service']; import wechaty"
    )
    done = run(code, tmp_path)
    assert done.returncode != 0
    assert error in done.stderr.splitlines()[-1]


def test_the_whole_sdk_imports_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
import logging, os, sys
from pathlib import Path
from bot.channels.wechaty_compat import load_sdk
before = set(logging.Logger.manager.loggerDict)
sdk = load_sdk(Path("data"))
assert load_sdk(Path("data")) is sdk
new = [logging.getLogger(name) for name in set(logging.Logger.manager.loggerDict) - before]
assert not [logger.name for logger in new if logger.handlers]
sdk.puppet_service(sdk.options(end_point="127.0.0.1:1", token="secret-token"), "x")
assert not {"wechaty", "quart", "github", "lxml"} & set(sys.modules), "more than the puppet layer was imported"
import urllib3
assert urllib3.get_host("http://a.example:81/x") == ("http", "a.example", 81)
import wechaty
print(sorted(os.listdir(".")))
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "secret-token" not in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] in ("[]", "['data']")


def test_the_program_does_not_import_it_until_the_channel_speaks(tmp_path: Path) -> None:
    code = (
        "import sys; import handlers.compose; print([m for m in sys.modules if m.startswith(('wechaty', 'grpclib'))])"
    )
    assert run(code, tmp_path).stdout.strip() == "[]"
