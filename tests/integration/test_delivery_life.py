"""A model of the delivery's life, beside the real senders: hypothesis lets them run through each other at random.

The senders are the product's; their platform is a phone that the test holds, so that a message stays under way for as
long as it likes. Meanwhile echoes come, officers pause, resume, cancel and decide, alerts run out, and holders of
accounts are replaced without knowing it. After every step the rows say what the model says.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bot import alerts
from bot.alert_texts import AlertTexts
from bot.channels.base import Capabilities
from bot.delivery import account_limits, decide_unknown
from bot.errors import AccountOffline, MessageRefused, OutcomeUnknown, RoomGone, TemporaryFailure, WrongState
from bot.events import Events
from bot.lease import Lease, boot_time
from bot.mentions import Mentions
from bot.messages import Incoming, Outgoing
from bot.pacing import Pacer
from bot.routing import Router
from bot.sender import Sender
from db import deliveries, leases
from db.accounts import record_account_state
from db.alerts import list_finished
from db.models import Account, Alert, Delivery, Group
from db.session import Database
from db.states import AccountState, AlertState, ContentKind, DeliveryState, Severity
from tests.fakes import FakeClock
from tests.world import World, build_world, content, quick_settings, release

SETTINGS = quick_settings(lease_seconds=120, send_timeout=120)
PATIENCE = 6.0  # seconds until the rows must say what the model says
TRIES = SETTINGS.max_attempts
S = DeliveryState
"""The model moves a delivery only along these lines:
waiting → sending → sent | failed | unknown | waiting; unknown → sent (echo) | waiting | skipped (a person);
waiting → cancelled (its alert is over) | skipped (its group is lost). An echo makes anything sent."""


@dataclass
class Phone:
    """What one holder of an account sends by. A send is under way until the test answers it."""

    saying: tuple[str, str] | None = None
    answer: asyncio.Future[None] | None = None
    name = "local"
    capabilities = Capabilities(echoes=True, hears_all=True, pictures=True, links=True, max_text=600)

    async def send(self, account: str, room_id: str, message: Outgoing) -> str | None:
        assert self.saying is None, "two messages under way on one account"
        self.answer = asyncio.get_running_loop().create_future()
        self.saying = (room_id, message.text)
        await self.answer
        return None


@dataclass
class Holder:
    """A sender that holds, or believes that it holds, an account."""

    account: Account
    sender: Sender
    phone: Phone
    task: asyncio.Task[None]
    claimed: int | None = None  # the delivery under way


@dataclass
class Row:
    """The model's view of one delivery."""

    id: int
    alert: int
    group: int
    account: int
    order: tuple[int, int, int]
    room: str
    state: DeliveryState = S.WAITING
    attempts: int = 0
    not_before: float = 0.0
    arrivals: int = 0
    resent: int = 0  # by a person's decision
    unheard: list[str] = field(default_factory=list)  # message ids on their way back to us
    confirmed: bool = False


