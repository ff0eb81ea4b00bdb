"""Standings: the level and the compared shares beside the figures, in the order of league tables

Revision: 0011
After: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEYS = {"rollup": "alert_id", "rollup_months": "month"}
SHARES = ("groups_share", "members_share", "ontime_share")
FILL = """UPDATE {table} SET level = (SELECT u.level FROM units u WHERE u.id = {table}.unit_id),
groups_share = CASE WHEN expected_groups > 0
  THEN CAST(pushed_groups + forwarded_groups + reported_groups AS DOUBLE PRECISION) / expected_groups ELSE 0 END,
members_share = CASE WHEN expected_members > 0
  THEN CAST(pushed_members + forwarded_members + reported_members AS DOUBLE PRECISION) / expected_members ELSE 0 END,
ontime_share = CASE WHEN expected_groups > 0
  THEN CAST(ontime_groups AS DOUBLE PRECISION) / expected_groups ELSE 0 END"""


def upgrade() -> None:
    _units_by("level", "path", "state", "kind")
    for table, key in KEYS.items():
        op.add_column(table, sa.Column("level", sa.SmallInteger(), server_default="0", nullable=False))
        for name in SHARES:
            op.add_column(table, sa.Column(name, sa.Double(), server_default="0", nullable=False))
        op.execute(FILL.format(table=table))
        columns = [key, "level", *SHARES, "expected_members", "unit_id"]
        op.create_index(f"ix_{table}_standing", table, columns, unique=False)


def downgrade() -> None:
    for table in KEYS:
        op.drop_index(f"ix_{table}_standing", table_name=table)
        with op.batch_alter_table(table) as batch_op:
            for name in ("level", *SHARES):
                batch_op.drop_column(name)
    _units_by("level", "path")


def _units_by(*columns: str) -> None:
    op.drop_index("ix_units_level_path", table_name="units")
    op.create_index("ix_units_level_path", "units", list(columns), unique=False)
