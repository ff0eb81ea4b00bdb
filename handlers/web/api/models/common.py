"""What all models share: how strict they are, and the kinds of values that databases can hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

T = TypeVar("T")

BIGGEST_ID = 2**63 - 1
BIGGEST_NUMBER = 2**31 - 1
_NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps no NUL in a text

Id = Annotated[int, Field(ge=1, le=BIGGEST_ID)]
Number = Annotated[int, Field(ge=0, le=BIGGEST_NUMBER)]
Line = Annotated[str, StringConstraints(max_length=200, pattern=_NO_NUL)]
Paragraph = Annotated[str, StringConstraints(max_length=4000, pattern=_NO_NUL)]
Search = Annotated[str, StringConstraints(max_length=60, pattern=_NO_NUL)]
Ids = Annotated[list[Id], Field(max_length=500)]


def _in_this_age(value: datetime) -> datetime:
    """So that no reckoning with it leaves the calendar."""
    if not 2000 <= value.year <= 2100:
        raise ValueError("时间应在 2000 年至 2100 年之间")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_in_this_age)]
"""An instant with its offset: 2026-11-21T09:30:00+08:00."""


class In(BaseModel):
    """A body or a query: what is not known is refused, so that a misspelt field is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Out(BaseModel):
    """An answer, read from rows and dataclasses by the names of their fields."""

    model_config = ConfigDict(from_attributes=True, frozen=True, defer_build=True)


class Listing(In):
    """One page of a long list."""

    limit: int = Field(50, ge=1, le=200, description="每页条数，1–200")
    cursor: int = Field(0, ge=0, le=1_000_000_000, description="从哪里继续：上一页答复中的 next")


class Page(Out, Generic[T]):
    """`next` goes into `cursor` for the page after this one; null on the last page."""

    items: list[T]
    total: int | None = Field(description="总条数；审计日志不计总数")
    next: int | None


def page_of(items: list[T], *, total: int, query: Listing) -> Page[T]:
    after = query.cursor + len(items)
    return Page(items=items, total=total, next=after if items and after < total else None)


class Found(Out, Generic[T]):
    """A list that is never long."""

    items: list[T]


class Problem(Out):
    """What is wrong: `code` for programs, `message` for people, `fields` by the field that is to be mended."""

    code: str
    message: str
    fields: dict[str, str]


class ErrorAnswer(Out):
    error: Problem


class Reason(In):
    reason: Line


class Named(Out):
    """Something with a number, and what people call it."""

    id: int
    name: str
