"""Passwords: hashed with argon2id, and what a password must be."""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 128  # longer ones only cost the hasher time
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is read as something else (i l 1 o 0)
OWN_CHARACTERS = 4  # that must be left of a password when everything guessable is taken out
_OURS = ("xinfang", "fanzha", "jingcha", "gongan", "police", "admin", "心防", "反诈", "公安", "民警", "96110", "110")
_SIGNS = str.maketrans("@$!013457", "asioieast")
_LINES = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()_+",
)
_ROWS = tuple(row for line in _LINES for row in (line, line[::-1]))

# OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane. Some 30 ms on a small PC.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Its own two threads: a flood of sign-ins must take neither the memory nor every thread of the program.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify_password(password_hash: str, password: str) -> bool:
    """Is it the password of this hash? A hash that is none matches nothing, but takes as long."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, password_hash, password)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password[:MAX_LENGTH])
    except InvalidHashError:
        _hasher.hash(password[:MAX_LENGTH])  # so that an unknown name is not told by how quick the answer is
        return False
    except VerificationError:
        return False


def one_time_password() -> str:
    """Twelve random characters in groups of four, easy to read aloud: 59 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))


def password_fault(username: str, password: str, *, words: Sequence[str] = ()) -> str:
    """What is wrong with a new password, or "". `words`: names that guessers try first, of person and office."""
    if len(password) < MIN_LENGTH:
        return f"密码至少 {MIN_LENGTH} 个字符"
    if len(password) > MAX_LENGTH:
        return f"密码最多 {MAX_LENGTH} 个字符"
    plain = password.casefold()
    if plain == username.casefold():
        return "密码不能与用户名相同"
    if len(set(plain)) < 4 or _is_repeated(plain):
        return "密码过于简单，请使用更多不同的字符"
    if len(_without_runs(plain)) < OWN_CHARACTERS:
        return "密码过于简单：不要用键盘上或数字、字母表里相邻的一串"
    left = _without_words(plain, sorted({username, *words, *_OURS}, key=len, reverse=True))
    if len(left) < OWN_CHARACTERS:
        return "密码不要由用户名、姓名、单位名或“反诈”“110”这样的词组成，别人最先猜这些"
    if _core(plain) in worst_passwords() or len(_without_runs(_core(plain))) < OWN_CHARACTERS:
        return "这个密码太常见，别人最先猜它；可以用几个不相干的词连起来"
    return ""


@functools.cache
def worst_passwords() -> frozenset[str]:
    """Words that people take for passwords, without digits and signs around them; collected by ourselves."""
    lines = (Path(__file__).parent / "worst_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def _core(plain: str) -> str:
    """Without what people add when a rule asks for digits and signs, and with signs read as the letters they stand for."""
    return plain.strip("0123456789!@#$%^&*()_+-=.,?~ ").translate(_SIGNS) or plain


def _is_repeated(plain: str) -> bool:
    return plain in (plain + plain)[1:-1]


def _without_runs(plain: str) -> str:
    """Without every piece of four and more that lies on one of the known rows, forwards or backwards."""
    place, left = 0, ""
    while place < len(plain):
        end = place + 4
        if end <= len(plain) and any(plain[place:end] in row for row in _ROWS):
            while end < len(plain) and any(plain[place : end + 1] in row for row in _ROWS):
                end += 1
            place = end
        else:
            left += plain[place]
            place += 1
    return left


def _without_words(plain: str, words: Sequence[str]) -> str:
    for word in words:
        if len(word) >= 2:
            plain = plain.replace(word.casefold(), "")
    return plain.strip("0123456789!@#$%^&*()_+-=.,?~ ")
