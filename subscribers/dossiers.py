"""All that decides what waits for one person: their subscription, what is owed, their mails, and what the log has.

Promises: read with the rules of refiling, without a lock; nobody waits for it. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, items, news, publications, tables
from digest.delivery import alerts, variants
from digest.items import Item
from digest.news import Entry
from digest.publications import Digest, Series
from digest.tables import State, batches, deliveries, held_back, publication_log
from subscribers import preferences
from subscribers.prospects import Mail, Person
from subscribers.tables import slots, subscribers, subscriptions, suppressions


@dataclass(frozen=True)
class Dossier:
    """All that is known of one subscription, read once."""

    row: sa.Row[Any]
    person: Person
    digest: Digest
    series: tuple[Series, ...]
    latest: int  # the last sequence of the log
    carries: Mapping[str, tuple[int, ...]]
    floors: Mapping[str, int]
    log: Mapping[int, Entry]  # what is owed, what is new, what stands in a mail of theirs, what is held back
    items: Mapping[int, Item]  # of what is to come; what arrived long ago is many, and nobody asks
    published: frozenset[int]
    again: Mapping[int, int]  # entries that may come again -> from which sequence on they count as having the item
    held: Mapping[str, Mapping[int, str]]  # series -> sequence -> why
    now: datetime

    @property
    def titles_upto(self) -> int:
        """Up to where what is owed comes as titles: all of it to who paused, if they do not wish it away."""
        return self.latest if self.person.paused else self.person.titles_upto

    def live(self) -> Iterator[int]:
        """The sequences that stand in a mail which they have, may have, or are about to get."""
        return (s for mail in self.person.mails if mail.state in alerts.LIVE for s in mail.entries)

    def had(self, also: Iterable[int] = ()) -> frozenset[int]:
        """Entries that come again although a live mail of theirs, or one that brings `also`, holds the item as told."""
        live = {(self.log[s].item_id, s) for s in (*self.live(), *also)}
        return frozenset(
            s
            for s in self.again.keys() & self.log.keys()
            if any(item == self.log[s].item_id and upto >= self.again[s] and upto != s for item, upto in live)
        )


def read(conn: Connection, digest_id: int, subscriber_id: int, *, now: datetime) -> Dossier | None:
    """The dossier of a subscription that is active or paused; None for others, which wait for nothing."""
    row = _subscription(conn, digest_id, subscriber_id)
    return _read(conn, row, now) if row is not None and row.state in ("active", "paused") else None


def _subscription(conn: Connection, digest_id: int, subscriber_id: int) -> sa.Row[Any] | None:
    return conn.execute(
        sa.select(subscriptions, slots.c.hour, slots.c.zone, suppressions.c.reason.label("barred"))
        .join(slots, slots.c.id == subscriptions.c.slot_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .outerjoin(suppressions, suppressions.c.email_hash == subscribers.c.email_hash)
        .where(subscriptions.c.digest_id == digest_id, subscriptions.c.subscriber_id == subscriber_id)
    ).one_or_none()


def _read(conn: Connection, row: sa.Row[Any], now: datetime) -> Dossier:
    digest, series = publications.by_id(conn, row.digest_id), publications.series(conn, row.digest_id)
    latest = conn.scalar(sa.select(sa.func.max(publication_log.c.sequence))) or 0
    offered = tuple(one.cadence for one in series if one.offered)
    ground = preferences.Ground(latest, {one.cadence: one.mark for one in series}, offered)
    mapping = preferences.map_of(conn, row.preference_set_id)
    paused = row.state == "paused"
    carries = _filed_when_waking(conn, ground, row, mapping) if paused else preferences.carries_of(conn, row)
    floors = preferences.floors(conn, ground, row, alone=paused, lock=False)
    mails = _mails(conn, row.digest_id, row.subscriber_id)
    held = _held(conn, row.digest_id)
    above = min((floors[one.cadence] for one in series), default=latest)  # a cadence without a series has no news
    log = {entry.sequence: entry for entry in news.entries(conn, above=above, upto=latest)}
    arrived = {s for mail in mails if mail.state is State.ACCEPTED for s in mail.entries}
    open_mails = (mail.entries for mail in mails if mail.state is not State.ACCEPTED)
    waiting = log.keys() | {s for some in (*carries.values(), *open_mails, *held.values()) for s in some}
    log |= news.by_sequences(conn, (waiting | arrived) - log.keys())
    by_id = items.by_ids(conn, {log[sequence].item_id for sequence in waiting})
    person = Person(mapping, row.barred is not None, paused, row.since, row.titles_upto, mails)
    return Dossier(
        row=row,
        person=person,
        digest=digest,
        series=tuple(series),
        latest=latest,
        carries=carries,
        floors=floors,
        log=log,
        items=by_id,
        published=frozenset(editions.published_ids(conn, {entry.item_id for entry in log.values()})),
        again=news.coming_again(conn),
        held=held,
        now=now,
    )


def _filed_when_waking(
    conn: Connection, ground: preferences.Ground, row: sa.Row[Any], mapping: Mapping[str, str]
) -> dict[str, tuple[int, ...]]:
    """What somebody who paused would be owed if they woke now."""
    owed = preferences.pending(conn, ground, row, mapping, alone=True)
    filed = preferences.filed(conn, preferences.fit(mapping, ground.offered), owed)
    return {cadence: tuple(sequences) for cadence, sequences in filed.items()}


def _mails(conn: Connection, digest_id: int, subscriber_id: int) -> tuple[Mail, ...]:
    """Their rows that hold entries, in the order of the editions."""
    d, e, v = deliveries, tables.editions, tables.variants
    rows = conn.execute(
        sa.select(d.c.edition_id, d.c.state, d.c.code, d.c.carried, batches.c.due_at, v.c.entries)
        .join(e, e.c.id == d.c.edition_id)
        .join(batches, (batches.c.edition_id == d.c.edition_id) & (batches.c.n == d.c.batch_n))
        .join(v, (v.c.edition_id == d.c.edition_id) & (v.c.n == d.c.variant_n))
        .where(e.c.digest_id == digest_id, e.c.cadence.is_not(None), d.c.subscriber_id == subscriber_id)
        .order_by(d.c.edition_id)
    ).all()
    numbers = [row.edition_id for row in rows]
    read = conn.execute(sa.select(*editions.WITHOUT_SETTINGS).where(e.c.id.in_(numbers)))
    by_number = {row.id: editions.from_row(row) for row in read}
    return tuple(
        Mail(by_number[row.edition_id], State(row.state), row.code, row.carried, row.due_at, frozenset(held), titles)
        for row in rows
        for held, titles in [variants.read(row.entries)]
    )


def _held(conn: Connection, digest_id: int) -> dict[str, dict[int, str]]:
    held: dict[str, dict[int, str]] = {cadence: {} for cadence in preferences.CADENCES}
    for row in conn.execute(sa.select(held_back).where(held_back.c.digest_id == digest_id)):
        held[row.cadence][row.sequence] = row.why
    return held
