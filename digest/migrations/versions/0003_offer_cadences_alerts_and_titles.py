"""Offer cadences, alerts and titles"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clock_watch",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("steady", sa.BigInteger(), nullable=False),
        sa.Column("wall", sa.BigInteger(), nullable=False),
        sa.Column("jumped_to", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_clock_watch")),
    )
    with op.batch_alter_table("digests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("welcome", sa.Text(), server_default="nothing", nullable=False))

    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("digest_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("subscriber_id", sa.Integer(), nullable=True))

    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.add_column(sa.Column("age_limit", sa.Integer(), server_default="45", nullable=False))
        batch_op.add_column(sa.Column("daily_cap", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("owed_seen", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("titles_upto", sa.Integer(), server_default="0", nullable=False))
        batch_op.create_index(
            "ix_subscriptions_alerts_owed",
            ["digest_id"],
            unique=False,
            sqlite_where=sa.text("carry_instant IS NOT NULL"),
            postgresql_where=sa.text("carry_instant IS NOT NULL"),
        )