class DeliveryLife(RuleBasedStateMachine):
    alerts = Bundle("alerts")

    def __init__(self, new_url: Callable[[], Awaitable[str]]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.new_url = new_url
        self.numbers = itertools.count(1)

    def do(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            async with asyncio.timeout(60):
                return await work

        return self.runner.run(run())

    def teardown(self) -> None:
        self.do(self._close())
        self.runner.close()

    async def _close(self) -> None:
        for holder in [*self.holders.values(), *self.late]:
            holder.task.cancel()
            await asyncio.gather(holder.task, return_exceptions=True)
        await self.database.close()

    # ── the world ──

    @initialize()
    def begin(self) -> None:
        self.do(self._begin())

    async def _begin(self) -> None:
        self.clock, self.events = FakeClock(), Events()
        self.database = Database(await self.new_url())
        self.texts = AlertTexts(SETTINGS)
        self.router: Router[Any] = Router(self.database, self.clock, self.events, [], None, self.texts)
        self.rows: dict[int, Row] = {}
        self.states: dict[int, AlertState] = {}
        self.texts_of: dict[int, str] = {}
        self.expires: dict[int, float] = {}
        self.lost: set[int] = set()
        self.offline: set[int] = set()
        self.holders: dict[int, Holder] = {}
        self.late: list[Holder] = []  # replaced, and still waiting for the platform
        async with self.database.write() as session:
            self.world: World = await build_world(session, villages=3, accounts=2)
            await session.execute(sa.update(Account).values(state=AccountState.ONLINE))
        for account in self.world.accounts:
            await self._hold(account)

    async def _hold(self, account: Account) -> None:
        """A new holder, as after a crash or while the old one sleeps: what was in flight is in doubt."""
        owner = f"machine{next(self.numbers)}:1:0"
        before = [self.holders[account.id].sender.lease.owner] if account.id in self.holders else []
        found: Mapping[int, int] = {}
        while not found:  # one that writes at this instant is left for later
            async with self.database.write() as session:
                found = await leases.take(session, [account.id], owner=owner, seconds=3600, limit=1, dead=before)
                stranded = await deliveries.strand_in_flight(session, account.id) if found else None
        assert stranded is not None
        expected = [row.id for row in self.rows.values() if row.account == account.id and row.state is S.SENDING]
        assert sorted(stranded.deliveries) == sorted(expected)
        for row_id in expected:
            self.rows[row_id].state = S.UNKNOWN
        phone = Phone()
        sender = Sender(
            account,
            lease=Lease(account.id, owner=owner, fence=found[account.id], until=boot_time() + 3600),
            channel=phone,  # type: ignore[arg-type]
            pacer=Pacer(account_limits(account, SETTINGS), self.clock, SETTINGS.zone),
            settings=SETTINGS,
            database=self.database,
            clock=self.clock,
            events=self.events,
            texts=self.texts,
            mentions=Mentions(),
        )
        self.holders[account.id] = Holder(account, sender, phone, asyncio.create_task(sender.run()))

    async def _settle(self) -> None:
        """Every holder that has something to send is sending it; the rows say what the model says."""
        self.events.publish("alerts", "accounts")
        for holder in self.holders.values():
            if holder.claimed is None and (due := self._next(holder.account.id)):
                await self._until(lambda phone=holder.phone: phone.saying is not None, f"{due} is not being sent")
                assert holder.phone.saying == (due.room, self.texts_of[due.alert])
                holder.claimed = due.id
                due.state, due.attempts = S.SENDING, due.attempts + 1
        await self._until(self._agrees, "the rows differ from the model")

    def _next(self, account_id: int) -> Row | None:
        """What the account must send now. What it finds before it for lost groups is skipped."""
        if account_id in self.offline:
            return None
        now = self.clock.monotonic()
        for row in sorted(self.rows.values(), key=lambda each: each.order):
            running = self.states[row.alert] is AlertState.RUNNING and self.expires[row.alert] > now
            if row.account != account_id or row.state is not S.WAITING or not running or row.not_before > now:
                continue
            if row.group not in self.lost:
                return row
            row.state = S.SKIPPED
        return None

    async def _until(self, condition: Callable[[], Any], what: str) -> None:
        end = boot_time() + PATIENCE
        while True:
            result = condition()
            if await result if asyncio.iscoroutine(result) else result:
                return
            assert boot_time() < end, f"{what}: {await self._differences()}"
            await asyncio.sleep(0.002)

    async def _agrees(self) -> bool:
        return not await self._differences()

    async def _differences(self) -> list[str]:
        async with self.database.read() as session:
            found = await session.execute(sa.select(Delivery.id, Delivery.state, Delivery.reason, Delivery.attempts))
            rows = {row.id: row for row in found}
        assert rows.keys() == self.rows.keys(), "a delivery was lost or made up"
        return [
            f"{row} is {rows[row.id].state.value} {rows[row.id].reason!r} after {rows[row.id].attempts}"
            for row in self.rows.values()
            if (rows[row.id].state, rows[row.id].attempts) != (row.state, row.attempts)
        ]

    # ── officers ──

    @rule(target=alerts, severity=st.sampled_from([Severity.RED, Severity.BLUE]))
    def release(self, severity: Severity) -> Any:
        if len(self.states) == 3:
            return hypothesis.stateful.multiple()
        return self.do(self._release(severity))

    async def _release(self, severity: Severity) -> int:
        number = len(self.states) + 1
        wanted = content(severity, title=f"第 {number} 条", expires_at=self.clock.now() + timedelta(hours=2 * number))
        alert = await release(self.database, self.world, SETTINGS, self.clock.now(), wanted)
        async with self.database.read() as session:
            query = sa.select(Delivery, Group.room_id).join(Group, Group.id == Delivery.group_id)
            for delivery, room in await session.execute(query.where(Delivery.alert_id == alert.id)):
                order = (delivery.rank, delivery.level, delivery.id)
                self.rows[delivery.id] = Row(
                    delivery.id, alert.id, delivery.group_id, delivery.account_id, order, room
                )
        self.states[alert.id] = AlertState.RUNNING
        self.texts_of[alert.id] = alerts.rendered_text(alert, SETTINGS)
        self.expires[alert.id] = self.clock.monotonic() + 7200 * number
        await self._settle()
        return alert.id

    async def _step(self, alert: int, step: str, to: AlertState) -> None:
        """Taken when the state allows it, refused otherwise."""
        calls = {
            "pause": lambda session: alerts.pause(session, self.world.reviewer, alert, now=self.clock.now()),
            "resume": lambda session: alerts.resume(session, self.world.reviewer, alert, now=self.clock.now()),
            "cancel": lambda session: alerts.cancel(session, self.world.reviewer, alert, "", now=self.clock.now()),
            "expire": lambda session: alerts.expire(session, alert, now=self.clock.now()),
        }
        if self.states[alert] not in alerts.STEPS[step][0]:
            with pytest.raises(WrongState):
                async with self.database.write() as session:
                    await calls[step](session)
            return
        async with self.database.write() as session:
            await calls[step](session)
        self.states[alert] = to
        if to in (AlertState.CANCELLED, AlertState.EXPIRED):
            for row in self.rows.values():
                if row.alert == alert and row.state is S.WAITING:
                    row.state = S.CANCELLED
        await self._settle()

    @rule(alert=alerts)
    def pause(self, alert: int) -> None:
        self.do(self._step(alert, "pause", AlertState.PAUSED))

    @rule(alert=alerts)
    def resume(self, alert: int) -> None:
        self.do(self._step(alert, "resume", AlertState.RUNNING))

    @rule(alert=alerts)
    def cancel(self, alert: int) -> None:
        self.do(self._step(alert, "cancel", AlertState.CANCELLED))

    @rule(choice=st.integers(0, 100), resend=st.booleans())
    def decide(self, choice: int, resend: bool) -> None:
        doubtful = [row for row in self.rows.values() if row.state is S.UNKNOWN]
        if doubtful:
            self.do(self._decide(doubtful[choice % len(doubtful)], resend))

    async def _decide(self, row: Row, resend: bool) -> None:
        over = self.states[row.alert] in (AlertState.CANCELLED, AlertState.EXPIRED)
        word = "resend" if resend else "leave"
        if resend and over:
            with pytest.raises(WrongState):
                async with self.database.write() as session:
                    await decide_unknown(session, self.world.reviewer, row.id, word, now=self.clock.now())
            return
        async with self.database.write() as session:
            await decide_unknown(session, self.world.reviewer, row.id, word, now=self.clock.now())
        row.state = S.WAITING if resend else S.SKIPPED
        row.resent += resend
        row.not_before = 0.0
        if resend and self.states[row.alert] is AlertState.FINISHED:
            self.states[row.alert] = AlertState.RUNNING
        await self._settle()

    # ── the platform ──

    @rule(
        choice=st.integers(0, 100),
        arrives=st.booleans(),
        error=st.sampled_from([None, None, None, "unknown", "temporary", "offline", "refused", "gone"]),
    )
    def answer(self, choice: int, arrives: bool, error: str | None) -> None:
        busy = [holder for holder in [*self.holders.values(), *self.late] if holder.claimed is not None]
        if busy:
            self.do(self._answer(busy[choice % len(busy)], arrives, error))

    async def _answer(self, holder: Holder, arrives: bool, error: str | None) -> None:
        """The message comes to its end. An error that says that it did not leave tells the truth."""
        row = self.rows[holder.claimed or 0]
        holder.claimed = None
        if error is None or (error == "unknown" and arrives):
            row.arrivals += 1
            row.unheard.append(f"m{next(self.numbers)}")
        late = holder in self.late
        if not late and row.state is S.SENDING:  # an echo was not quicker
            row.state = self._outcome(row, error)
        if not late and error == "offline":
            self.offline.add(holder.account.id)
        if not late and error == "gone":
            self.lost.add(row.group)
        errors = {
            "unknown": OutcomeUnknown("没有答复"),
            "temporary": TemporaryFailure("忙"),
            "offline": AccountOffline("掉线"),
            "refused": MessageRefused("拒收"),
            "gone": RoomGone("不在群里"),
        }
        assert holder.phone.answer is not None
        holder.phone.saying = None
        if error is None:
            holder.phone.answer.set_result(None)
        else:
            holder.phone.answer.set_exception(errors[error])
        if late:
            self.late.remove(holder)
            async with asyncio.timeout(PATIENCE):  # fenced off: it ends by itself, and has written nothing
                await holder.task
        await self._settle()

    def _outcome(self, row: Row, error: str | None) -> DeliveryState:
        if error is None:
            return S.SENT
        again = error == "offline" or (error == "temporary" and row.attempts < TRIES)
        if again and error == "temporary":
            row.not_before = self.clock.monotonic() + 5 * 3 ** (row.attempts - 1)
        if again:
            over = self.states[row.alert] in (AlertState.CANCELLED, AlertState.EXPIRED)
            return S.CANCELLED if over else S.WAITING
        return S.UNKNOWN if error == "unknown" else S.FAILED

    @rule(choice=st.integers(0, 100), twice=st.booleans())
    def echo(self, choice: int, twice: bool) -> None:
        """A message of ours comes back, sooner or later, once or twice."""
        waiting = [row for row in self.rows.values() if row.unheard]
        under_way = [self.rows[one.claimed] for one in self.holders.values() if one.claimed is not None]
        quick = [row for row in under_way if not row.unheard and not row.arrivals]
        if waiting or quick:
            every = [*waiting, *quick]
            self.do(self._echo(every[choice % len(every)], twice))

    async def _echo(self, row: Row, twice: bool) -> None:
        if not row.unheard:  # it has arrived, and its echo is quicker than the platform's answer
            row.unheard.append(f"m{next(self.numbers)}")
        message_id = row.unheard.pop(0)
        account = next(each for each in self.world.accounts if each.id == row.account)
        for _ in range(1 + twice):
            await self.router.take(
                Incoming(
                    channel="local",
                    account=account.name,
                    message_id=message_id,
                    room_id=row.room,
                    private=False,
                    sender_id="bot",
                    sender_name="bot",
                    kind=ContentKind.TEXT,
                    text=self.texts_of[row.alert],
                    at=self.clock.now(),
                    is_self=True,
                )
            )
        if not row.confirmed:
            row.confirmed, row.state = True, S.SENT
        await self._settle()

    @rule(account=st.integers(0, 1))
    def come_online(self, account: int) -> None:
        self.do(self._come_online(self.world.accounts[account].id))

    async def _come_online(self, account_id: int) -> None:
        async with self.database.write() as session:
            await record_account_state(session, account_id, AccountState.ONLINE, at=self.clock.now(), reason="")
        self.offline.discard(account_id)
        await self._settle()

    # ── time, and holders that come and go ──

    @rule(account=st.integers(0, 1))
    def replace(self, account: int) -> None:
        """Another process takes the account; the old one does not know."""
        self.do(self._replace(self.world.accounts[account]))

    async def _replace(self, account: Account) -> None:
        old = self.holders[account.id]
        await self._hold(account)
        if old.claimed is not None:
            self.late.append(old)
        else:
            old.task.cancel()
            await asyncio.gather(old.task, return_exceptions=True)
        await self._settle()

    @rule(seconds=st.sampled_from([20.0, 60.0, 7200.0]))
    def wait(self, seconds: float) -> None:
        self.do(self._wait(seconds))

    async def _wait(self, seconds: float) -> None:
        """Time passes, and the scheduler does what it does every few seconds."""
        self.clock.advance(seconds)
        for alert, end in self.expires.items():
            over = end <= self.clock.monotonic()
            if over and self.states[alert] in (AlertState.RUNNING, AlertState.PAUSED):
                await self._step(alert, "expire", AlertState.EXPIRED)
        await self._settle()
        async with self.database.write() as session:
            for alert in await list_finished(session):
                await alerts.finish(session, alert, now=self.clock.now())
                left = {row.state for row in self.rows.values() if row.alert == alert}
                assert not left & {S.WAITING, S.SENDING}
                self.states[alert] = AlertState.FINISHED

    # ── what always holds ──

    @invariant()
    def nobody_gets_it_twice_unless_a_person_wants_it(self) -> None:
        for row in getattr(self, "rows", {}).values():
            assert row.arrivals <= 1 + row.resent, row

    @invariant()
    def alerts_are_where_the_model_has_them(self) -> None:
        if hasattr(self, "states"):
            assert self.do(self._alert_states()) == self.states

    async def _alert_states(self) -> dict[int, AlertState]:
        async with self.database.read() as session:
            return {row.id: row.state for row in await session.execute(sa.select(Alert.id, Alert.state))}

    @invariant()
    def one_message_is_under_way_per_account(self) -> None:
        under_way = Counter(row.account for row in getattr(self, "rows", {}).values() if row.state is S.SENDING)
        assert all(count == 1 for count in under_way.values())


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Awaitable[str]]:
    """Makes a fresh database with all tables, in whatever event loop."""
    numbers = itertools.count(1)

    async def copy() -> str:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"

    return copy if request.param == "sqlite" else request.getfixturevalue("postgres").create


def test_the_real_code_agrees_with_the_model(new_url: Callable[[], Awaitable[str]]) -> None:
    examples = int(os.environ.get("XINFANG_TEST_EXAMPLES", "15"))
    settings = hypothesis.settings(max_examples=examples, stateful_step_count=40, deadline=None, database=None)
    run_state_machine_as_test(lambda: DeliveryLife(new_url), settings=settings)  # type: ignore[no-untyped-call]
