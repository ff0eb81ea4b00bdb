"""Made-up posters, the edits that apps and people make to a picture, and posters of one template that differ in words.

Characters are little random patterns, so that no font is needed and the same seed gives the same posters everywhere.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Edit = Callable[[Image.Image, random.Random], Image.Image]
COLOURS: Final = ("#b3202a", "#0f5c63", "#1d5fa8", "#b65208", "#3b2f7d", "#16452a", "#f3c623", "#f4f4ef")


def _glyph(draw: ImageDraw.ImageDraw, at: tuple[int, int], size: int, code: int, ink: str) -> None:
    rng = random.Random(code)
    cell = size / 6
    for row in range(5):
        for column in range(5):
            if rng.random() < 0.5:
                x, y = at[0] + column * cell, at[1] + row * cell
                draw.rectangle((x, y, x + cell * 0.85, y + cell * 0.85), fill=ink)


def _write(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], size: int, words: random.Random, ink: str
) -> None:
    for y in range(box[1], box[3] - size, int(size * 1.5)):
        end = box[2] - words.randint(0, (box[2] - box[0]) // 3) if y + 2 * size > box[3] else box[2]
        for x in range(box[0], end - size, size):
            _glyph(draw, (x, y), size, words.randrange(4000), ink)


def poster(seed: int, words: int | None = None) -> Image.Image:
    """A poster; those of one `seed` and different `words` are of one template: the same design, other text."""
    rng, text = random.Random(seed), random.Random(seed if words is None else words * 1000 + seed)
    width, height = rng.choice(((720, 960), (800, 1200), (1080, 1440), (900, 900), (1200, 800)))
    ground, band, ink = rng.sample(COLOURS, 3)
    picture = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    top = height // rng.choice((4, 5, 6))
    draw.rectangle((0, 0, width, top), fill=band)
    for _ in range(rng.randint(2, 6)):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randint(width // 20, width // 5)
        shape = rng.choice((draw.ellipse, draw.rectangle))
        shape((x - r, y - r, x + r, y + r), fill=rng.choice(COLOURS))
    margin = width // 12
    title = rng.randint(width // 14, width // 9)
    _write(draw, (margin, top // 4, width - margin, top // 4 + int(title * 1.6)), title, text, ink)
    paper = (margin, top + margin // 2, width - margin, height - height // 6)
    draw.rectangle(paper, fill=rng.choice(("#ffffff", "#fff7e0", "#eaf3f2")))
    inner = (paper[0] + margin // 2, paper[1] + margin // 2, paper[2] - margin // 2, paper[3] - margin // 4)
    _write(draw, inner, rng.randint(width // 30, width // 18), text, "#222222")
    _write(draw, (margin, height - height // 8, width - margin, height - height // 16), width // 26, rng, ink)
    return picture


def encoded(picture: Image.Image, quality: int = 85) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def _recompressed(picture: Image.Image, rng: random.Random) -> Image.Image:
    return Image.open(io.BytesIO(encoded(picture, rng.randint(12, 50)))).convert("RGB")


def _resized(picture: Image.Image, rng: random.Random) -> Image.Image:
    share = rng.uniform(0.2, 1.6)
    return picture.resize((max(90, int(picture.width * share)), max(90, int(picture.height * share))))


def _stretched(picture: Image.Image, rng: random.Random) -> Image.Image:
    return picture.resize((int(picture.width * rng.uniform(0.85, 1.15)), picture.height))


def _cropped(picture: Image.Image, rng: random.Random) -> Image.Image:
    w, h = picture.size
    left, top, right, bottom = (rng.uniform(0, 0.11) for _ in range(4))
    return picture.crop((int(left * w), int(top * h), int(w - right * w), int(h - bottom * h)))


def _cut_on_one_side(picture: Image.Image, rng: random.Random) -> Image.Image:
    w, h = picture.size
    share, side = rng.uniform(0.03, 0.2), rng.randrange(4)
    box = [0, 0, w, h]
    box[side] += int((w, h)[side % 2] * share) * (1 if side < 2 else -1)
    return picture.crop((box[0], box[1], box[2], box[3]))


def _bordered(picture: Image.Image, rng: random.Random) -> Image.Image:
    w, h = picture.size
    sides = [int(rng.uniform(0.01, 0.25) * min(w, h)) for _ in range(4)]
    colour = rng.choice(("white", "black", "#ededed", "#c0392b"))
    framed = Image.new("RGB", (w + sides[0] + sides[2], h + sides[1] + sides[3]), colour)
    framed.paste(picture, (sides[0], sides[1]))
    return framed


def _screenshot(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The picture opened on a phone, or as a bubble in a chat, with a status bar and a line of talk."""
    dark = rng.random() < 0.5
    screen = Image.new("RGB", (540, rng.choice((960, 1080, 1170))), "#111111" if dark else "#ededed")
    draw = ImageDraw.Draw(screen)
    words = random.Random(rng.random())
    _write(draw, (20, 12, 520, 40), 18, words, "#ffffff" if dark else "#222222")
    share = 1.0 if rng.random() < 0.5 else rng.uniform(0.5, 0.75)
    shown = picture.resize((int(540 * share), int(540 * share * picture.height / picture.width)))
    if shown.height > screen.height - 160:
        shown = shown.resize((int(shown.width * (screen.height - 160) / shown.height), screen.height - 160))
    left = (540 - shown.width) // 2 if share == 1.0 else 80
    screen.paste(shown, (left, rng.randint(60, screen.height - shown.height - 70)))
    _write(draw, (20, screen.height - 50, 400, screen.height - 15), 20, words, "#888888")
    return screen


def _dimmed(picture: Image.Image, rng: random.Random) -> Image.Image:
    brighter = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.7, 1.3))
    return ImageEnhance.Contrast(brighter).enhance(rng.uniform(0.7, 1.3))


def _blurred(picture: Image.Image, rng: random.Random) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(picture.width * rng.uniform(0.002, 0.006)))


def _grey(picture: Image.Image, rng: random.Random) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _marked(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A line of somebody's own in a corner."""
    copy = picture.copy()
    w, h = copy.size
    _write(
        ImageDraw.Draw(copy),
        (int(w * 0.6), int(h * 0.93), w, h),
        max(12, w // 34),
        random.Random(rng.random()),
        "#ffffff",
    )
    return copy


EDITS: Final[dict[str, Edit]] = {
    edit.__name__.strip("_"): edit
    for edit in (
        *(_recompressed, _resized, _stretched, _cropped, _cut_on_one_side, _bordered),
        *(_screenshot, _dimmed, _blurred, _grey, _marked),
    )
}
TWICE: Final = ("cropped+recompressed", "bordered+resized", "screenshot+recompressed", "cut_on_one_side+dimmed")
KINDS: Final = (*EDITS, *TWICE)


def edited(picture: Image.Image, kind: str, rng: random.Random) -> Image.Image:
    for step in kind.split("+"):
        picture = EDITS[step](picture, rng)
    return picture
