"""Is one picture an edited copy of another? By what they show: an app's re-encoding, scaling, cropping and framing change
nothing of that.

A picture is known by the difference hashes (256 bits: which cells of a coarse grey copy are brighter than their right
neighbour) of some forty crops of it. A picture that comes in is hashed whole, without its border, and by its largest
piece between stripes of one colour: the picture inside a screenshot. The nearest known pictures are then laid over it and
moved until they fit best; what is left of a difference tells a copy from another poster of the same template.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from operator import mul
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

SIDE: Final = 16
"""Cells per row and column of a hash."""
_WORK: Final = 480
"""Longest side in pixels of the grey copy that everything is read from."""
_FIT: Final = 64
"""Side in pixels of the copies that are laid over each other."""
_FINE: Final = 144
"""Side in pixels of the copies whose letters are compared in the end."""
_BLOCK: Final = 18
"""Side in pixels of the blocks in which letters are compared."""
_NEAR: Final = 88
"""Bits of 256 in which a crop of a copy differs at most; unrelated posters differ in some 128, seldom under 90."""
_MAIN_PART: Final = 0.4
"""Share of a picture's area that a piece of it must have to be known by."""
_PAIRS: Final = 3
"""Pairs of a view and a crop that are tried for each of them."""
_ALIKE: Final = 0.5
"""Correlation of the details of a block from which on they are the same."""
_LEAST_BLOCKS: Final = 3
"""Blocks with details that a picture must have."""
_DETAIL: Final = 18**2 * 12**2
"""Sum of squares of a block's details that are worth comparing: some twelve levels for each of its pixels."""
_ALIKE_DIFFERENCE: Final = 18.0
"""Levels by which pictures of one design differ at most once they are laid over each other. Measured on the posters of
``benchmarks``: copies up to 13, other posters from 23."""
_COPY_AGREEMENT: Final = 0.7
"""Share of blocks with the same letters from which on it is a copy. Copies have 0.79 and more, other posters of the same
template up to 0.52."""
_LOOKED_AT: Final = 3
"""Known pictures that are laid over an incoming one at most."""
_PLAIN: Final = 8
"""Levels of 256 by which pixels of one colour differ after compression."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the width and height."""
WHOLE: Final[Box] = (0.0, 0.0, 1.0, 1.0)


def grey_copy(picture: Image.Image) -> Image.Image:
    """The picture as everything here reads it: grey, at most 480 pixels long."""
    grey = picture.convert("L")
    grey.thumbnail((_WORK, _WORK))
    return grey


def difference_hash(grey: Image.Image, box: Box = WHOLE) -> int:
    """Hash of the part of the picture within `box`."""
    small = _part(grey, box, SIDE + 1, SIDE)
    bits = 0
    for row in range(SIDE):
        line = small[row * (SIDE + 1) : (row + 1) * (SIDE + 1)]
        for left, right in itertools.pairwise(line):
            bits = bits << 1 | (left > right)
    return bits


def _part(grey: Image.Image, box: Box, width: int, height: int) -> bytes:
    from PIL import Image

    return grey.resize((width, height), Image.Resampling.BOX, _pixels(grey, box)).tobytes()


def _pixels(grey: Image.Image, box: Box) -> Box:
    left, top, right, bottom = box
    return (left * grey.width, top * grey.height, right * grey.width, bottom * grey.height)


# --- what part of a picture is the picture ---------------------------------------------------------------------


def views(grey: Image.Image) -> list[Box]:
    """The whole, and what is left of it when stripes of the border's colour are taken away: from outside (a border),
    or down to the largest piece between them (the picture inside a screenshot), once and again."""
    found = [WHOLE, *_contents(grey, largest=False), *_contents(grey, largest=True)]
    return list(dict.fromkeys(box for box in found if box[2] - box[0] > 0.2 and box[3] - box[1] > 0.1))


def _contents(grey: Image.Image, *, largest: bool) -> Iterator[Box]:
    box = (0, 0, grey.width, grey.height)
    for _ in range(3):
        part = grey.crop(box)
        rows = _span(_is_plain(part, rows=True), largest=largest)
        columns = _span(_is_plain(part.crop((0, rows[0], part.width, rows[1])), rows=False), largest=largest)
        smaller = (box[0] + columns[0], box[1] + rows[0], box[0] + columns[1], box[1] + rows[1])
        if smaller == box or smaller[2] - smaller[0] < SIDE or smaller[3] - smaller[1] < SIDE:
            return
        box = smaller
        yield (box[0] / grey.width, box[1] / grey.height, box[2] / grey.width, box[3] / grey.height)


