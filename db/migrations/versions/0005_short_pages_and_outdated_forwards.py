"""Short pages of alerts and who opened them; forwards of what has been corrected since

Revision: 0005
After: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    for table, own in (
        ("page_visits", (sa.Column("visitor", sa.String(length=24), nullable=False),)),
        ("seen", (sa.Column("visits", sa.Integer(), nullable=False),)),
    ):
        day = (sa.Column("day", sa.Date(), nullable=False),) if table == "page_visits" else ()
        keys = [column.name for column in day] + ["alert_id", "unit_id"] + ["visitor"] * bool(day)
        op.create_table(
            table,
            *day,
            sa.Column("alert_id", KEY, nullable=False),
            sa.Column("unit_id", KEY, nullable=False),
            *own,
            sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f(f"fk_{table}_alert_id")),
            sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f(f"fk_{table}_unit_id")),
            sa.PrimaryKeyConstraint(*keys, name=op.f(f"pk_{table}")),
        )
    op.add_column("forwards", sa.Column("outdated", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("forwards") as batch_op:
        batch_op.drop_column("outdated")
    for table in ("seen", "page_visits", "secrets"):
        op.drop_table(table)
