"""What the SDK's and gRPC's errors mean for a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.channels.wechaty_compat import Sdk, load_sdk
from bot.channels.wechaty_errors import as_send_error
from bot.errors import AccountOffline, MessageRefused, OutcomeUnknown, RoomGone, SendError, Throttled


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Sdk:
    return load_sdk(Path(tmp_path_factory.mktemp("sdk")))


@pytest.mark.parametrize(
    ("status", "text", "meaning"),
    [
        ("UNKNOWN", "MockRoom.load(): r9 not exist.", RoomGone),
        ("UNKNOWN", "no payload found for id r9", RoomGone),
        ("UNKNOWN", "bot is not in room r9", RoomGone),
        ("UNKNOWN", "你已被移出群聊", RoomGone),
        ("NOT_FOUND", "", RoomGone),
        ("UNKNOWN", "not logged in", AccountOffline),
        ("UNAUTHENTICATED", "Invalid token", AccountOffline),
        ("UNKNOWN", "操作太频繁，请稍后再试", Throttled),
        ("UNKNOWN", "sending too frequently", Throttled),
        ("RESOURCE_EXHAUSTED", "", Throttled),
        ("UNIMPLEMENTED", "", MessageRefused),
        ("UNKNOWN", "message too long", MessageRefused),
        ("DEADLINE_EXCEEDED", "", OutcomeUnknown),
        ("CANCELLED", "", OutcomeUnknown),
        ("UNKNOWN", "Something went wrong", OutcomeUnknown),
        ("INTERNAL", "", OutcomeUnknown),
    ],
)
def test_statuses(sdk: Sdk, status: str, text: str, meaning: type[SendError]) -> None:
    from grpclib.exceptions import GRPCError

    error = GRPCError(getattr(sdk.status, status), text or None)
    found = as_send_error(error, sdk, throttle_seconds=3600)
    assert type(found) is meaning
    if isinstance(found, Throttled):
        assert found.retry_after == 3600


def test_whatever_is_not_certain_is_in_doubt(sdk: Sdk) -> None:
    from grpclib.exceptions import StreamTerminatedError

    for error in (TimeoutError(), ConnectionResetError(), StreamTerminatedError("Connection lost"), ValueError("x")):
        assert type(as_send_error(error, sdk, throttle_seconds=1)) is OutcomeUnknown


def test_our_own_errors_stay(sdk: Sdk) -> None:
    error = AccountOffline("连不上网关")
    assert as_send_error(error, sdk, throttle_seconds=1) is error
