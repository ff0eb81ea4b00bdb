"""Passwords: hashed with argon2id, and what a password must be."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 128  # longer ones only cost the hasher time
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is read as something else (i l 1 o 0)

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


def password_fault(username: str, password: str) -> str:
    """What is wrong with a new password, or ""."""
    if len(password) < MIN_LENGTH:
        return f"密码至少 {MIN_LENGTH} 个字符"
    if len(password) > MAX_LENGTH:
        return f"密码最多 {MAX_LENGTH} 个字符"
    if password.casefold() == username.casefold():
        return "密码不能与用户名相同"
    if len(set(password)) < 4:
        return "密码过于简单，请使用更多不同的字符"
    return ""
