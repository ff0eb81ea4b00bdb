"""What is sealed opens with its key and for its purpose only; the key's file is made once and is nobody else's."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sealing import FILE, CannotUnseal, add_key, drop_old_keys, keys_of_text, reseal, seal, unseal
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


def test_a_new_key_seals_and_the_one_before_opens_until_it_is_dropped(tmp_path: Path) -> None:
    office = of(tmp_path)
    before = seal(office, SECRET, "a")
    add_key(office)
    add_key(office)  # begun again after the program was killed: no third key
    file = tmp_path / FILE
    assert len(file.read_text().split()) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    after = reseal(office, before, "a", ())
    assert unseal(office, before, "a") == unseal(office, after, "a") == SECRET
    drop_old_keys(office)
    assert unseal(office, after, "a") == SECRET
    with pytest.raises(CannotUnseal):
        unseal(office, before, "a")
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_an_old_key_is_given_as_the_setting_or_as_the_file(tmp_path: Path) -> None:
    by_setting = seal(of(tmp_path, "the old words"), SECRET, "a")
    by_file = seal(of(tmp_path), SECRET, "a")
    now = of(tmp_path, "the new words")
    for sealed, text in ((by_setting, "the old words\n"), (by_file, (tmp_path / FILE).read_text())):
        assert unseal(now, reseal(now, sealed, "a", keys_of_text(text)), "a") == SECRET
        with pytest.raises(CannotUnseal):
            reseal(now, sealed, "a", keys_of_text("something else"))
    add_key(now)  # the setting is the key: the file is left as it is
    assert len((tmp_path / FILE).read_text().split()) == 1
