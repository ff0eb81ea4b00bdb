"""What accounts see of their rooms, login codes, and a budget for link cards

Revision: 0002
After: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "rooms",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("room_id", sa.String(length=120), nullable=False),
        sa.Column("account_id", key, nullable=False),
        sa.Column("topic", sa.String(length=120), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("found_at", types.UtcDateTime(), nullable=False),
        sa.Column("seen_at", types.UtcDateTime(), nullable=False),
        sa.Column("left_at", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_rooms_account_id")),
        sa.PrimaryKeyConstraint("channel", "room_id", "account_id", name=op.f("pk_rooms")),
    )
    op.create_index("ix_rooms_account_id", "rooms", ["account_id"])
    op.create_table(
        "room_counts",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("room_id", sa.String(length=120), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "room_id", "day", name=op.f("pk_room_counts")),
    )
    op.add_column("accounts", sa.Column("cards_per_day", sa.Integer(), nullable=True))
    op.add_column("accounts", sa.Column("login_code", sa.String(length=500), server_default="", nullable=False))
    op.add_column("sends", sa.Column("card", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("sends") as batch_op:
        batch_op.drop_column("card")
    with op.batch_alter_table("accounts") as batch_op:
        batch_op.drop_column("login_code")
        batch_op.drop_column("cards_per_day")
    op.drop_table("room_counts")
    op.drop_index("ix_rooms_account_id", table_name="rooms")
    op.drop_table("rooms")
