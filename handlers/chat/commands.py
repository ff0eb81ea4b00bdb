"""Commands in chat: who passed an alert on, who did not, and reports of groups that the bot does not hear."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from bot.addressing import Call, addressed_to, read_call
from bot.app import Services
from bot.errors import UserError
from bot.forwarding import record_report
from bot.group_names import Found, find_groups, guess_groups
from bot.liaison_links import link_for, renew_link
from bot.messages import Incoming
from bot.people import use_bind_code, void_bind_code
from bot.permissions import Permission, allowed
from bot.routing import Context, Outcome
from db.figures import count_missing_groups, get_figures, latest_released, list_child_figures, list_missing_groups
from db.forwards import list_live_expecting
from db.models import Alert, Group, Person, Unit
from db.people import keep_room
from db.states import ContentKind, Role
from db.units import find_root, get_unit
from handlers.chat import command_texts as texts
from handlers.chat.command_parsing import (
    BIND,
    DETAIL,
    HELP,
    LINK,
    MAX_MEMBERS,
    MISSING,
    REPORT,
    TOTALS,
    Command,
    Report,
    looks_like_code,
    parse_command,
    parse_report,
)

NAME = "command"
RECENT = 3  # alerts in 转发统计
Run = Callable[[Context[Services], Person, Unit, Command], Awaitable[Outcome | None]]


def may_command(message: Incoming, _services: Services) -> bool:
    return message.kind is ContentKind.TEXT and parse_command(read_call(message).text) is not None


async def commands(context: Context[Services]) -> Outcome | None:
    """Commands of bound people, and 绑定 of anybody. Whatever is not surely a command goes on to the next handler."""
    message = context.message
    call = read_call(message)
    command = parse_command(call.text) if message.kind is ContentKind.TEXT else None
    if command is None:
        return None
    if command.name == BIND:
        return await _bind(context, call, command)
    if context.person is None:
        # 帮助 of a resident is a question: the next handlers show the menu of fraud types.
        wanted = call.called and command.name != HELP
        office = context.services.settings.office
        return _say(context, texts.unbound_text(office, private=context.message.private)) if wanted else None
    permission, run = COMMANDS[command.name]
    if not allowed(context.person.role, permission) or not _meant(context, call, command):
        return None
    return await run(context, context.person, await _seen_unit(context, context.person), command)


def _meant(context: Context[Services], call: Call, command: Command) -> bool:
    """In a group "帮助", "链接" and a bare "已转发" are things that people say to each other."""
    if context.message.private or call.called:
        return True
    return command.name not in (HELP, LINK) and not (command.name == REPORT and not command.argument)


def _say(context: Context[Services], text: str, *changed: str) -> Outcome:
    return Outcome(NAME, addressed_to(context.message, text), changed)


async def _seen_unit(context: Context[Services], person: Person) -> Unit:
    """The unit whose subtree the person sees: a liaison's own; for staff the whole tree."""
    root = None if person.role is Role.LIAISON else await find_root(context.session)
    return root or await get_unit(context.session, person.unit_id)


async def _bind(context: Context[Services], call: Call, command: Command) -> Outcome | None:
    office = context.services.settings.office
    if not context.message.private:
        if not looks_like_code(command.argument):
            return None
        await void_bind_code(context.session, command.argument, now=context.now)
        return _say(context, texts.code_shown_text(office))
    if not looks_like_code(command.argument):
        return _say(context, texts.code_wanted_text(office))
    try:
        person = await use_bind_code(
            context.session,
            code=command.argument,
            channel=context.message.channel,
            member_hash=context.member,
            now=context.now,
        )
    except UserError as error:
        return _say(context, str(error))
    await keep_room(context.session, person.id, context.account.id, context.message.room_id, at=context.now)
    return _say(context, texts.bound_text(person, await get_unit(context.session, person.unit_id)), "people")


async def _help(context: Context[Services], person: Person, unit: Unit, _: Command) -> Outcome:
    return _say(context, texts.help_text(person, await get_unit(context.session, person.unit_id)))


async def _link(context: Context[Services], person: Person, _: Unit, command: Command) -> Outcome:
    """The address of the own phone page, only ever said in private: whoever has it can report."""
    settings = context.services.settings
    if not context.message.private:
        return _say(context, "手机页的链接只能私聊发给您，请加我为好友，私聊发：链接")
    if person.role is not Role.LIAISON:
        return _say(context, "手机页是给联络员用的；民警请用网页控制台。")
    give = renew_link if command.argument else link_for
    url = await give(context.session, settings, person, now=context.now)
    return _say(context, texts.link_text(url, settings.phone_days, settings.office, renewed=bool(command.argument)))


