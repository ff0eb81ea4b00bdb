"""The marks of the hot path: claimed and sent. Every change of state is guarded by the state it leaves.

Each function takes what many senders ask for at the same instant and does it with a few statements that are built
once: a mark costs some µs instead of a transaction of its own (see `Database.share`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy import bindparam

from db.database_time import DatabaseTime
from db.ids import Among
from db.models import Account, Alert, Delivery, Group, Reach, Reply, Send
from db.states import AccountState, AlertState, ContentKind, DeliveryState, GroupState, ReplyRank, Severity, Way


@dataclass(frozen=True)
class Claim:
    """One thing to send, already marked `sending`. A reply has `text` and no alert."""

    table: type[Delivery] | type[Reply]
    id: int
    room_id: str
    attempts: int
    alert_id: int | None = None
    group_id: int | None = None
    text: str = ""
    card: bool = False  # a link card, which has a budget of its own
    unit_id: int | None = None  # whose group it is


@dataclass(frozen=True)
class Wanted:
    """What an account may send next."""

    planned: datetime  # when the send will start
    severities: frozenset[Severity]
    replies_since: datetime
    cards: bool = True  # without, link cards wait: their budget is spent
    reminders: bool = True  # without, people are left in peace
    margin: float = 0.0  # seconds that the lease must go on, so that what is claimed can still be sent


@dataclass(frozen=True)
class Turn:
    """One step of an account's sender at `at`: what it has just sent, and what it wants next. `owner` and `fence` are
    its lease."""

    account_id: int
    at: datetime
    owner: str
    fence: int
    done: Claim | None = None
    wanted: Wanted | None = None


class Fenced:
    """The answer to a sender that has lost its lease: nothing of what it asked for was done."""


FENCED: Final = Fenced()


def _table(model: Any) -> sa.Table:
    return cast("sa.Table", model.__table__)


_ACCOUNTS, _ALERTS, _DELIVERIES, _GROUPS = _table(Account), _table(Alert), _table(Delivery), _table(Group)
_REACH, _REPLIES, _SENDS = _table(Reach), _table(Reply), _table(Send)

# A literal, not a parameter: only then may the databases use the partial index of waiting rows.
_WAITING: Final[sa.ColumnElement[Any]] = sa.literal_column(f"'{DeliveryState.WAITING.value}'")


# ── sent ──


def _sent(table: sa.Table, *columns: sa.Column[Any]) -> Any:
    update = sa.update(table).where(Among(table.c.id, "rows"), table.c.state == DeliveryState.SENDING)
    return update.values(state=DeliveryState.SENT, sent_at=bindparam("now")).returning(*columns)


_SENT_DELIVERIES = _sent(_DELIVERIES, _DELIVERIES.c.alert_id, _DELIVERIES.c.group_id)
_SENT_REPLIES = _sent(_REPLIES, _REPLIES.c.id)
_REACHED = (
    sa.update(_REACH)
    .where(
        _REACH.c.alert_id == bindparam("alert"),
        Among(_REACH.c.group_id, "groups"),
        _REACH.c.reached_at.is_(None),
    )
    .values(way=Way.PUSH, reached_at=bindparam("now"))
)


def reach_by_push(connection: sa.Connection, pairs: Iterable[tuple[int, int]], now: datetime) -> None:
    """The alert reached the group by push, for each (alert id, group id), if nothing reached it before."""
    groups: dict[int, list[int]] = defaultdict(list)
    for alert, group in pairs:
        groups[alert].append(group)
    for alert, reached in groups.items():
        connection.execute(_REACHED, {"alert": alert, "groups": reached, "now": now})


def _record_sent(connection: sa.Connection, turns: Sequence[Turn]) -> None:
    """`sending` → `sent`, unless an echo was quicker."""
    done = [turn.done for turn in turns if turn.done is not None]
    if not done:
        return
    now = max(turn.at for turn in turns)
    deliveries = [claim.id for claim in done if claim.table is Delivery]
    replies = [claim.id for claim in done if claim.table is Reply]
    if deliveries:
        sent = connection.execute(_SENT_DELIVERIES, {"rows": deliveries, "now": now}).all()
        reach_by_push(connection, [(row.alert_id, row.group_id) for row in sent], now)
    if replies:
        connection.execute(_SENT_REPLIES, {"rows": replies, "now": now})


# ── claimed ──

# Locked until the transaction ends: nobody can take an account over between this look and the marks that follow it.
_HELD: sa.Select[Any] = (
    sa.select(
        _ACCOUNTS.c.id,
        _ACCOUNTS.c.lease_owner,
        _ACCOUNTS.c.lease_fence,
        sa.and_(
            _ACCOUNTS.c.lease_until > DatabaseTime(bindparam("margin", type_=sa.Float())),
            _ACCOUNTS.c.state == AccountState.ONLINE,
        ).label("may_send"),
    )
    .where(Among(_ACCOUNTS.c.id, "accounts"))
    .order_by(_ACCOUNTS.c.id)
    .with_for_update(read=True)
)


def _red_waits() -> sa.ColumnElement[bool]:
    """Whether the account has a group of a red alert to send to now: a reminder of another one is never before it."""
    red, alert = _DELIVERIES.alias("red"), _ALERTS.alias("red_alert")
    return sa.exists().where(
        red.c.account_id == _ACCOUNTS.c.id,
        red.c.state == _WAITING,
        red.c.rank <= Severity.RED.rank,
        sa.or_(red.c.not_before.is_(None), red.c.not_before <= bindparam("planned")),
        alert.c.id == red.c.alert_id,
        alert.c.state == AlertState.RUNNING,
        alert.c.expires_at > bindparam("planned"),
        sa.or_(alert.c.kind != ContentKind.LINK, bindparam("cards", type_=sa.Boolean())),
    )


def _next_reply() -> sa.Select[Any]:
    """For each account the first: by rank, then age."""
    line = _REPLIES.alias("line")
    first = (
        sa.select(line.c.id)
        .where(
            line.c.account_id == _ACCOUNTS.c.id,
            line.c.state == DeliveryState.WAITING,
            line.c.created_at > bindparam("since"),
            line.c.rank <= bindparam("last_rank"),
            sa.or_(line.c.rank < ReplyRank.REMINDER, ~_red_waits()),
        )
        .order_by(line.c.rank, line.c.id)
        .limit(1)
        .correlate(_ACCOUNTS)
        .scalar_subquery()
    )
    return (
        sa.select(_REPLIES.c.id, _REPLIES.c.account_id, _REPLIES.c.room_id, _REPLIES.c.text)
        .join_from(_ACCOUNTS, _REPLIES, _REPLIES.c.id == first)
        .where(Among(_ACCOUNTS.c.id, "accounts"), _REPLIES.c.state == DeliveryState.WAITING)
        .with_for_update(of=_REPLIES, skip_locked=True)
    )


_NEXT_REPLY = _next_reply()


def _next_delivery(*, cards: bool) -> sa.Select[Any]:
    """For each account the first in line: by severity, then upper levels, then age."""
    line, alert = _DELIVERIES.alias("line"), _ALERTS.alias("line_alert")
    first = (
        sa.select(line.c.id)
        .join_from(line, alert, alert.c.id == line.c.alert_id)
        .where(
            line.c.account_id == _ACCOUNTS.c.id,
            line.c.state == _WAITING,
            alert.c.state == AlertState.RUNNING,
            alert.c.severity.in_(bindparam("severities", expanding=True)),
            alert.c.expires_at > bindparam("planned"),
            sa.or_(line.c.not_before.is_(None), line.c.not_before <= bindparam("now")),
            sa.true() if cards else alert.c.kind != ContentKind.LINK,
        )
        .order_by(line.c.rank, line.c.level, line.c.id)
        .limit(1)
        .correlate(_ACCOUNTS)
        .scalar_subquery()
    )
    return (
        sa.select(
            _DELIVERIES.c.id,
            _DELIVERIES.c.account_id,
            _DELIVERIES.c.alert_id,
            _DELIVERIES.c.group_id,
            _DELIVERIES.c.attempts,
            _GROUPS.c.room_id,
            _GROUPS.c.unit_id,
            _GROUPS.c.state.label("group_state"),
            _ALERTS.c.kind,
        )
        .join_from(_ACCOUNTS, _DELIVERIES, _DELIVERIES.c.id == first)
        .join(_ALERTS, _ALERTS.c.id == _DELIVERIES.c.alert_id)
        .join(_GROUPS, _GROUPS.c.id == _DELIVERIES.c.group_id)
        .where(Among(_ACCOUNTS.c.id, "accounts"), _DELIVERIES.c.state == _WAITING)
        .with_for_update(of=_DELIVERIES, skip_locked=True)
    )


_NEXT: Final = {cards: _next_delivery(cards=cards) for cards in (True, False)}


def _begin(table: sa.Table) -> sa.Update:
    """Rows that this transaction has locked: nobody else can have changed them."""
    update = sa.update(table).where(table.c.id == bindparam("row"))
    return update.values(state=DeliveryState.SENDING, sending_at=bindparam("start"))


_BEGIN_REPLY = _begin(_REPLIES)
_BEGIN_DELIVERY = _begin(_DELIVERIES).values(attempts=bindparam("attempt"), reason=sa.literal(""))
_SKIP = (
    sa.update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("row"))
    .values(state=DeliveryState.SKIPPED, reason=bindparam("why"))
)
_COUNT_SENDS = sa.insert(_SENDS).values(
    account_id=bindparam("account"), at=bindparam("start"), card=bindparam("is_card")
)


def advance(connection: sa.Connection, turns: Sequence[Turn]) -> list[Claim | Fenced | None]:
    """Record what was sent, and mark each account's most urgent item `sending`; None where there is nothing to do.

    Replies count as the most urgent (answers, then notices, then reminders, which let red alerts go first), then
    severity, then upper levels, then age. Nothing is written for whoever does not hold the account's lease, and nothing claimed unless it goes on for
    long enough and the account may send.
    """
    rights = _look_at_leases(connection, turns)
    _record_sent(connection, [turn for turn, right in zip(turns, rights, strict=True) if right.holds])
    wanted = {
        turn.account_id: turn.wanted
        for turn, right in zip(turns, rights, strict=True)
        if turn.wanted is not None and right.may_send
    }
    claims: dict[int, Claim] = {}
    if wanted:
        now = min(turn.at for turn in turns)
        claims = _claim_replies(connection, wanted)
        rest = {account: want for account, want in wanted.items() if account not in claims}
        claims |= _claim_deliveries(connection, rest, now)
        record_sends(
            connection, [(account, wanted[account].planned, claim.card) for account, claim in claims.items()]
        )
    return [
        FENCED if not right.holds else claims.get(turn.account_id) if right.may_send and turn.wanted else None
        for turn, right in zip(turns, rights, strict=True)
    ]


@dataclass(frozen=True)
class _Right:
    holds: bool = False
    may_send: bool = False


_NO_RIGHT: Final = _Right()


def _look_at_leases(connection: sa.Connection, turns: Sequence[Turn]) -> list[_Right]:
    margin = max((turn.wanted.margin for turn in turns if turn.wanted is not None), default=0.0)
    accounts = [turn.account_id for turn in turns]
    rows = connection.execute(_HELD, {"accounts": accounts, "margin": margin})
    found = {(row.id, row.lease_owner, row.lease_fence): _Right(True, bool(row.may_send)) for row in rows}
    return [found.get((turn.account_id, turn.owner, turn.fence), _NO_RIGHT) for turn in turns]


def record_sends(connection: sa.Connection, sends: Sequence[tuple[int, datetime, bool]]) -> list[None]:
    """Messages of the platform start, as (account id, start, link card?): the budgets count them, however they end."""
    rows = [{"account": account, "start": start, "is_card": card} for account, start, card in sends]
    if rows:
        connection.execute(_COUNT_SENDS, rows)
    return [None] * len(sends)


def _claim_replies(connection: sa.Connection, wanted: dict[int, Wanted]) -> dict[int, Claim]:
    if not wanted:
        return {}
    since = max(want.replies_since for want in wanted.values())
    last_rank = ReplyRank.REMINDER if all(want.reminders for want in wanted.values()) else ReplyRank.NOTICE
    planned, cards = max(want.planned for want in wanted.values()), any(want.cards for want in wanted.values())
    values = {
        "accounts": list(wanted),
        "since": since,
        "last_rank": int(last_rank),
        "planned": planned,
        "cards": cards,
    }
    rows = connection.execute(_NEXT_REPLY, values)
    claims = {row.account_id: Claim(Reply, row.id, row.room_id, 1, text=row.text) for row in rows}
    if claims:
        starts = [{"row": claim.id, "start": wanted[account].planned} for account, claim in claims.items()]
        connection.execute(_BEGIN_REPLY, starts)
    return claims


def _claim_deliveries(connection: sa.Connection, wanted: dict[int, Wanted], now: datetime) -> dict[int, Claim]:
    alike: dict[tuple[frozenset[Severity], bool], dict[int, Wanted]] = defaultdict(dict)
    for account, want in wanted.items():
        alike[want.severities, want.cards][account] = want
    claims: dict[int, Claim] = {}
    for (severities, cards), accounts in alike.items():
        if severities:
            claims |= _claim_alike(connection, _NEXT[cards], severities, accounts, now)
    return claims


def _claim_alike(
    connection: sa.Connection,
    query: sa.Select[Any],
    severities: Collection[Severity],
    wanted: dict[int, Wanted],
    now: datetime,
) -> dict[int, Claim]:
    planned = max(want.planned for want in wanted.values())
    values = {"severities": list(severities), "planned": planned, "now": now}
    claims: dict[int, Claim] = {}
    starts, left = [], list(wanted)
    while left:
        rows = connection.execute(query, {**values, "accounts": left}).all()
        dead = [row for row in rows if row.group_state is not GroupState.ACTIVE or row.room_id is None]
        for row in rows:
            if row in dead:
                continue
            attempt = row.attempts + 1
            card = row.kind is ContentKind.LINK
            claim = Claim(
                Delivery, row.id, row.room_id, attempt, row.alert_id, row.group_id, card=card, unit_id=row.unit_id
            )
            claims[row.account_id] = claim
            starts.append({"row": row.id, "start": wanted[row.account_id].planned, "attempt": attempt})
        if dead:
            connection.execute(_SKIP, [{"row": row.id, "why": _why_dead(row.group_state)} for row in dead])
        left = [row.account_id for row in dead]
    if starts:
        connection.execute(_BEGIN_DELIVERY, starts)
    return claims


def _why_dead(state: GroupState) -> str:
    return "群已停用" if state is GroupState.RETIRED else "群已失联"
