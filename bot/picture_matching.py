"""Is this picture one of ours? Compared by what it shows, so that an app's re-encoding and scaling do not matter."""

from __future__ import annotations

import asyncio
import io
import itertools
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import UserError
from bot.pictures import MAX_BYTES, clean_picture
from db.forwards import list_live_pictures
from db.models import Picture
from db.session import Database

SIDE = 16  # cells per row: 256 bits
MAX_DISTANCE = 24  # bits of 256; two different posters differ in some 100, the same one scaled or re-encoded in few


def fingerprint(data: bytes) -> int:
    """Which cells of a coarse grey copy are brighter than their right neighbours. Takes some milliseconds of CPU and
    raises `UserError` for what is no picture: call it in a thread."""
    from PIL import Image

    clean = clean_picture(data)
    with Image.open(io.BytesIO(clean.data)) as picture:
        grey = picture.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.LANCZOS).tobytes()
    bits = 0
    for row in range(SIDE):
        line = grey[row * (SIDE + 1) : (row + 1) * (SIDE + 1)]
        for left, right in itertools.pairwise(line):
            bits = bits << 1 | (left > right)
    return bits


class KnownPictures:
    """The pictures of live alerts. Nothing of a picture that is not one of them is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fingerprints: dict[int, int] = {}

    async def find(self, data: bytes, *, since: datetime) -> int | None:
        """The id of the alert picture (released after `since`) that `data` shows; None when it shows another thing."""
        async with self._database.read() as session:
            live = await list_live_pictures(session, since)
            await self._read(session, live)
        if not live or not 0 < len(data) <= MAX_BYTES:
            return None
        try:
            wanted = await asyncio.to_thread(fingerprint, data)
        except UserError:
            return None
        distances = {picture_id: (self._fingerprints[picture_id] ^ wanted).bit_count() for picture_id in live}
        nearest = min(distances, key=lambda picture_id: distances[picture_id])
        return nearest if distances[nearest] <= MAX_DISTANCE else None

    async def _read(self, session: AsyncSession, picture_ids: set[int]) -> None:
        for picture_id in picture_ids - self._fingerprints.keys():
            picture = await session.get(Picture, picture_id)
            if picture is not None:
                self._fingerprints[picture_id] = await asyncio.to_thread(fingerprint, picture.data)
