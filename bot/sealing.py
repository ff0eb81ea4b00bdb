"""Secrets that the program must be able to read again are sealed before they are stored (AES-256-GCM).

The key is not in the database: it is the setting `secret_key`, or the file `secret.key` in the data folder, which is
made when it is first needed. So a backup, or somebody who reads the rows, has only what is sealed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
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
    return base64.b64encode(nonce + _cipher(_key(settings)).encrypt(nonce, secret, purpose.encode())).decode()


def unseal(settings: Settings, sealed: str, purpose: str) -> bytes:
    """Raises `CannotUnseal`, also when there is no key at all."""
    from cryptography.exceptions import InvalidTag

    try:
        raw = base64.b64decode(sealed, validate=True)
        opened: bytes = _cipher(_key(settings, make=False)).decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode())
    except (InvalidTag, ValueError, FileNotFoundError) as error:
        raise CannotUnseal(
            f"密钥与数据库不符：请把原来的 {FILE} 放回数据目录，或填写原来的 XINFANG_SECRET_KEY"
        ) from error
    return opened


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # a megabyte of code that few processes need

    return AESGCM(key)


def _key(settings: Settings, *, make: bool = True) -> bytes:
    """Raises `FileNotFoundError` when there is none and none is to be made."""
    if settings.secret_key:
        return hashlib.sha256(settings.secret_key.encode()).digest()
    path = settings.data_dir / FILE
    try:
        return _read(path)
    except FileNotFoundError:
        if not make:
            raise
    return _make(path)


def _read(path: Path) -> bytes:
    try:
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY:
        raise CannotUnseal(f"{path} 不是密钥文件，请放回原来的文件")
    return key


def _make(path: Path) -> bytes:
    """Written whole under another name first: a power cut leaves no half a key, and of two processes one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(_KEY)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one
            os.link(part, path)
    except OSError:  # a file system without hard links
        os.replace(part, path)
    part.unlink(missing_ok=True)
    return _read(path)
