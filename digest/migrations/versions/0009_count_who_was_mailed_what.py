"""Count who was mailed what"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ACCEPTED = 2


def upgrade() -> None:
    op.create_table(
        "mailed",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_mailed_edition_id")),
        sa.ForeignKeyConstraint(["sequence"], ["publication_log.sequence"], name=op.f("fk_mailed_sequence")),
        sa.PrimaryKeyConstraint("edition_id", "sequence", name=op.f("pk_mailed")),
    )
    op.create_index("ix_mailed_sequence", "mailed", ["sequence"], unique=False)
    op.create_index("ix_items_changed", "items", ["modified_at", "id"], unique=False)
    # What closed before is counted now.
    op.execute(
        f"""
        INSERT INTO mailed (edition_id, sequence, people, accepted)
        SELECT d.edition_id, ve.sequence, SUM(d.people),
            (SELECT SUM(b.accepted) FROM batches b WHERE b.edition_id = d.edition_id)
        FROM (
            SELECT edition_id, variant_n, COUNT(*) AS people FROM deliveries
            WHERE state = {ACCEPTED} GROUP BY edition_id, variant_n
        ) d
        JOIN variant_entries ve ON ve.edition_id = d.edition_id AND ve.variant_n = d.variant_n
        JOIN editions e ON e.id = d.edition_id AND e.state IN ('sent', 'cancelled')
        GROUP BY d.edition_id, ve.sequence
        """  # noqa: S608 - our own number
    )
