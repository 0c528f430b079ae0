"""Whom the next edition of a series would reach, counted before anything is made: who gets it, who is left out and why.

Promises: the same rules as planning (`sharing.entries_for` over the same choices), so that what is promised is what
is planned as long as nobody changes; the parts always add up to the whole; readers with the same choices are counted
together, so that a hundred thousand cost little more than a hundred. Writes nothing. Refuses: letters, see
`Audience.count`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, languages, news, sharing
from digest.delivery import holders
from digest.items import Entry
from digest.publications import Digest, Series
from subscribers import preferences
from subscribers.tables import preference_sets, subscribers, subscriptions, suppressions

SAMPLES = 3


class Group(NamedTuple):
    """Readers whose lists are the same; `reader` is one of them."""

    state: str  # active, paused, suppressed
    set_id: int
    floor: int
    carry_id: int | None
    titles_upto: int
    language: str
    people: int
    reader: int


@dataclass
class Reach:
    """People by what the next edition is for them."""

    gets: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> people: "no topics", paused, suppressed
    by_items: Counter[int] = field(default_factory=Counter)  # so many items -> people
    by_topic: Counter[str] = field(default_factory=Counter)  # topic -> people who get something on it
    by_language: Counter[str] = field(default_factory=Counter)
    by_entry: Counter[int] = field(default_factory=Counter)  # sequence -> people
    samples: list[tuple[int, int]] = field(default_factory=list)  # reader and number of items, the most first

    @property
    def total(self) -> int:
        """Everybody who takes this series, or is owed something at it."""
        return self.gets + self.left_out.total()


def count(conn: Connection, digest: Digest, series: Series, *, now: datetime, owed: bool = False) -> Reach:
    """The reach of an edition with what waits now; `owed`: with nothing of its own, to those who are owed."""
    contents = [] if owed else editions.waiting(conn, series)
    groups = _groups(conn, series, owed)
    carries = {one.carry_id: preferences.carry_of(conn, one.carry_id) for one in groups if one.carry_id}
    log = {entry.sequence: entry for entry in contents}
    log |= news.by_sequences(conn, {sequence for carry in carries.values() for sequence in carry} - log.keys())
    material = sharing.Material(
        cadence=series.cadence,
        last=news.counter(conn),
        own=frozenset(entry.sequence for entry in contents),
        log=log,
        published=editions.published_ids(conn, {entry.item_id for entry in log.values()}),
        held=editions.held_back(conn, series.digest_id, series.cadence),
        stale_before=now - timedelta(days=series.age_limit) if series.age_limit else None,
    )
    found = Reach()
    for group, had in _apart(conn, series, groups, log, owed):
        _add(conn, found, group, material, carries, had, digest)
    found.samples = _spread(found.samples)
    return found


def _groups(conn: Connection, series: Series, owed: bool, *, but: Collection[int] = ()) -> list[Group]:
    query = _readers(series, owed).where(subscriptions.c.subscriber_id.not_in(but))
    alike = list(query.selected_columns)
    query = query.add_columns(sa.func.count(), sa.func.min(subscriptions.c.subscriber_id)).group_by(*alike)
    return [Group(*row) for row in conn.execute(query)]


def _readers(series: Series, owed: bool) -> sa.Select[Any]:
    """Active and paused readers of the series: what decides about their lists."""
    s = subscriptions.c
    carry = s[f"carry_{series.cadence}"]
    named = preference_sets.c.map.contains(f'"{series.cadence}"', autoescape=True)
    state = sa.case((suppressions.c.email_hash.is_not(None), "suppressed"), else_=s.state).label("state")
    floor = sa.case((s.since > series.mark, s.since), else_=series.mark).label("floor")
    titles = sa.case((carry.is_(None), 0), else_=s.titles_upto).label("titles_upto")
    return (
        sa.select(state, s.preference_set_id, floor, carry.label("carry"), titles, subscribers.c.language)
        .select_from(subscriptions)
        .join(subscribers, subscribers.c.id == s.subscriber_id)
        .join(preference_sets, preference_sets.c.id == s.preference_set_id)
        .outerjoin(suppressions, suppressions.c.email_hash == subscribers.c.email_hash)
        .where(s.digest_id == series.digest_id, s.state.in_(("active", "paused")))
        .where(carry.is_not(None) if owed else sa.or_(carry.is_not(None), named))
    )


def _apart(
    conn: Connection, series: Series, groups: list[Group], log: Mapping[int, Entry], owed: bool
) -> list[tuple[Group, frozenset[int]]]:
    """The groups, with each reader by themselves who has an item already that comes again."""
    had = holders.of_again(conn, series.digest_id, log, news.coming_again(conn))
    if not had:
        return [(group, frozenset()) for group in groups]
    s = subscriptions.c.subscriber_id
    alone = conn.execute(_readers(series, owed).add_columns(sa.literal(1), s).where(s.in_(list(had))))
    rest = [(group, frozenset[int]()) for group in _groups(conn, series, owed, but=list(had))]
    return [*rest, *((group, had[group.reader]) for group in (Group(*row) for row in alone))]


def _add(
    conn: Connection,
    found: Reach,
    group: Group,
    material: sharing.Material,
    carries: Mapping[int, tuple[int, ...]],
    had: frozenset[int],
    digest: Digest,
) -> None:
    if group.state != "active":
        found.left_out[group.state] += group.people
        return
    mapping = preferences.map_of(conn, group.set_id)
    share = sharing.entries_for(
        material,
        wants=lambda topics: preferences.cadence_for(mapping, topics),
        floor=group.floor,
        carry=carries.get(group.carry_id or 0, ()),
        had=had,
        titles_upto=group.titles_upto,
    )
    if not share.entries:
        found.left_out["no topics"] += group.people
        return
    found.gets += group.people
    found.by_items[len(share.entries)] += group.people
    found.by_language[languages.choose(group.language, digest.languages)] += group.people
    for sequence in share.entries:
        found.by_entry[sequence] += group.people
    for topic in {topic for sequence in share.entries for topic in material.log[sequence].topics}:
        found.by_topic[topic] += group.people
    found.samples.append((group.reader, len(share.entries)))


def _spread(samples: Collection[tuple[int, int]]) -> list[tuple[int, int]]:
    """Three of them: with the most items, with the fewest, and one between."""
    ranked = sorted(samples, key=lambda one: (-one[1], one[0]))
    if len(ranked) <= SAMPLES:
        return ranked
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]]
