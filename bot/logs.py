"""Structured logs: one JSON object a line, or plain text for people."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from bot.settings import Settings

SILENCE = 10.0  # seconds
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """`process` stands in every line, so that the lines of several processes can be read together."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = {"process": process} if process else {}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **self._process,
            "event": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class PlainLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extras = " ".join(f"{key}={value}" for key, value in _extras(record).items())
        text = (
            f"{self.formatTime(record)} {record.levelname:<7} {record.name}: {record.getMessage()} {extras}".rstrip()
        )
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class Outages(logging.Filter):
    """While the database is away everybody who asks it fails, again and again: each says so in one line, and not more
    often than every `SILENCE` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if not isinstance(error, Exception):
            return True
        from bot.database import is_away  # only now: the short commands need no database

        if not is_away(error):
            return True
        silent = record.created - self._said.get(record.name, 0.0) < SILENCE
        if not silent:
            self._said[record.name] = record.created
            record.exc_info, record.exc_text = None, None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.why = f"database away: {type(error).__name__}"
        return not silent


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def set_up_logs(settings: Settings, process: str = "") -> None:
    """Everything goes to standard error, where systemd and containers collect it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process) if settings.log_format == "json" else PlainLines())
    handler.addFilter(Outages())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for name in ("apscheduler", "alembic"):  # they tell every second what they did
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("apscheduler.scheduler").setLevel(
        logging.ERROR
    )  # a look that lasts longer than a second delays the next
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
