"""Give sessions new ids"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff_sessions", sa.Column("renew", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("staff_sessions", sa.Column("former_hash", sa.LargeBinary(), nullable=True))
    op.add_column("staff_sessions", sa.Column("former_until", sa.BigInteger(), nullable=True))
    op.create_index("ix_staff_sessions_former", "staff_sessions", ["former_hash"], unique=True)
