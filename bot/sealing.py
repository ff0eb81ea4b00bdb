"""Secrets that the program must be able to read again are sealed before they are stored (AES-256-GCM).

The key is not in the database: it is the setting `secret_key`, or the file `secret.key` in the data folder, which is
made when it is first needed. So a backup, or somebody who reads the rows, has only what is sealed.

While the file's key is being changed the file holds two, one a line: the first seals, either opens. So whenever the
program is killed in between, everything still opens.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bot.errors import UserError
from bot.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE: Final = "secret.key"
_NONCE: Final = 12  # bytes, as NIST SP 800-38D recommends for GCM
_KEY: Final = 32  # bytes


class CannotUnseal(UserError):
    """It was sealed with another key, or for somebody else, or it was changed."""


def seal(settings: Settings, secret: bytes, purpose: str) -> str:
    """`secret` for storing, in base64; only the same key and the same `purpose` open it again."""
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + _cipher(_keys(settings)[0]).encrypt(nonce, secret, purpose.encode())).decode()


def unseal(settings: Settings, sealed: str, purpose: str) -> bytes:
    """Raises `CannotUnseal`, also when there is no key at all."""
    try:
        keys = _keys(settings, make=False)
    except FileNotFoundError:
        keys = []
    return _open(keys, sealed, purpose)


def reseal(settings: Settings, sealed: str, purpose: str, old: Sequence[bytes]) -> str:
    """`sealed` with the key that counts now, opened with that or with one of `old`. Raises `CannotUnseal`."""
    return seal(settings, _open([*_keys(settings), *old], sealed, purpose), purpose)


def _open(keys: Iterable[bytes], sealed: str, purpose: str) -> bytes:
    from cryptography.exceptions import InvalidTag

    for key in keys:
        # The seal itself tells whether the key is right, so that trying one more opens nothing else.
        with contextlib.suppress(InvalidTag, ValueError):
            raw = base64.b64decode(sealed, validate=True)
            opened: bytes = _cipher(key).decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode())
            return opened
    raise CannotUnseal(f"密钥与数据库不符：请把原来的 {FILE} 放回数据目录，或填写原来的 XINFANG_SECRET_KEY")


# ── changing the key ────────────────────────────────────────────────────────


def add_key(settings: Settings) -> None:
    """A new key into the file: from now on it seals, and what was sealed before still opens.

    Where a change was begun and never ended, that one goes on. Does nothing when the setting is the key.
    """
    if not settings.secret_key and len(keys := _keys(settings)) == 1:
        _replace(settings.data_dir / FILE, [secrets.token_bytes(_KEY), *keys])


def drop_old_keys(settings: Settings) -> None:
    """Nothing is sealed with them any more."""
    if not settings.secret_key:
        _replace(settings.data_dir / FILE, _keys(settings)[:1])


def file_keys(settings: Settings) -> list[bytes]:
    """What the file holds, also when the setting is the key; nothing when there is no file."""
    try:
        return _read(settings.data_dir / FILE)
    except FileNotFoundError:
        return []


def keys_of_text(text: str) -> list[bytes]:
    """The keys that an old `secret.key`, or an old value of the setting, stands for."""
    found = [_of_setting(text.strip())]
    with contextlib.suppress(CannotUnseal):
        found += _parse(text.encode(), FILE)
    return found


# ── where keys are ──────────────────────────────────────────────────────────


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # a megabyte of code that few processes need

    return AESGCM(key)


def _keys(settings: Settings, *, make: bool = True) -> list[bytes]:
    """The first seals. Raises `FileNotFoundError` when there is none and none is to be made."""
    if settings.secret_key:
        return [_of_setting(settings.secret_key)]
    path = settings.data_dir / FILE
    try:
        return _read(path)
    except FileNotFoundError:
        if not make:
            raise
    return _make(path)


def _of_setting(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _read(path: Path) -> list[bytes]:
    return _parse(path.read_bytes(), str(path))


def _parse(raw: bytes, name: str) -> list[bytes]:
    try:
        keys = [base64.b64decode(line, validate=True) for line in raw.split()]
    except ValueError:
        keys = []
    if not keys or any(len(key) != _KEY for key in keys):
        raise CannotUnseal(f"{name} 不是密钥文件，请放回原来的文件")
    return keys


def _make(path: Path) -> list[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _write_part(path, [secrets.token_bytes(_KEY)])
    try:
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one
            os.link(part, path)
    except OSError:  # a file system without hard links
        os.replace(part, path)
    part.unlink(missing_ok=True)
    return _read(path)


def _replace(path: Path, keys: Sequence[bytes]) -> None:
    """The folder is written too: after a power cut no database may need a key that its file has not."""
    os.replace(_write_part(path, keys), path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_part(path: Path, keys: Sequence[bytes]) -> Path:
    """Written whole under another name first: a power cut leaves no half a key, and of two processes one wins."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(base64.b64encode(key).decode() + "\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return part