def _is_plain(part: Image.Image, *, rows: bool) -> list[bool]:
    """For each row (or column), whether hardly anything in it differs from the colour of the border around."""
    from PIL import Image

    turned = part if rows else part.transpose(Image.Transpose.TRANSPOSE)
    data, width = turned.tobytes(), turned.width
    lines = [data[start : start + width] for start in range(0, len(data), width)]
    border = sorted(lines[0] + lines[-1])
    colour = max((border[len(border) // 4], border[len(border) * 3 // 4]), key=border.count)
    same = bytes(abs(level - colour) <= _PLAIN for level in range(256))
    return [sum(line.translate(same)) >= 0.985 * width for line in lines]


def _span(plain: Sequence[bool], *, largest: bool) -> tuple[int, int]:
    """Start and end of what is not plain: all of it, or its longest piece between stripes wider than a line's gap."""
    pieces: list[tuple[int, int]] = []
    for start, end in _runs(plain):
        if pieces and (not largest or start - pieces[-1][1] <= 2):
            pieces[-1] = (pieces[-1][0], end)
        else:
            pieces.append((start, end))
    return max(pieces, key=lambda piece: piece[1] - piece[0], default=(0, len(plain)))


def _runs(plain: Sequence[bool]) -> Iterable[tuple[int, int]]:
    at = 0
    for value, group in itertools.groupby(plain):
        length = len(list(group))
        if not value:
            yield at, at + length
        at += length


# --- known pictures ---------------------------------------------------------------------------------------------


def _crops() -> list[Box]:
    """Crops that people and apps make: a little of every side, more of one side, of two sides that meet or face."""
    cuts = [(all_round,) * 4 for all_round in (0.0, 0.03, 0.06, 0.09, 0.12)]
    for share in (0.06, 0.12, 0.18):
        for sides in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 1, 0), (0, 1, 0, 1)):
            cuts.append(tuple(side * share for side in sides))  # type: ignore[arg-type]
    for share in (0.06, 0.12):
        for sides in ((1, 1, 0, 0), (0, 1, 1, 0), (0, 0, 1, 1), (1, 0, 0, 1)):
            cuts.append(tuple(side * share for side in sides))  # type: ignore[arg-type]
    return [(left, top, 1 - right, 1 - bottom) for left, top, right, bottom in cuts]


_CROPS: Final = _crops()


def _inside(outer: Box, inner: Box) -> Box:
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    return (
        outer[0] + inner[0] * width,
        outer[1] + inner[1] * height,
        outer[0] + inner[2] * width,
        outer[1] + inner[3] * height,
    )


@dataclass(frozen=True, slots=True, eq=False)
class KnownPicture:
    """What is kept of a picture to recognise its copies by: some 60 KiB."""

    grey: Image.Image
    crops: tuple[tuple[int, Box], ...]  # hash and box


def known_picture(grey: Image.Image) -> KnownPicture:
    """Takes some 20 ms."""
    whole = [view for view in views(grey) if (view[2] - view[0]) * (view[3] - view[1]) >= _MAIN_PART]
    boxes = [_inside(view, crop) for view in whole for crop in _CROPS]
    return KnownPicture(grey, tuple((difference_hash(grey, box), box) for box in dict.fromkeys(boxes)))


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a known picture compares with an incoming one."""

    key: int
    distance: int  # bits of 256 by the nearest crop
    difference: float  # mean remaining difference after fitting, in levels of 256
    agreement: float  # share of the detailed blocks that show the same details

    @property
    def is_alike(self) -> bool:
        """The same design: a copy, or another poster of the template."""
        return self.difference <= _ALIKE_DIFFERENCE

    @property
    def is_copy(self) -> bool:
        return self.is_alike and self.agreement >= _COPY_AGREEMENT


def nearest(grey: Image.Image, known: dict[int, KnownPicture]) -> list[Likeness]:
    """The known pictures that the incoming one may be a copy of, best first. Takes a quarter of a second."""
    seen = [(difference_hash(grey, view), view) for view in views(grey)]
    found = []
    for key, picture in known.items():
        pairs = [_nearest_crop(one, picture, view) for one, view in seen]
        found.append((min(pairs)[0], key, sorted(pairs)[:_PAIRS]))
    found.sort()
    likely = [_best(grey, known[key], key, pairs) for distance, key, pairs in found[:_LOOKED_AT] if distance <= _NEAR]
    return sorted(likely, key=lambda one: (-one.agreement if one.is_alike else 0.0, one.difference))


def _best(grey: Image.Image, known: KnownPicture, key: int, pairs: Sequence[tuple[int, Box, Box]]) -> Likeness:
    """By the pair of a view and a crop that fits best; the first that fits well will do."""
    tried: list[Likeness] = []
    for distance, view, crop in pairs:
        tried.append(_likeness(grey, known, key, distance, view, crop))
        if tried[-1].is_copy:
            break
    return min(tried, key=lambda one: one.difference)


def _nearest_crop(wanted: int, known: KnownPicture, view: Box) -> tuple[int, Box, Box]:
    distance, crop = min(((wanted ^ other).bit_count(), crop) for other, crop in known.crops)
    return distance, view, crop


# --- laid over each other ---------------------------------------------------------------------------------------


def _likeness(grey: Image.Image, known: KnownPicture, key: int, distance: int, view: Box, crop: Box) -> Likeness:
    wanted = _levelled(_small(grey, view))
    box = _fitted(wanted, known.grey, crop)
    difference = _gap(wanted, _levelled(_small(known.grey, box)))
    agreement = _agreement(_levelled(_small(grey, view, _FINE)), _levelled(_small(known.grey, box, _FINE)))
    return Likeness(key, distance, round(difference, 2), round(agreement, 3))


def _small(grey: Image.Image, box: Box, side: int = _FIT) -> Image.Image:
    from PIL import Image

    return grey.resize((side, side), Image.Resampling.BILINEAR, _pixels(grey, box))


def _levelled(small: Image.Image) -> Image.Image:
    """Without what brightness and contrast do."""
    from PIL import ImageOps

    return ImageOps.autocontrast(small, cutoff=2)


def _fitted(wanted: Image.Image, known: Image.Image, box: Box) -> Box:
    """Move the four edges of `box` as long as the known picture comes nearer to the wanted one."""
    best = _gap(wanted, _levelled(_small(known, box)))
    for step in (0.04, 0.02, 0.01, 0.005):
        for _ in range(3):
            before = best
            for edge, direction in itertools.product(range(4), (-step, step)):
                moved = list(box)
                moved[edge] = min(1.0, max(0.0, moved[edge] + direction))
                tried = (moved[0], moved[1], moved[2], moved[3])
                if tried[2] - tried[0] > 0.3 and tried[3] - tried[1] > 0.3:
                    gap = _gap(wanted, _levelled(_small(known, tried)))
                    if gap < best:
                        best, box = gap, tried
            if best == before:
                break
    return box


def _gap(one: Image.Image, other: Image.Image) -> float:
    from PIL import ImageChops, ImageStat

    return float(ImageStat.Stat(ImageChops.difference(one, other)).mean[0])


def _agreement(one: Image.Image, other: Image.Image) -> float:
    """Of the blocks with details (letters), the share that has the same ones. Blur and compression weaken details, but
    other letters have none in common with them."""
    here, there = _details(one), _details(other)
    likes = [_correlation(block, opposite) for block, opposite in zip(here, there, strict=True)]
    told = [like for like in likes if like is not None]
    # A picture of hardly more than one colour is like every other such picture, and nobody's copy.
    return sum(like >= _ALIKE for like in told) / len(told) if len(told) >= _LEAST_BLOCKS else 0.0


def _details(small: Image.Image) -> list[list[float]]:
    """By block, how much each pixel stands out from its row of the block: lines of other letters at the same place have
    nothing in common but the gaps between them."""
    data = small.tobytes()
    blocks = []
    for top, left in itertools.product(range(0, _FINE, _BLOCK), repeat=2):
        rows = [data[row * _FINE + left : row * _FINE + left + _BLOCK] for row in range(top, top + _BLOCK)]
        blocks.append([level - mean for row in rows for mean in (sum(row) / _BLOCK,) for level in row])
    return blocks


def _correlation(one: list[float], other: list[float]) -> float | None:
    """None where there is nothing to compare."""
    own, its = sum(level * level for level in one), sum(level * level for level in other)
    if max(own, its) < _DETAIL:
        return None
    return sum(map(mul, one, other)) / sqrt(own * its) if own and its else 0.0
