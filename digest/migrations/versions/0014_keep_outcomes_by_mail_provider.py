"""Keep outcomes by mail provider, and when the clock last made its round"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The providers as they were numbered when this was written.
DOMAINS = {
    1: "gmail.com googlemail.com",
    2: "outlook.com outlook.de outlook.es outlook.fr outlook.it outlook.jp outlook.com.br hotmail.com hotmail.co.uk "
    "hotmail.de hotmail.es hotmail.fr hotmail.it hotmail.com.br live.com live.ca live.co.uk live.com.mx live.de "
    "live.fr live.it live.nl msn.com",
    3: "yahoo.com yahoo.ca yahoo.co.in yahoo.co.uk yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.de "
    "yahoo.es yahoo.fr yahoo.in yahoo.it myyahoo.com ymail.com rocketmail.com aol.com aim.com",
    4: "icloud.com me.com mac.com",
}
# Of what is under way now each row is known while its person is; of what has ended only the sums are kept.
UNDER_WAY = """
    UPDATE deliveries SET provider = COALESCE(
        (SELECT s.provider FROM subscribers s WHERE s.id = deliveries.subscriber_id), -1)
    WHERE edition_id IN (SELECT id FROM editions WHERE state IN ('frozen', 'sending'))
"""
COUNT = """
    INSERT INTO provider_sums (edition_id, provider, state, code, people)
    SELECT d.edition_id, COALESCE(s.provider, -1), d.state, COALESCE(d.code, ''), COUNT(*)
    FROM deliveries d
    JOIN editions e ON e.id = d.edition_id AND e.state IN ('sent', 'cancelled')
    LEFT JOIN subscribers s ON s.id = d.subscriber_id
    GROUP BY d.edition_id, COALESCE(s.provider, -1), d.state, COALESCE(d.code, '')
"""


# A row that is unsure may be settled yet, and is then taken out of the sum in which it stands.
UNSURE = """
    UPDATE deliveries SET provider = COALESCE(
        (SELECT s.provider FROM subscribers s WHERE s.id = deliveries.subscriber_id), -1)
    WHERE state = 5
"""


def upgrade() -> None:
    op.create_table(
        "provider_sums",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.CheckConstraint("people >= 0", name=op.f("ck_provider_sums_people")),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_provider_sums_edition_id")),
        sa.PrimaryKeyConstraint("edition_id", "provider", "state", "code", name=op.f("pk_provider_sums")),
    )
    op.create_table(
        "clock_passes",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_clock_passes")),
    )
    op.add_column("subscribers", sa.Column("provider", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("deliveries", sa.Column("provider", sa.SmallInteger(), server_default="-1", nullable=False))
    op.execute(by_domain())
    for statement in (UNDER_WAY, UNSURE, COUNT):
        op.execute(statement)


def by_domain() -> sa.Update:
    """Gives each address the number of its provider."""
    t = sa.table("subscribers", sa.column("provider"), sa.column("email_key"))
    ends: list[tuple[sa.ColumnElement[bool], Any]] = [
        (sa.or_(*(t.c.email_key.endswith(f"@{domain}", autoescape=True) for domain in domains.split())), number)
        for number, domains in DOMAINS.items()
    ]
    return sa.update(t).values(provider=sa.case(*ends, else_=0))
