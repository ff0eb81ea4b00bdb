"""What has words: indexes by which the nightly tidying finds questions and replies whose words are too old

Revision: 0013
After: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = {"questions": "asked_at", "replies": "created_at"}
WORDS = sa.text("text != ''")


def upgrade() -> None:
    for table, column in COLUMNS.items():
        op.create_index(
            f"ix_{table}_words", table, [column], unique=False, sqlite_where=WORDS, postgresql_where=WORDS
        )


def downgrade() -> None:
    for table in COLUMNS:
        op.drop_index(f"ix_{table}_words", table_name=table)
