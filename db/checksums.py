"""Whether two databases hold the same rows, whatever kind each is.

A table's checksum does not depend on the order of its rows: the two kinds of database sort texts differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from db.copying import pages

MODULUS = 1 << 128


@dataclass(frozen=True)
class Checksum:
    """`total` is the sum of the rows' digests (blake2b, 128 bits) modulo 2¹²⁸: a row that is missing, changed or
    there twice changes it."""

    rows: int
    total: int

    def __str__(self) -> str:
        return f"{self.total:032x}"


async def table_checksum(
    connection: AsyncConnection, table: sa.Table, progress: Callable[[int], None] = lambda _rows: None
) -> Checksum:
    """Reads every row of the table once. `progress` is called with the number of rows of each step."""
    rows = total = 0
    async for page in pages(connection, table):
        for row in page:
            total += int.from_bytes(_digest(row), "big")
        rows += len(page)
        progress(len(page))
    return Checksum(rows, total % MODULUS)


def _digest(row: sa.Row[Any]) -> bytes:
    text = orjson.dumps(
        [_plain(value) for value in row], option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME, default=str
    )
    return hashlib.blake2b(text, digest_size=16).digest()


def _plain(value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return hashlib.blake2b(value, digest_size=16).hexdigest()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
