"""People as staff look them up: by a part of the address or the name, by state and choices, a page at a time.

Promises: a page costs about the same however many people there are, and the next goes on behind the last person, so
that nobody is shown twice or passed over; a person is found under the state that is shown of them. Reads only.
Refuses nothing: what cannot be found finds nobody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.errors import NotFound
from digest.tables import digests
from subscribers import preferences, records, suppression
from subscribers.preferences import OFF
from subscribers.records import Subscription
from subscribers.tables import preference_sets, subscribers, subscriptions, suppressions

PER_PAGE = 50
SUPPRESSED = "suppressed"
LIVELY = ("active", "paused", "pending", "left")  # of several subscriptions the first of these is shown
STATES = (*LIVELY, SUPPRESSED)


@dataclass(frozen=True)
class Wanted:
    """What is looked for; empty means any. `topic` and `cadence` together: this topic as often as that."""

    part: str = ""  # of the address or the name
    state: str = ""
    digest_id: int | None = None
    topic: str = ""
    cadence: str = ""  # also off, of a topic
    since: datetime | None = None

    @property
    def of_subscriptions(self) -> bool:
        """Whether it asks for more than the person."""
        asked = (self.state not in ("", SUPPRESSED), self.digest_id, self.topic, self.cadence, self.since)
        return any(asked)


@dataclass(frozen=True)
class Listed:
    """One person on a page. `reason` is that of the do-not-mail list."""

    subscriber_id: int
    email: str
    name: str
    language: str
    state: str
    reason: str | None
    created_at: datetime
    subscriptions: tuple[Subscription, ...]

    @property
    def since(self) -> datetime:
        """When they joined first, as far as it is known."""
        return min((one.joined_at for one in self.subscriptions), default=self.created_at)

    @property
    def paused_until(self) -> str | None:
        """The day on which they get mail again, when they paused until one."""
        return next((one.paused_until for one in self.subscriptions if one.state == "paused"), None)


def page(conn: Connection, wanted: Wanted, *, below: int | None = None, limit: int = PER_PAGE) -> list[Listed]:
    """Who is found, the newest first; `below` the number of a person are those who came before."""
    find = _subscribed if wanted.of_subscriptions else _here
    return _listed(conn, find(conn, wanted, below, limit))


def by_number(conn: Connection, numbers: Sequence[int]) -> list[Listed]:
    """These people in this order, without those who were erased."""
    return _listed(conn, numbers)


def one(conn: Connection, subscriber_id: int) -> Listed:
    """One person by number. Raises NotFound, also for who was erased."""
    found = _listed(conn, [subscriber_id])
    if not found:
        raise NotFound("There is no such person.")
    return found[0]


def at(conn: Connection, email: str) -> Listed | None:
    """The person at this address, if one is known. Raises BadInput for what is no address."""
    key = suppression.address_key(email)
    number = conn.scalar(sa.select(subscribers.c.id).where(subscribers.c.email_key == key))
    return one(conn, number) if number is not None else None


# --- finding ---------------------------------------------------------------------------------------------------


def _here(conn: Connection, wanted: Wanted, below: int | None, limit: int) -> list[int]:
    """People as such, whatever they subscribe to."""
    query = sa.select(subscribers.c.id).where(*_named(wanted.part), *_before(subscribers.c.id, below))
    if wanted.state == SUPPRESSED:
        query = query.where(_is_barred())
    return list(conn.scalars(query.order_by(subscribers.c.id.desc()).limit(limit)))


def _subscribed(conn: Connection, wanted: Wanted, below: int | None, limit: int) -> list[int]:
    """People by their subscriptions, a digest at a time: its subscriptions lie in the order of people."""
    ids = list(conn.scalars(sa.select(digests.c.id)))
    mine = [one for one in ids if one == wanted.digest_id] if wanted.digest_id is not None else ids
    chosen = _chosen(conn, wanted)
    found: set[int] = set()
    for digest_id in mine:
        others = [one for one in ids if one != digest_id] if wanted.digest_id is None else []
        query = _of_digest(wanted, digest_id, chosen, others).where(*_before(subscriptions.c.subscriber_id, below))
        found.update(conn.scalars(query.order_by(subscriptions.c.subscriber_id.desc()).limit(limit)))
    return sorted(found, reverse=True)[:limit]


def _of_digest(
    wanted: Wanted, digest_id: int, chosen: Collection[int] | None, others: Sequence[int]
) -> sa.Select[tuple[int]]:
    s = subscriptions
    query = sa.select(s.c.subscriber_id).where(s.c.digest_id == digest_id)
    if chosen is not None:
        query = query.where(s.c.preference_set_id.in_(chosen))
    if wanted.since is not None:
        query = query.where(s.c.joined_at >= wanted.since)
    if wanted.part or wanted.state:
        query = query.join(subscribers, subscribers.c.id == s.c.subscriber_id).where(*_named(wanted.part))
    if wanted.state == SUPPRESSED:
        query = query.where(_is_barred())
    elif wanted.state:
        query = query.where(s.c.state == wanted.state, ~_is_barred())
        if others and (livelier := LIVELY[: LIVELY.index(wanted.state)]):
            query = query.where(~_elsewhere(others, livelier))
    return query


def _elsewhere(others: Sequence[int], states: Sequence[str]) -> sa.ColumnElement[bool]:
    """They are shown in a livelier state, by another digest."""
    another = subscriptions.alias()
    return sa.exists().where(
        another.c.digest_id.in_(others),
        another.c.subscriber_id == subscriptions.c.subscriber_id,
        another.c.state.in_(states),
    )


def _chosen(conn: Connection, wanted: Wanted) -> list[int] | None:
    """The preference sets that fit; a few hundred for any number of people. None: all do."""
    if not wanted.topic and not wanted.cadence:
        return None
    rows = conn.execute(sa.select(preference_sets.c.id, preference_sets.c.map))
    return [row.id for row in rows if _fits(json.loads(row.map), wanted)]


def _fits(mapping: dict[str, str], wanted: Wanted) -> bool:
    if not wanted.topic:
        return wanted.cadence in mapping.values()
    often = preferences.cadence_for(mapping, [wanted.topic])
    return often == wanted.cadence if wanted.cadence else often != OFF


def _before(column: sa.ColumnElement[int], below: int | None) -> list[sa.ColumnElement[bool]]:
    return [] if below is None else [column < below]


def _is_barred() -> sa.ColumnElement[bool]:
    return sa.exists().where(suppressions.c.email_hash == subscribers.c.email_hash)


def _named(part: str) -> list[sa.ColumnElement[bool]]:
    """The address or the name holds the part. Databases fold different letters, so names are compared in three ways."""
    if not part:
        return []
    ways = {_ascii_lower(way) for way in (part.lower(), part.title(), part.upper())}
    name = sa.func.lower(subscribers.c.name)
    names = [name.contains(way, autoescape=True) for way in sorted({*ways, part.lower()})]
    return [sa.or_(subscribers.c.email_key.contains(part.lower(), autoescape=True), *names)]


def _ascii_lower(text: str) -> str:
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)


# --- telling ---------------------------------------------------------------------------------------------------


def _listed(conn: Connection, ids: Sequence[int]) -> list[Listed]:
    rows = {row.id: row for row in conn.execute(sa.select(subscribers).where(subscribers.c.id.in_(ids)))}
    reasons = suppression.reasons(conn, [row.email_hash for row in rows.values()])
    theirs: dict[int, list[Subscription]] = {number: [] for number in ids}
    of_all = subscriptions.c.digest_id.in_(sa.select(digests.c.id))
    for one in records.standing(conn, of_all, subscriptions.c.subscriber_id.in_(ids)):
        theirs[one.subscriber_id].append(one)
    return [_one(rows[number], reasons, theirs[number]) for number in ids if number in rows]


def _one(row: sa.Row[Any], reasons: dict[bytes, str], theirs: Sequence[Subscription]) -> Listed:
    reason = reasons.get(row.email_hash)
    state = SUPPRESSED if reason else records.overall(one.state for one in theirs)
    return Listed(row.id, row.email, row.name, row.language, state, reason, row.created_at, tuple(theirs))
