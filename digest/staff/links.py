"""Links that sign somebody in once: the first time, and when a password is lost.

Promises: a link works once and for two days; a newer one ends the older; only its hash is stored. It stands in for
the password, which is chosen anew after it, never for the second factor. Refuses: whatever it did not make itself.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.tables import staff_links as t

VALID = timedelta(days=2)


def issue(conn: Connection, staff_id: int, *, now: datetime) -> str:
    """The token of a new link for somebody."""
    token = secrets.token_urlsafe(24)
    conn.execute(sa.delete(t).where(t.c.staff_id == staff_id))
    conn.execute(sa.insert(t).values(token_hash=_hash(token), staff_id=staff_id, expires_at=now + VALID))
    return token


def address(site_url: str, token: str) -> str:
    """Where a link leads: the page that asks before it is used."""
    return f"{site_url}/staff/in/{token}"


def whose(conn: Connection, token: str, *, now: datetime) -> int | None:
    """The account that a link is for, while it works."""
    return conn.scalar(sa.select(t.c.staff_id).where(t.c.token_hash == _hash(token), t.c.expires_at > now))


def use(conn: Connection, token: str, *, now: datetime) -> int | None:
    """The account that a link is for; it works no more."""
    used = sa.delete(t).where(t.c.token_hash == _hash(token), t.c.expires_at > now).returning(t.c.staff_id)
    return conn.scalar(used)


def _hash(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=16).digest()
