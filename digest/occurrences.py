"""Which run of a series is due now, and that it happens once.

Promises: the row of an occurrence is written in the transaction that makes its edition, and the key of the table lets
it happen once however many schedulers run; what is due is computed from now and not from the last row, so a clock
that was once wrong by a year silences nothing; a clock set back runs nothing twice; after an outage only the latest
run happens. Alerts have no calendar: they gather for ten minutes from the first that waits. A run that comes too late
sends, skips or asks, as its series says. A run that staff skip beforehand has its row already, and so never happens;
what is new waits for the one after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import config, db, editions, news, publications, tables
from digest.calendars import Calendar
from digest.config import Settings
from digest.editions import Edition, Run
from digest.errors import Refused
from digest.news import Entry
from digest.publications import Digest, Series
from digest.schedules import Occurrence
from digest.tables import occurrences as t

GATHER = timedelta(minutes=10)  # so that items published together are one alert
# Of a run that staff skipped beforehand: the rows of all others have the edition that the clock made.
_BEFOREHAND = (t.c.outcome == "skipped", t.c.edition_id.is_(None))


class Owed(Protocol):
    """Says whether readers of a series are owed something that may go now."""

    def __call__(self, conn: Connection, digest_id: int, cadence: str, *, now: datetime) -> bool: ...


def run_latest(
    conn: Connection, settings: Settings, digest: Digest, series: Series, *, owed: Owed, now: datetime, ask: str = ""
) -> Edition | None:
    """The edition of the series' latest run, when that has not happened yet; `ask` has a person look at it first."""
    series = publications.one_series(conn, series.digest_id, series.cadence)  # as it is by now
    due = _alert(conn, series, owed, now) if series.cadence == "instant" else _by_calendar(conn, digest, series, now)
    if due is None or not _begin(conn, digest, series, due, now):
        return None
    run = Run(now=now, starts_at=due.at, carries=owed(conn, digest.id, series.cadence, now=now), ask=ask)
    edition = _edition(conn, settings, digest, series, due, run)
    _note(conn, series, due, edition, run)
    return edition


def _by_calendar(conn: Connection, digest: Digest, series: Series, now: datetime) -> Occurrence | None:
    runs = calendar(conn, digest, series)
    if runs is None:
        return None
    due = runs.latest(now)
    following = runs.next(due.at)
    return None if due.at < series.since or _happened(conn, series, following, by_the_clock=True) else due


def next_run(conn: Connection, digest: Digest, series: Series, now: datetime) -> datetime | None:
    """When the series runs next: its latest moment as long as that may still happen, else the one after; or never."""
    if series.cadence == "instant":
        return None
    due = _by_calendar(conn, digest, series, now)
    if due and due.at >= now - timedelta(hours=series.late_hours) and not _happened(conn, series, due):
        return due.at
    return coming(conn, digest, series, now).at


def coming(conn: Connection, digest: Digest, series: Series, now: datetime) -> Occurrence:
    """The first occurrence after now that is not skipped. Raises Refused for alerts, which have no calendar."""
    runs = calendar(conn, digest, series)
    if runs is None:
        raise Refused("An alert goes out when something is new: it has no run to skip or move. Hold the item back.")
    found = runs.next(now)
    while _happened(conn, series, found):
        found = runs.next(found.at)
    return found


def calendar(conn: Connection, digest: Digest, series: Series) -> Calendar | None:
    """When the series' runs happen, those that staff moved among them; alerts have no calendar."""
    schedule = editions.schedule(series, digest.zone)
    if schedule is None:
        return None
    m = tables.moves.c
    mine = sa.select(m.moment, m.due_at).where(m.digest_id == series.digest_id, m.cadence == series.cadence)
    return Calendar(schedule, dict(conn.execute(mine).all()))


def unsettled(conn: Connection, digest: Digest, series: Series, now: datetime) -> Occurrence | None:
    """The run that is due and has not happened yet."""
    due = _by_calendar(conn, digest, series, now)
    return None if due is None or _happened(conn, series, due) else due


# --- alerts ----------------------------------------------------------------------------------------------------


