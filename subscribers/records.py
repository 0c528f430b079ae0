"""What is known of people: their choices, their state, what they were sent and why not. Reads only.

Promises: a link's page gets a masked address and nothing that the person did not choose; staff get the whole history.
Nothing here locks or changes a row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.errors import NotFound
from digest.tables import State, deliveries, digests, editions, replies
from subscribers import links, preferences, suppression
from subscribers.tables import preference_sets, slots, subscribers, subscriptions


@dataclass(frozen=True)
class Subscription:
    """One person's subscription to one digest as it stands."""

    digest_id: int
    subscriber_id: int
    digest: str  # slug
    state: str  # pending, active, paused, left
    preferences: Mapping[str, str]
    hour: int
    zone: str
    since: int
    owed: Mapping[str, tuple[int, ...]]  # entries per cadence, empty lists left out
    paused_until: str | None
    joined_at: datetime
    email: str
    name: str
    language: str


@dataclass(frozen=True)
class Delivery:
    """What became of one edition for one person."""

    edition: int
    digest: str
    cadence: str | None  # None for letters
    number: int | None
    state: str  # planned, trying, accepted, skipped, failed, unsure
    code: str | None
    at: datetime | None


@dataclass(frozen=True)
class Person:
    """Everything about the person at one address. `state`: pending, active, paused, left, suppressed."""

    subscriber_id: int
    email: str
    name: str
    language: str
    state: str
    suppressed: str | None  # the reason
    subscriptions: tuple[Subscription, ...]
    deliveries: tuple[Delivery, ...]  # the latest edition first


@dataclass(frozen=True)
class Described:
    """What a person's own page shows."""

    masked: str
    digest: str  # its name
    preferences: Mapping[str, str]
    hour: int
    zone: str
    state: str
    paused_until: str | None
    joined_at: datetime
    language: str


def find(conn: Connection, email: str) -> Person:
    """Everything about the person at this address. Raises NotFound, and BadInput for what is no address."""
    known = sa.select(subscribers).where(subscribers.c.email_key == suppression.address_key(email))
    row = conn.execute(known).one_or_none()
    if row is None:
        raise NotFound(f"Nobody is here with the address {email}. Add them with `digest people add {email}`.")
    theirs = tuple(standing(conn, subscribers.c.id == row.id))
    barred = suppression.reason(conn, row.email_hash)
    state = "suppressed" if barred else overall(one.state for one in theirs)
    return Person(row.id, row.email, row.name, row.language, state, barred, theirs, _deliveries(conn, row.id))


def describe(conn: Connection, digest_id: int, subscriber_id: int) -> Described | None:
    """What the page behind a person's link shows; None when there is no such subscription any more."""
    one = next(iter(standing(conn, *_exactly(digest_id, [subscriber_id]))), None)
    if one is None:
        return None
    name = conn.scalar(sa.select(digests.c.name).where(digests.c.id == digest_id)) or one.digest
    return Described(
        links.mask(one.email),
        name,
        one.preferences,
        one.hour,
        one.zone,
        one.state,
        one.paused_until,
        one.joined_at,
        one.language,
    )


def of_digest(conn: Connection, digest_id: int, subscriber_ids: Collection[int]) -> dict[int, Subscription]:
    """The subscriptions of these people to one digest, by subscriber."""
    return {one.subscriber_id: one for one in standing(conn, *_exactly(digest_id, subscriber_ids))}


def standing(conn: Connection, *conditions: sa.ColumnElement[bool]) -> Iterator[Subscription]:
    """The subscriptions that meet the conditions, by person and digest."""
    wanted = (
        sa.select(
            subscriptions,
            subscribers.c.email,
            subscribers.c.name,
            subscribers.c.language,
            digests.c.slug.label("digest"),
            preference_sets.c.map,
            slots.c.hour,
            slots.c.zone,
        )
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .join(digests, digests.c.id == subscriptions.c.digest_id)
        .join(preference_sets, preference_sets.c.id == subscriptions.c.preference_set_id)
        .join(slots, slots.c.id == subscriptions.c.slot_id)
        .where(*conditions)
        .order_by(subscriptions.c.subscriber_id, subscriptions.c.digest_id)
    )
    for row in conn.execute(wanted):
        yield _subscription(conn, row)


