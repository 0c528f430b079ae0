"""The evidence of consent: what people asked for, on whose word, and when.

Promises: rows are only ever added; a row outlives the subscription and the person's erasure, as a bare number.
Refuses nothing: a leaver's wish is recorded as well as a joiner's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from subscribers.tables import consent_events


@dataclass(frozen=True)
class Origin:
    """Where a consent comes from: `text` in words, `source` (a form, a file), and when it was given, as was stated."""

    text: str = ""
    source: str = ""
    consented_at: str = ""


@dataclass(frozen=True)
class Event:
    """One line of the evidence."""

    what: str  # imported, added, joined, left
    digest_id: int | None
    origin: Origin
    at: datetime


NOTHING_STATED = Origin()


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
        {
            "subscriber_id": subscriber_id,
            "digest_id": digest_id,
            "what": what,
            "text": origin.text,
            "source": origin.source,
            "consented_at": origin.consented_at,
            "at": now,
        }
        for subscriber_id, origin in people
    ]
    if rows:
        conn.execute(sa.insert(consent_events), rows)


def of_subscriber(conn: Connection, subscriber_id: int) -> tuple[Event, ...]:
    """Everything that is known of this person's consent, oldest first."""
    theirs = sa.select(consent_events).where(consent_events.c.subscriber_id == subscriber_id)
    return tuple(
        Event(row.what, row.digest_id, Origin(row.text, row.source, row.consented_at), row.at)
        for row in conn.execute(theirs.order_by(consent_events.c.id))
    )


def latest(conn: Connection) -> dict[tuple[int, int | None], Origin]:
    """The newest origin of consent by subscriber and digest; leaving is none."""
    given = sa.select(consent_events).where(consent_events.c.what != "left").order_by(consent_events.c.id)
    return {
        (row.subscriber_id, row.digest_id): Origin(row.text, row.source, row.consented_at)
        for row in conn.execute(given)
    }
