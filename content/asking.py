"""A resident's message in, the bot's reply out. Pure: who may be answered, and where, is decided by the engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log, sqrt
from typing import Final, Literal

from content.answers import LONGEST, NO_MATCH, render_answer, render_choices, render_menu
from content.emergencies import emergency_in, instructions
from content.library import Library
from content.matching import Match, Matcher
from content.naming import Names
from content.normalising import normalise
from content.phrases import Hit
from content.screening import judge

Kind = Literal["answer", "choices", "emergency", "menu", "none"]

ANSWER_FROM: Final = 0.45
"""Probability that a message is about fraud from which it is answered; a pasted scam is answered in any case."""
CHOOSE_BELOW: Final = 0.6
"""Share of the best type below which close types are offered as a choice …"""
CLOSE: Final = 0.12
"""… if another one has at least this share."""
CERTAINLY_FRAUD: Final = 0.8
"""Probability of fraud from which close types are offered although none of them is likely by itself."""
LEAST_EVIDENCE: Final = 0.5
GUESS_BELOW: Final = 0.3
"""Without this many nats of phrases, a best type less probable than this is a guess, and a guess is not said."""
SHORT: Final = 6
SHORT_GUESS: Final = 0.75
"""The same for texts of fewer characters than ``SHORT``, which are mostly greetings and answers."""
ASKED_FOR: Final = 0.6
"""Score of a type whose name is asked for without a word of fraud ("什么是虚拟币"): too low to speak up in a group."""
_NAMING_WEIGHT: Final = 2
_MENU_WORDS: Final = frozenset(
    [
        "",
        "菜单",
        "帮助",
        "help",
        "?",
        "目录",
        "功能",
        "menu",
        "说明",
        "怎么用",
        "使用说明",
        "你能做什么",
        "你会什么",
        "有什么功能",
    ]
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot says, and why. ``types``: ids, best first; ``score``: probability of the best one, 0..1."""

    kind: Kind
    types: tuple[str, ...]
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """A type that a message may be about. ``score``: probability of it, 0..1; ``fraud_class``: "4 冒充…类"."""

    type_id: str
    name: str
    fraud_class: str
    score: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An example of the library that resembles a message; ``similarity`` 0..1."""

    type_id: str
    voice: str
    text: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a message is answered as it is: for staff, not for residents."""

    reply: Reply
    match: Match
    hits: tuple[Hit, ...]
    neighbours: tuple[Neighbour, ...]