def next_alert(conn: Connection, series: Series) -> datetime | None:
    """When the alert that gathers goes out; None when none does."""
    fresh = _fresh(conn, series)
    moments = [fresh[0].at] if fresh else [series.owed_seen] if series.owed_seen else []
    return moments[0] + GATHER if moments else None


def _alert(conn: Connection, series: Series, owed: Owed, now: datetime) -> Occurrence | None:
    """The alert that has gathered long enough: what is new, or else what is owed alone.

    An edition of the series that is locked comes first, with what it holds.
    """
    found = editions.open_edition(conn, series.digest_id, series.cadence)
    if found and found.state == editions.FROZEN:
        return None
    if fresh := _fresh(conn, series):
        due = fresh[0].at + GATHER
        return Occurrence(f"#{fresh[0].sequence}", due) if due <= now else None
    return _debts(conn, series, now) if _see_debts(conn, series, owed, now) else None


def _fresh(conn: Connection, series: Series) -> list[Entry]:
    """What waits and was in no alert that staff stopped: that goes with the next one, and makes none of its own."""
    mine = (tables.editions.c.digest_id == series.digest_id, tables.editions.c.cadence == series.cadence)
    met = conn.scalar(sa.select(sa.func.max(tables.editions.c.last)).where(*mine)) or 0
    return [entry for entry in editions.waiting(conn, series) if entry.sequence > met]


def _see_debts(conn: Connection, series: Series, owed: Owed, now: datetime) -> bool:
    """Whether readers are owed alerts since an earlier look; notes when they are seen first, and when they are gone."""
    stand = owed(conn, series.digest_id, series.cadence, now=now)
    if stand and series.owed_seen is None:
        _note_debts(conn, series, now)
    elif not stand and series.owed_seen is not None:
        _note_debts(conn, series, None)
    return stand and series.owed_seen is not None


def _debts(conn: Connection, series: Series, now: datetime) -> Occurrence | None:
    if series.owed_seen is None or series.owed_seen + GATHER > now:
        return None
    _note_debts(conn, series, None)
    return Occurrence(f"#c{series.owed_seen:%Y-%m-%dT%H:%M:%S}", series.owed_seen + GATHER)


def _note_debts(conn: Connection, series: Series, seen: datetime | None) -> None:
    s = tables.series
    mine = (s.c.digest_id == series.digest_id, s.c.cadence == series.cadence)
    conn.execute(sa.update(s).where(*mine).values(owed_seen=seen))


# --- one run ---------------------------------------------------------------------------------------------------


def _edition(
    conn: Connection, settings: Settings, digest: Digest, series: Series, due: Occurrence, run: Run
) -> Edition:
    reason = _too_late(series, due, run.now)
    if reason and series.late_policy == "skip":
        return editions.skip_run(conn, digest, series, run, f"{reason} Its items wait for the next run.")
    late = reason if series.late_policy == "ask" else ""
    asked = run.ask or late or " ".join(config.sending_faults(settings))
    return editions.compile(conn, settings, digest, series, replace(run, ask=asked))


def _too_late(series: Series, due: Occurrence, now: datetime) -> str:
    late = now - due.at
    if late <= timedelta(hours=series.late_hours):
        return ""
    hours = round(late / timedelta(hours=1))
    which = "alert" if due.moment.startswith("#") else run_of(due)
    return f"The {which} came {hours} {'hour' if hours == 1 else 'hours'} late."


def _happened(conn: Connection, series: Series, occurrence: Occurrence, *, by_the_clock: bool = False) -> bool:
    """Whether a run has happened or is skipped; when the clock made one that comes later, it was set back."""
    made = sa.not_(sa.and_(*_BEFOREHAND)) if by_the_clock else sa.true()
    query = sa.select(sa.func.count()).select_from(t).where(*_of(series, occurrence.moment), made)
    return conn.scalar(query) != 0


def _of(series: Series, moment: str) -> tuple[sa.ColumnElement[bool], ...]:
    return t.c.digest_id == series.digest_id, t.c.cadence == series.cadence, t.c.moment == moment


