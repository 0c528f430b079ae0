"""Says what a year came to: editions and mails by cadence, mails per reader, and the days of clock changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from tests.contracts.oracle import CADENCES
from tests.year.judge import Verdict, slot_at
from tests.year.people import ZONES
from tests.year.play import Year, editions_of

HALF = timedelta(days=3)  # before and after the day of a change: its week
HOUR = timedelta(hours=1)


def lines(year: Year, verdict: Verdict) -> Iterator[str]:
    """The whole report."""
    yield from _cadences(year, verdict)
    yield ""
    yield f"rows without a mail: {', '.join(f'{n} {why}' for why, n in verdict.reasons.most_common()) or 'none'}"
    yield ""
    yield from _changes(year)


def _cadences(year: Year, verdict: Verdict) -> Iterator[str]:
    yield f"{'':8} {'editions':>8} {'sent':>6} {'skipped':>8} {'mails':>9}   mails per reader: min, median, max"
    for cadence in CADENCES:
        runs = Counter({state: n for (named, state), n in verdict.runs.items() if named == cadence})
        mine = sorted(verdict.per_reader[cadence][reader] for reader in constant(year, cadence))
        each = f"{mine[0]}, {median(mine):g}, {mine[-1]} of {len(mine)} who never changed" if mine else "-"
        sent, skipped = runs["sent"], runs["skipped"]
        yield f"{cadence:8} {runs.total():>8} {sent:>6} {skipped:>8} {verdict.mails[cadence]:>9}   {each}"


def constant(year: Year, cadence: str) -> list[int]:
    """Who had everything at this cadence from the first day to the last, and changed nothing but hour or zone."""
    return [
        reader
        for reader, slots in year.slots.items()
        if slots[0][0] == year.start
        and reader not in year.changed
        and set(year.oracle.readers[str(reader)].choice.values()) == {cadence}
    ]


def _changes(year: Year) -> Iterator[str]:
    """The week of each change of a clock: how many mails went to that zone, and when by its clock."""
    mails = _by_zone(year)
    yield "weeks of clock changes: mails to readers there within three days, by the hour that their clock showed"
    for zone in sorted(ZONES):
        for at, change in changes(zone, year.start, year.now):
            near = [m for m in mails[zone] if abs(m - at.timestamp()) <= HALF.total_seconds()]
            hours = Counter(datetime.fromtimestamp(m, ZoneInfo(zone)).strftime("%H:%M") for m in near)
            shown = " ".join(f"{hour} {n}" for hour, n in sorted(hours.items()))
            moved = f"{'+' if change > timedelta(0) else '-'}{abs(change) / HOUR:g} h"
            yield f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone:24} {moved:>6} {len(near):>6}: {shown}"


def _by_zone(year: Year) -> dict[str, list[int]]:
    """The moments of mails that wait for their hour, by their reader's zone."""
    found: dict[str, list[int]] = defaultdict(list)
    for edition in editions_of(year):
        if edition.cadence != "instant":
            note = year.handed[edition.uid]
            starts = edition.starts_at or edition.created_at
            for reader, moment in zip(note.readers, note.moments, strict=True):
                found[slot_at(year, reader, starts)[1]].append(moment)
    return found


def changes(zone: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """When the clock of the zone is changed, and by how much."""
    here = ZoneInfo(zone)
    moment = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    before = moment.astimezone(here).utcoffset() or timedelta(0)
    while moment < end:
        moment += HOUR
        offset = moment.astimezone(here).utcoffset() or timedelta(0)
        if offset != before:
            yield moment, offset - before
        before = offset
