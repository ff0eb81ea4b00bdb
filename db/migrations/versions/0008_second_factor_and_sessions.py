"""A second factor of users; where and when their sessions were used

Revision: 0008
After: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

USERS = ("totp_secret", "totp_step", "totp_since", "recovery")
SESSIONS = ("seen_at", "address", "agent", "pending")


def upgrade() -> None:
    op.add_column("users", sa.Column("totp_secret", sa.String(length=64), server_default="", nullable=False))
    op.add_column("users", sa.Column("totp_step", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("users", sa.Column("totp_since", UtcDateTime(), nullable=True))
    op.add_column("users", sa.Column("recovery", sa.Text(), server_default="", nullable=False))
    op.add_column("web_sessions", sa.Column("seen_at", UtcDateTime(), nullable=True))
    op.add_column("web_sessions", sa.Column("address", sa.String(length=60), server_default="", nullable=False))
    op.add_column("web_sessions", sa.Column("agent", sa.String(length=200), server_default="", nullable=False))
    op.add_column("web_sessions", sa.Column("pending", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.execute("DELETE FROM web_sessions WHERE pending")  # the older program would take the password for enough
    for table, columns in (("web_sessions", SESSIONS), ("users", USERS)):
        with op.batch_alter_table(table) as batch_op:
            for column in reversed(columns):
                batch_op.drop_column(column)
