"""Is this picture one of ours? Compared by what it shows, so that scaling, cropping, borders and screenshots do not
matter; see `content.picture_hash`."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import UserError
from bot.pictures import MAX_BYTES, clean_picture
from content.picture_hash import KnownPicture, grey_copy, known_picture, nearest
from db.forwards import list_pictures
from db.models import Picture
from db.session import Database

CLEAR = 0.05  # share of the letters that must speak for one picture and not the next, when both look like a copy


@dataclass(frozen=True)
class PictureMatch:
    """`picture_id` is the alert picture that is shown; `doubts` are those of whose template it is, when it may be
    another poster of that template: then text, link or a person decides."""

    picture_id: int | None
    doubts: tuple[int, ...] = ()


UNKNOWN_PICTURE = PictureMatch(None)


class KnownPictures:
    """The pictures of recent alerts. Nothing of a picture that is not one of them is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, KnownPicture | None] = {}
        self._reading = asyncio.Lock()

    async def find(self, data: bytes, *, since: datetime) -> int | None:
        """The id of the alert picture that `data` shows; None when it shows another thing or when that is in doubt."""
        return (await self.match(data, since=since)).picture_id

    async def match(self, data: bytes, *, since: datetime) -> PictureMatch:
        """What `data` shows of the pictures of alerts released after `since`. A quarter of a second in a thread."""
        async with self._database.read() as session, self._reading:
            wanted = await list_pictures(session, since)
            await self._read(session, wanted)
        known = {key: picture for key in wanted if (picture := self._known[key]) is not None}
        if not known or not 0 < len(data) <= MAX_BYTES:
            return UNKNOWN_PICTURE
        try:
            return await asyncio.to_thread(_compare, data, known)
        except UserError:
            return UNKNOWN_PICTURE

    async def _read(self, session: AsyncSession, wanted: set[int]) -> None:
        for key in self._known.keys() - wanted:
            del self._known[key]
        for key in wanted - self._known.keys():
            picture = await session.get(Picture, key)
            self._known[key] = await asyncio.to_thread(_learn, picture.data) if picture is not None else None


def _learn(data: bytes) -> KnownPicture | None:
    """Our own picture; None for one that cannot be read, which then is never found."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(clean_picture(data).data)) as picture:
            return known_picture(grey_copy(picture))
    except UserError:
        return None


def _compare(data: bytes, known: dict[int, KnownPicture]) -> PictureMatch:
    """Raises `UserError` for what is no picture."""
    from PIL import Image

    with Image.open(io.BytesIO(clean_picture(data).data)) as picture:
        alike = [one for one in nearest(grey_copy(picture), known) if one.is_alike]
    copies = [one for one in alike if one.is_copy]
    if copies and (len(copies) == 1 or copies[0].agreement > copies[1].agreement + CLEAR):
        return PictureMatch(copies[0].key)
    return PictureMatch(None, tuple(one.key for one in copies or alike))
