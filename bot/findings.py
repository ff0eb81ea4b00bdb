"""What an examination finds: one line each, with how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from db.states import Labelled


class Verdict(Labelled):
    OK = "ok", "✓"
    WARN = "warn", "!"  # works, but somebody should look
    FAIL = "fail", "✗"  # does not work until it is mended


@dataclass(frozen=True)
class Finding:
    """`mend` says what to do; empty when nothing has to be done."""

    name: str
    verdict: Verdict
    text: str
    mend: str = ""


def ok(name: str, text: str) -> Finding:
    return Finding(name, Verdict.OK, text)


def warn(name: str, text: str, mend: str) -> Finding:
    return Finding(name, Verdict.WARN, text, mend)


def fail(name: str, text: str, mend: str) -> Finding:
    return Finding(name, Verdict.FAIL, text, mend)
