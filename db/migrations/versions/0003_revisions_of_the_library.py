"""Revisions of the fraud library

Revision: 0003
After: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    json = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
    kinds = sa.Enum("content", "retire", "seed", name="revisionkind", native_enum=False, length=20)
    states = ("draft", "in_review", "live", "superseded", "discarded")
    op.create_table(
        "library_revisions",
        sa.Column("id", key, nullable=False),
        sa.Column("type_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", kinds, nullable=False),
        sa.Column("state", sa.Enum(*states, name="revisionstate", native_enum=False, length=20), nullable=False),
        sa.Column("body", json, nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("seed_digest", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("comment", sa.String(length=200), nullable=False),
        sa.Column("created_by", key, nullable=True),
        sa.Column("authors", json, nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("changed_at", types.UtcDateTime(), nullable=False),
        sa.Column("reviewed_by", key, nullable=True),
        sa.Column("reviewed_at", types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_library_revisions_created_by")),
        sa.ForeignKeyConstraint(["reviewed_by"], ["users.id"], name=op.f("fk_library_revisions_reviewed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_library_revisions")),
        sa.UniqueConstraint("type_id", "number", name=op.f("uq_library_revisions_type_id_number")),
    )
    for name, condition in (("live", "state = 'live'"), ("open", "state IN ('draft', 'in_review')")):
        op.create_index(
            f"ix_library_revisions_{name}",
            "library_revisions",
            ["type_id"],
            unique=True,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )


def downgrade() -> None:
    for name in ("open", "live"):
        op.drop_index(f"ix_library_revisions_{name}", table_name="library_revisions")
    op.drop_table("library_revisions")
