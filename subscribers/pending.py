"""What waits for one person, and why: every entry of the publication log that they have not had and are still to get.

Also told are entries that they will not get although one might expect so. Promises: the same rules that share an
edition out and refile a reader (`digest.sharing`, `preferences`) say what comes; a moment is when it comes if nothing
else happens first. Reads only, and waits for nobody: what changes while it reads may be told as it was or as it is.
Refuses nothing: who is not active or paused waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, occurrences, schedules, sharing
from digest.delivery import alerts
from digest.editions import Edition
from digest.news import Entry
from digest.publications import Series
from digest.sharing import Share
from digest.tables import State, deliveries, edition_entries
from subscribers import dossiers, explaining, preferences, prospects
from subscribers.dossiers import Dossier
from subscribers.prospects import Ahead, Outlook, Source, Waiting


@dataclass(frozen=True)
class Pending:
    """One entry that a person has not had. The codes are those of `explaining`, which also made the two sentences."""

    sequence: int
    slug: str
    title: str
    what: str  # new, update, again
    note: str  # of an update
    cadence: str  # of the series that has it
    topic: str  # which of its topics made it come so often; "*" for one without
    source: str
    source_edition: int | None
    outcome: str
    edition: int | None
    due: datetime | None
    why: str
    title_only: str  # age, pause, most; or nothing
    origin: str  # the first sentence
    explained: str  # the second


def of(conn: Connection, digest_id: int, subscriber_id: int, *, now: datetime) -> tuple[Pending, ...]:
    """What waits for a person from one digest, the most frequent series first."""
    case = dossiers.read(conn, digest_id, subscriber_id, now=now)
    if case is None:
        return ()
    found = [*_planned(case), *(one for series in case.series for one in _ahead(conn, case, series))]
    return tuple(_told(case, one) for one in found)


# --- deciding --------------------------------------------------------------------------------------------------


def _planned(case: Dossier) -> Iterator[Waiting]:
    """What stands in mails that have a row."""
    surely = {s for mail in case.person.mails if mail.state is State.ACCEPTED for s in mail.entries}
    for mail in case.person.mails:
        for sequence in sorted(mail.entries - surely):
            entry = case.log[sequence]
            if one := prospects.in_mail(case.person, mail, entry, published=entry.item_id in case.published):
                yield one


def _ahead(conn: Connection, case: Dossier, series: Series) -> list[Waiting]:
    """What is new or owed in one series, and what its staff hold back."""
    cadence, person = series.cadence, case.person
    edition = _open(conn, case, series)
    run = occurrences.next_run(conn, case.digest, series, case.now)
    contents = editions.collect(conn, case.digest.id, series, case.latest)
    starts = edition.starts_at if edition and edition.starts_at else run or case.now
    share = _share(case, series, frozenset(entry.sequence for entry in contents), starts)
    facts = Ahead(
        cadence=cadence,
        offered=series.offered,
        next=_next(conn, case, series, run),
        wanting=_wanting(series, contents),
        edition=edition,
        contents=_contents(conn, edition),
        edition_due=_due_of(case, edition) if edition else None,
        held=case.held[cadence],
        log=case.log,
        published=case.published,
    )
    new = [] if person.paused else _new(case, cadence)
    found = prospects.ahead(person, facts, share, new=new, carry=case.carries[cadence], had=case.had)
    order = sharing.reading_order(share.entries, case.log, case.items, share.titles)
    return [*prospects.titles_beyond(found, order, series.most), *_passed_over(case, cadence, found)]


def _share(case: Dossier, series: Series, contents: frozenset[int], starts: datetime) -> Share:
    """Their list in an edition of this series that would start at this moment."""
    material = sharing.Material(
        cadence=series.cadence,
        last=case.latest,
        own=frozenset() if case.person.paused else contents,
        log=case.log,
        published=case.published,
        held=case.held[series.cadence],
        stale_before=starts - timedelta(days=series.age_limit) if series.age_limit else None,
    )
    return sharing.entries_for(
        material,
        wants=lambda topics: preferences.cadence_for(case.person.mapping, topics),
        floor=case.floors[series.cadence],
        carry=case.carries[series.cadence],
        had=case.had,
        titles_upto=case.titles_upto,
    )


def _new(case: Dossier, cadence: str) -> list[int]:
    """What came into the log since the last edition and is for this series."""
    mapping, floor = case.person.mapping, case.floors[cadence]
    entries = (entry for s, entry in case.log.items() if floor < s <= case.latest)
    return [entry.sequence for entry in entries if preferences.cadence_for(mapping, entry.topics) == cadence]


def _open(conn: Connection, case: Dossier, series: Series) -> Edition | None:
    """The series' edition whose plan is not complete, unless they have their row in it already."""
    found = editions.open_edition(conn, case.digest.id, series.cadence, lock=False)
    return None if found and any(mail.edition.id == found.id for mail in case.person.mails) else found


