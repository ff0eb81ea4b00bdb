"""Edits of the fraud library. The files of the package are the seed; what staff changed since is here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.states import RevisionKind, RevisionState
from db.types import Id, enum_column

_OPEN = sa.text("state IN ('draft', 'in_review')")
_LIVE = sa.text("state = 'live'")


class LibraryRevision(Base):
    """One version of one fraud type: what it says, who wrote it, who approved it, and how far it has come.

    Of each type at most one revision is live and at most one is open (draft or in review): two people cannot
    overwrite each other unseen. A type without a live revision says what its file says.
    """

    __tablename__ = "library_revisions"
    __table_args__ = (
        sa.UniqueConstraint("type_id", "number"),
        sa.Index("ix_library_revisions_live", "type_id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        sa.Index("ix_library_revisions_open", "type_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    type_id: Mapped[str] = mapped_column(sa.String(32))
    number: Mapped[int]  # 1, 2, 3 … of this type
    kind: Mapped[RevisionKind] = mapped_column(enum_column(RevisionKind), default=RevisionKind.CONTENT)
    state: Mapped[RevisionState] = mapped_column(enum_column(RevisionState), default=RevisionState.DRAFT)
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the fields of a library file; {} unless CONTENT
    base: Mapped[int] = mapped_column(
        default=0
    )  # number of the revision that was live when this one was begun; 0: the file
    seed_digest: Mapped[str] = mapped_column(sa.String(64), default="")  # of the file at that time; "" without one
    version: Mapped[int] = mapped_column(default=1)  # +1 on every save; a reviewer approves what they read
    note: Mapped[str] = mapped_column(sa.String(200), default="")  # what was changed and why, by the author
    comment: Mapped[str] = mapped_column(sa.String(200), default="")  # why it was sent back, by the reviewer
    created_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    authors: Mapped[list[Any]] = mapped_column(default=list)  # ids of all users who wrote in it
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    reviewed_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    reviewed_at: Mapped[datetime | None]  # it went live then
    ended_at: Mapped[datetime | None]  # it was superseded or discarded then
