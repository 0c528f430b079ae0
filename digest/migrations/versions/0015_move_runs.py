"""Move runs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "moves",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest_id", "cadence"], ["series.digest_id", "series.cadence"], name="fk_moves_series"
        ),
        sa.PrimaryKeyConstraint("digest_id", "cadence", "moment", name=op.f("pk_moves")),
        sa.UniqueConstraint("digest_id", "cadence", "due_at", name="uq_moves_due_at"),
    )
