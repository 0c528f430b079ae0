"""One run of a series at another moment than its day and hour, and back again.

Promises: only the coming run is moved, to a moment that has not passed, between the run before it and the run after
it, so that the order of the runs stays and none has to give way; the row that makes a run happen once is the same
wherever the run lies; a move and the clock that runs it never cross, since both hold the series. What was moved may
be moved again, and back while its own moment is still to come. Refuses: all else, and says what would do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db, editions, news, occurrences
from digest.calendars import Calendar
from digest.errors import BadInput, Refused
from digest.publications import Digest, Series
from digest.schedules import Occurrence
from digest.tables import moves as t


@dataclass(frozen=True)
class Move:
    """A run that staff moved: `moment` names it as `Occurrence` does; `reason` is a sentence for everybody."""

    digest_id: int
    cadence: str
    moment: str
    planned_at: datetime
    due_at: datetime
    reason: str


_MOVE = [t.c[name] for name in Move.__dataclass_fields__]


def coming(conn: Connection, digest: Digest, series: Series, *, now: datetime) -> tuple[Occurrence, Calendar]:
    """The run that can be moved, and the calendar that it is in.

    Raises Refused for alerts, and while the run before it is due and has not happened.
    """
    calendar = occurrences.calendar(conn, digest, series)
    if calendar is None:
        raise Refused("An alert goes out when something is new: it has no run to skip or move. Hold the item back.")
    if due := occurrences.unsettled(conn, digest, series, now):
        raise Refused(f"The {occurrences.run_of(due)} is due and has not happened yet. Wait, then move the next one.")
    return occurrences.coming(conn, digest, series, now), calendar


def check(run: Occurrence, calendar: Calendar, to: datetime, *, now: datetime) -> None:
    """Whether the run may be moved there. Raises BadInput naming "to". Pure."""
    before, after = calendar.place(run)
    if to <= now:
        raise BadInput("to", "This moment has passed.", "Choose a later one, or send it now.")
    if to == run.at:
        raise BadInput("to", "It happens then already.", "Choose another moment.")
    if not before < to < after:
        day = "before the run after it" if to >= after else "after the run before it"
        raise BadInput("to", "It would change places with another run.", f"Choose a moment {day}, or skip one of them.")


def move(
    conn: Connection, digest: Digest, series: Series, moment: str, *, to: datetime, why: str, now: datetime
) -> Move:
    """Lets the coming run, which is the one of this moment, happen at another.

    Raises BadInput naming "to" when it may not go there, Refused when another run comes first or one is due.
    """
    series = _hold(conn, digest, series)
    run, calendar = coming(conn, digest, series, now=now)
    if run.moment != moment:
        raise Refused(f"The next run is now the {occurrences.run_of(run)}. Look at the schedule again, then move it.")
    check(run, calendar, to, now=now)
    before = find(conn, series, moment)
    planned_at = before.planned_at if before else run.at
    planned = calendar.planned(moment, planned_at)
    conn.execute(sa.delete(t).where(*_of(series, moment)))
    if planned and planned.at == to:
        return Move(digest.id, series.cadence, moment, planned_at, to, why)
    values = {"digest_id": digest.id, "cadence": series.cadence, "moment": moment, "planned_at": planned_at}
    insert = db.insert_new(conn, t).values(**values, due_at=to, reason=why, at=now).returning(*_MOVE)
    row = conn.execute(insert).one_or_none()
    if row is None:
        raise BadInput("to", "Another run was moved to this moment.", "Choose another moment.")
    return Move(*row)


def move_back(conn: Connection, digest: Digest, series: Series, moment: str, *, now: datetime) -> Move:
    """Lets a run happen at its own moment after all.

    Raises Refused when it was not moved, or has happened, or is skipped; and when its own moment has passed, or is
    none any more since the rules were changed.
    """
    series = _hold(conn, digest, series)
    moved = find(conn, series, moment)
    if moved is None or moved.due_at <= now:
        raise Refused("This run is not moved, or its time has passed. What waits can be sent by hand.")
    run, calendar = coming(conn, digest, series, now=now)
    planned = calendar.planned(moment, moved.planned_at)
    if planned is None:
        raise Refused("The rules have changed, and have no run at its old moment. It happens where it was moved.")
    if run.moment != moment:
        raise Refused("This run is skipped, or another comes first. Look at the schedule again.")
    if planned.at <= now:
        raise Refused("Its old moment has passed. Move it to another one, or send it now.")
    check(run, calendar, planned.at, now=now)
    conn.execute(sa.delete(t).where(*_of(series, moment)))
    return moved


def find(conn: Connection, series: Series, moment: str) -> Move | None:
    """The move of the run of this moment, if it was moved."""
    row = conn.execute(sa.select(*_MOVE).where(*_of(series, moment))).one_or_none()
    return Move(*row) if row else None


def ahead(conn: Connection, *, now: datetime) -> list[Move]:
    """The runs to come that were moved, the soonest first."""
    query = sa.select(*_MOVE).where(t.c.due_at > now).order_by(t.c.due_at, t.c.digest_id, t.c.cadence)
    return [Move(*row) for row in conn.execute(query)]


def _hold(conn: Connection, digest: Digest, series: Series) -> Series:
    news.counter(conn)  # before everything else, as the order of locks has it
    return editions.lock_series(conn, digest.id, series.cadence)


def _of(series: Series, moment: str) -> tuple[sa.ColumnElement[bool], ...]:
    return t.c.digest_id == series.digest_id, t.c.cadence == series.cadence, t.c.moment == moment
