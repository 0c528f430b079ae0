"""When the clock last did what was due, on whatever machine; and what is late when it has been silent.

Promises: a pass is noted once a minute at most, so that a clock that looks every few seconds hardly writes; what is
late is what the clock would have done by now: runs, editions, items and mails about one affair. Refuses to take a
moment that is still to come for a sign of life: a clock that was wrong noted it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db, editions, items, occurrences, publications
from digest.delivery import leases, notices, owners
from digest.tables import clock_passes as t

EVERY = timedelta(minutes=1)
SILENT_AFTER = timedelta(minutes=10)
FORGOTTEN_AFTER = timedelta(days=30)  # a boot that is over
RUN, EDITION, ITEM, NOTICE = "run", "edition", "item", "notice"


@dataclass(frozen=True)
class Late:
    """One thing that should have happened at `at`: a run of a digest, by name; or what waits, the longest first."""

    what: str  # RUN, EDITION, ITEM, NOTICE
    at: datetime
    name: str = ""
    cadence: str = ""


@dataclass(frozen=True)
class Heard:
    """What is known of the clock: its last pass if there was one, and what is late when it is silent."""

    last: datetime | None
    silent: bool
    late: tuple[Late, ...] = ()


def note(conn: Connection, *, now: datetime) -> None:
    """The clock of this machine has done what was due."""
    conn.execute(sa.delete(t).where(t.c.at < now - FORGOTTEN_AFTER))
    here = owners.here()
    conn.execute(db.insert_new(conn, t).values(host=here, at=now))
    conn.execute(sa.update(t).where(t.c.host == here).values(at=now))


def look(conn: Connection, *, now: datetime) -> Heard:
    """Whether the clock is alive, and what is late if it is not."""
    last: datetime | None = conn.scalar(sa.select(sa.func.max(t.c.at)).where(t.c.at <= now + EVERY))
    if last is not None and now - last < SILENT_AFTER:
        return Heard(last, silent=False)
    return Heard(last, silent=True, late=tuple(sorted(_late(conn, last, now), key=lambda one: one.at)))


def _late(conn: Connection, last: datetime | None, now: datetime) -> Iterator[Late]:
    yield from _runs(conn, last or now, now)
    waiting = ((EDITION, leases.next_due(conn)), (ITEM, items.next_publication(conn)), (NOTICE, notices.next_due(conn)))
    for what, due in waiting:
        if due is not None and due <= now:
            yield Late(what, due)


def _runs(conn: Connection, last: datetime, now: datetime) -> Iterator[Late]:
    """The runs that came since the last pass."""
    for digest in publications.all(conn):
        for series in publications.series(conn, digest.id):
            if not series.offered:
                continue
            if editions.schedule(series, digest.zone) is None:
                due = occurrences.next_alert(conn, series)
            else:
                due = occurrences.coming(conn, digest, series, last).at
            if due is not None and due <= now:
                yield Late(RUN, due, digest.name, series.cadence)
