"""How many people there are: who gets mail, who waits, who came and who went of late, day by day. Reads only.

Promises: people are counted, not subscriptions; whoever must not be mailed is not among those who get mail; the days
of the growth add up to its last figure. In it somebody who ends one of two subscriptions counts as one who left, and of
somebody who was erased only the leaving is known.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.tables import EPOCH, digests
from subscribers.tables import consent_events, preference_sets, subscribers, subscriptions, suppressions

LATELY = timedelta(days=30)
COUNTED = ("active", "paused", "pending")
QUARTER = timedelta(minutes=15)  # zones differ by whole quarters of an hour
_LEFT = sa.text("consent_events.what = 'left'")  # in these words, or the index is not used


@dataclass(frozen=True)
class Tally:
    """People by state now, and how many came and went in the last 30 days. `barred`: active, but not to be mailed."""

    active: int
    barred: int
    paused: int
    pending: int
    joined: int
    left: int

    @property
    def with_us(self) -> int:
        """Who joined and did not leave."""
        return self.active + self.barred + self.paused


@dataclass(frozen=True)
class Day:
    """One calendar day: how many joined and left on it, and how many were with us at its end."""

    day: date
    joined: int
    left: int
    with_us: int


def of_people(conn: Connection, *, now: datetime) -> Tally:
    """The counts of this moment."""
    people = sa.func.count(sa.distinct(subscriptions.c.subscriber_id))
    ids = conn.scalars(sa.select(digests.c.id).order_by(digests.c.id)).all()
    states, barred = _by_state(conn, ids), _barred(conn, ids)
    since = now - LATELY
    came = (subscriptions.c.state.in_(("active", "paused")), subscriptions.c.joined_at > since)
    # A sum of nothing, since SQLite would go through all evidence by its index on people to have them apart.
    went = sa.select(sa.func.count(sa.distinct(consent_events.c.subscriber_id + 0)))
    return Tally(
        active=states["active"] - barred,
        barred=barred,
        paused=states["paused"],
        pending=states["pending"],
        joined=conn.scalar(sa.select(people).where(*came)) or 0,
        left=conn.scalar(went.where(_LEFT, consent_events.c.at > since)) or 0,
    )


def growth(conn: Connection, with_us: int, *, now: datetime, zone: str, days: int = 90) -> list[Day]:
    """The last `days` calendar days of a zone, today last, which ends with so many `with_us`."""
    here = ZoneInfo(zone)
    today = now.astimezone(here).date()
    first = today - timedelta(days=days - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=here)
    s, t = subscriptions.c, consent_events.c
    joined = _by_day(conn, s.subscriber_id, s.joined_at, here, s.joined_at >= since, s.state != "pending")
    left = _by_day(conn, t.subscriber_id, t.at, here, _LEFT, t.at >= since)
    found = []
    for day in (today - timedelta(days=n) for n in range(days)):
        found.append(Day(day, joined[day], left[day], with_us))
        with_us += left[day] - joined[day]
    return found[::-1]


def _by_state(conn: Connection, ids: Sequence[int]) -> Counter[str]:
    """People in each state, a digest at a time: who stands so in a digest before it is not counted again."""
    s, before, found = subscriptions, subscriptions.alias(), Counter[str]()
    sums = [sa.func.count().filter(s.c.state == state) for state in COUNTED]
    for n, digest_id in enumerate(ids):
        query = sa.select(*sums).select_from(s).where(s.c.digest_id == digest_id)
        if n:
            same = (before.c.subscriber_id == s.c.subscriber_id, before.c.state == s.c.state)
            query = query.where(~sa.exists().where(before.c.digest_id.in_(ids[:n]), *same))
        found.update(dict(zip(COUNTED, conn.execute(query).one(), strict=True)))
    return found


def _barred(conn: Connection, ids: Sequence[int]) -> int:
    """How many active people must not be mailed: from the list, which is short, to the people."""
    listed = sa.select(subscribers.c.id).where(subscribers.c.email_hash.in_(sa.select(suppressions.c.email_hash)))
    theirs = (subscriptions.c.digest_id.in_(ids), subscriptions.c.subscriber_id.in_(listed))
    people = sa.func.count(sa.distinct(subscriptions.c.subscriber_id))
    return conn.scalar(sa.select(people).where(*theirs, subscriptions.c.state == "active")) or 0


def _by_day(conn: Connection, who: Any, at: Any, zone: ZoneInfo, *conditions: Any) -> Counter[date]:
    """People by the calendar day of a moment: counted by quarters of an hour, so that a million rows are few."""
    quarter = sa.type_coerce(at, sa.BigInteger) // (QUARTER // timedelta(microseconds=1))
    query = sa.select(quarter.label("quarter"), sa.func.count(sa.distinct(who))).where(*conditions)
    found = Counter[date]()
    for number, people in conn.execute(query.group_by("quarter")):
        found[(EPOCH + number * QUARTER).astimezone(zone).date()] += people
    return found


@dataclass(frozen=True)
class Choices:
    """What the active people of a digest chose: sets of cadences, each with how many people have it."""

    sets: tuple[tuple[frozenset[str], int], ...]

    def takers(self, *cadences: str) -> int:
        """How many people take something at each of these."""
        return sum(people for chosen, people in self.sets if chosen.issuperset(cadences))


def choices(conn: Connection, digest_id: int) -> Choices:
    """The choices of a digest's active people, in one look at them."""
    s = subscriptions.c
    mine = sa.select(s.preference_set_id, sa.func.count()).where(s.digest_id == digest_id, s.state == "active")
    counted: dict[int, int] = dict(conn.execute(mine.group_by(s.preference_set_id)).all())
    maps = conn.execute(sa.select(preference_sets.c.id, preference_sets.c.map)).all()
    known = ((frozenset(json.loads(row.map).values()), counted[row.id]) for row in maps if row.id in counted)
    return Choices(tuple(known))


def takers(conn: Connection, digest_id: int, cadence: str) -> int:
    """How many active people of a digest take something at this cadence."""
    return choices(conn, digest_id).takers(cadence)


def takers_of_both(conn: Connection, one: tuple[int, str], other: tuple[int, str]) -> int:
    """How many active people take something of two digests, each given by its id with a cadence."""
    query = sa.select(sa.func.count())
    mine, theirs = _taking(*one), _taking(*other)
    return conn.scalar(query.select_from(mine.join(theirs, mine.c.subscriber_id == theirs.c.subscriber_id))) or 0


def _taking(digest_id: int, cadence: str) -> sa.Subquery:
    named = preference_sets.c.map.contains(f'"{cadence}"', autoescape=True)
    return (
        sa.select(subscriptions.c.subscriber_id)
        .join(preference_sets, preference_sets.c.id == subscriptions.c.preference_set_id)
        .where(subscriptions.c.digest_id == digest_id, subscriptions.c.state == "active", named)
        .subquery()
    )
