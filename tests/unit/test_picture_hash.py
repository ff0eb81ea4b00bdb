"""Copies of a picture are found however they were edited; other posters, and others of the template, are not."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from PIL import Image

from benchmarks import posters
from content.picture_hash import KnownPicture, difference_hash, grey_copy, known_picture, nearest, views

NUMBER = 8


@pytest.fixture(scope="module")
def known() -> dict[int, KnownPicture]:
    return {seed: known_picture(grey_copy(posters.poster(seed))) for seed in range(NUMBER)}


def recognised(picture: Image.Image, known: dict[int, KnownPicture]) -> int | None:
    found = nearest(grey_copy(picture), known)
    return found[0].key if found and found[0].is_copy else None


def edits() -> Iterator[tuple[str, int, Image.Image]]:
    rng = random.Random(9)
    for number, kind in enumerate(posters.KINDS * 2):
        seed = number * 5 % NUMBER
        yield kind, seed, posters.edited(posters.poster(seed), kind, rng)


def test_edits_that_are_no_variants_are_found(known: dict[int, KnownPicture]) -> None:
    found = [(kind, seed, recognised(picture, known)) for kind, seed, picture in edits()]
    assert [row for row in found if row[2] not in (None, row[1])] == []
    assert sum(row[2] is not None for row in found) >= 0.95 * len(found), [row for row in found if row[2] is None]


def test_no_other_poster_is_taken_for_a_copy(known: dict[int, KnownPicture]) -> None:
    others = [posters.poster(1000 + seed) for seed in range(8)] + [
        Image.new("RGB", (300, 400), "white"),
        Image.effect_noise((300, 400), 80).convert("RGB"),
        Image.linear_gradient("L").convert("RGB"),
    ]
    assert [recognised(picture, known) for picture in others] == [None] * len(others)


def test_another_poster_of_the_template_is_alike_but_no_copy(known: dict[int, KnownPicture]) -> None:
    for seed in range(NUMBER):
        sibling = nearest(grey_copy(posters.poster(seed, words=seed + 1)), known)
        assert sibling[0].key == seed
        assert (sibling[0].is_alike, sibling[0].is_copy) == (True, False)


def test_posters_of_one_template_are_told_apart_when_both_are_known() -> None:
    pair = {words: known_picture(grey_copy(posters.poster(3, words=words))) for words in (1, 2)}
    rng = random.Random(2)
    for words in (1, 2):
        for kind in ("recompressed", "cropped", "bordered"):
            assert recognised(posters.edited(posters.poster(3, words=words), kind, rng), pair) == words


def test_tiny_and_plain_pictures_are_read() -> None:
    poster = {1: known_picture(grey_copy(posters.poster(1)))}
    for size in ((1, 1), (1, 500), (500, 1), (16, 16), (40, 30)):
        grey = grey_copy(Image.new("RGB", size, "red"))
        assert views(grey)[0] == (0.0, 0.0, 1.0, 1.0)
        assert difference_hash(grey) == 0
        assert not any(one.is_alike for one in nearest(grey, poster))
        assert not any(one.is_copy for one in nearest(grey_copy(posters.poster(2)), {1: known_picture(grey)}))


def test_plain_pictures_are_nobodys_copy() -> None:
    plain = {1: known_picture(grey_copy(Image.new("RGB", (300, 400), "red")))}
    for picture in (Image.new("RGB", (300, 400), "white"), Image.linear_gradient("L"), posters.poster(4)):
        assert recognised(picture, plain) is None
