"""Chooses what to import: the commands over the fraud library alone start without the database's modules."""

from __future__ import annotations

import sys


def main() -> None:
    if sys.argv[1:2] in (["ask"], ["screen"], ["match"]):
        from handlers.cli.knowledge import knowledge_app as app
    else:
        from handlers.cli.main import app
    app()
