"""Which run of a series is due now, and that it happens once.

Promises: the row of an occurrence is written in the transaction that makes its edition, and the key of the table lets
it happen once however many schedulers run; what is due is computed from now and not from the last row, so a clock
that was once wrong by a year silences nothing; a clock set back runs nothing twice; after an outage only the latest
run happens. Alerts have no calendar: they gather for ten minutes from the first that waits. A run that comes too late
sends, skips or asks, as its series says.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import config, db, editions, news, publications, schedules, tables
from digest.config import Settings
from digest.editions import Edition, Run
from digest.news import Entry
from digest.publications import Digest, Series
from digest.schedules import Occurrence
from digest.tables import occurrences as t

GATHER = timedelta(minutes=10)  # so that items published together are one alert


class Owed(Protocol):
    """Says whether readers of a series are owed something that may go now."""

    def __call__(self, conn: Connection, digest_id: int, cadence: str, *, now: datetime) -> bool: ...


def run_latest(
    conn: Connection, settings: Settings, digest: Digest, series: Series, *, owed: Owed, now: datetime, ask: str = ""
) -> Edition | None:
    """The edition of the series' latest run, when that has not happened yet; `ask` has a person look at it first."""
    series = publications.one_series(conn, series.digest_id, series.cadence)  # as it is by now
    due = _alert(conn, series, owed, now) if series.cadence == "instant" else _by_calendar(conn, digest, series, now)
    if due is None or not _begin(conn, series, due, now):
        return None
    run = Run(now=now, starts_at=due.at, carries=owed(conn, digest.id, series.cadence, now=now), ask=ask)
    edition = _edition(conn, settings, digest, series, due, run)
    _note(conn, series, due, edition, run)
    return edition


def _by_calendar(conn: Connection, digest: Digest, series: Series, now: datetime) -> Occurrence | None:
    schedule = editions.schedule(series, digest.zone)
    if schedule is None:
        return None
    due = schedules.latest_occurrence(schedule, now)
    following = schedules.next_occurrence(schedule, due.at)
    return None if due.at < series.since or _happened(conn, series, following) else due


def next_run(conn: Connection, digest: Digest, series: Series, now: datetime) -> datetime | None:
    """When the series runs next: its latest moment as long as that may still happen, else the one after; or never."""
    schedule = editions.schedule(series, digest.zone)
    if schedule is None:
        return None
    due = _by_calendar(conn, digest, series, now)
    if due and due.at >= now - timedelta(hours=series.late_hours) and not _happened(conn, series, due):
        return due.at
    return schedules.next_occurrence(schedule, now).at


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
    which = "alert" if due.moment.startswith("#") else f"run of {due.moment.replace('T', ', ')}:00"
    return f"The {which} came {hours} {'hour' if hours == 1 else 'hours'} late."


def _happened(conn: Connection, series: Series, occurrence: Occurrence) -> bool:
    """Whether a run has happened; when it is one that comes later, the clock was set back."""
    mine = (t.c.digest_id == series.digest_id, t.c.cadence == series.cadence, t.c.moment == occurrence.moment)
    return conn.scalar(sa.select(sa.func.count()).select_from(t).where(*mine)) != 0


def _begin(conn: Connection, series: Series, due: Occurrence, now: datetime) -> bool:
    """Writes the occurrence's row; False when it has happened already."""
    if _happened(conn, series, due):
        return False
    news.counter(conn)  # before everything else, as the order of locks has it
    values = {"digest_id": series.digest_id, "cadence": series.cadence, "moment": due.moment, "due_at": due.at}
    insert = db.insert_new(conn, t).values(**values, outcome="begun", at=now).returning(t.c.moment)
    return conn.execute(insert).first() is not None


def _note(conn: Connection, series: Series, due: Occurrence, edition: Edition, run: Run) -> None:
    adopted = edition.starts_at != run.starts_at
    outcome = "skipped" if edition.state == editions.SKIPPED else "adopted" if adopted else "edition"
    conn.execute(
        sa.update(t)
        .where(t.c.digest_id == series.digest_id, t.c.cadence == series.cadence, t.c.moment == due.moment)
        .values(outcome=outcome, reason=edition.reason, edition_id=edition.id)
    )
