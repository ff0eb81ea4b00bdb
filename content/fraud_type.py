"""One entry of the fraud library as frozen values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VOICES = ("asking", "telling", "scammer")
"""Who speaks in an example: a resident who asks, one who tells what happened, or the scammer."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that point to a type. ``weight`` is 1 (weak hint) to 5 (decisive alone); all ``parts`` must occur."""

    weight: int
    parts: tuple[str, ...]
    line: int = 0

    @property
    def text(self) -> str:
        """The phrase as it is written in the file, without its weight."""
        return " + ".join(self.parts)


@dataclass(frozen=True, slots=True)
class Faq:
    """A question people ask about a type, with its short answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class FraudType:
    """One entry of the library (诈骗类型). The examples are kept by voice: asking, telling, scammer."""

    id: str
    fraud_class: str
    name: str
    aka: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    summary: str
    steps: tuple[str, ...]
    signs: tuple[str, ...]
    victims: str
    do: tuple[str, ...]
    never: tuple[str, ...]
    related: tuple[str, ...]
    asking: tuple[str, ...]
    telling: tuple[str, ...]
    scammer: tuple[str, ...]
    faq: tuple[Faq, ...]
    source: str = ""

    @property
    def class_number(self) -> int:
        """1 to 13, the number of the official class."""
        return int(self.fraud_class.split(" ", 1)[0])

    @property
    def class_name(self) -> str:
        """The official class without its number."""
        return self.fraud_class.split(" ", 1)[1]

    def examples(self) -> Iterator[tuple[str, str]]:
        """All examples as (voice, text)."""
        for voice in ("asking", "telling", "scammer"):
            for text in getattr(self, voice):
                yield voice, text
