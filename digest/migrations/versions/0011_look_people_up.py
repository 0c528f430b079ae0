"""Look people up"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_consent_events_left",
        "consent_events",
        ["at", "subscriber_id"],
        unique=False,
        sqlite_where=sa.text("what = 'left'"),
        postgresql_where=sa.text("what = 'left'"),
    )
    op.create_index("ix_notices_subscriber", "notices", ["subscriber_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_notices_subscriber", table_name="notices")
    op.drop_index("ix_consent_events_left", table_name="consent_events")
