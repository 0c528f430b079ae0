"""What each reader of an edition gets, when and until when: readers in, groups of equal due time and variant out.

Promises: one list for all readers with the same choices, start, debts and language, computed once; a reader's hour is
the first at or after the edition's start, and never before planning began; the deadline is twelve hours later and not
after the reader's next run, but an hour is left at the least (a run that comes sooner finds nothing new). States the
`Audience` that the people's side fulfils. Writes nothing but variants.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import arrangements, editions, languages, news, occurrences, publications, schedules, sharing, tables
from digest.archive import Story
from digest.calendars import Calendar
from digest.db import Database
from digest.delivery import alerts, holders
from digest.delivery.variants import Bodies
from digest.editions import Edition
from digest.errors import Stale
from digest.letters import Segment
from digest.news import Entry
from digest.tables import deliveries

DEADLINE = timedelta(hours=12)
LEAST = timedelta(hours=1)  # enough for three tries of a delivery that is put off
STORED = 50  # variants stored in one transaction: each alone waits for the disk, too many make other writers wait


class Reader(NamedTuple):
    """One eligible reader as read; sets, slots and carries are interned, so few distinct values repeat."""

    id: int
    set_id: int
    since: int
    carry_id: int | None
    slot_id: int
    language: str
    rev: int
    titles_upto: int  # 0 without a carry
    provider: int  # of their mailbox


class Audience(Protocol):
    """Who is in an edition; the people's side of planning."""

    def highest(self, conn: Connection) -> int:
        """The highest subscriber id there is."""

    def read(self, conn: Connection, edition: Edition, low: int, high: int) -> Sequence[Reader]:
        """Eligible readers without a row, with low <= id < high; plain tuples in Reader's order will do."""

    def take(
        self, conn: Connection, edition: Edition, revs: Mapping[int, int], keeps: Mapping[int, tuple[int, ...]]
    ) -> set[int]:
        """Of the ids in `revs` those whose revision is still the same.

        For those of them in `keeps`, what stays owed replaces their carry in the same transaction.
        """

    def addressees(
        self, conn: Connection, edition: Edition, segment: Segment, low: int, high: int
    ) -> Sequence[tuple[int, str, int, int]]:
        """Of a letter's readers without a row, with low <= id < high: id, language, revision as read and provider."""

    def wants(self, conn: Connection, set_id: int) -> Callable[[tuple[str, ...]], str]:
        """How often these choices ask for an entry with these topics: a cadence or "off"."""

    def carry(self, conn: Connection, carry_id: int) -> tuple[int, ...]:
        """The sequences of an interned carry."""

    def slot(self, conn: Connection, slot_id: int) -> tuple[int, str]:
        """Hour and zone."""

    def put_off(self, conn: Connection, edition: Edition, owed: Mapping[int, Sequence[int]]) -> None:
        """Owes entries to readers who had as many alerts as they get in a day, at the next slower cadence offered."""

    def owed(self, conn: Connection, digest_id: int, cadence: str, *, now: datetime) -> bool:
        """Whether an active reader is owed something at this cadence that may go now."""

    def hold(self, conn: Connection, digest_id: int) -> object:
        """Holds a digest's people for a change to what they are owed; comes before every other lock but the log's."""

    def give_back(self, conn: Connection, edition: Edition, owed: Mapping[int, Sequence[int]]) -> None:
        """Files entries as owed again, for each subscriber as their choices of today say."""


class Fate(IntEnum):
    """What becomes of a reader in the plan."""

    NOTHING = 0  # a skipped row: nothing in their topics
    CAPPED = 1  # a skipped row: they have had their alerts of the day, and it comes later
    PLANNED = 2
    NO_ROW = 3  # an alert that holds nothing for them; only what they are owed is looked through


Place = tuple[Fate, int]  # with the number of the variant, 0 without
Spot = tuple["array[int]", "array[int]", "array[int]"]  # of each reader: id, revision as read, mail provider
Groups = dict[tuple[datetime, datetime], dict[Place, Spot]]  # by due time and deadline


def nobody_yet() -> Spot:
    """A place that no reader has yet."""
    return array("q"), array("q"), array("b")


