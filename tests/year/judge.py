"""Judges a year: nobody twice, nobody missed, everybody at their hour, and everything else for a reason.

Takes from the product only what it wrote into its rows; what was owed is the oracle's word, when it went out the
transport's, and a reader's hour is looked for on the clock of their zone, a quarter of an hour at a time.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from digest import editions
from digest.delivery import ledger, provider_sums
from digest.editions import Edition
from digest.tables import State, deliveries, variant_entries
from subscribers import explaining
from tests.year.play import DAILY_CAP, Year, editions_of

QUARTER = timedelta(minutes=15)
GATHER = timedelta(minutes=10)


@dataclass
class Verdict:
    """What was wrong, and the count of what was right."""

    faults: list[str] = field(default_factory=list)
    mails: Counter[str] = field(default_factory=Counter)  # by cadence
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)  # editions by cadence and state
    reasons: Counter[str] = field(default_factory=Counter)  # of rows without a mail
    per_reader: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))  # by cadence
    entries: int = 0  # handed over, a copy each


def judge(year: Year) -> Verdict:
    """Looks at everything."""
    verdict = Verdict(faults=list(year.amiss))
    had: dict[int, array[int]] = defaultdict(lambda: array("q"))
    for edition in editions_of(year):
        verdict.runs[edition.series, edition.state] += 1
        verdict.faults += _sums(year, edition)
        verdict.faults += _rows(year, edition, verdict, had)
        verdict.faults += _alert(year, edition) if edition.cadence == "instant" else _hours(year, edition)
    verdict.faults += _caps(year)
    for name in year.oracle.readers:
        mine = had[int(name)]
        verdict.entries += len(mine)
        verdict.faults += year.oracle.faults(name, mine)
    return verdict


def _sums(year: Year, edition: Edition) -> Iterator[str]:
    with year.home.db.reading() as conn:
        counted, rows = ledger.totals(conn, edition.id), ledger.recount(conn, edition.id)
        kept, now = provider_sums.of_edition(conn, edition), provider_sums.count(conn, edition.id)
    if set(kept.sums) != set(now.sums):
        yield f"edition {edition.id}: by provider {kept.sums} are kept, the rows say {now.sums}"
    if counted != rows or counted.remaining:
        yield f"edition {edition.id}: counted {counted}, the rows say {rows}"
    if edition.state not in editions.ENDED:
        yield f"edition {edition.id} has not ended: {edition.state}"


def _rows(year: Year, edition: Edition, verdict: Verdict, had: dict[int, array[int]]) -> Iterator[str]:
    """The accepted rows are the hand-overs, and each other row has a reason that people can read."""
    d, ve = deliveries, variant_entries
    with year.home.db.reading() as conn:
        held: dict[int, list[int]] = defaultdict(list)
        for n, sequence in conn.execute(sa.select(ve.c.variant_n, ve.c.sequence).where(ve.c.edition_id == edition.id)):
            held[n].append(sequence)
        rows = conn.execute(
            sa.select(d.c.subscriber_id, d.c.variant_n, d.c.state, d.c.code).where(d.c.edition_id == edition.id)
        ).all()
    accepted = {reader: n for reader, n, state, _ in rows if state == State.ACCEPTED}
    for reader, n in accepted.items():
        had[reader].extend(held[n])
        verdict.per_reader[edition.series][reader] += 1
    verdict.mails[edition.series] += len(accepted)
    handed = Counter(year.handed[edition.uid].readers)
    if handed != Counter(accepted.keys()):
        yield f"edition {edition.id}: {handed.total()} were handed over, {len(accepted)} rows are accepted"
    for reader, _, state, code in rows:
        if state != State.ACCEPTED:
            verdict.reasons[str(code)] += 1
            if state != State.SKIPPED or code not in explaining.REASONS:
                yield f"edition {edition.id}: reader {reader} is {State(state).name}, {code}"


def _hours(year: Year, edition: Edition) -> Iterator[str]:
    """Each mail went at the first moment from the edition's start at which it was the reader's hour."""
    note = year.handed[edition.uid]
    starts = edition.starts_at or edition.created_at
    for reader, moment in zip(note.readers, note.moments, strict=True):
        hour, zone = slot_at(year, reader, starts)
        if moment != due(int(starts.timestamp()), hour, zone):
            at = datetime.fromtimestamp(moment, ZoneInfo(zone))
            yield f"edition {edition.id} of {starts}: reader {reader} had it at {at} ({zone}) and chose {hour}:00"


def slot_at(year: Year, reader: int, moment: datetime) -> tuple[int, str]:
    """The hour and the zone that the reader had chosen by then."""
    _, hour, zone = next(one for one in reversed(year.slots[reader]) if one[0] <= moment)
    return hour, zone


@cache
def due(starts: int, hour: int, zone: str) -> int:
    """The first moment from the start on at which the clock of the zone shows this hour, or has jumped over it."""
    here = ZoneInfo(zone)
    moment = datetime.fromtimestamp(starts, UTC)
    before = (moment - QUARTER).astimezone(here)  # a jump may end just when the edition starts
    while (shown := moment.astimezone(here)).hour != hour:
        target = datetime.combine(shown.date(), time(hour))
        if before.replace(tzinfo=None, fold=0) < target <= shown.replace(tzinfo=None, fold=0):
            break
        before = shown
        moment = moment - (moment - datetime.min.replace(tzinfo=UTC)) % QUARTER + QUARTER
    return int(moment.timestamp())


def _alert(year: Year, edition: Edition) -> Iterator[str]:
    """It went at once, when its first entry had waited for ten minutes."""
    moments = set(year.handed[edition.uid].moments)
    fresh = [at for sequence, at in year.written.items() if edition.mark_from < sequence <= edition.last]
    if len(moments) > 1:
        yield f"alert {edition.id} went out at {len(moments)} moments"
    if moments and fresh and datetime.fromtimestamp(min(moments), UTC) < min(fresh) + GATHER:
        yield f"alert {edition.id} did not gather for ten minutes"


def _caps(year: Year) -> Iterator[str]:
    """Nobody has more alerts in a day of their own than the digest allows."""
    days: Counter[tuple[int, str]] = Counter()
    for edition in editions_of(year):
        if edition.cadence == "instant":
            note = year.handed[edition.uid]
            for reader, moment in zip(note.readers, note.moments, strict=True):
                _, zone = slot_at(year, reader, datetime.fromtimestamp(moment, UTC))
                day = datetime.fromtimestamp(moment, ZoneInfo(zone)).date().isoformat()
                days[reader, f"{day} {zone}"] += 1
    for (reader, day), alerts in days.items():
        if alerts > DAILY_CAP:
            yield f"reader {reader} had {alerts} alerts on {day}"
