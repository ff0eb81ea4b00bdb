"""Past deliveries: how many of each state were removed when their time was over

Revision: 0012
After: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATE = sa.Enum(
    "waiting", "sending", "sent", "failed", "unknown", "skipped", "cancelled",
    name="deliverystate", native_enum=False, length=20,
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "past_deliveries",
        sa.Column("alert_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", STATE, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_past_deliveries_alert_id")),
        sa.PrimaryKeyConstraint("alert_id", "state", name=op.f("pk_past_deliveries")),
    )


def downgrade() -> None:
    op.drop_table("past_deliveries")
