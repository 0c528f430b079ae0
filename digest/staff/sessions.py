"""Sessions of staff: who is signed in, since when, and until when.

Promises: only a hash of what the browser holds is stored, so that a copy of the database lets nobody in; every sign-in
makes a new one; a session ends after some hours without use and after some days in any case, and at once with its
account or its password. With another role it goes on under a new id, which the browser gets with its next answer
(OWASP, Session Management: renew the id after any change of privileges); the old id opens it for half a minute more,
for requests that were under way, and whoever comes with it later ends it, since two have held it. A session of which
the second factor is outstanding opens nothing else. Refuses: every session that it did not make itself.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.tables import staff
from digest.tables import staff_sessions as t

IDLE, ABSOLUTE, HALF = timedelta(hours=12), timedelta(days=7), timedelta(minutes=10)
GRACE = timedelta(seconds=30)  # in which requests that were under way still come with the id of before
NOTED = timedelta(minutes=1)  # a session's last use is noted no more often


@dataclass(frozen=True)
class Session:
    """One browser of one account; `half`: the second factor is outstanding; `by_link`: and a link stood in for the
    password."""

    id: int
    staff_id: int
    half: bool
    by_link: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    ip: str
    agent: str
    renew: bool


_COLUMNS = [t.c[name] for name in Session.__dataclass_fields__]


def open(
    conn: Connection, staff_id: int, *, half: bool, by_link: bool = False, ip: str, agent: str, now: datetime
) -> str:
    """A new session; what it returns is for the browser alone."""
    token = secrets.token_urlsafe(32)
    conn.execute(
        sa.insert(t).values(
            token_hash=_hash(token),
            staff_id=staff_id,
            half=half,
            by_link=by_link,
            created_at=now,
            seen_at=now,
            expires_at=now + (HALF if half else ABSOLUTE),
            ip=ip,
            agent=agent,
        )
    )
    if not half:
        conn.execute(sa.update(staff).where(staff.c.id == staff_id).values(seen_at=now))
    return token


def find(conn: Connection, token: str, *, now: datetime) -> Session | None:
    """The session that a browser holds, unless it or its account has ended."""
    given = _hash(token)
    held = sa.or_(t.c.token_hash == given, sa.and_(t.c.former_hash == given, t.c.former_until > now))
    live = (held, t.c.expires_at > now, t.c.seen_at > now - IDLE, staff.c.ended_at.is_(None))
    row = conn.execute(sa.select(*_COLUMNS).join(staff).where(*live)).one_or_none()
    return Session(*row) if row else None


# --- new ids ---------------------------------------------------------------------------------------------------


def renew_all(conn: Connection, staff_id: int) -> None:
    """Has every session of somebody go on under a new id, from its next request on."""
    conn.execute(sa.update(t).where(t.c.staff_id == staff_id).values(renew=True))


def renew(conn: Connection, session: Session, token: str, *, now: datetime) -> str | None:
    """The new id of a session that is to have one, for its browser; None when another request has brought it there."""
    new = secrets.token_urlsafe(32)
    given = _hash(token)
    waits = sa.update(t).where(t.c.id == session.id, t.c.token_hash == given, t.c.renew)
    values = {"token_hash": _hash(new), "former_hash": given, "former_until": now + GRACE, "renew": False}
    return new if conn.execute(waits.values(values)).rowcount == 1 else None


def renew_now(conn: Connection, session: Session) -> str:
    """A new id for the session of whoever just changed how they sign in; every copy of the old one ends at once."""
    new = secrets.token_urlsafe(32)
    values = {"token_hash": _hash(new), "former_hash": None, "former_until": None, "renew": False}
    conn.execute(sa.update(t).where(t.c.id == session.id).values(values))
    return new


def held_twice(conn: Connection, token: str, *, now: datetime) -> int | None:
    """Whose session it is that this was the id of: whoever comes with it so late has a copy, or lost the new one."""
    late = (t.c.former_hash == _hash(token), t.c.former_until <= now)
    return conn.scalar(sa.select(t.c.staff_id).where(*late))


def end_copies(conn: Connection, token: str) -> bool:
    """Ends the session that this was the id of, for whoever holds it now; whether there was one."""
    return conn.execute(sa.delete(t).where(t.c.former_hash == _hash(token))).rowcount == 1


# --- as it is used ---------------------------------------------------------------------------------------------


def is_stale(session: Session, *, now: datetime) -> bool:
    """Whether its last use is to be noted."""
    return now - session.seen_at >= NOTED


def note(conn: Connection, session: Session, *, now: datetime) -> None:
    """Notes that it was used."""
    conn.execute(sa.update(t).where(t.c.id == session.id).values(seen_at=now))
    conn.execute(sa.update(staff).where(staff.c.id == session.staff_id).values(seen_at=now))


def of_account(conn: Connection, staff_id: int, *, now: datetime) -> list[Session]:
    """The live sessions of somebody, the last used first."""
    live = (t.c.staff_id == staff_id, t.c.expires_at > now, t.c.seen_at > now - IDLE, t.c.half.is_(False))
    return [Session(*row) for row in conn.execute(sa.select(*_COLUMNS).where(*live).order_by(t.c.seen_at.desc()))]


def end(conn: Connection, session_id: int, staff_id: int) -> bool:
    """Ends one session of somebody; whether there was one."""
    return conn.execute(sa.delete(t).where(t.c.id == session_id, t.c.staff_id == staff_id)).rowcount == 1


def end_all(conn: Connection, staff_id: int, *, but: int | None = None) -> int:
    """Ends all sessions of somebody, or all but one; how many those were."""
    query = sa.delete(t).where(t.c.staff_id == staff_id)
    return conn.execute(query if but is None else query.where(t.c.id != but)).rowcount


def tidy(conn: Connection, *, now: datetime) -> None:
    """Forgets sessions that have ended."""
    conn.execute(sa.delete(t).where(sa.or_(t.c.expires_at <= now, t.c.seen_at <= now - IDLE)))


def _hash(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=16).digest()
