"""Who may do what: one table. Every route and command names the permission it needs."""

from __future__ import annotations

from enum import StrEnum

from bot.errors import Forbidden
from bot.identity import Actor
from bot.settings import Settings
from db.states import Role


class Permission(StrEnum):
    SEE = "see"  # dashboard, unit tree, reach: liaisons within their own subtree
    SEE_ALERTS = "see_alerts"
    WRITE_ALERT = "write_alert"
    REVIEW_ALERT = "review_alert"  # release, send back
    RUN_ALERT = "run_alert"  # pause, resume, cancel, decide about unknown deliveries
    QUESTIONS = "questions"  # questions and leads
    LIBRARY = "library"  # read and edit the fraud library, try messages
    REVIEW_LIBRARY = "review_library"  # make an edit live, send it back, undo
    REGISTRY = "registry"  # import, export, gaps
    PEOPLE = "people"  # one-time codes
    USERS = "users"
    AUDIT = "audit"
    TRAINING = "training"  # the local chat, where one may speak as anybody


_STAFF = {
    Permission.SEE,
    Permission.SEE_ALERTS,
    Permission.RUN_ALERT,
    Permission.QUESTIONS,
    Permission.LIBRARY,
    Permission.PEOPLE,
    Permission.TRAINING,
}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.PUBLISHER: frozenset(_STAFF | {Permission.WRITE_ALERT, Permission.REGISTRY}),
    Role.REVIEWER: frozenset(
        _STAFF | {Permission.WRITE_ALERT, Permission.REVIEW_ALERT, Permission.REVIEW_LIBRARY, Permission.AUDIT}
    ),
    Role.LIAISON: frozenset({Permission.SEE}),
}


def allowed(role: Role, permission: Permission) -> bool:
    return permission in PERMISSIONS[role]


def require(actor: Actor, permission: Permission) -> None:
    """Raises `Forbidden` when the actor's role does not have `permission`."""
    if not allowed(actor.role, permission):
        raise Forbidden(f"{actor.role.label}没有此项权限，请联系管理员")


def require_proof(actor: Actor, settings: Settings) -> None:
    """Raises `Forbidden` when releasing asks for a fresh code (setting `release_code`) and none came with the step.

    The command line has no users: whoever may run it on the machine could change the database as well.
    """
    if settings.release_code and actor.user_id is not None and not actor.proved:
        raise Forbidden("发布和审核通过须输入动态码，请在控制台的页面上操作")
