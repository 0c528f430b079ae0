"""The evidence of consent: what people asked for, on whose word, and when; and the sentences that they agreed to.

Promises: rows are only added, but that asking without confirming is forgotten and that the network address and the
browser are wiped after a time; a row outlives the subscription and the person's erasure, as a bare number.
Refuses nothing: a leaver's wish is recorded as well as a joiner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.tables import digests
from subscribers.tables import consent_events, subscribers


@dataclass(frozen=True)
class Origin:
    """Where a consent comes from: `text` in words, `source` (a form, a file), and when it was given, as was stated.

    When a person gave it at a page of ours, `text` is the sentence that they saw and `version` its hash; `ip` and
    `agent` are those of whoever did it (until `minimize`), `message_id` is that of the mail they answered.
    """

    text: str = ""
    source: str = ""
    consented_at: str = ""
    version: str = ""
    ip: str = ""
    agent: str = ""
    message_id: str = ""


@dataclass(frozen=True)
class Event:
    """One line of the evidence."""

    what: str  # imported, added, asked, confirmed, joined, changed, paused, woke, left
    digest_id: int | None
    origin: Origin
    at: datetime


@dataclass(frozen=True)
class Proof:
    """What shows that somebody asked for one digest: how it was `given`, and when it was by a button in a mail, the
    asking before. One of the two is there; without `given` they have not confirmed."""

    digest_id: int | None
    asked: Event | None
    given: Event | None


NOTHING_STATED = Origin()
GIVEN = ("confirmed", "joined", "added", "imported")


def record(
    conn: Connection,
    subscriber_id: int,
    what: str,
    *,
    digest_id: int | None,
    now: datetime,
    origin: Origin = NOTHING_STATED,
) -> None:
    """Adds one line of evidence."""
    record_all(conn, [(subscriber_id, origin)], what, digest_id=digest_id, now=now)


def record_all(
    conn: Connection, people: Iterable[tuple[int, Origin]], what: str, *, digest_id: int | None, now: datetime
) -> None:
    """Adds one line of evidence for each of these people."""
    rows = [
        {"subscriber_id": subscriber_id, "digest_id": digest_id, "what": what, "at": now, **vars(origin)}
        for subscriber_id, origin in people
    ]
    if rows:
        conn.execute(sa.insert(consent_events), rows)


def of_subscriber(conn: Connection, subscriber_id: int) -> tuple[Event, ...]:
    """Everything that is known of this person's consent, oldest first."""
    theirs = sa.select(consent_events).where(consent_events.c.subscriber_id == subscriber_id)
    return tuple(
        Event(row.what, row.digest_id, _origin(row), row.at)
        for row in conn.execute(theirs.order_by(consent_events.c.id))
    )


def proofs(events: Iterable[Event]) -> list[Proof]:
    """The latest proof for each digest, of the evidence of one person, oldest first."""
    found: dict[int | None, Proof] = {}
    for event in events:
        before = found.get(event.digest_id, Proof(event.digest_id, None, None))
        if event.what == "asked":
            found[event.digest_id] = Proof(event.digest_id, event, before.given)
        elif event.what in GIVEN:
            asked = before.asked if event.what == "confirmed" else None
            found[event.digest_id] = Proof(event.digest_id, asked, event)
    return list(found.values())


COLUMNS = ("email", "digest", "what", "at", *(field.name for field in fields(Origin)))


def export(conn: Connection) -> Iterator[tuple[str, ...]]:
    """All evidence, oldest first, after a row of column names; who was erased is a bare number."""
    t = consent_events
    everything = (
        sa.select(t, subscribers.c.email, digests.c.slug)
        .outerjoin(subscribers, subscribers.c.id == t.c.subscriber_id)
        .outerjoin(digests, digests.c.id == t.c.digest_id)
        .order_by(t.c.id)
    )
    yield COLUMNS
    for row in conn.execute(everything):
        who = row.email or f"erased ({row.subscriber_id})"
        yield (who, row.slug or "", row.what, row.at.isoformat(), *vars(_origin(row)).values())


def latest(conn: Connection) -> dict[tuple[int, int | None], Origin]:
    """The newest origin of consent by subscriber and digest; leaving is none."""
    given = sa.select(consent_events).where(consent_events.c.what != "left").order_by(consent_events.c.id)
    return {(row.subscriber_id, row.digest_id): _origin(row) for row in conn.execute(given)}


def version(text: str) -> str:
    """What names a sentence: twelve hexadecimal digits of its hash, so that no two texts are one version."""
    return blake2b(text.encode(), digest_size=6).hexdigest()


@dataclass(frozen=True)
class Version:
    """A sentence that people agreed to and confirmed: its version, the first time and the latest, and how many."""

    version: str
    text: str
    since: datetime
    until: datetime
    people: int


def versions(conn: Connection) -> list[Version]:
    """Every sentence of ours that somebody has agreed to and confirmed, the latest first."""
    t = consent_events
    agreed = sa.text("version != '' AND what = 'confirmed'")  # in these words, or the index is not used
    query = sa.select(t.c.version, sa.func.min(t.c.at), sa.func.max(t.c.at)).where(agreed).group_by(t.c.version)
    found = []
    for version, since, until in conn.execute(query).all():
        whose = sa.select(t.c.subscriber_id).where(agreed, t.c.version == version).distinct().subquery()
        people = conn.scalar(sa.select(sa.func.count()).select_from(whose)) or 0
        found.append(Version(version, _words(conn, version), since, until, people))
    return sorted(found, key=lambda one: one.until, reverse=True)


def _words(conn: Connection, version: str) -> str:
    t = consent_events
    agreed = sa.text("version != '' AND what = 'confirmed'")
    return str(conn.scalar(sa.select(t.c.text).where(agreed, t.c.version == version).limit(1)))


def minimize(conn: Connection, *, before: datetime | None = None, subscriber_id: int | None = None) -> int:
    """Wipes network addresses and browsers from evidence that is older, or a person's; says how much there was.

    They prove nothing that the confirmed address does not prove, once nobody disputes it any more.
    """
    t = consent_events
    told = sa.text("(ip != '' OR agent != '')")  # in these words, or the index is not used
    which = [t.c.at < before] if before else []
    which += [t.c.subscriber_id == subscriber_id] if subscriber_id is not None else []
    return conn.execute(sa.update(t).where(told, *which).values(ip="", agent="")).rowcount


def forget_asking(conn: Connection, subscriber_id: int, digest_id: int) -> None:
    """Deletes the evidence that somebody asked, when nobody ever confirmed it: it proves nothing."""
    t = consent_events
    conn.execute(
        sa.delete(t).where(t.c.subscriber_id == subscriber_id, t.c.digest_id == digest_id, t.c.what == "asked")
    )


def _origin(row: sa.Row[Any]) -> Origin:
    return Origin(*(getattr(row, field.name) for field in fields(Origin)))