def _contents(conn: Connection, edition: Edition | None) -> frozenset[int]:
    e = edition_entries
    held = sa.select(e.c.sequence).where(e.c.edition_id == edition.id) if edition else None
    return frozenset(conn.scalars(held)) if held is not None else frozenset()


def _wanting(series: Series, contents: list[Entry]) -> int:
    """The fewest that the next run needs, when less than that is new."""
    verdict = sharing.decide(
        news=len({entry.item_id for entry in contents}),
        carries=False,
        fewest=series.fewest,
        skipped_runs=series.skipped_runs,
        by_hand=False,
        owed=False,
    )
    return series.fewest if verdict.for_want else 0


def _next(conn: Connection, case: Dossier, series: Series, run: datetime | None) -> Outlook:
    """How and when the next edition of a series reaches them."""
    if run is not None:
        return Outlook("next", max(schedules.due_for(run, case.row.hour, case.row.zone), case.now))
    mine = alerts.recent(conn, case.digest.id, deliveries.c.subscriber_id == case.row.subscriber_id, now=case.now)
    dues = mine.get(case.row.subscriber_id, ())
    if alerts.reached(series.daily_cap, dues, case.row.zone, now=case.now):
        return Outlook("alert cap", why=str(series.daily_cap))
    gathered = occurrences.next_alert(conn, series) or case.now + occurrences.GATHER
    return Outlook("alert", max(gathered, case.now))


def _due_of(case: Dossier, edition: Edition) -> datetime:
    """When an open edition reaches them, once it is planned."""
    starts = edition.starts_at or case.now
    if edition.by_hand or edition.cadence == "instant":
        return max(starts, case.now)
    return max(schedules.due_for(starts, case.row.hour, case.row.zone), case.now)


def _passed_over(case: Dossier, cadence: str, found: Iterable[Waiting]) -> Iterator[Waiting]:
    """What staff hold back and the series has passed by meanwhile: it comes when they let it go, as news again."""
    told = {one.entry.sequence for one in found}
    had = {case.log[s].item_id for s in case.live()}
    for sequence, why in sorted(case.held[cadence].items()):
        entry = case.log[sequence]
        freed = {one.item_id for one in case.log.values() if one.what == "again" and one.sequence > sequence}
        mine = preferences.cadence_for(case.person.mapping, entry.topics) == cadence and entry.at >= case.row.joined_at
        if mine and sequence not in told and entry.item_id in case.published - had - freed:
            topic = prospects.topic_of(case.person.mapping, entry)
            yield Waiting(entry, cadence, topic, Source("new"), Outlook("held", why=why))


# --- telling ---------------------------------------------------------------------------------------------------


def _told(case: Dossier, one: Waiting) -> Pending:
    item, zone = case.items[one.entry.item_id], case.row.zone
    series = next(series for series in case.series if series.cadence == one.cadence)
    when = explaining.moment(one.outlook.due, zone, now=case.now) if one.outlook.due else "soon"
    pause = explaining.pause_end(case.row.paused_until, now=case.now, zone=zone)
    return Pending(
        sequence=one.entry.sequence,
        slug=item.slug,
        title=item.title,
        what=one.entry.what,
        note=one.entry.note,
        cadence=one.cadence,
        topic=one.topic,
        source=one.source.code,
        source_edition=one.source.edition,
        outcome=one.outlook.outcome,
        edition=one.outlook.edition,
        due=one.outlook.due,
        why=one.outlook.why,
        title_only=one.title_only,
        origin=explaining.origin(one),
        explained=explaining.outcome(one, when=when, pause=pause, days=series.age_limit, most=series.most),
    )
