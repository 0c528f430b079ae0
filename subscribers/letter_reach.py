"""Whom a letter would reach, counted before anything is made: who gets it, who does not and why.

Promises: the same people as planning takes (`segments.conditions` over active readers who may be mailed); the parts
add up to everybody of the digest; one statement, whatever the number of people. Writes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import languages
from digest.letters import Segment
from digest.publications import Digest
from subscribers import segments
from subscribers.tables import subscribers, subscriptions, suppressions

NOT_MEANT = "not meant"  # not among those that the letter is for


@dataclass
class LetterReach:
    """People by what the letter is for them."""

    gets: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> people: not meant, paused, suppressed
    by_language: Counter[str] = field(default_factory=Counter)  # in which it reaches them

    @property
    def total(self) -> int:
        """Everybody who gets mail of the digest, or paused it, or must not be mailed."""
        return self.gets + self.left_out.total()


def count(conn: Connection, digest: Digest, segment: Segment) -> LetterReach:
    """The reach of a letter as things stand."""
    state = sa.case((suppressions.c.email_hash.is_not(None), "suppressed"), else_=subscriptions.c.state).label("state")
    meant = sa.and_(sa.true(), *segments.conditions(conn, segment)).label("meant")
    rows = conn.execute(
        sa.select(state, meant, subscribers.c.language, sa.func.count())
        .select_from(subscriptions)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .outerjoin(suppressions, suppressions.c.email_hash == subscribers.c.email_hash)
        .where(subscriptions.c.digest_id == digest.id, subscriptions.c.state.in_(("active", "paused")))
        .group_by(state, meant, subscribers.c.language)
    )
    found = LetterReach()
    for how, is_meant, language, people in rows:
        if not is_meant:
            found.left_out[NOT_MEANT] += people
        elif how == "active":
            found.gets += people
            found.by_language[languages.choose(language, digest.languages)] += people
        else:
            found.left_out[how] += people
    return found
