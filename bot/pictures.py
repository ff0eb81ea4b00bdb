"""Pictures from outside: decoded and encoded anew, so that what is stored is a picture and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import UserError
from db.models import Picture
from db.pictures import record_picture
from db.session import Database

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 2 * 1024 * 1024  # a WeCom webhook takes no more (domain facts)
MAX_SIDE = 4096  # pixels; 4096² decoded is 64 MiB at most, so a small file cannot fill the memory
ACCEPTED = ("JPEG", "PNG", "GIF", "WEBP", "BMP")  # decoders that strangers may reach; Pillow knows many more
_NOT_A_PICTURE = "这不是能识别的图片，请上传 JPG 或 PNG 图片"


@dataclass(frozen=True)
class CleanPicture:
    """An encoded picture without metadata."""

    data: bytes
    media_type: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def clean_picture(data: bytes) -> CleanPicture:
    """Decode and encode anew, upright and without metadata. What it is, is decided by the bytes, never by a name.

    Photographs become JPEG; what came as PNG or has transparency becomes PNG; of an animation the first frame
    stays. Raises `UserError` for what is no picture or too large. Takes up to a second of CPU: call it in a thread.
    """
    _check_bytes(data)
    from PIL import Image, ImageOps  # 40 ms and 10 MiB that only those who upload need

    try:
        with Image.open(io.BytesIO(data), formats=ACCEPTED) as opened:
            _check_size(opened)
            came_as = opened.format
            upright = ImageOps.exif_transpose(opened)
            picture = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except UserError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:  # whatever a decoder raises on bytes that want to break it
        raise UserError(_NOT_A_PICTURE) from error
    return _encoded(picture, as_png=came_as == "PNG" or picture.mode == "RGBA")


async def store_picture(session: AsyncSession, data: bytes) -> Picture:
    """Clean and store a picture; the same picture is stored once. Raises `UserError`.

    Inside a write of SQLite the cleaning keeps other writers waiting: `save_picture` does not.
    """
    return await _record(session, await asyncio.to_thread(clean_picture, data))


async def save_picture(database: Database, data: bytes) -> Picture:
    """Clean a picture, then store it in a transaction of its own. Raises `UserError`."""
    picture = await asyncio.to_thread(clean_picture, data)
    async with database.write() as session:
        return await _record(session, picture)


async def _record(session: AsyncSession, picture: CleanPicture) -> Picture:
    return await record_picture(
        session,
        sha256=picture.sha256,
        media_type=picture.media_type,
        width=picture.width,
        height=picture.height,
        data=picture.data,
    )


def _check_bytes(data: bytes) -> None:
    if not data:
        raise UserError(_NOT_A_PICTURE)
    if len(data) > MAX_BYTES:
        raise UserError(
            f"图片不能超过 {MAX_BYTES // 1024 // 1024} MB（这张 {len(data) / 1024 / 1024:.1f} MB），请压缩后再传"
        )


def _check_size(picture: Image.Image) -> None:
    if max(picture.size) > MAX_SIDE:
        raise _too_many_pixels()


def _too_many_pixels() -> UserError:
    return UserError(f"图片的长和宽都不能超过 {MAX_SIDE} 像素，请缩小后再传")


def _encoded(picture: Image.Image, *, as_png: bool) -> CleanPicture:
    picture.info.clear()  # what an encoder would copy into the file
    data = _save(picture, "PNG", optimize=True) if as_png else b""
    if as_png and len(data) > MAX_BYTES and picture.mode == "RGB":
        as_png = False  # a photograph saved as PNG elsewhere
    if not as_png:
        data = _save(picture, "JPEG", quality=88, optimize=True)
    if len(data) > MAX_BYTES:
        raise UserError(f"图片处理后仍超过 {MAX_BYTES // 1024 // 1024} MB，请缩小后再传")
    return CleanPicture(data, "image/png" if as_png else "image/jpeg", picture.width, picture.height)


def _save(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
