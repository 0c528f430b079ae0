"""Whether the wall clock of this machine can be believed.

Promises: two looks on one boot of one machine are compared with the steady clock that nobody sets. When the wall clock
went more than a day ahead of it or back, that is a jump: editions under way pause in the commit that notes it, and it
stands until the clock is right again or somebody says that it is. An hour of daylight saving, a correction of minutes
and the time that a machine sleeps are none. Refuses to guess: what happened to the clock before the boot, or on another
machine, it does not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from digest import db, editions, review
from digest.delivery import owners, staff_mail
from digest.errors import Refused
from digest.home import Home
from digest.tables import clock_watch as t

log = structlog.get_logger(__name__)

HELP = "Set it right; or, if it is right, say so with `digest run --accept-clock`."
TOO_FAR = timedelta(days=1)
AGAIN_AFTER = timedelta(hours=1)  # so that a look every few seconds writes nothing
FORGOTTEN_AFTER = timedelta(days=30)  # a boot that is over

Steady = Callable[[], timedelta]  # since some moment that is the same for all processes of one boot


@dataclass(frozen=True)
class Jump:
    """What the clock showed after it, and by how much it is ahead of the steady clock."""

    showed: datetime
    by: timedelta

    def __str__(self) -> str:
        days = round(abs(self.by) / timedelta(days=1))
        way = "ahead" if self.by > timedelta() else "back"
        return (
            f"The clock of this machine jumped {days} {'day' if days == 1 else 'days'} {way}, to "
            f"{self.showed:%Y-%m-%d %H:%M} UTC."
        )


def since_boot() -> timedelta:
    """The steady clock of this machine; it goes on while the machine sleeps."""
    which = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return timedelta(microseconds=time.clock_gettime_ns(which) // 1_000)


def look(home: Home, steady: Steady, *, now: datetime) -> Jump | None:
    """The jump that stands, if one does."""
    database = home.db
    with database.reading() as conn:
        row = conn.execute(sa.select(t).where(t.c.host == owners.here())).one_or_none()
    passed = steady()
    if row is None:
        database.run(lambda conn: _begin(conn, passed, now))
        return None
    elapsed = passed - _span(row.steady)
    expected = row.wall + elapsed
    if abs(now - expected) <= TOO_FAR:
        if row.jumped_to is not None or elapsed > AGAIN_AFTER:
            database.run(lambda conn: _agree(conn, passed, now))
        return None
    jump = Jump(row.jumped_to or now, now - expected)
    if row.jumped_to is None:
        database.run(lambda conn: _jumped(conn, home, jump))
    return jump


def refuse_jump(conn: Connection) -> None:
    """For whoever locks what is to go. Raises Refused while a jump that was noted here waits for an answer."""
    noted = sa.select(t.c.jumped_to).where(t.c.host == owners.here(), t.c.jumped_to.is_not(None))
    if conn.scalar(noted) is not None:
        raise Refused(f"The clock of this machine jumped. {HELP}")


def _jumped(conn: Connection, home: Home, jump: Jump) -> None:
    """Notes the jump, once; what is under way keeps its place and its deadlines until somebody has looked."""
    if _note(conn, t.c.jumped_to.is_(None), jumped_to=jump.showed) == 0:
        return
    log.error("the clock jumped", showed=jump.showed.isoformat(), by=str(jump.by))
    for edition in editions.all_editions(conn, states=(editions.FROZEN, editions.SENDING)):
        if not edition.paused_at and not edition.cancelling:
            paused = review.pause(conn, edition.id, why=f"{jump} {HELP}", now=jump.showed)
            staff_mail.stopped(home, conn, paused, jump.showed)


def accept(conn: Connection, steady: Steady, *, now: datetime) -> None:
    """Somebody says that the clock is right as it is."""
    _begin(conn, steady(), now)
    _agree(conn, steady(), now)


def _begin(conn: Connection, passed: timedelta, now: datetime) -> None:
    conn.execute(sa.delete(t).where(t.c.wall < now - FORGOTTEN_AFTER, t.c.host != owners.here()))
    values = {"host": owners.here(), "steady": _micros(passed), "wall": now}
    conn.execute(db.insert_new(conn, t).values(values))


def _agree(conn: Connection, passed: timedelta, now: datetime) -> None:
    _note(conn, sa.true(), steady=_micros(passed), wall=now, jumped_to=None)


def _note(conn: Connection, which: sa.ColumnElement[bool], **values: object) -> int:
    return conn.execute(sa.update(t).where(t.c.host == owners.here(), which).values(values)).rowcount


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _span(micros: int) -> timedelta:
    return timedelta(microseconds=micros)
