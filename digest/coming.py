"""What is to come: when each series runs, and what waits for it.

Promises: nothing is promised that the clock would not do: the moments are those of `occurrences`, what
waits is what an edition would hold now. Reads only. Serves the console's first page and its schedule.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest import drafting, moving, occurrences, publications
from digest.items import Entry, Item
from digest.moving import Move
from digest.publications import Digest, Series

LATEST = timedelta(days=8)  # more than a run may be late, and still happen


@dataclass(frozen=True)
class Coming:
    """The next run of a series, with what it would hold now; alerts have a run only while something gathers."""

    digest: Digest
    series: Series
    at: datetime
    told: tuple[tuple[Entry, Item], ...]  # in reading order, each with its item as it is now
    moved: Move | None = None

    @property
    def enough(self) -> bool:
        """Whether the run has as many items as the series asks for."""
        fewest = 1 if self.series.cadence == "instant" else self.series.fewest
        return len({entry.item_id for entry, _ in self.told}) >= fewest


@dataclass(frozen=True)
class Due:
    """One run on a calendar; `skipped` says why it will not happen, `moved` that staff moved it there."""

    digest: Digest
    cadence: str
    at: datetime
    skipped: str = ""
    moved: Move | None = None


def next_runs(conn: Connection, *, now: datetime) -> list[Coming]:
    """The next run of every series that is offered, the soonest first."""
    found = []
    moved = {(one.digest_id, one.cadence, one.due_at): one for one in moving.ahead(conn, now=now - LATEST)}
    for digest in publications.all(conn):
        for series in publications.series(conn, digest.id):
            if not series.offered:
                continue
            at = _next(conn, digest, series, now)
            if at is not None:
                move = moved.get((digest.id, series.cadence, at))
                found.append(Coming(digest, series, at, drafting.look(conn, series).entries, move))
    return sorted(found, key=lambda one: (one.at, one.digest.slug, one.series.cadence))


def calendar(conn: Connection, *, now: datetime, days: int, zone: str) -> dict[date, list[Due]]:
    """The runs of so many days from today on, by their day in this zone; alerts are on no calendar."""
    there, found = ZoneInfo(zone), defaultdict[date, list[Due]](list)
    until = now + timedelta(days=days)
    skips = {(one.digest_id, one.cadence, one.moment): one.reason for one in occurrences.skips_ahead(conn, now=now)}
    moved = {(one.digest_id, one.cadence, one.moment): one for one in moving.ahead(conn, now=now)}
    for digest in publications.all(conn):
        for series in publications.series(conn, digest.id):
            runs = occurrences.calendar(conn, digest, series)
            if runs is None or not series.offered:
                continue
            for run in runs.between(now, until):
                key = (digest.id, series.cadence, run.moment)
                due = Due(digest, series.cadence, run.at, skips.get(key, ""), moved.get(key))
                found[run.at.astimezone(there).date()].append(due)
    return found


def _next(conn: Connection, digest: Digest, series: Series, now: datetime) -> datetime | None:
    if series.cadence == "instant":
        return occurrences.next_alert(conn, series)
    return occurrences.next_run(conn, digest, series, now)
