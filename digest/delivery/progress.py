"""How an edition under way is getting on: how fast, and when it will be done.

Promises: costs a look at the batches of the last ten seconds, never at the whole edition. Refuses to guess: without a
mail in that time there is no rate, and no end while something is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.db import now_micros
from digest.tables import State, batches, deliveries

LOOK_BACK = timedelta(seconds=10)


@dataclass(frozen=True)
class Progress:
    """Mails accepted a second, lately; `eta` is when the last will have gone, as far as that can be told."""

    rate: float
    eta: datetime | None


def look(conn: Connection, edition_id: int, *, now: datetime) -> Progress:
    """The progress of an edition that is being sent."""
    rate = _recent(conn, edition_id, now) / LOOK_BACK.total_seconds()
    due, last = _left(conn, edition_id, now)
    if due and not rate:
        return Progress(0.0, None)
    done = now + timedelta(seconds=due / rate) if due else None
    return Progress(round(rate, 1), max(filter(None, (done, last)), default=None))


def _recent(conn: Connection, edition_id: int, now: datetime) -> int:
    """Mails accepted lately, counted in the batches that are held or were let go lately."""
    b, d = batches.c, deliveries.c
    lately = b.released_at > now_micros() - int(LOOK_BACK / timedelta(microseconds=1))
    touched = sa.select(b.n).where(b.edition_id == edition_id, sa.or_(b.lease_until > now_micros(), lately))
    counted = sa.select(sa.func.count()).where(d.edition_id == edition_id, d.batch_n.in_(touched))
    return conn.scalar(counted.where(d.state == State.ACCEPTED, d.updated_at > now - LOOK_BACK)) or 0


def _left(conn: Connection, edition_id: int, now: datetime) -> tuple[int, datetime | None]:
    """Rows that are due and not settled, and when the last batch that is not due yet falls due."""
    b = batches.c
    rest = b.size - b.accepted - b.skipped - b.failed - b.unsure
    open_ones = (b.edition_id == edition_id, sa.text("batches.state < 2"))
    due = conn.scalar(sa.select(sa.func.sum(rest)).where(*open_ones, b.due_at <= now)) or 0
    last: datetime | None = conn.scalar(sa.select(sa.func.max(b.due_at)).where(*open_ones, b.due_at > now))
    return int(due), last
