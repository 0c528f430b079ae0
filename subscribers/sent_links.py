"""Links that are sent to an address, to be used once: each names a row here, which says what using it does.

Promises: a link holds until its hour and works once, however often it is opened; a newer one for the same purpose
replaces it, and leaving ends them all, so that no old mail revives what was ended later. Refuses by answering None:
whatever stands in a link never raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.keys import Keyring
from subscribers import links
from subscribers.tables import sent_links as t

CONFIRM, COPY, ERASE, ADDRESS, NEW_ADDRESS = "confirm", "copy", "erase", "address", "new-address"
LIFETIMES = {  # from when it is asked for
    CONFIRM: timedelta(days=7),
    COPY: timedelta(hours=1),
    ERASE: timedelta(hours=1),
    ADDRESS: timedelta(hours=1),
    NEW_ADDRESS: timedelta(hours=1),
}
OPEN, EXPIRED, USED = "open", "expired", "used"


@dataclass(frozen=True)
class SentLink:
    """One link: for whom, what for, and how it stands."""

    id: int
    kind: str
    digest_id: int
    subscriber_id: int
    wish: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    outcome: str
    message_id: str

    def stands(self, now: datetime) -> str:
        """open, expired, used, or another outcome that ended it: replaced, left."""
        return self.outcome or (OPEN if now < self.expires_at else EXPIRED)


def create(
    conn: Connection, kind: str, digest_id: int, subscriber_id: int, *, wish: Mapping[str, Any], now: datetime
) -> SentLink:
    """A new link, in the place of an open one of its kind."""
    _end(conn, "replaced", now, t.c.kind == kind, t.c.digest_id == digest_id, t.c.subscriber_id == subscriber_id)
    values = {"kind": kind, "digest_id": digest_id, "subscriber_id": subscriber_id, "wish": dict(wish)}
    row = conn.execute(
        sa.insert(t).values(values | {"created_at": now, "expires_at": now + LIFETIMES[kind]}).returning(t)
    ).one()
    return SentLink(**row._mapping)


def token(keyring: Keyring, link: SentLink) -> str:
    """The secret part of its address."""
    return links.issue_once(keyring, link.id)


def sent(conn: Connection, link: SentLink, message_id: str) -> None:
    """Notes the Message-ID of the mail that holds it."""
    conn.execute(sa.update(t).where(t.c.id == link.id).values(message_id=message_id))


def find(conn: Connection, keyring: Keyring, text: str, *kinds: str) -> SentLink | None:
    """The link that a token names, if it is genuine and of one of these kinds."""
    number = links.read_once(keyring, text)
    if number is None:
        return None
    row = conn.execute(sa.select(t).where(t.c.id == number, t.c.kind.in_(kinds))).one_or_none()
    return SentLink(**row._mapping) if row else None


def use(conn: Connection, link: SentLink, *, now: datetime) -> bool:
    """Ends it as used; False when it stood open no more."""
    return _end(conn, USED, now, t.c.id == link.id, t.c.expires_at > now) == 1


def end_all(conn: Connection, subscriber_id: int, outcome: str, *, now: datetime, digest_id: int | None = None) -> int:
    """Ends every open link of a person, of one digest or of all."""
    of_digest = [t.c.digest_id == digest_id] if digest_id is not None else []
    return _end(conn, outcome, now, t.c.subscriber_id == subscriber_id, *of_digest)


def forget(conn: Connection, subscriber_id: int, digest_id: int | None = None) -> None:
    """Deletes what was sent to a person, for one digest or all."""
    of_digest = [t.c.digest_id == digest_id] if digest_id is not None else []
    conn.execute(sa.delete(t).where(t.c.subscriber_id == subscriber_id, *of_digest))


def _end(conn: Connection, outcome: str, now: datetime, *which: sa.ColumnElement[bool]) -> int:
    change = sa.update(t).where(t.c.ended_at.is_(None), *which)
    return conn.execute(change.values(ended_at=now, outcome=outcome)).rowcount
