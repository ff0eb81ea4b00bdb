"""Forks whole programs out of a process that has imported everything: dozens of lives without dozens of imports.

Reads lines on stdin and prints the process id of a new `bot.py run` for each: "start", then as words its roles, `host=…`
for a process of another machine, and `ahead=…` for one whose clock is so many seconds ahead.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from datetime import datetime, timedelta, tzinfo

import bot.clock
import bot.database_clock
from handlers.cli.serve import run


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are gone at once, as under a real init
    for line in sys.stdin:
        word, *rest = line.split() or [""]
        if word != "start":
            return
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            _live(rest)
            os._exit(0)
        print(pid, flush=True)


def _live(words: list[str]) -> None:
    options = dict(word.split("=", 1) for word in words if "=" in word)
    if "host" in options:
        socket.gethostname = lambda: options["host"]
    if "ahead" in options:
        _set_the_clock(timedelta(seconds=float(options["ahead"])))
    run([word for word in words if "=" not in word])


def _set_the_clock(ahead: timedelta) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + ahead

    for module in (bot.clock, bot.database_clock):
        module.datetime = Ahead  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