@dataclass
class Allotment:
    """One edition being shared out; everything here can be read again after a kill."""

    db: Database
    audience: Audience
    edition: Edition
    bodies: Bodies
    material: sharing.Material
    languages: tuple[str, ...]
    again: Mapping[int, int]  # entries that may come again -> from which sequence on a reader counts as having it
    gate: Callable[[Connection], None]  # raises Stale when the plan is no longer this process's
    now: datetime  # when planning began: a run that came before it has adopted the edition
    cap: int  # alerts that a reader gets in a local day; 0: as many as there are
    _calendar: Calendar | None
    _shares: dict[tuple[object, ...], tuple[Place, tuple[int, ...] | None]] = field(default_factory=dict)
    _lists: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _dues: dict[int, tuple[datetime, datetime]] = field(default_factory=dict)

    def block(self, low: int, high: int) -> tuple[Groups, dict[int, tuple[int, ...]]]:
        """Readers with low <= id < high that have no row yet, grouped; and what stays owed to those with a carry."""
        found = self.look(low, high)
        self._store()
        return found

    def look(self, low: int, high: int) -> tuple[Groups, dict[int, tuple[int, ...]]]:
        """The same for a few readers, with nothing written: new variants are among the bodies' `reserved`."""
        with self.db.reading() as conn:
            rows = self.audience.read(conn, self.edition, low, high)
            carries = {row[3]: self.audience.carry(conn, row[3]) for row in rows if row[3] is not None}
            self.bodies.learn(conn, {sequence for carry in carries.values() for sequence in carry})
            had = self._already_had(conn, low, high)
            today = self._alerts(conn, low, high)
        return self._sorted(rows, carries, had, today)

    def _sorted(
        self,
        rows: Sequence[Reader],
        carries: Mapping[int, tuple[int, ...]],
        had: Mapping[int, frozenset[int]],
        today: Mapping[int, Sequence[datetime]],
    ) -> tuple[Groups, dict[int, tuple[int, ...]]]:
        """The readers by due time and place; this loop is half of what planning costs."""
        groups: Groups = {}
        spots: dict[tuple[int, Place], Spot] = {}
        keeps: dict[int, tuple[int, ...]] = {}
        nobody: frozenset[int] = frozenset()
        mark = self.edition.mark_from
        for reader, set_id, since, carry_id, slot_id, language, rev, titles_upto, provider in rows:
            floor = since if since > mark else mark
            key = (set_id, floor, carry_id, language, had.get(reader, nobody) if had else nobody, titles_upto)
            place, keep = self._shares.get(key) or self._share(key, carries.get(carry_id or 0, ()))
            if place[0] is Fate.NO_ROW and (carry_id is None or keep == carries[carry_id]):
                continue
            if today and reader in today and place[0] is Fate.PLANNED and self._capped(today[reader], slot_id):
                place = (Fate.CAPPED, place[1])
            if keep is not None:
                keeps[reader] = keep
            spot = spots.get((slot_id, place))
            if spot is None:
                due = self._dues.get(slot_id) or self._due(slot_id)
                spot = groups.setdefault(due, {}).setdefault(place, nobody_yet())
                spots[slot_id, place] = spot
            spot[0].append(reader)
            spot[1].append(rev)
            spot[2].append(provider)
        return groups, keeps

    def put_off(self, conn: Connection, readers: Sequence[tuple[int, int]]) -> None:
        """Owes what these readers (id and variant) would have got if it were not one alert too many."""
        self.audience.put_off(conn, self.edition, {reader: self._lists[variant] for reader, variant in readers})

    def finish(self, conn: Connection) -> None:
        """Moves the mark of the series to where the edition reaches. Raises Stale when it is not where it was."""
        s, edition = tables.series, self.edition
        moved = conn.execute(
            sa.update(s)
            .where(s.c.digest_id == edition.digest_id, s.c.cadence == edition.series, s.c.mark == edition.mark_from)
            .values(mark=edition.mark_to)
        ).rowcount
        if moved != 1:
            raise Stale(f"The mark of the series is no longer where edition {edition.id} began.")
        if not edition.is_carries:
            arrangements.forget(conn, edition.digest_id, edition.series)

    def _share(self, key: tuple[Any, ...], carry: Sequence[int]) -> tuple[Place, tuple[int, ...] | None]:
        """The place and what stays owed, of all readers with this key."""
        set_id, floor, carry_id, language, had, titles_upto = key
        with self.db.reading() as conn:
            wants = self.audience.wants(conn, set_id)
        found = sharing.entries_for(
            self.material, wants=wants, floor=floor, carry=carry, had=had, titles_upto=titles_upto
        )
        place = (Fate.NO_ROW if self.edition.cadence == "instant" else Fate.NOTHING, 0)
        if found.entries:
            spoken = languages.choose(language, self.languages)
            body = self.bodies.body(found.entries, spoken, found.titles)
            variant = self.bodies.reserve(body)
            place = (Fate.PLANNED, variant)
            self._lists[variant] = body.entries
            if len(self.bodies.reserved) >= STORED:
                self._store()
        self._shares[key] = (place, found.keep if carry_id is not None else None)
        return self._shares[key]

    def _alerts(self, conn: Connection, low: int, high: int) -> Mapping[int, Sequence[datetime]]:
        """When readers had the alerts that count against their cap, where there is one."""
        if not self.cap:
            return {}
        here = (deliveries.c.subscriber_id >= low) & (deliveries.c.subscriber_id < high)
        return alerts.recent(conn, self.edition.digest_id, here, now=self.now)

    def _capped(self, dues: Sequence[datetime], slot_id: int) -> bool:
        with self.db.reading() as conn:
            _, zone = self.audience.slot(conn, slot_id)
        return alerts.reached(self.cap, dues, zone, now=self.now)

    def _store(self) -> None:
        """Stores the variants that were made since it was last done; rows can name them then."""
        if self.bodies.reserved:
            self.db.run(self._write, bulk=True)
            self.bodies.reserved.clear()

    def _write(self, conn: Connection) -> None:
        self.gate(conn)
        self.bodies.store(conn)

    def _due(self, slot_id: int) -> tuple[datetime, datetime]:
        """When readers with this hour and zone get it, and until when it may be tried."""
        edition = self.edition
        starts = edition.starts_at or edition.created_at
        with self.db.reading() as conn:
            hour, zone = self.audience.slot(conn, slot_id)
        at_once = edition.by_hand or edition.cadence == "instant"
        due = max(starts if at_once else schedules.due_for(starts, hour, zone), self.now)
        deadline = due + DEADLINE
        if self._calendar is not None:
            following = self._calendar.next(max(starts, self.now))
            deadline = min(deadline, max(schedules.due_for(following.at, hour, zone), due + LEAST))
        self._dues[slot_id] = (due, deadline)
        return due, deadline

    def _already_had(self, conn: Connection, low: int, high: int) -> dict[int, frozenset[int]]:
        """Reader -> the entries that come again although a live row of theirs holds the item as it is told now."""
        here = (deliveries.c.subscriber_id >= low, deliveries.c.subscriber_id < high)
        return holders.of_again(conn, self.edition.digest_id, self.bodies.log, self.again, *here)


