"""Count versions of consent: owners see since when each sentence is used, and how many agreed to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_AGREED = sa.text("version != '' AND what = 'confirmed'")


def upgrade() -> None:
    op.create_index(
        "ix_consent_events_version",
        "consent_events",
        ["version", "subscriber_id", "at"],
        sqlite_where=_AGREED,
        postgresql_where=_AGREED,
    )


def downgrade() -> None:
    op.drop_index("ix_consent_events_version", table_name="consent_events")
