"""Every table. Columns carry what cannot be derived; everything counted about coverage comes from `Reach`."""

from db.models.alerts import Alert, Delivery, Forward, PastDelivery, Picture, Reach, Reply, Rollup, RollupMonth, Send
from db.models.base import Base
from db.models.console import AuditEntry, DayNumber, LoginFailure, Tick, User, WebSession
from db.models.incoming import Incoming, Lead, Question
from db.models.library import LibraryRevision
from db.models.local import LocalMessage, LocalPerson, LocalRoom
from db.models.pages import PageVisit, Secret, Seen
from db.models.processes import Process
from db.models.registry import Account, BindCode, Group, Person, PersonRoom, Room, RoomCount, Unit
from db.models.reminders import HeldReport, Reminder
from db.models.tokens import ApiToken, IdempotencyKey

__all__ = [
    "Account",
    "Alert",
    "ApiToken",
    "AuditEntry",
    "Base",
    "BindCode",
    "DayNumber",
    "Delivery",
    "Forward",
    "Group",
    "HeldReport",
    "IdempotencyKey",
    "Incoming",
    "Lead",
    "LibraryRevision",
    "LocalMessage",
    "LocalPerson",
    "LocalRoom",
    "LoginFailure",
    "PageVisit",
    "PastDelivery",
    "Person",
    "PersonRoom",
    "Picture",
    "Process",
    "Question",
    "Reach",
    "Reminder",
    "Reply",
    "Rollup",
    "RollupMonth",
    "Room",
    "RoomCount",
    "Secret",
    "Seen",
    "Send",
    "Tick",
    "Unit",
    "User",
    "WebSession",
]
