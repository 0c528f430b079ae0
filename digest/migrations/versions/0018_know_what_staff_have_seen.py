"""Know what staff have seen of an edition"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff_looks",
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("contents", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_looks_staff_id")),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("fk_staff_looks_digest_id")),
        sa.PrimaryKeyConstraint("staff_id", "digest_id", "cadence", name=op.f("pk_staff_looks")),
        sqlite_with_rowid=False,
    )
