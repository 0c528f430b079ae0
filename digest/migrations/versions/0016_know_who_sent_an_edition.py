"""Know who sent an edition"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("editions", sa.Column("asked_by_id", sa.Integer(), nullable=True))
    op.add_column("editions", sa.Column("asked_by", sa.Text(), server_default="", nullable=False))
