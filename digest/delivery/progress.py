"""How an edition under way is getting on: how fast, when it will be done, and since when nothing went.

Promises: costs a look at the batches of the last minute, never at the whole edition: their rows are counted while they
are few, and their counters when they are many. Refuses to guess: right after the start there is no end, and without a
mail in the last minute none either while something is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.db import now_micros
from digest.tables import State, batches, deliveries, editions

LOOK_BACK = timedelta(seconds=60)
AT_FIRST = timedelta(seconds=20)  # after the start nobody can tell how long it takes
FEW = 20_000  # rows that are counted one by one


@dataclass(frozen=True)
class Progress:
    """Mails accepted a second, lately; `eta` is when the last will have gone, as far as that can be told.

    `due` are those that could go now; `following` is when the next ones fall due that cannot. `silent_since` is the
    last hand-over (or the start) when something has been due for a minute and nothing went.
    """

    rate: float
    eta: datetime | None
    due: int = 0
    following: datetime | None = None
    silent_since: datetime | None = None


def look(conn: Connection, edition_id: int, *, now: datetime) -> Progress:
    """The progress of an edition that is being sent."""
    begun = conn.scalar(sa.select(editions.c.plan_done_at).where(editions.c.id == edition_id)) or now
    window = min(LOOK_BACK, max(now - begun, timedelta(seconds=1)))
    rate = _recent(conn, edition_id, now, window) / window.total_seconds()
    due, following, last = _left(conn, edition_id, now)
    if due and not rate:
        silent = _last(conn, edition_id) or begun
        return Progress(0.0, None, due, following, silent if now - silent >= LOOK_BACK else None)
    if due and now - begun < AT_FIRST:
        return Progress(round(rate, 1), None, due, following)
    done = now + timedelta(seconds=due / rate) if due else None
    return Progress(round(rate, 1), max(filter(None, (done, last)), default=None), due, following)


def _recent(conn: Connection, edition_id: int, now: datetime, window: timedelta) -> int:
    """Mails accepted lately, counted in the batches that are held or were let go lately."""
    b, d = batches.c, deliveries.c
    lately = b.released_at > now_micros() - int(window / timedelta(microseconds=1))
    touched = (b.edition_id == edition_id, sa.or_(b.lease_until > now_micros(), lately))
    size, accepted = conn.execute(sa.select(sa.func.sum(b.size), sa.func.sum(b.accepted)).where(*touched)).one()
    if (size or 0) > FEW:
        return int(accepted)
    counted = sa.select(sa.func.count()).where(
        d.edition_id == edition_id, d.batch_n.in_(sa.select(b.n).where(*touched))
    )
    return conn.scalar(counted.where(d.state == State.ACCEPTED, d.updated_at >= now - window)) or 0


def _last(conn: Connection, edition_id: int) -> datetime | None:
    """When a mail was last accepted, in the batches that were touched last."""
    b, d = batches.c, deliveries.c
    touched = sa.select(b.n).where(b.edition_id == edition_id, b.accepted > 0)
    latest = touched.order_by(b.released_at.is_(None).desc(), b.released_at.desc()).limit(10).scalar_subquery()
    found: datetime | None = conn.scalar(
        sa.select(sa.func.max(d.updated_at)).where(
            d.edition_id == edition_id, d.batch_n.in_(latest), d.state == State.ACCEPTED
        )
    )
    return found


def _left(conn: Connection, edition_id: int, now: datetime) -> tuple[int, datetime | None, datetime | None]:
    """Rows that are due and not settled; when the first and the last batch that is not due yet falls due."""
    b = batches.c
    rest = b.size - b.accepted - b.skipped - b.failed - b.unsure
    open_ones = (b.edition_id == edition_id, sa.text("batches.state < 2"))
    due = conn.scalar(sa.select(sa.func.sum(rest)).where(*open_ones, b.due_at <= now)) or 0
    later = sa.select(sa.func.min(b.due_at), sa.func.max(b.due_at)).where(*open_ones, b.due_at > now)
    first, last = conn.execute(later).one()
    return int(due), first, last
