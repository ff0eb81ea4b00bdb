"""Whole programs as child processes, born quickly (`tests.acceptance.nursery`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """`start` gives the process id of a new `bot.py run`; what they all say goes to the end of `log`."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.nursery"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )

    def start(self, *words: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(("start", *words)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    @contextmanager
    def life(self) -> Iterator[int]:
        """A running program, killed with -9 at the end of the block."""
        pid = self.start()
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGKILL)

    def check(self, pid: int) -> None:
        """Fails with what the program said when it is not alive."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            pytest.fail(self._log.read_text())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
