"""Deadlines, reminders, private chats of people with a task, links to the phone page

Revision: 0006
After: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS = (
    ("alerts", "deadline_at"),
    ("accounts", "alarmed_at"),
    ("people", "link_version"),
    ("replies", "rank"),
)


def upgrade() -> None:
    op.add_column("alerts", sa.Column("deadline_at", UtcDateTime(), nullable=True))
    op.add_column("accounts", sa.Column("alarmed_at", UtcDateTime(), nullable=True))
    op.add_column("people", sa.Column("link_version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("replies", sa.Column("rank", sa.SmallInteger(), server_default="0", nullable=False))
    _create_person_rooms()
    _create_reminders()
    _create_held_reports()


def _create_person_rooms() -> None:
    op.create_table(
        "person_rooms",
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("room_id", sa.String(length=120), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_person_rooms_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_person_rooms_account_id")),
        sa.PrimaryKeyConstraint("person_id", "account_id", name=op.f("pk_person_rooms")),
    )


def _create_reminders() -> None:
    step = sa.Enum("liaison", "parent", "hand", name="reminderstep", native_enum=False, length=20)
    op.create_table(
        "reminders",
        sa.Column("id", KEY, nullable=False),
        sa.Column("alert_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("step", step, nullable=False),
        sa.Column("turn", sa.SmallInteger(), nullable=False),
        sa.Column("groups", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("reply_id", KEY, nullable=True),
        sa.Column("copy_id", KEY, nullable=True),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_reminders_alert_id")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_reminders_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["reply_id"], ["replies.id"], name=op.f("fk_reminders_reply_id")),
        sa.ForeignKeyConstraint(["copy_id"], ["replies.id"], name=op.f("fk_reminders_copy_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminders")),
        sa.UniqueConstraint(
            "alert_id", "person_id", "step", "turn", name=op.f("uq_reminders_alert_id_person_id_step_turn")
        ),
    )
    op.create_index("ix_reminders_person_id_at", "reminders", ["person_id", "at"], unique=False)
    op.create_index("ix_reminders_reply_id", "reminders", ["reply_id"], unique=False)


def _create_held_reports() -> None:
    op.create_table(
        "held_reports",
        sa.Column("alert_id", KEY, nullable=False),
        sa.Column("group_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_held_reports_alert_id")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_held_reports_group_id")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_held_reports_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("alert_id", "group_id", name=op.f("pk_held_reports")),
    )
    op.create_index("ix_held_reports_until", "held_reports", ["until"], unique=False)


def downgrade() -> None:
    for table in ("held_reports", "reminders", "person_rooms"):
        op.drop_table(table)
    for table, column in reversed(COLUMNS):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column(column)
