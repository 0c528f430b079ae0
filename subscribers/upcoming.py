"""The editions of a series that lie ahead of one person: the open one, then the next, and what each has for them.

Promises: as planning does it, an open edition takes what it holds and what is owed, and leaves the rest to the next;
a moment is when an edition reaches them if nothing else happens first. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, occurrences, schedules, sharing
from digest.delivery import alerts
from digest.editions import Edition
from digest.news import Entry
from digest.publications import Series
from digest.sharing import Share
from digest.tables import deliveries, edition_entries
from subscribers import preferences, prospects
from subscribers.dossiers import Dossier
from subscribers.prospects import Ahead, Outlook

DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Rest:
    """What is left for the next edition."""

    new: Collection[int]
    carry: Collection[int]
    floor: int = 0  # what an open edition takes, or passes by, counts no more
    brought: Collection[int] = ()  # by the open edition
    alerts: tuple[datetime, ...] = ()  # that are still to be planned


def of(conn: Connection, case: Dossier, series: Series) -> list[Ahead]:
    """The editions ahead, in their order. Who paused has a part in none, and is told of the next as if they woke."""
    new, carry = _new(case, series.cadence), case.carries[series.cadence]
    edition = None if case.person.paused else _open(conn, case, series)
    if edition is None:
        return [_next(conn, case, series, _Rest(new, carry))]
    contents = _contents(conn, edition)
    opened = _opened(conn, case, series, edition, contents)
    rest = _Rest(
        new=[s for s in new if s not in contents],
        carry=opened.share.keep,
        floor=edition.mark_to,
        brought=opened.share.entries,
        alerts=(opened.fresh.due,) if opened.share.entries and opened.fresh.due else (),
    )
    return [opened, _next(conn, case, series, rest)]


def _new(case: Dossier, cadence: str) -> list[int]:
    """What came into the log since the last edition and is for this series."""
    if case.person.paused:
        return []
    mapping, floor = case.person.mapping, case.floors[cadence]
    entries = (entry for s, entry in case.log.items() if floor < s <= case.latest)
    return [entry.sequence for entry in entries if preferences.cadence_for(mapping, entry.topics) == cadence]


# --- the open edition ------------------------------------------------------------------------------------------


def _open(conn: Connection, case: Dossier, series: Series) -> Edition | None:
    """The series' edition in which they are still to be planned; a draft, or one being canceled, is none."""
    found = editions.open_edition(conn, case.digest.id, series.cadence, lock=False)
    if found is None or found.state not in (editions.REVIEW, editions.FROZEN) or found.cancelling:
        return None
    mine = (deliveries.c.edition_id == found.id, deliveries.c.subscriber_id == case.row.subscriber_id)
    return found if conn.scalar(sa.select(sa.func.count()).where(*mine)) == 0 else None


def _contents(conn: Connection, edition: Edition) -> frozenset[int]:
    e = edition_entries
    return frozenset(conn.scalars(sa.select(e.c.sequence).where(e.c.edition_id == edition.id)))


def _opened(conn: Connection, case: Dossier, series: Series, edition: Edition, contents: frozenset[int]) -> Ahead:
    cadence, had, carry = series.cadence, case.had(), case.carries[series.cadence]
    starts = edition.starts_at or edition.created_at
    share = _share(case, series, contents, carry=carry, last=edition.last, starts=starts, had=had)
    outlook = prospects.in_open(edition, _due_of(case, edition))
    if cadence == "instant" and edition.state == editions.FROZEN:
        outlook = _capped(conn, case, series, outlook.due or case.now) or outlook
    as_is = {case.log[s].item_id for s in contents & case.log.keys()} if edition.as_is else frozenset()
    return Ahead(
        cadence=cadence,
        share=share,
        new=[s for s in _new(case, cadence) if s in contents],
        carry=set(carry) - set(share.keep),
        had=had,
        held=case.held[cadence],
        log=case.log,
        published=case.published | as_is,
        fresh=outlook,
        owed=outlook,
    )