def _begin(conn: Connection, digest: Digest, series: Series, due: Occurrence, now: datetime) -> bool:
    """Writes the occurrence's row; False when it has happened already, or was moved away meanwhile."""
    if _happened(conn, series, due):
        return False
    news.counter(conn)  # before everything else, as the order of locks has it
    editions.hold_series(conn, series.digest_id, series.cadence)  # whoever moves a run holds it too
    if series.cadence != "instant" and _by_calendar(conn, digest, series, now) != due:
        return False
    values = {"digest_id": series.digest_id, "cadence": series.cadence, "moment": due.moment, "due_at": due.at}
    insert = db.insert_new(conn, t).values(**values, outcome="begun", at=now).returning(t.c.moment)
    return conn.execute(insert).first() is not None


def _note(conn: Connection, series: Series, due: Occurrence, edition: Edition, run: Run) -> None:
    adopted = edition.starts_at != run.starts_at
    outcome = "skipped" if edition.state == editions.SKIPPED else "adopted" if adopted else "edition"
    conn.execute(
        sa.update(t)
        .where(*_of(series, due.moment))
        .values(outcome=outcome, reason=edition.reason, edition_id=edition.id)
    )


# --- skipped beforehand ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Skip:
    """A run that staff skip, or skipped: `moment` names it as `Occurrence` does."""

    digest_id: int
    cadence: str
    moment: str
    due_at: datetime
    reason: str


def skip(conn: Connection, digest: Digest, series: Series, moment: str, *, why: str, now: datetime) -> Skip:
    """Skips the coming run, which is the one of this moment; `why` is a sentence for everybody.

    Raises Refused when another run comes first, or while the run before it is due and has not happened.
    """
    news.counter(conn)  # before everything else, as the order of locks has it
    series = editions.lock_series(conn, digest.id, series.cadence)
    found = coming(conn, digest, series, now)
    if due := unsettled(conn, digest, series, now):
        raise Refused(f"The {run_of(due)} is due and has not happened yet. Wait for it, then skip the next one.")
    if found.moment != moment:
        raise Refused(f"The next run is now the {run_of(found)}. Look at the schedule again, then skip it.")
    values = {"digest_id": digest.id, "cadence": series.cadence, "moment": found.moment, "due_at": found.at}
    insert = db.insert_new(conn, t).values(**values, outcome="skipped", reason=why, at=now).returning(t.c.moment)
    if conn.execute(insert).first() is None:
        raise Refused(f"The {run_of(found)} has begun already.")
    return Skip(digest.id, series.cadence, found.moment, found.at, why)


def take_back(conn: Connection, series: Series, moment: str, *, now: datetime) -> Skip:
    """Lets a run happen after all that was skipped. Raises Refused when its time has passed, or when it is not."""
    still = (*_of(series, moment), *_BEFOREHAND, t.c.due_at > now)
    row = conn.execute(sa.delete(t).where(*still).returning(*_SKIP)).one_or_none()
    if row is None:
        raise Refused("This run is not skipped, or its time has passed. What waits can be sent by hand.")
    return Skip(*row)


def skips_ahead(conn: Connection, *, now: datetime) -> list[Skip]:
    """The runs to come that are skipped, the soonest first."""
    query = sa.select(*_SKIP).where(*_BEFOREHAND, t.c.due_at > now).order_by(t.c.due_at, t.c.digest_id, t.c.cadence)
    return [Skip(*row) for row in conn.execute(query)]


def skips_past(conn: Connection, *, now: datetime, limit: int) -> list[Skip]:
    """The runs whose time has passed and that were skipped, the latest first."""
    query = sa.select(*_SKIP).where(*_BEFOREHAND, t.c.due_at <= now).order_by(t.c.due_at.desc(), t.c.cadence)
    return [Skip(*row) for row in conn.execute(query.limit(limit))]


_SKIP = [t.c[name] for name in Skip.__dataclass_fields__]


def run_of(occurrence: Occurrence) -> str:
    """What a run is called in a sentence: by its day and hour, of which it keeps the name when it is moved."""
    return f"run of {occurrence.moment.replace('T', ', ')}:00"
