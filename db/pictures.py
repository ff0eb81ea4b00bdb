"""Pictures, each stored once."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import upsert
from db.models import Picture


async def record_picture(
    session: AsyncSession, *, sha256: str, media_type: str, width: int, height: int, data: bytes
) -> Picture:
    """The picture with this digest, inserted if it is new. Two writers of the same picture get the same row."""
    values = {"sha256": sha256, "media_type": media_type, "width": width, "height": height, "data": data}
    await session.execute(upsert(session, Picture).values(**values).on_conflict_do_nothing(index_elements=["sha256"]))
    return (await session.scalars(sa.select(Picture).where(Picture.sha256 == sha256))).one()


async def find_picture(session: AsyncSession, picture_id: int) -> Picture | None:
    return await session.get(Picture, picture_id)


async def existing_pictures(session: AsyncSession, picture_ids: Collection[int]) -> set[int]:
    """Those of the ids that are pictures."""
    return set(await session.scalars(sa.select(Picture.id).where(Picture.id.in_(picture_ids))))
