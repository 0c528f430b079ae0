"""How many people there are: who gets mail, who waits, who came and who went of late. Reads only.

Promises: people are counted, not subscriptions; whoever must not be mailed is not among those who get mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from subscribers.tables import consent_events, preference_sets, subscribers, subscriptions, suppressions

LATELY = timedelta(days=30)


@dataclass(frozen=True)
class Tally:
    """People by state now, and how many came and went in the last 30 days."""

    active: int
    paused: int
    pending: int
    joined: int
    left: int


def of_people(conn: Connection, *, now: datetime) -> Tally:
    """The counts of this moment."""
    people = sa.func.count(sa.distinct(subscriptions.c.subscriber_id))
    barred = sa.exists().where(
        subscribers.c.id == subscriptions.c.subscriber_id, suppressions.c.email_hash == subscribers.c.email_hash
    )
    counted = conn.execute(sa.select(subscriptions.c.state, people.label("people")).group_by(subscriptions.c.state))
    states: dict[str, int] = {row.state: row.people for row in counted}
    stopped = conn.scalar(sa.select(people).where(subscriptions.c.state == "active", barred)) or 0
    since = now - LATELY
    came = (subscriptions.c.state.in_(("active", "paused")), subscriptions.c.joined_at > since)
    went = (consent_events.c.what == "left", consent_events.c.at > since)
    return Tally(
        active=states.get("active", 0) - stopped,
        paused=states.get("paused", 0),
        pending=states.get("pending", 0),
        joined=conn.scalar(sa.select(people).where(*came)) or 0,
        left=conn.scalar(sa.select(sa.func.count(sa.distinct(consent_events.c.subscriber_id))).where(*went)) or 0,
    )


def takers(conn: Connection, digest_id: int, cadence: str) -> int:
    """How many active people of a digest take something at this cadence."""
    return conn.scalar(sa.select(sa.func.count()).select_from(_taking(digest_id, cadence))) or 0


def takers_of_both(conn: Connection, one: tuple[int, str], other: tuple[int, str]) -> int:
    """How many active people take something of both, each being a digest's id and a cadence."""
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
