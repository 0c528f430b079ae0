"""What waits for one person, and why: every entry of the publication log that they have not had and are still to get.

Also told are entries that they will not get although one might expect so. Promises: the same rules that share an
edition out and refile a reader (`digest.sharing`, `preferences`) say what comes; a moment is when it comes if nothing
else happens first. Reads only, and waits for nobody: what changes while it reads may be told as it was or as it is.
Refuses nothing: who is not active or paused waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest import sharing
from digest.publications import Series
from digest.tables import State
from subscribers import dossiers, explaining, preferences, prospects, upcoming
from subscribers.dossiers import Dossier
from subscribers.prospects import Outlook, Source, Waiting


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
    found: list[Waiting] = []
    for coming in upcoming.of(conn, case, series):
        share = coming.share
        order = sharing.reading_order(share.entries, case.log, case.items, share.titles)
        found += prospects.titles_beyond(prospects.ahead(case.person, coming), order, series.most)
    return [*found, *_passed_over(case, series.cadence, found)]


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
