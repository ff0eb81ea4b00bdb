"""Pictures from outside: whatever comes in, only a clean picture or a reason comes out."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.errors import UserError
from bot.pictures import MAX_BYTES, MAX_SIDE, clean_picture


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    buffer = io.BytesIO()
    colours: dict[str, Any] = {"RGB": "teal", "RGBA": (0, 128, 128, 90), "CMYK": "teal"}
    Image.new(mode, size, colours.get(mode, 120)).save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("kind", "mode", "media_type"),
    [
        ("JPEG", "RGB", "image/jpeg"),
        ("JPEG", "CMYK", "image/jpeg"),
        ("JPEG", "L", "image/jpeg"),
        ("PNG", "RGB", "image/png"),
        ("PNG", "RGBA", "image/png"),
        ("PNG", "P", "image/png"),
        ("PNG", "1", "image/png"),
        ("PNG", "I;16", "image/png"),
        ("WEBP", "RGB", "image/jpeg"),
        ("WEBP", "RGBA", "image/png"),
        ("GIF", "P", "image/jpeg"),
        ("BMP", "RGB", "image/jpeg"),
    ],
)
def test_every_accepted_kind_becomes_jpeg_or_png_of_the_same_size(kind: str, mode: str, media_type: str) -> None:
    clean = clean_picture(encoded(kind, mode))
    assert clean.media_type == media_type
    assert f"image/{(opened(clean.data).format or '').lower()}" == media_type
    assert (clean.width, clean.height) == opened(clean.data).size == (40, 30)


def test_metadata_and_what_hangs_behind_the_picture_are_gone() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret-place"
    photo = encoded("JPEG", exif=exif.tobytes(), comment=b"secret-comment") + b"<script>secret-tail</script>"
    info = PngInfo()
    info.add_text("Author", "secret-author")
    for data in (photo, encoded("PNG", pnginfo=info) + b"secret-tail"):
        assert b"secret" in data
        assert b"secret" not in clean_picture(data).data


def test_a_photograph_taken_sideways_is_put_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    clean = clean_picture(encoded("JPEG", size=(40, 30), exif=exif.tobytes()))
    assert (clean.width, clean.height) == (30, 40)


def test_the_same_picture_gives_the_same_digest() -> None:
    data = encoded("PNG")
    assert clean_picture(data).sha256 == clean_picture(data).sha256
    assert clean_picture(data).sha256 != clean_picture(encoded("PNG", size=(41, 30))).sha256


def test_what_it_is_is_decided_by_the_bytes_and_only_known_kinds_are_tried() -> None:
    for data in (b"%!PS-Adobe-3.0 EPSF-3.0\n", encoded("TIFF"), encoded("ICO"), encoded("PPM"), b"<svg/>"):
        with pytest.raises(UserError, match="不是能识别的图片"):
            clean_picture(data)


def test_the_limits_are_told() -> None:
    with pytest.raises(UserError, match="2 MB"):
        clean_picture(b"x" * (MAX_BYTES + 1))
    with pytest.raises(UserError, match=str(MAX_SIDE)):
        clean_picture(encoded("PNG", mode="1", size=(MAX_SIDE + 1, 5)))
    assert clean_picture(encoded("PNG", mode="1", size=(MAX_SIDE, 5))).width == MAX_SIDE


def test_a_small_file_that_claims_to_be_huge_is_refused_before_it_is_decoded() -> None:
    for side in (30_000, 20_000, 65_500):  # beyond both of Pillow's own limits, and within them
        with pytest.raises(UserError, match=str(MAX_SIDE)):
            clean_picture(_png_claiming(side, side))


def _png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


_WHOLE = {"JPEG": encoded("JPEG"), "PNG": encoded("PNG"), "GIF": encoded("GIF", "P"), "WEBP": encoded("WEBP")}


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(_WHOLE)), st.integers(0, 2000), st.binary(max_size=12), st.integers(0, 2000))
def test_broken_bytes_give_a_picture_or_a_reason_and_nothing_else(kind: str, at: int, junk: bytes, cut: int) -> None:
    whole = _WHOLE[kind]
    broken = (whole[:at] + junk + whole[at + len(junk) :])[: len(whole) - cut % len(whole)]
    try:
        clean = clean_picture(broken)
    except UserError:
        return
    assert opened(clean.data).size == (clean.width, clean.height)
