"""What is sealed opens with its key and for its purpose only; the key's file is made once and is nobody else's."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sealing import FILE, CannotUnseal, seal, unseal
from bot.settings import Settings, load_settings

SECRET = bytes(range(20))


def of(folder: Path, key: str = "") -> Settings:
    return load_settings(data_dir=folder, secret_key=key)


def test_opens_again_and_never_looks_the_same(tmp_path: Path) -> None:
    office = of(tmp_path)
    first, second = seal(office, SECRET, "totp:1"), seal(office, SECRET, "totp:1")
    assert first != second
    assert unseal(office, first, "totp:1") == unseal(office, second, "totp:1") == SECRET
    assert base64.b64encode(SECRET).decode() not in first


def test_the_file_is_private_and_stays(tmp_path: Path) -> None:
    seal(of(tmp_path / "new"), SECRET, "a")
    path = tmp_path / "new" / FILE
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    seal(of(tmp_path / "new"), SECRET, "a")
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [FILE]


@pytest.mark.parametrize("changed", ["purpose", "key", "lost"])
def test_opens_for_nothing_else(tmp_path: Path, changed: str) -> None:
    sealed = seal(of(tmp_path), SECRET, "totp:1")
    if changed == "lost":
        (tmp_path / FILE).unlink()
    office = of(tmp_path, "another" if changed == "key" else "")
    with pytest.raises(CannotUnseal, match=FILE):
        unseal(office, sealed, "totp:2" if changed == "purpose" else "totp:1")
    assert (tmp_path / FILE).exists() == (changed != "lost")  # reading makes no key


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("hello")
    with pytest.raises(CannotUnseal):
        seal(of(tmp_path), SECRET, "a")


@settings(deadline=None, max_examples=60)
@given(place=st.integers(0, 47), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed(place: int, bit: int) -> None:
    office = of(Path(), "a key of the settings")
    raw = bytearray(base64.b64decode(seal(office, SECRET, "a")))
    raw[place] ^= 1 << bit
    with pytest.raises(CannotUnseal):
        unseal(office, base64.b64encode(raw).decode(), "a")
