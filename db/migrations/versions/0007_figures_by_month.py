"""Figures by month, groups on time; every figure is counted anew

Revision: 0007
After: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
COUNTS = (
    "alerts",
    "expected_groups",
    "expected_members",
    "pushed_groups",
    "pushed_members",
    "forwarded_groups",
    "forwarded_members",
    "reported_groups",
    "reported_members",
    "ontime_groups",
)


def upgrade() -> None:
    _forget()
    op.add_column("alerts", sa.Column("month", sa.Integer(), nullable=True))
    op.add_column("rollup", sa.Column("ontime_groups", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "rollup_months",
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("unit_id", KEY, nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("histogram", JSON, nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_rollup_months_unit_id")),
        sa.PrimaryKeyConstraint("month", "unit_id", name=op.f("pk_rollup_months")),
    )
    op.create_index("ix_units_level_path", "units", ["level", "path"], unique=False)
    _unfolded_by("alert_id", "unit_id", "group_id")


def downgrade() -> None:
    _unfolded_by("alert_id", "group_id")
    op.drop_index("ix_units_level_path", table_name="units")
    op.drop_table("rollup_months")
    for table, column in (("rollup", "ontime_groups"), ("alerts", "month")):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column(column)
    _forget()


def _forget() -> None:
    """The program folds everything anew when it starts: at either revision the figures then have all their parts."""
    op.execute("DELETE FROM rollup")
    op.execute("UPDATE reach SET folded = false WHERE folded")
    op.execute("UPDATE alerts SET rolled_up = false WHERE rolled_up")


def _unfolded_by(*columns: str) -> None:
    op.drop_index("ix_reach_unfolded", table_name="reach")
    op.create_index(
        "ix_reach_unfolded",
        "reach",
        list(columns),
        unique=False,
        sqlite_where=sa.text("reached_at IS NOT NULL AND folded = 0"),
        postgresql_where=sa.text("reached_at IS NOT NULL AND NOT folded"),
    )
