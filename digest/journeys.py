"""Where an item has been and where it goes: its first draft, feeds, editions, and the runs that it waits for.

Promises: each step says why, and for how many people as far as that is known; what is to come is what `coming` would
do, nothing else. Reads only. Serves the page of an item in the console.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import coming, editions, news, tables
from digest.coming import Coming
from digest.delivery import mailed, runs
from digest.delivery.runs import Listed
from digest.items import Entry, Item
from digest.tables import edition_entries, held_back, variant_entries
from digest.tables import editions as t

SKIPPED = 5  # runs that are told at most
AHEAD = ("waits", "held", "scheduled", "yearless")  # not what happened, but what stands


@dataclass(frozen=True)
class Step:
    """One step; what does not matter to it is empty."""

    what: str  # begun, scheduled, published, update, again, yearless, withdrawn, edition, skipped, held, waits
    at: datetime | None = None  # no moment: it stands
    done: bool = True
    note: str = ""
    edition: Listed | None = None  # that holds it, or was skipped
    people: int = 0  # who got it through that edition
    place: tuple[int, int] | None = None  # in that edition: which, of how many
    run: Coming | None = None  # that it waits for
    series: str = ""  # that it is held back from


def of(conn: Connection, item: Item, *, now: datetime) -> list[Step]:
    """The steps of an item, the latest first, what is to come before them."""
    told = news.of_item(conn, item.id)
    steps = [
        *_life(conn, item, told),
        *_editions(conn, told),
        *(_skipped(conn, told) if item.state == "published" else ()),
        *(_held(conn, told) if item.state == "published" else ()),
        *_waits(conn, item, now),
    ]
    return sorted(steps, key=lambda step: (step.what in AHEAD, step.at is None, step.at or now))[::-1]


def next_runs(conn: Connection, *, now: datetime) -> dict[int, Coming]:
    """For every item that waits, by its id, the soonest run that would take it."""
    found: dict[int, Coming] = {}
    for run in coming.next_runs(conn, now=now):
        for _, item in run.told:
            found.setdefault(item.id, run)
    return found


def _life(conn: Connection, item: Item, told: Collection[Entry]) -> Iterator[Step]:
    r = tables.item_revisions.c
    first = conn.scalar(sa.select(r.at).where(r.item_id == item.id, r.revision == 1))
    if first is not None and not (told and next(iter(told)).at == first):  # else it came in published
        yield Step("begun", first)
    for entry in told:
        yield Step({"new": "published"}.get(entry.what, entry.what), entry.at, note=entry.note)
    if item.state == "published" and item.published_at is None:
        yield Step("yearless", done=False)
    elif item.state == "published" and not told:
        yield Step("published", first, note="Readers were not told: it was known already.")
    if item.state == "scheduled":
        yield Step("scheduled", item.publish_at, done=False)
    if item.withdrawn_at is not None:
        yield Step("withdrawn", item.withdrawn_at, note=item.withdrawn_why)


def _editions(conn: Connection, told: Collection[Entry]) -> Iterator[Step]:
    """The editions that hold it, whether in their contents or in a list of what is owed."""
    sequences = [entry.sequence for entry in told]
    reached = mailed.by_entry(conn, sequences)
    e, ve = edition_entries.c, variant_entries.c
    contained = conn.execute(sa.select(e.edition_id, e.position).where(e.sequence.in_(sequences))).all()
    places = {row.edition_id: row.position for row in contained}
    owed = conn.scalars(sa.select(ve.edition_id).distinct().where(ve.sequence.in_(sequences)))
    sizes = _sizes(conn, places)
    for listed in runs.some(conn, {*places, *owed}):
        number = listed.edition.id
        if listed.edition.state == editions.SKIPPED:
            continue
        yield Step(
            "edition",
            listed.edition.starts_at or listed.edition.created_at,
            done=listed.edition.state in (editions.SENDING, editions.SENT, editions.CANCELLED),
            edition=listed,
            people=sum(those.get(number, 0) for those in reached.values()),
            place=(places[number], sizes[number]) if number in places else None,
        )


def _skipped(conn: Connection, told: Collection[Entry]) -> list[Step]:
    """The last runs that were to take it and did not happen, each with its reason."""
    if not told:
        return []
    begun = min(told, key=lambda entry: entry.sequence)
    missed = sa.select(t.c.id).where(
        t.c.state == editions.SKIPPED,
        t.c.cadence.is_not(None),
        t.c.mark_from < begun.sequence,
        t.c.created_at >= begun.at,
        t.c.reason != "",
    )
    ids = conn.scalars(missed.order_by(t.c.id.desc()).limit(SKIPPED)).all()
    return [
        Step("skipped", one.edition.closed_at, done=False, note=one.edition.reason, edition=one)
        for one in runs.some(conn, ids)
    ]


def _held(conn: Connection, told: Collection[Entry]) -> Iterator[Step]:
    h, digests = held_back.c, tables.digests
    query = sa.select(digests.c.name, h.cadence, h.why, h.held_by).distinct()
    query = query.join(digests, digests.c.id == h.digest_id).where(h.sequence.in_([one.sequence for one in told]))
    for row in conn.execute(query):
        yield Step("held", done=False, note=row.why, series=f"{row.name}, {row.cadence}")


def _waits(conn: Connection, item: Item, now: datetime) -> Iterator[Step]:
    """The runs that would take it; of a series that has it in an edition already, that edition is told instead."""
    for run in coming.next_runs(conn, now=now):
        waiting = [entry.sequence for entry, told in run.told if told.id == item.id]
        found = editions.open_edition(conn, run.digest.id, run.series.cadence, lock=False) if waiting else None
        if waiting and not (found and _holds(conn, found.id, waiting)):
            yield Step("waits", run.at, done=False, run=run)


def _holds(conn: Connection, edition_id: int, sequences: Collection[int]) -> bool:
    e = edition_entries.c
    query = sa.select(e.position).where(e.edition_id == edition_id, e.sequence.in_(sequences))
    return conn.scalar(query.limit(1)) is not None


def _sizes(conn: Connection, edition_ids: Collection[int]) -> dict[int, int]:
    e = edition_entries.c
    number = sa.func.count().label("number")
    rows = conn.execute(sa.select(e.edition_id, number).where(e.edition_id.in_(edition_ids)).group_by(e.edition_id))
    return {row.edition_id: row.number for row in rows}
