"""The demo over real gateways, one for each of its three accounts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


def test_the_demo_plays_over_gateways() -> None:
    command = [sys.executable, "bot.py", "demo", "--channel", "wechaty", "--exit"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["ok"] is True
    assert all(result["invariants"].values())
    assert (result["groups"], result["sent"], result["failed"]) == (213, result["deliveries"] - 1, 1)
    assert result["forwards"] > 0
    assert not (ROOT / ".wechaty").exists()
