"""Which run of a series is due now, and that it happens once.

Promises: the row of an occurrence is written in the transaction that makes its edition, and the key of the table lets
it happen once however many schedulers run; what is due is computed from now and not from the last row, so a clock
that was once wrong by a year silences nothing; a clock set back runs nothing twice; after an outage only the latest
run happens. A run that comes too late sends, skips or asks, as its series says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import config, db, editions, news, schedules
from digest.config import Settings
from digest.editions import Edition, Run
from digest.publications import Digest, Series
from digest.schedules import Occurrence
from digest.tables import occurrences as t


def run_latest(
    conn: Connection,
    settings: Settings,
    digest: Digest,
    series: Series,
    *,
    owed: Callable[[Connection, int, str], bool],
    now: datetime,
) -> Edition | None:
    """The edition of the series' latest run, when that has not happened yet; `owed` says whether readers wait."""
    schedule = editions.schedule(series, digest.zone)
    if schedule is None:
        return None
    due = schedules.latest_occurrence(schedule, now)
    following = schedules.next_occurrence(schedule, due.at)
    if due.at < series.since or _happened(conn, series, following) or not _begin(conn, series, due, now):
        return None
    run = Run(now=now, starts_at=due.at, carries=owed(conn, digest.id, series.cadence))
    edition = _edition(conn, settings, digest, series, due, run)
    _note(conn, series, due, edition, run)
    return edition


def _edition(
    conn: Connection, settings: Settings, digest: Digest, series: Series, due: Occurrence, run: Run
) -> Edition:
    reason = _too_late(series, due, run.now)
    if reason and series.late_policy == "skip":
        return editions.skip_run(conn, digest, series, run, f"{reason} Its items wait for the next run.")
    ask = reason if series.late_policy == "ask" else ""
    return editions.compile(
        conn, settings, digest, series, replace(run, ask=ask or " ".join(config.sending_faults(settings)))
    )


def _too_late(series: Series, due: Occurrence, now: datetime) -> str:
    late = now - due.at
    if late <= timedelta(hours=series.late_hours):
        return ""
    hours = round(late / timedelta(hours=1))
    return f"The run of {due.moment.replace('T', ', ')}:00 came {hours} {'hour' if hours == 1 else 'hours'} late."


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
