"""One place says what an error of the SDK or of gRPC means for the message that was being sent."""

from __future__ import annotations

import re

from bot.channels.wechaty_compat import Sdk
from bot.errors import (
    AccountOffline,
    MessageRefused,
    OutcomeUnknown,
    RoomGone,
    SendError,
    Throttled,
)

# What puppets say is free text in one of two languages; each has its own words. Sources: the mock puppet, and the
# threads wechaty/wechaty#412, wechaty/puppet-padlocal#109, wechaty/python-wechaty#133.
_OFFLINE = re.compile(
    r"not (yet )?logged ?in|not login|logged ?out|no current user|未登录|已退出登录|login required", re.I
)
_GONE = re.compile(
    r"not exist|no such (room|conversation)|not (found|in (the |this )?(room|chat))|not a member|kicked|no payload"
    r"|不存在|不在(该|此|本)?群|已被移出|已退出群",
    re.I,
)
_THROTTLED = re.compile(
    r"too (fast|frequent\w*|many)|rate.?limit|throttl\w*|flood|操作(太|过于)?频繁|发送(太|过于)?频繁|频率过高|稍后再试",
    re.I,
)
_REFUSED = re.compile(
    r"too (long|large|big)|unsupported|not supported|invalid (message|file|url)|违规|不支持|内容过长", re.I
)

NOTICE = re.compile(r"操作(太|过于)频繁|发送(消息)?(太|过于)频繁|频率过高|sending too (fast|frequently)", re.I)
"""A throttle notice that comes as a message of the system's (wechaty/puppet-padlocal#109)."""


def as_send_error(error: BaseException, sdk: Sdk, *, throttle_seconds: float) -> SendError:
    """What became of the message. Whatever is not certain is `OutcomeUnknown`: better in doubt than twice."""
    if isinstance(error, SendError):
        return error
    if isinstance(error, TimeoutError):
        return OutcomeUnknown("网关没有答复")
    if isinstance(error, sdk.grpc_error):
        return _from_status(error, sdk, throttle_seconds)
    if isinstance(error, OSError | sdk.stream_terminated):
        return OutcomeUnknown("发送时与网关的连接断开")
    return OutcomeUnknown(f"网关答复异常：{type(error).__name__}")


def _from_status(error: BaseException, sdk: Sdk, throttle_seconds: float) -> SendError:
    status, text = getattr(error, "status", None), str(getattr(error, "message", "") or "")
    said = f"（{text[:80]}）" if text else ""
    by_text: list[tuple[re.Pattern[str], SendError]] = [
        (_OFFLINE, AccountOffline("账号未登录")),
        (_THROTTLED, Throttled(f"平台提示发送频繁{said}", throttle_seconds)),
        (_GONE, RoomGone(f"群不存在或账号不在群中{said}")),
        (_REFUSED, MessageRefused(f"平台拒绝这条内容{said}")),
    ]
    for pattern, meaning in by_text:
        if pattern.search(text):
            return meaning
    by_status = {
        sdk.status.UNAUTHENTICATED: AccountOffline("网关令牌不对，请检查 wechaty_gateways 的 token"),
        sdk.status.PERMISSION_DENIED: AccountOffline("网关令牌不对，请检查 wechaty_gateways 的 token"),
        sdk.status.RESOURCE_EXHAUSTED: Throttled(f"平台提示发送频繁{said}", throttle_seconds),
        sdk.status.NOT_FOUND: RoomGone(f"群不存在或账号不在群中{said}"),
        sdk.status.UNIMPLEMENTED: MessageRefused("网关不支持发送这种消息"),
        sdk.status.INVALID_ARGUMENT: MessageRefused(f"平台拒绝这条内容{said}"),
    }
    return by_status.get(status) or OutcomeUnknown(f"网关报告错误，不知是否送达{said}")
