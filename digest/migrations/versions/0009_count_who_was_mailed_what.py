"""Count who was mailed what, and list items by their last change"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ACCEPTED = 2
# What closed before is counted now; what nobody surely had is a zero, since a reader may still be settled.
COUNT = f"""
    INSERT INTO mailed (edition_id, sequence, people, accepted)
    SELECT ve.edition_id, ve.sequence, SUM(COALESCE(d.people, 0)),
        COALESCE((SELECT SUM(b.accepted) FROM batches b WHERE b.edition_id = ve.edition_id), 0)
    FROM variant_entries ve
    JOIN editions e ON e.id = ve.edition_id AND e.state IN ('sent', 'cancelled')
    LEFT JOIN (
        SELECT edition_id, variant_n, COUNT(*) AS people FROM deliveries
        WHERE state = {ACCEPTED} GROUP BY edition_id, variant_n
    ) d ON d.edition_id = ve.edition_id AND d.variant_n = ve.variant_n
    GROUP BY ve.edition_id, ve.sequence
"""  # noqa: S608 - our own number


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
    op.execute(COUNT)