def overall(states: Iterable[str]) -> str:
    """The state of a person with subscriptions in these states: the liveliest of them, "left" without any."""
    have = set(states)
    return next((state for state in ("active", "paused", "pending") if state in have), "left")


def _exactly(digest_id: int, subscriber_ids: Collection[int]) -> tuple[sa.ColumnElement[bool], ...]:
    return subscriptions.c.digest_id == digest_id, subscriptions.c.subscriber_id.in_(subscriber_ids)


def _subscription(conn: Connection, row: sa.Row[Any]) -> Subscription:
    owed = preferences.carries_of(conn, row)
    return Subscription(
        row.digest_id,
        row.subscriber_id,
        row.digest,
        row.state,
        json.loads(row.map),
        row.hour,
        row.zone,
        row.since,
        {cadence: entries for cadence, entries in owed.items() if entries},
        row.paused_until,
        row.joined_at,
        row.email,
        row.name,
        row.language,
    )


def _deliveries(conn: Connection, subscriber_id: int) -> tuple[Delivery, ...]:
    theirs = (
        sa.select(deliveries, editions.c.cadence, editions.c.number, digests.c.slug)
        .join(editions, editions.c.id == deliveries.c.edition_id)
        .join(digests, digests.c.id == editions.c.digest_id)
        .where(deliveries.c.subscriber_id == subscriber_id)
        .order_by(deliveries.c.edition_id.desc())
    )
    return tuple(
        Delivery(
            row.edition_id, row.slug, row.cadence, row.number, State(row.state).name.lower(), row.code, row.updated_at
        )
        for row in conn.execute(theirs)
    )


def addresses(conn: Connection, subscriber_ids: Collection[int]) -> dict[int, str]:
    """The addresses of these people, by number."""
    known = sa.select(subscribers.c.id, subscribers.c.email).where(subscribers.c.id.in_(subscriber_ids))
    return {number: email for number, email in conn.execute(known)}  # noqa: C416 - rows are no pairs to the type checker


def is_under_way(conn: Connection, digest_id: int, subscriber_id: int) -> bool:
    """Whether a mail of this digest is made for them and has not gone out yet."""
    d = deliveries
    waiting = (
        sa.select(d.c.edition_id)
        .join(editions, editions.c.id == d.c.edition_id)
        .where(editions.c.digest_id == digest_id, editions.c.state.in_(("frozen", "sending")))
        .where(d.c.subscriber_id == subscriber_id, d.c.state.in_((State.PLANNED, State.TRYING)))
    )
    return conn.scalar(waiting.limit(1)) is not None


@dataclass(frozen=True)
class Unreached:
    """One person whom an edition did not surely reach, or was kept from."""

    subscriber_id: int
    email: str
    state: str  # failed, unsure, skipped
    code: str | None
    reply: str


def unreached(conn: Connection, edition_id: int, *, most: int | None = None) -> list[Unreached]:
    """Who failed, is unsure, or was skipped for another reason than that nothing was in their topics, by address;
    with `most` only so many, those first whom somebody must decide about."""
    d = deliveries
    wanted = (
        sa.select(subscribers.c.email, d.c.subscriber_id, d.c.state, d.c.code, replies.c.text)
        .select_from(d)
        .outerjoin(subscribers, subscribers.c.id == d.c.subscriber_id)
        .outerjoin(replies, (replies.c.edition_id == d.c.edition_id) & (replies.c.subscriber_id == d.c.subscriber_id))
        .where(d.c.edition_id == edition_id, d.c.state.in_((State.FAILED, State.UNSURE, State.SKIPPED)))
        .where(sa.func.coalesce(d.c.code, "") != "no topics")
    )
    order = (subscribers.c.email,) if most is None else (d.c.state.desc(), subscribers.c.email)
    wanted = wanted.order_by(*order).limit(most)
    return [
        Unreached(
            r.subscriber_id, r.email or f"erased ({r.subscriber_id})", State(r.state).name.lower(), r.code, r.text or ""
        )
        for r in conn.execute(wanted)
    ]
