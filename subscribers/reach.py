"""Whom an edition would reach, counted before anything is made: who gets it, who is left out and why.

Promises: the same rules as planning (`sharing.entries_for` over the same material and choices), so that what is
promised is what is planned as long as nobody changes; the parts always add up to the whole, and each of them can be
listed; readers with the same choices are counted together, so that a hundred thousand cost little more than a hundred.
Writes nothing. Refuses: letters, see `letter_reach`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY

from digest import languages, news, sharing
from digest.delivery import alerts, allotment, holders
from digest.items import Entry
from digest.proposals import Proposal
from subscribers import preferences
from subscribers.tables import slots, subscribers, subscriptions, suppressions

SAMPLES = 3


class Group(NamedTuple):
    """Readers whose lists are the same; `reader` is one of them."""

    state: str  # active, paused, suppressed
    set_id: int
    floor: int
    carry_id: int  # 0: nothing is owed
    titles_upto: int
    language: str
    people: int
    reader: int


class Part(NamedTuple):
    """Some of those who are counted: `left_out` for a reason, or by items, topic, how often, language or entry."""

    name: str  # a field of Reach
    value: str | int


@dataclass
class Reach:
    """People by what an edition is for them."""

    gets: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> people: "no topics", paused, suppressed, ...
    by_items: Counter[int] = field(default_factory=Counter)  # so many items -> people
    by_topic: Counter[str] = field(default_factory=Counter)  # topic -> people who get something on it
    by_often: Counter[str] = field(default_factory=Counter)  # all the cadences that somebody chose: "daily weekly"
    by_language: Counter[str] = field(default_factory=Counter)
    by_entry: Counter[int] = field(default_factory=Counter)  # sequence -> people
    samples: list[tuple[int, int]] = field(default_factory=list)  # reader and number of items, the most first

    @property
    def total(self) -> int:
        """Everybody who takes this series, or is owed something at it."""
        return self.gets + self.left_out.total()


def count(conn: Connection, proposal: Proposal, *, now: datetime) -> Reach:
    """The reach of an edition as things stand."""
    found, seats = Reach(), _Seats(conn, proposal, now)
    for group in seats.groups:
        for part in seats.parts(group):
            getattr(found, part.name)[part.value] += group.people
            if part.name == "by_items":
                found.gets += group.people
                found.samples.append((group.reader, int(part.value)))
    found.samples = _spread(found.samples)
    return found


class People(NamedTuple):
    """A page of those behind a number, and the number."""

    numbers: list[int]  # of subscribers
    total: int


def people(
    conn: Connection, proposal: Proposal, part: Part, *, now: datetime, below: int | None = None, limit: int
) -> People:
    """Those of a part of the reach, the newest first; `below` goes on behind one of them."""
    seats = _Seats(conn, proposal, now)
    meant = [group for group in seats.groups if part in seats.parts(group)]
    who = subscriptions.c.subscriber_id
    query = seats.readers.of_groups(meant).with_only_columns(who)
    query = query if below is None else query.where(who < below)
    found = list(conn.scalars(query.order_by(who.desc()).limit(limit)))
    return People(found, sum(group.people for group in meant))


class _Seats:
    """The readers of an edition in groups, and what it is for each group."""

    def __init__(self, conn: Connection, proposal: Proposal, now: datetime) -> None:
        edition = proposal.edition
        self._languages = proposal.digest.languages
        log = news.by_sequences(conn, [story.sequence for story in proposal.stories])
        self._material = allotment.material(conn, edition, log)
        self._had = holders.of_again(conn, edition.digest_id, log, news.coming_again(conn))
        self._capped = _capped(conn, proposal, now)
        self.readers = _Readers(conn, proposal, self._had.keys() | self._capped)
        read = self.readers.groups()
        self._mappings = preferences.maps(conn)
        takes = {one for one, mapping in self._mappings.items() if edition.series in mapping.values()}
        self.groups = [group for group in read if group.carry_id or group.set_id in takes]
        owing = {group.carry_id for group in self.groups if group.carry_id}
        self._carries = {one: preferences.carry_of(conn, one) for one in owing}
        owed = {sequence for carry in self._carries.values() for sequence in carry} - log.keys()
        log |= news.by_sequences(conn, owed)
        self._log: Mapping[int, Entry] = log
        self._shares: dict[tuple[object, ...], list[Part]] = {}

    def parts(self, group: Group) -> list[Part]:
        """Whatever its people are counted under."""
        if group.state != "active":
            return [Part("left_out", group.state)]
        had = self._had.get(group.reader, frozenset())
        key = (group.set_id, group.floor, group.carry_id, group.titles_upto, had)
        parts = self._shares.get(key)
        if parts is None:
            parts = self._shares[key] = self._parts(group, had)
        if group.reader in self._capped and parts[0].name != "left_out":
            return [Part("left_out", "alert cap")]
        if parts[0].name == "left_out":
            return parts
        return [*parts, Part("by_language", languages.choose(group.language, self._languages))]

    def _parts(self, group: Group, had: frozenset[int]) -> list[Part]:
        """Of all with these choices, whatever their language."""
        mapping = self._mappings[group.set_id]
        share = sharing.entries_for(
            self._material,
            wants=lambda topics: preferences.cadence_for(mapping, topics),
            floor=group.floor,
            carry=self._carries.get(group.carry_id, ()),
            had=had,
            titles_upto=group.titles_upto,
        )
        if not share.entries:
            return [Part("left_out", "no topics")]
        topics = {topic for sequence in share.entries for topic in self._log[sequence].topics}
        return [
            Part("by_items", len(share.entries)),
            Part("by_often", preferences.how_often(mapping)),
            *(Part("by_entry", sequence) for sequence in share.entries),
            *(Part("by_topic", topic) for topic in topics),
        ]


class _Readers:
    """The active and paused readers of a digest, as groups or one by one.

    Most of them are alike but for their choices: active, owed nothing, here since before the last edition. They are
    counted by these alone, since every further column makes a large difference for a hundred thousand.
    """

    def __init__(self, conn: Connection, proposal: Proposal, alone: Collection[int]) -> None:
        edition, s = proposal.edition, subscriptions.c
        self._conn, self._mark, self._alone = conn, edition.mark_from, alone
        self._carry = s[f"carry_{edition.series}"]
        self._speak = len(proposal.digest.languages) > 1
        self._first = proposal.digest.languages[0]
        self._mine: list[Any] = [s.digest_id == edition.digest_id, s.state.in_(("active", "paused"))]
        if edition.is_carries:
            self._mine.append(self._carry.is_not(None))
        self._barred = s.subscriber_id.in_(_BARRED)
        self._plain = sa.and_(
            *(s.state == "active", s.since <= self._mark, self._carry.is_(None), ~self._barred),
            *([s.subscriber_id.not_in(_among(conn, alone))] if alone else []),
        )

    def groups(self) -> list[Group]:
        """All of them; each of those who stand alone is a group of their own."""
        s = subscriptions.c
        number, least = sa.func.count(), sa.func.min(s.subscriber_id)
        alike = self._from([s.preference_set_id, self._language])
        rows = self._conn.execute(alike.where(self._plain).add_columns(number, least).group_by(*_FIRST[:2]))
        found = [Group("active", set_id, self._mark, 0, 0, tongue, *rest) for set_id, tongue, *rest in rows]
        others = self._from(self._deciding).where(~self._plain)
        together = others.where(s.subscriber_id.not_in(_among(self._conn, self._alone))) if self._alone else others
        grouped = together.add_columns(number, least).group_by(*_FIRST)
        found += [Group(*row) for row in self._conn.execute(grouped)]
        if self._alone:
            single = others.add_columns(sa.literal(1), s.subscriber_id)
            single = single.where(s.subscriber_id.in_(_among(self._conn, self._alone)))
            found += [Group(*row) for row in self._conn.execute(single)]
        return found

    def of_groups(self, meant: Collection[Group]) -> sa.Select[Any]:
        """The readers of these groups."""
        who, s = subscriptions.c.subscriber_id, subscriptions.c
        alone = [group.reader for group in meant if group.reader in self._alone]
        rest = [group for group in meant if group.reader not in self._alone]
        plain = [group for group in rest if group[:5] == ("active", group.set_id, self._mark, 0, 0)]
        others = [group[:6] for group in rest if group not in plain]
        chosen = [
            sa.and_(self._plain, sa.tuple_(s.preference_set_id, self._language).in_([(g[1], g[5]) for g in plain])),
            sa.and_(~self._plain, sa.tuple_(*self._deciding).in_(others), who.not_in(_among(self._conn, self._alone))),
            who.in_(_among(self._conn, alone)),
        ]
        return self._from([who]).where(sa.or_(*chosen))

    @property
    def _language(self) -> Any:
        return subscribers.c.language if self._speak else sa.literal(self._first)

    @property
    def _deciding(self) -> list[Any]:
        """What decides about their lists, in the order of Group."""
        s = subscriptions.c
        return [
            sa.case((self._barred, "suppressed"), else_=s.state),
            s.preference_set_id,
            sa.case((s.since > self._mark, s.since), else_=self._mark),
            sa.func.coalesce(self._carry, 0),
            sa.case((self._carry.is_(None), 0), else_=s.titles_upto),
            self._language,
        ]

    def _from(self, columns: list[Any]) -> sa.Select[Any]:
        query = sa.select(*columns).select_from(subscriptions).where(*self._mine)
        return query.join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id) if self._speak else query


def _among(conn: Connection, readers: Collection[int]) -> sa.Select[tuple[int]]:
    """These readers as one parameter: there may be more of them than a statement takes."""
    if conn.dialect.name == "sqlite":
        each = sa.func.json_each(str(sorted(readers))).table_valued("value")
        return sa.select(each.c.value)
    ids = sa.bindparam(None, sorted(readers), type_=ARRAY(sa.Integer))
    return sa.select(sa.func.unnest(ids).column_valued())


def _capped(conn: Connection, proposal: Proposal, now: datetime) -> set[int]:
    """Of an alert: those who have had as many as they get in a day."""
    cap = proposal.series.daily_cap if proposal.series.cadence == "instant" else 0
    if not cap:
        return set()
    had = alerts.recent(conn, proposal.digest.id, sa.true(), now=now)
    mine = (subscriptions.c.digest_id == proposal.digest.id, subscriptions.c.subscriber_id.in_(_among(conn, had)))
    query = sa.select(subscriptions.c.subscriber_id, slots.c.zone).join(slots, slots.c.id == subscriptions.c.slot_id)
    return {
        reader for reader, zone in conn.execute(query.where(*mine)) if alerts.reached(cap, had[reader], zone, now=now)
    }


_FIRST: list[Any] = [
    sa.literal_column(str(n)) for n in range(1, 7)
]  # columns by their place: PostgreSQL takes no parameter twice
_people = subscribers.alias()
_BARRED = sa.select(_people.c.id).where(_people.c.email_hash.in_(sa.select(suppressions.c.email_hash)))


def _spread(samples: Collection[tuple[int, int]]) -> list[tuple[int, int]]:
    """Three of them: with the most items, with the fewest, and one between."""
    ranked = sorted(samples, key=lambda one: (-one[1], one[0]))
    if len(ranked) <= SAMPLES:
        return ranked
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]]
