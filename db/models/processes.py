"""Running programs, as the database knows them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class Process(Base):
    """A program that runs, or ran just now. Times are the database's."""

    __tablename__ = "processes"
    owner: Mapped[str] = mapped_column(sa.String(120), primary_key=True)  # "host:pid:nonce", as in leases
    roles: Mapped[str] = mapped_column(sa.String(40))  # "web,sender,scheduler"
    pool: Mapped[str] = mapped_column(
        sa.String(40), default="", server_default=""
    )  # senders that share accounts evenly
    address: Mapped[str] = mapped_column(sa.String(100), default="", server_default="")  # where it tells its health
    revision: Mapped[str] = mapped_column(
        sa.String(20), default="", server_default=""
    )  # of the tables it was made for
    clock_ms: Mapped[int] = mapped_column(default=0, server_default="0")  # its machine's clock minus the database's
    note: Mapped[str] = mapped_column(sa.String(200), default="", server_default="")  # what people should know
    started_at: Mapped[datetime]
    alive_until: Mapped[datetime]  # without another sign of life it counts as dead from then on