class Asker:
    """Answers messages from one library; built once, then free of state."""

    def __init__(self, library: Library, matcher: Matcher | None = None) -> None:
        self.library = library
        self.matcher = matcher or Matcher(library)
        self._menu = render_menu(library)
        self._answers = {type_id: render_answer(each) for type_id, each in library.types.items()}
        self._names = Names(library)
        self._classes = {normalise(key.split(" ", 1)[1]): types for key, types in library.by_class().items()}

    def ask(self, text: str) -> Reply:
        """The reply to one message. Total: never raises, whatever the text; at most 600 characters."""
        return self.reply(text, self.matcher.match(text))

    def rank(self, text: str, count: int = 3) -> tuple[Ranked, ...]:
        """The ``count`` likeliest types (at most eight), best first, however unlikely that it is fraud at all."""
        return self.ranked(self.matcher.match(text), count)

    def ranked(self, match: Match, count: int = 3) -> tuple[Ranked, ...]:
        """The same of a message that is already matched."""
        types = self.library.types
        return tuple(
            Ranked(each, types[each].name, types[each].fraud_class, score) for each, score in match.ranked[:count]
        )

    def reply(self, text: str, match: Match) -> Reply:
        """The reply to a message that is already matched."""
        word = match.text.strip("!。. ") or text.strip()
        if word in _MENU_WORDS:
            return Reply("menu", (), 1.0, self._menu)
        emergency = emergency_in(match)
        if emergency is not None:
            return self._emergency_reply(match, instructions(emergency))
        named = self._classes.get(match.text)
        if named is not None and len(named) > 1:
            return Reply("choices", tuple(each.id for each in named), 1.0, render_choices(named))
        asked_for = self._names.find(match.text)
        if asked_for:
            return self._named_reply(asked_for, 1.0 if match.fraud >= ANSWER_FROM else ASKED_FOR)
        score = round(match.best[1], 4)
        if match.fraud < ANSWER_FROM and not _names_a_type(match) and not judge(match).alarm:
            return Reply("none", (), score, NO_MATCH)
        close = self._close_types(match)
        least = GUESS_BELOW if len(match.text) >= SHORT else SHORT_GUESS
        sure = match.evidence >= LEAST_EVIDENCE or score >= least or _names_a_type(match)
        if len(close) > 1 and (sure or (match.fraud >= CERTAINLY_FRAUD and len(match.text) >= SHORT)):
            return Reply("choices", close, score, render_choices([self.library.types[each] for each in close]))
        if not sure:
            return Reply("none", (), score, NO_MATCH)
        return Reply("answer", self._likely_types(match), score, self._answers[match.best[0]])

    def _named_reply(self, types: tuple[str, ...], score: float) -> Reply:
        if len(types) > 1:
            return Reply("choices", types, score, render_choices([self.library.types[each] for each in types]))
        return Reply("answer", types, score, self._answers[types[0]])

    def _emergency_reply(self, match: Match, text: str) -> Reply:
        """Instructions first; the type is named only where it is sure, so that nothing distracts."""
        if match.fraud < ANSWER_FROM:
            return Reply("emergency", (), round(match.best[1], 4), text)
        best, score = match.best
        if score >= CHOOSE_BELOW:
            addition = f"\n这很像“{self.library.types[best].name}”，报警时可以这样说。"
            text = text + addition if len(text) + len(addition) <= LONGEST else text
        return Reply("emergency", self._likely_types(match), round(score, 4), text)

    def _close_types(self, match: Match) -> tuple[str, ...]:
        if match.share(0) >= CHOOSE_BELOW:
            return ()
        return tuple(type_id for place, (type_id, _) in enumerate(match.ranked[:3]) if match.share(place) >= CLOSE)

    def _likely_types(self, match: Match) -> tuple[str, ...]:
        """The best type, then others that are not absurd: a caller may show them as related."""
        return tuple(
            type_id for place, (type_id, _) in enumerate(match.ranked[:5]) if place == 0 or match.share(place) >= 0.01
        )

    def explain(self, text: str) -> Explanation:
        """Phrases found (strongest first) and the nearest examples, beside the reply."""
        match = self.matcher.match(text)
        hits = tuple(sorted(match.hits, key=lambda hit: -hit.evidence))
        return Explanation(self.reply(text, match), match, hits, self._examples.nearest(match.text))

    @cached_property
    def _examples(self) -> ExampleIndex:
        return ExampleIndex(self.library)


def _names_a_type(match: Match) -> bool:
    """Whether the message is nothing but a word of the library (兼职, 网恋): short, but said to this bot."""
    return any(hit.phrase.weight >= _NAMING_WEIGHT and hit.phrase.parts == (match.text,) for hit in match.hits)


class ExampleIndex:
    """Nearest examples by the cosine of their rare character pairs; built when the first explanation is asked for."""

    def __init__(self, library: Library) -> None:
        self._examples = [
            (each.id, voice, text, _pairs(normalise(text)))
            for each in library.types.values()
            for voice, text in each.examples()
        ]
        seen = Counter(pair for *_, pairs in self._examples for pair in pairs)
        self._idf = {pair: log(len(self._examples) / count) for pair, count in seen.items()}

    def nearest(self, text: str, count: int = 5) -> tuple[Neighbour, ...]:
        """The ``count`` most similar examples to ``text`` (normalised), those with anything in common at all."""
        wanted = {pair: self._idf[pair] for pair in _pairs(text[:1_000]) if pair in self._idf}
        size = sqrt(sum(value * value for value in wanted.values()))
        found = []
        for type_id, voice, example, pairs in self._examples:
            common = sum(wanted[pair] ** 2 for pair in pairs if pair in wanted)
            if common:
                other = sqrt(sum(self._idf[pair] ** 2 for pair in pairs))
                found.append(Neighbour(type_id, voice, example, common / (size * other)))
        return tuple(sorted(found, key=lambda each: -each.similarity)[:count])


def _pairs(text: str) -> frozenset[str]:
    return frozenset(map("".join, pairwise(text)))