async def _totals(context: Context[Services], _: Person, unit: Unit, __: Command) -> Outcome:
    session = context.session
    alerts = await latest_released(session, RECENT, unit_id=unit.id)
    records = [(alert, await get_figures(session, alert.id, unit.id)) for alert in alerts]
    return _say(context, texts.totals_text(unit, records, context.services.settings.zone))


async def _missing(context: Context[Services], _: Person, unit: Unit, __: Command) -> Outcome:
    session = context.session
    live = await list_live_expecting(session, _since(context), scope=unit.path)
    if not live:
        days = context.services.settings.forward_days
        return _say(context, f"最近 {days} 天没有需要{unit.name}转发的预警。")
    total = await count_missing_groups(session, live[0].id, unit.path)
    groups = await list_missing_groups(session, live[0].id, unit.path, limit=texts.LISTED)
    return _say(context, texts.missing_text(unit, live[0], groups, total))


async def _detail(context: Context[Services], _: Person, unit: Unit, command: Command) -> Outcome:
    session = context.session
    wanted = command.argument.lstrip("#")
    alerts = await latest_released(session, 1 if not wanted else 200, unit_id=unit.id)
    alert = _named(alerts, wanted)
    if alert is None:
        return _say(context, texts.no_detail_text(wanted))
    figures = await get_figures(session, alert.id, unit.id)
    children = await list_child_figures(session, alert.id, unit.id)
    return _say(context, texts.detail_text(alert, figures, children, context.services.settings.zone))


def _named(alerts: Sequence[Alert], wanted: str) -> Alert | None:
    """By the whole number, or by what follows the date: "3" is the third alert of the latest day that has one."""
    if not wanted:
        return alerts[0] if alerts else None
    short = f"-{wanted.zfill(2)}"
    exact = [alert for alert in alerts if alert.number == wanted]
    return next(iter(exact or [alert for alert in alerts if alert.number.endswith(short)]), None)


async def _report(context: Context[Services], person: Person, unit: Unit, command: Command) -> Outcome | None:
    if not command.argument:
        return _say(context, texts.report_usage_text())
    report = parse_report(command.argument)
    sentence = not (command.spaced or context.message.private or read_call(context.message).called)
    name, members, found = await _find_groups(context, report, unit, guess=not sentence)
    if sentence and not found.sure:
        return None  # "已转发到各群" in a group is talk
    if not found.groups:
        return _say(context, texts.no_group_text(unit, name))
    if not found.sure:
        return _say(context, texts.many_groups_text(name, found.groups))
    group = found.groups[0]
    if members is not None and not 0 < members <= MAX_MEMBERS:
        return _say(context, texts.members_text(MAX_MEMBERS))
    alert = await _reported_alert(context, group, report.alert_number)
    if alert is None:
        days = context.services.settings.forward_days
        return _say(context, texts.no_alert_text(group, days, report.alert_number))
    return await _record(context, person, unit, alert, group, members)


async def _find_groups(
    context: Context[Services], report: Report, unit: Unit, *, guess: bool
) -> tuple[str, int | None, Found]:
    """The first reading of the report that names any group of the unit's subtree; strictly before guessing."""
    for find in (find_groups, guess_groups) if guess else (find_groups,):
        for name, members in report.readings:
            found = await find(context.session, name, scope=unit.path)
            if found.groups:
                return name, members, found
    return report.readings[0][0], None, Found()


async def _reported_alert(context: Context[Services], group: Group, number: str) -> Alert | None:
    live = await list_live_expecting(context.session, _since(context), group_id=group.id, limit=50)
    return next((alert for alert in live if not number or alert.number == number), None)


async def _record(
    context: Context[Services], person: Person, unit: Unit, alert: Alert, group: Group, members: int | None
) -> Outcome:
    session, at = context.session, min(context.message.at, context.now)
    known = await record_report(session, alert_id=alert.id, group=group, person=person, members=members, at=at)
    if known is not None:
        return _say(context, texts.known_text(alert, group, known, context.services.settings.zone))
    left = await count_missing_groups(session, alert.id, unit.path)
    took = (at - alert.released_at).total_seconds() if alert.released_at else 0.0
    return _say(context, texts.reported_text(alert, group, members, max(0.0, took), left, unit), "reach")


def _since(context: Context[Services]) -> datetime:
    return context.now - timedelta(days=context.services.settings.forward_days)


COMMANDS: dict[str, tuple[Permission, Run]] = {
    TOTALS: (Permission.SEE, _totals),
    MISSING: (Permission.SEE, _missing),
    REPORT: (Permission.SEE, _report),
    DETAIL: (Permission.SEE, _detail),
    HELP: (Permission.SEE, _help),
    LINK: (Permission.SEE, _link),
}
"""Every command with the permission it needs; all of them see the subtree of `_seen_unit` only."""