def prepare(
    conn: Connection,
    db: Database,
    edition: Edition,
    audience: Audience,
    gate: Callable[[Connection], None],
    *,
    now: datetime,
    stories: Sequence[Story] | None = None,
) -> Allotment:
    """Reads all that sharing out needs to know of the edition; `stories` as in `Bodies`."""
    series = publications.one_series(conn, edition.digest_id, edition.series)
    digest = publications.by_id(conn, edition.digest_id)
    bodies = Bodies(conn, edition, stories)
    return Allotment(
        db=db,
        audience=audience,
        edition=edition,
        bodies=bodies,
        material=material(conn, edition, bodies.log, stale_before=bodies.stale_before),
        languages=digest.languages,
        again=news.coming_again(conn),
        gate=gate,
        now=now,
        cap=series.daily_cap if edition.cadence == "instant" else 0,
        _calendar=occurrences.calendar(conn, digest, series),
    )


def material(
    conn: Connection, edition: Edition, log: Mapping[int, Entry], *, stale_before: datetime | None = None
) -> sharing.Material:
    """What decides about all lists. `log` holds the edition's own entries; those that it is given later count too."""
    return sharing.Material(
        cadence=edition.series,
        last=edition.last,
        own=frozenset(log),
        log=log,
        published=_going(conn, edition, log),
        held=editions.held_back(conn, edition.digest_id, edition.series),
        stale_before=stale_before,
    )


def _going(conn: Connection, edition: Edition, log: Mapping[int, Entry]) -> frozenset[int]:
    """The items that may go: what is published, and what the edition holds when staff said that it goes on as it is."""
    i = tables.items
    published = frozenset(conn.scalars(sa.select(i.c.id).where(i.c.state == "published")))
    return published | {entry.item_id for entry in log.values()} if edition.as_is else published
