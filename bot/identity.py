"""Who someone is: actors of the console and the command line, hashed member ids of the chat."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from db.states import Role


@dataclass(frozen=True)
class Actor:
    """Whoever does something. `user_id` is None for the command line and the system itself.

    `scope` is the path of the unit whose subtree the actor may see; "" means everything. `proved`: a fresh code of
    the second factor came with this very step.
    """

    name: str
    role: Role
    user_id: int | None = None
    scope: str = ""
    origin: str = ""
    proved: bool = False


SYSTEM = Actor(name="系统", role=Role.ADMIN, origin="系统")


def member_hash(channel: str, member_id: str) -> str:
    """The form in which a member id is stored: enough to know someone again, useless to find them."""
    return hashlib.blake2s(f"{channel}\x00{member_id}".encode(), digest_size=16).hexdigest()
