"""Whom an edition would reach, counted before anything is made: who gets it, who is left out and why.

Promises: the same rules as planning (`sharing.entries_for` over the same material and choices), so that what is
promised is what is planned as long as nobody changes; the parts always add up to the whole, and each of them can be
listed; readers with the same choices are counted together, so that a hundred thousand cost little more than a hundred.
Writes nothing. Refuses: letters, see `letter_reach`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY

from digest import languages, news, sharing
from digest.delivery import alerts, allotment, holders
from digest.editions import Edition
from digest.items import Entry
from digest.proposals import Proposal
from subscribers import preferences
from subscribers.tables import preference_sets, slots, subscribers, subscriptions, suppressions

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


def people(
    conn: Connection, proposal: Proposal, part: Part, *, now: datetime, below: int | None = None, limit: int
) -> list[int]:
    """Those of a part of the reach, by their number, the newest first; `below` goes on behind one of them."""
    seats = _Seats(conn, proposal, now)
    meant = [group for group in seats.groups if part in seats.parts(group)]
    alike = sa.tuple_(*_deciding(seats.readers)).in_([group[:6] for group in meant if group.reader not in seats.alone])
    named = [group.reader for group in meant if group.reader in seats.alone]
    who = subscriptions.c.subscriber_id
    chosen = sa.or_(sa.and_(alike, who.not_in(_among(conn, seats.alone))), who.in_(_among(conn, named)))
    query = seats.readers.with_only_columns(who).where(chosen)
    query = query if below is None else query.where(who < below)
    return list(conn.scalars(query.order_by(who.desc()).limit(limit)))


class _Seats:
    """The readers of an edition in groups, and what it is for each group."""

    def __init__(self, conn: Connection, proposal: Proposal, now: datetime) -> None:
        edition = proposal.edition
        self.readers = _readers(edition)
        self._conn, self._digest = conn, proposal.digest
        log = news.by_sequences(conn, [story.sequence for story in proposal.stories])
        self._material = allotment.material(conn, edition, log)
        self._had = holders.of_again(conn, edition.digest_id, log, news.coming_again(conn))
        self._capped = _capped(conn, proposal, now)
        self.alone = self._had.keys() | self._capped
        self.groups = _groups(conn, self.readers, self.alone)
        owing = {group.carry_id for group in self.groups if group.carry_id}
        self._carries = {one: preferences.carry_of(conn, one) for one in owing}
        owed = {sequence for carry in self._carries.values() for sequence in carry} - log.keys()
        log |= news.by_sequences(conn, owed)
        self._log: Mapping[int, Entry] = log

    def parts(self, group: Group) -> Iterator[Part]:
        """Whatever its people are counted under."""
        if group.state != "active":
            yield Part("left_out", group.state)
            return
        mapping = preferences.map_of(self._conn, group.set_id)
        entries = self._entries(group, mapping)
        if not entries or group.reader in self._capped:
            yield Part("left_out", "alert cap" if entries else "no topics")
            return
        yield Part("by_items", len(entries))
        yield Part("by_language", languages.choose(group.language, self._digest.languages))
        yield Part("by_often", preferences.how_often(mapping))
        yield from (Part("by_entry", sequence) for sequence in entries)
        yield from (Part("by_topic", topic) for topic in {t for s in entries for t in self._log[s].topics})

    def _entries(self, group: Group, mapping: Mapping[str, str]) -> frozenset[int]:
        share = sharing.entries_for(
            self._material,
            wants=lambda topics: preferences.cadence_for(mapping, topics),
            floor=group.floor,
            carry=self._carries.get(group.carry_id, ()),
            had=self._had.get(group.reader, frozenset()),
            titles_upto=group.titles_upto,
        )
        return share.entries


def _groups(conn: Connection, readers: sa.Select[Any], alone: Collection[int]) -> list[Group]:
    """The readers by what decides about their lists; each of `alone` is a group of their own."""
    who, deciding = subscriptions.c.subscriber_id, _deciding(readers)
    together = readers.add_columns(sa.func.count(), sa.func.min(who)).group_by(*deciding)
    rows = conn.execute(together.where(who.not_in(_among(conn, alone))) if alone else together).all()
    if alone:
        rows = [*rows, *conn.execute(readers.add_columns(sa.literal(1), who).where(who.in_(_among(conn, alone))))]
    return [Group(*row) for row in rows]


def _among(conn: Connection, readers: Collection[int]) -> sa.Select[tuple[int]]:
    """These readers as one parameter: there may be more of them than a statement takes."""
    if conn.dialect.name == "sqlite":
        each = sa.func.json_each(str(sorted(readers))).table_valued("value")
        return sa.select(each.c.value)
    ids = sa.bindparam(None, sorted(readers), type_=ARRAY(sa.Integer))
    return sa.select(sa.func.unnest(ids).column_valued())


def _deciding(readers: sa.Select[Any]) -> list[Any]:
    return [column.element if isinstance(column, sa.Label) else column for column in readers.selected_columns]


def _readers(edition: Edition) -> sa.Select[Any]:
    """Active and paused readers of the series: what decides about their lists, in the order of Group."""
    s, mark = subscriptions.c, edition.mark_from
    carry = s[f"carry_{edition.series}"]
    named = preference_sets.c.map.contains(f'"{edition.series}"', autoescape=True)
    state = sa.case((suppressions.c.email_hash.is_not(None), "suppressed"), else_=s.state).label("state")
    floor = sa.case((s.since > mark, s.since), else_=mark).label("floor")
    titles = sa.case((carry.is_(None), 0), else_=s.titles_upto).label("titles_upto")
    owed = sa.func.coalesce(carry, 0).label("carry")
    return (
        sa.select(state, s.preference_set_id, floor, owed, titles, subscribers.c.language)
        .select_from(subscriptions)
        .join(subscribers, subscribers.c.id == s.subscriber_id)
        .join(preference_sets, preference_sets.c.id == s.preference_set_id)
        .outerjoin(suppressions, suppressions.c.email_hash == subscribers.c.email_hash)
        .where(s.digest_id == edition.digest_id, s.state.in_(("active", "paused")))
        .where(carry.is_not(None) if edition.is_carries else sa.or_(carry.is_not(None), named))
    )


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


def _spread(samples: Collection[tuple[int, int]]) -> list[tuple[int, int]]:
    """Three of them: with the most items, with the fewest, and one between."""
    ranked = sorted(samples, key=lambda one: (-one[1], one[0]))
    if len(ranked) <= SAMPLES:
        return ranked
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]]
