"""Forks whole programs out of a process that has imported everything: dozens of lives without dozens of imports.

Reads "start" lines on stdin, forks a process that runs `bot.py run`, and prints its process id.
"""

from __future__ import annotations

import os
import signal
import sys

from handlers.cli.serve import run


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are gone at once, as under a real init
    for line in sys.stdin:
        if line.strip() != "start":
            return
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            run()
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
