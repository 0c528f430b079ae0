"""Whom a letter would reach, counted before anything is made: who gets it, who does not and why.

Promises: the same people as planning takes (`segments.conditions` over active readers who may be mailed); the parts
add up to everybody of the digest; a few statements, whatever the number of people. Writes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from digest import db, languages, publications
from digest.letters import Segment
from digest.publications import Digest
from subscribers import preferences, segments
from subscribers.tables import subscribers, subscriptions, suppressions

SAMPLES = 3
NOT_MEANT = "not meant"  # not among those that the letter is for


@dataclass
class LetterReach:
    """People by what the letter is for them."""

    gets: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> people: not meant, paused, suppressed
    by_language: Counter[str] = field(default_factory=Counter)  # in which it reaches them
    by_topic: Counter[str] = field(default_factory=Counter)  # topic -> people who get it and take that at all
    by_often: Counter[str] = field(default_factory=Counter)  # all the cadences that somebody chose: "daily weekly"

    @property
    def total(self) -> int:
        """Everybody who gets mail of the digest, or paused it, or must not be mailed."""
        return self.gets + self.left_out.total()


def count(conn: Connection, digest: Digest, segment: Segment) -> LetterReach:
    """The reach of a letter as things stand."""
    everybody, barred = _numbers(conn, digest.id, segment), _numbers(conn, digest.id, segment, barred=True)
    gets, stopped = everybody.active_meant - barred.active_meant, barred.active_meant + barred.paused_meant
    left_out = {
        NOT_MEANT: everybody.active + everybody.paused - everybody.active_meant - everybody.paused_meant,
        "paused": everybody.paused_meant - barred.paused_meant,
        "suppressed": stopped,
    }
    return LetterReach(gets, +Counter(left_out), _by_language(conn, digest, segment, gets))


def samples(conn: Connection, digest: Digest, segment: Segment) -> list[int]:
    """A few of those who get it: the first who came."""
    s = subscriptions.c
    mine = (s.digest_id == digest.id, s.state == "active", *segments.conditions(conn, segment))
    query = sa.select(s.subscriber_id).select_from(subscriptions).join(subscribers, subscribers.c.id == s.subscriber_id)
    query = query.where(*mine, s.subscriber_id.not_in(_BARRED))
    return list(conn.scalars(query.order_by(s.subscriber_id).limit(SAMPLES)))


def add_choices(conn: Connection, found: LetterReach, digest: Digest, segment: Segment) -> None:
    """Tells apart those who get it by what they chose; it costs a look at each of them, so it is not always done."""
    topics = [topic.slug for topic in publications.topics(conn)]
    sets = _by_set(conn, digest.id, segment)
    sets.subtract(_by_set(conn, digest.id, segment, barred=True))
    mappings = preferences.maps(conn)
    for set_id, people in sets.items():
        mapping = mappings[set_id]
        found.by_often[preferences.how_often(mapping)] += people
        for topic in topics:
            if preferences.cadence_for(mapping, [topic]) != preferences.OFF:
                found.by_topic[topic] += people
    found.by_often, found.by_topic = +found.by_often, +found.by_topic


def _by_set(conn: Connection, digest_id: int, segment: Segment, *, barred: bool = False) -> Counter[int]:
    """Of those whom it is for, how many share each set of choices."""
    s = subscriptions.c
    mine = (s.digest_id == digest_id, s.state == "active", *segments.conditions(conn, segment))
    query = _with_language(sa.select(s.preference_set_id, sa.func.count()).where(*mine), segment)
    query = query.where(s.subscriber_id.in_(_BARRED)) if barred else query
    return Counter(dict(db.tuples(conn.execute(query.group_by(s.preference_set_id)))))


def _numbers(conn: Connection, digest_id: int, segment: Segment, *, barred: bool = False) -> Row[Any]:
    """How many are active and paused, and of each those that the letter is for; `barred`: who must not be mailed alone.

    These are looked for by themselves, since they are few and a join for everybody costs more than all the rest.
    """
    s, meant = subscriptions.c, sa.and_(sa.true(), *segments.conditions(conn, segment))
    number, active, paused = sa.func.count(), s.state == "active", s.state == "paused"
    sums: list[Any] = [
        number.filter(active).label("active"),
        number.filter(active, meant).label("active_meant"),
        number.filter(paused).label("paused"),
        number.filter(paused, meant).label("paused_meant"),
    ]
    query = _with_language(sa.select(*sums).where(s.digest_id == digest_id), segment)
    row: Row[Any] = conn.execute(query.where(s.subscriber_id.in_(_BARRED)) if barred else query).one()
    return row


def _with_language(query: sa.Select[Any], segment: Segment) -> sa.Select[Any]:
    """Whoever asks for a language needs the people beside their subscriptions; nobody else pays for that."""
    query = query.select_from(subscriptions)
    return query.join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id) if segment.language else query


def _by_language(conn: Connection, digest: Digest, segment: Segment, gets: int) -> Counter[str]:
    if len(digest.languages) == 1:
        return +Counter({digest.languages[0]: gets})
    s, spoken = subscriptions.c, subscribers.c.language
    people = sa.select(spoken, sa.func.count()).select_from(subscriptions)
    mine = (s.digest_id == digest.id, s.state == "active", s.subscriber_id.not_in(_BARRED))
    query = people.join(subscribers, subscribers.c.id == s.subscriber_id).where(*mine)
    found = Counter[str]()
    for language, number in conn.execute(query.where(*segments.conditions(conn, segment)).group_by(spoken)):
        found[languages.choose(language, digest.languages)] += number
    return found


_people = subscribers.alias()
_BARRED = sa.select(_people.c.id).where(_people.c.email_hash.in_(sa.select(suppressions.c.email_hash)))
