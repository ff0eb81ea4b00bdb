"""Feedback on answers, leads that are claimed and answered, and groups that may be warned

Revision: 0004
After: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REFERENCES = {
    "account_id": "accounts",
    "claimed_by": "users",
    "answered_by": "users",
    "reply_id": "replies",
}


def upgrade() -> None:
    op.add_column("questions", sa.Column("feedback", sa.String(length=20), nullable=True))
    op.create_index("ix_questions_room_id_asked_at", "questions", ["room_id", "asked_at"])
    with op.batch_alter_table("leads") as batch_op:
        for name, table in REFERENCES.items():
            batch_op.add_column(sa.Column(name, KEY, nullable=True))
            batch_op.create_foreign_key(op.f(f"fk_leads_{name}"), table, [name], ["id"])
        batch_op.add_column(sa.Column("asker", sa.String(length=40), server_default="", nullable=False))
        batch_op.add_column(sa.Column("answer", sa.Text(), server_default="", nullable=False))
        for name in ("claimed_at", "answered_at"):
            batch_op.add_column(sa.Column(name, types.UtcDateTime(), nullable=True))
    op.create_index("ix_leads_question_id", "leads", ["question_id"])
    op.add_column("groups", sa.Column("warns", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("groups", sa.Column("warned_at", types.UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("groups") as batch_op:
        batch_op.drop_column("warned_at")
        batch_op.drop_column("warns")
    op.drop_index("ix_leads_question_id", table_name="leads")
    with op.batch_alter_table("leads") as batch_op:
        for name in REFERENCES:
            batch_op.drop_constraint(op.f(f"fk_leads_{name}"), type_="foreignkey")
        for name in ("answered_at", "claimed_at", "answer", "asker", *reversed(REFERENCES)):
            batch_op.drop_column(name)
    op.drop_index("ix_questions_room_id_asked_at", table_name="questions")
    with op.batch_alter_table("questions") as batch_op:
        batch_op.drop_column("feedback")
