"""Fencing numbers of leases, and the processes that run

Revision: 0010
After: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("roles", sa.String(length=40), nullable=False),
        sa.Column("pool", sa.String(length=40), nullable=False, server_default=""),
        sa.Column("address", sa.String(length=100), nullable=False, server_default=""),
        sa.Column("revision", sa.String(length=20), nullable=False, server_default=""),
        sa.Column("clock_ms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("note", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("alive_until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_processes")),
    )
    op.add_column("accounts", sa.Column("lease_fence", KEY, nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("accounts") as batch:
        batch.drop_column("lease_fence")
    op.drop_table("processes")
