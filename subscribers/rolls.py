"""What became of an edition, person by person, as a table to keep.

Promises: whatever the size of the edition, so many rows are in memory at once as are asked for at a time; they come in
the order in which they were planned, each once, also while mail goes out. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.db import Database
from digest.delivery import providers
from digest.tables import State, deliveries, replies
from subscribers import explaining
from subscribers.tables import subscribers

AT_ONCE = 1_000
COLUMNS = ("person", "mail provider", "outcome", "reason", "reply", "when (UTC)")
WORDS = {State.PLANNED: "still to go", State.TRYING: "still to go"}

Line = tuple[str, ...]


def of_edition(db: Database, edition_id: int) -> Iterator[list[Line]]:
    """The rows of an edition, some at a time, beginning with the names of the columns."""
    yield [COLUMNS]
    place: tuple[int, int] | None = (0, 0)
    while place is not None:
        with db.reading() as conn:  # a long reading would keep the database from tidying itself
            lines, place = _some(conn, edition_id, place)
        if lines:
            yield lines


def _some(conn: Connection, edition_id: int, after: tuple[int, int]) -> tuple[list[Line], tuple[int, int] | None]:
    """The next rows after a place (batch and position), and the place of the last; None at the end.

    A row that is moved to a later batch meanwhile may come again there: what is to be kept is that of an ended edition.
    """
    d = deliveries.c
    query = (
        sa.select(d.batch_n, d.pos, d.subscriber_id, d.provider, d.state, d.code, d.updated_at)
        .add_columns(subscribers.c.email, replies.c.text)
        .outerjoin(subscribers, subscribers.c.id == d.subscriber_id)
        .outerjoin(replies, (replies.c.edition_id == d.edition_id) & (replies.c.subscriber_id == d.subscriber_id))
        .where(d.edition_id == edition_id, sa.tuple_(d.batch_n, d.pos) > sa.tuple_(*after))
        .order_by(d.batch_n, d.pos)
        .limit(AT_ONCE)
    )
    rows = conn.execute(query).all()
    lines: list[Line] = [
        (
            row.email or f"erased ({row.subscriber_id})",
            providers.NAMES.get(row.provider, ""),
            WORDS.get(State(row.state), State(row.state).name.lower()),
            explaining.reason(row.code),
            row.text or "",
            _moment(row.updated_at),
        )
        for row in rows
    ]
    return lines, (rows[-1].batch_n, rows[-1].pos) if len(rows) == AT_ONCE else None


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""
