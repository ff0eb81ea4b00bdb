"""How one operation of the API is written down, and what its handler's signature says about it.

A handler names what it needs and gets only that: `call` (who asks, the engine, the instant), `session` (a reading one
for GET, else one transaction that is committed when the handler returns), `query`, `body`, and every name in its
path. What it returns is the answer's model; None answers 204.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import BaseModel

from bot.identity import Actor
from bot.library_trial import Trials
from bot.permissions import Permission
from db.states import TokenScope
from handlers.web.rights import SMALL, Open

if TYPE_CHECKING:
    from bot.app import Engine

PREFIX = "/api/v1"
_NAME = re.compile(r"{(\w+)}")


@dataclass
class Call:
    """One request: who asks, when, and what is to be told to the rest of the program once it is committed."""

    actor: Actor
    engine: Engine
    now: datetime
    trials: Trials
    owner: str  # "token:7" or "user:3": whose repeated requests and whose rate are counted
    scopes: frozenset[TokenScope] = frozenset(TokenScope)
    topics: list[str] = field(default_factory=list)
    afterwards: list[Callable[[], Awaitable[Any]]] = field(default_factory=list)

    def tell(self, *topics: str) -> None:
        """Publish these once the transaction is durable."""
        self.topics.extend(topics)


@dataclass(frozen=True)
class File:
    """An answer that is no JSON."""

    data: bytes
    media_type: str
    name: str = ""


Handler = Callable[..., Awaitable[BaseModel | File | None]]


@dataclass(frozen=True)
class Operation:
    """One line of the API's table. `limit` is the largest body in bytes; `media` the types of an answer that is a file.

    `repeatable`: takes an Idempotency-Key, under which it is done once however often it is sent.
    """

    method: str
    path: str
    handler: Handler
    needs: Permission | Open
    scope: TokenScope
    summary: str
    status: int = 200
    limit: int = SMALL
    repeatable: bool = False
    media: tuple[str, ...] = ()
    tag: str = ""

    @property
    def names(self) -> list[str]:
        """The parts of the path that vary."""
        return _NAME.findall(self.path)

    @cached_property
    def hints(self) -> dict[str, Any]:
        return get_type_hints(self.handler, include_extras=True)

    @cached_property
    def parameters(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.handler).parameters)

    @property
    def query(self) -> type[BaseModel] | None:
        return self.hints.get("query")

    @property
    def body(self) -> type[BaseModel] | None:
        return self.hints.get("body")

    @property
    def answer(self) -> type[BaseModel] | None:
        """None for a file, or for no answer at all."""
        kind = self.hints["return"]
        return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None

    @property
    def success(self) -> int:
        return 204 if self.hints["return"] is type(None) else self.status

    @property
    def reads(self) -> bool:
        return self.method == "GET"

    @property
    def name(self) -> str:
        """For generated clients: unique, and it says what is done."""
        module = self.handler.__module__.rpartition(".")[2]
        return f"{module}_{self.handler.__name__}"
