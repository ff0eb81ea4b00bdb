"""One tree of errors. The message of every error is what a person reads, so it is Chinese and says what to do.

`UserError` is shown as it stands by the console, the chat and the command line. `SendError` is what a channel
raises; its class alone decides what becomes of the delivery (see `bot.delivery`).
"""

from __future__ import annotations

from dataclasses import dataclass


class XinfangError(Exception):
    """Root of all our errors."""


class UserError(XinfangError):
    """Somebody asked for what cannot be done; the message tells them why and what to do instead."""


class SettingsError(UserError):
    """A setting is wrong: names it and its allowed values."""


class DatabaseBehind(UserError):
    """The database is older than the program: names the command that upgrades it."""


class NotFound(UserError):
    """No such thing, or none that this person may see."""


class Forbidden(UserError):
    """The role does not permit this."""


class WrongState(UserError):
    """The step is not possible from the present state."""


class Invalid(UserError):
    """One or more fields are wrong. `faults` maps a field to what to write instead."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("；".join(faults.values()))
        self.faults = faults


@dataclass(frozen=True)
class SheetFault:
    """One fault of an imported file. `row` counts from 1 including the header, as Excel shows it."""

    sheet: str
    row: int
    column: str
    message: str

    def __str__(self) -> str:
        place = f"第 {self.row} 行" + (f"“{self.column}”列" if self.column else "")
        return f"{self.sheet} {place}：{self.message}" if self.sheet else f"{place}：{self.message}"


class ImportRefused(UserError):
    """A file that cannot be imported; nothing was changed. `faults` lists every place."""

    def __init__(self, faults: list[SheetFault]) -> None:
        super().__init__(f"文件有 {len(faults)} 处需要修改，未导入任何内容")
        self.faults = faults


class SendError(XinfangError):
    """A message was certainly not delivered, unless a subclass says otherwise."""


class RoomGone(SendError):
    """The room does not exist or the account is not in it: this group fails alone."""


class MessageRefused(SendError):
    """The platform refuses this content: trying again would not help."""


class AccountOffline(SendError):
    """The account is not logged in: its deliveries wait."""


class Throttled(SendError):
    """The platform says that we are too fast. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TemporaryFailure(SendError):
    """Certainly not delivered, worth another try later."""


class OutcomeUnknown(SendError):
    """The call ended without an answer: the message may have arrived. Never sent again by itself."""