def _due_of(case: Dossier, edition: Edition) -> datetime:
    """When an open edition reaches them, once it is planned."""
    starts = edition.starts_at or case.now
    if edition.by_hand or edition.cadence == "instant":
        return max(starts, case.now)
    return max(schedules.due_for(starts, case.row.hour, case.row.zone), case.now)


# --- the next one ----------------------------------------------------------------------------------------------


def _next(conn: Connection, case: Dossier, series: Series, rest: _Rest) -> Ahead:
    cadence, had = series.cadence, case.had(rest.brought)
    run = occurrences.next_run(conn, case.digest, series, case.now)
    contents = [e for e in editions.collect(conn, case.digest.id, series, case.latest) if e.sequence > rest.floor]
    own = frozenset() if case.person.paused else frozenset(entry.sequence for entry in contents)
    owed = _outlook(conn, case, series, run, rest)
    return Ahead(
        cadence=cadence,
        share=_share(case, series, own, carry=rest.carry, last=case.latest, starts=run or case.now, had=had),
        new=rest.new,
        carry=rest.carry,
        had=had,
        held=case.held[cadence],
        log=case.log,
        published=case.published,
        fresh=_or_few(series, contents, owed),
        owed=owed,
    )


def _share(
    case: Dossier,
    series: Series,
    own: frozenset[int],
    *,
    carry: Collection[int],
    last: int,
    starts: datetime,
    had: Collection[int],
) -> Share:
    """Their list in an edition of this series with these contents."""
    material = sharing.Material(
        cadence=series.cadence,
        last=last,
        own=own,
        log=case.log,
        published=case.published,
        held=case.held[series.cadence],
        stale_before=starts - timedelta(days=series.age_limit) if series.age_limit else None,
    )
    return sharing.entries_for(
        material,
        wants=lambda topics: preferences.cadence_for(case.person.mapping, topics),
        floor=case.floors[series.cadence],
        carry=tuple(carry),
        had=had,
        titles_upto=case.titles_upto,
    )


def _outlook(conn: Connection, case: Dossier, series: Series, run: datetime | None, rest: _Rest) -> Outlook:
    """How and when the next edition of a series reaches them."""
    if not series.offered:
        return Outlook("not offered")
    if run is not None:
        return Outlook("next", max(schedules.due_for(run, case.row.hour, case.row.zone), case.now))
    gathered = max(occurrences.next_alert(conn, series) or case.now + occurrences.GATHER, case.now)
    return _capped(conn, case, series, gathered, rest.alerts) or Outlook("alert", gathered)


def _or_few(series: Series, contents: list[Entry], usual: Outlook) -> Outlook:
    """What is new may have to wait for more of it."""
    verdict = sharing.decide(
        news=len({entry.item_id for entry in contents}),
        carries=False,
        fewest=series.fewest,
        skipped_runs=series.skipped_runs,
        by_hand=False,
        owed=False,
    )
    few = verdict.for_want and usual.outcome == "next"
    return Outlook("few", due=usual.due, why=str(series.fewest)) if few else usual


def _capped(
    conn: Connection, case: Dossier, series: Series, at: datetime, coming: Collection[datetime] = ()
) -> Outlook | None:
    """What becomes of an alert at this moment when it is one too many: the next slower series takes it over."""
    reader, zone = case.row.subscriber_id, case.row.zone
    mine = alerts.recent(conn, case.digest.id, deliveries.c.subscriber_id == reader, now=at)
    if not alerts.reached(series.daily_cap, [*mine.get(reader, ()), *coming], zone, now=at):
        return None
    later = [one for one in case.series if one.offered and one.cadence != "instant"]  # the most frequent first
    for slower in later:
        if run := occurrences.next_run(conn, case.digest, slower, at):
            due = schedules.due_for(run, case.row.hour, zone)
            return Outlook("alert cap", due=due, why=str(series.daily_cap), instead=slower.cadence)
    tomorrow = at.astimezone(ZoneInfo(zone)).date() + DAY
    midnight = schedules.resolve(tomorrow, 0, zone)
    return Outlook("alert cap", due=midnight + occurrences.GATHER, why=str(series.daily_cap), instead="instant")
