"""Fields of forms and queries, read the forgiving way: what is not understood is empty, never an error 500."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web
from multidict import MultiMapping

from bot.errors import NotFound

E = TypeVar("E", bound=StrEnum)
BIGGEST_ID = 2**63 - 1  # what the databases can hold


def text_of(form: Mapping[str, Any], name: str) -> str:
    """A text field without surrounding space; a file in its place counts as empty."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def int_of(form: Mapping[str, Any], name: str) -> int | None:
    return _int(text_of(form, name))


def ints_of(form: MultiMapping[Any], name: str) -> tuple[int, ...]:
    """Every number given under this name, each once, in order."""
    numbers = (_int(value) for value in form.getall(name, []) if isinstance(value, str))
    return tuple(dict.fromkeys(number for number in numbers if number is not None))


def choice_of(kind: type[E], form: Mapping[str, Any], name: str) -> E | None:
    value = text_of(form, name)
    return kind(value) if value in set(kind) else None


def choices_of(kind: type[E], form: MultiMapping[Any], name: str) -> tuple[E, ...]:
    return tuple(dict.fromkeys(kind(value) for value in form.getall(name, []) if value in set(kind)))


def local_time_of(form: Mapping[str, Any], name: str, zone: ZoneInfo) -> datetime | None:
    """A `datetime-local` field, which is the office's time; None when it is empty.

    Raises `ValueError` for what is no time.
    """
    value = text_of(form, name)
    return datetime.fromisoformat(value).replace(tzinfo=zone) if value else None


def path_id(request: web.Request, name: str = "id") -> int:
    """The number in the address. Raises `NotFound` for one that no row can have."""
    number = _int(request.match_info[name])
    if number is None:
        raise NotFound("没有这个页面")
    return number


def _int(value: str) -> int | None:
    if not value.isascii() or not value.isdigit() or len(value) > 19:
        return None
    number = int(value)
    return number if number <= BIGGEST_ID else None


@dataclass(frozen=True)
class Paging:
    """One page of a long list; `total` rows in all."""

    number: int
    size: int
    total: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    @property
    def last(self) -> int:
        return max(1, -(-self.total // self.size))


def page_number(request: web.Request) -> int:
    return min(max(1, int_of(request.query, "page") or 1), 1_000_000)
