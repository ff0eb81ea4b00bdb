"""Short pages of alerts: the keys that sign their addresses, and how many people opened them."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class Secret(Base):
    """A random key that the program made for itself; never shown, never in an export for people."""

    __tablename__ = "secrets"
    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    value: Mapped[bytes] = mapped_column(sa.LargeBinary)


class PageVisit(Base):
    """Somebody opened a unit's page of an alert on this day. `visitor` is a hash with that day's salt: it cannot be
    led back to a person, nor compared with another day's, and is gone the night after."""

    __tablename__ = "page_visits"
    day: Mapped[date] = mapped_column(primary_key=True)
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"), primary_key=True)
    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("units.id"), primary_key=True)
    visitor: Mapped[str] = mapped_column(sa.String(24), primary_key=True)


class Seen(Base):
    """How often a unit's page of an alert was opened: once per visitor and day. Never mixed with reach."""

    __tablename__ = "seen"
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"), primary_key=True)
    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("units.id"), primary_key=True)
    visits: Mapped[int] = mapped_column(default=0)
