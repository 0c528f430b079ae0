"""Signing in: by password or by a link, then by the second factor.

Promises: whoever does not get in learns only that, never which part was wrong, and no sooner for a wrong address than
for a wrong password; a new session at each step; whoever got in by a link chooses a new password, and all their other
sessions have ended; the deed is recorded. Refuses: nothing itself; how often somebody may
try is for the face that hears them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest.db import Database
from digest.keys import Keyring
from digest.staff import accounts, activity, links, passwords, second_factor, sessions
from digest.staff.accounts import Account
from digest.staff.sessions import Session


@dataclass(frozen=True)
class Client:
    """Where somebody signs in from: the network address, and the browser as it calls itself."""

    ip: str
    agent: str


@dataclass(frozen=True)
class Entry:
    """A session that was just opened: `token` is for the browser; `half`: the second factor comes next."""

    token: str
    half: bool
    account: Account


def by_password(db: Database, email: str, password: str, *, client: Client, now: datetime) -> Entry | None:
    """A session for whoever knows the password; None for everybody else."""
    with db.reading() as conn:  # hashing takes its time: no writer waits for it
        account = accounts.known(conn, email)
        matched = passwords.match(conn, account, password)
    if account is None or matched is None:
        return None
    with db.transaction() as conn:
        account = accounts.known(conn, email)
        if account is None or passwords.stored(conn, account) != matched:
            return None  # it ended, or has another password, since
        passwords.renew(conn, account, password)
        return _enter(conn, account, "signed in", client=client, now=now)


def by_link(conn: Connection, token: str, *, client: Client, now: datetime) -> Entry | None:
    """A session for whoever holds a link that works; it works no more."""
    staff_id = links.use(conn, token, now=now)
    if staff_id is None:
        return None
    account = accounts.standing(conn, staff_id)
    return _enter(conn, account, "signed in by a link", by_link=True, client=client, now=now)


def by_code(
    conn: Connection, keyring: Keyring, half: Session, code: str, *, client: Client, now: datetime
) -> Entry | None:
    """A whole session in place of a half one, for whoever has the second factor."""
    account = accounts.by_id(conn, half.staff_id)
    if not half.half or not second_factor.match(conn, keyring, account, code, now=now):
        return None
    sessions.end(conn, half.id, account.id)
    return _open(conn, account, "signed in", by_link=half.by_link, client=client, now=now)


def leave(conn: Connection, session: Session, account: Account, *, now: datetime) -> None:
    """Signs out."""
    sessions.end(conn, session.id, account.id)
    activity.record(conn, account, "signed out", "session", now=now)


def _enter(
    conn: Connection, account: Account, deed: str, *, by_link: bool = False, client: Client, now: datetime
) -> Entry:
    if account.has_second_factor:
        token = sessions.open(conn, account.id, half=True, by_link=by_link, ip=client.ip, agent=client.agent, now=now)
        return Entry(token, True, account)
    return _open(conn, account, deed, by_link=by_link, client=client, now=now)


def _open(conn: Connection, account: Account, deed: str, *, by_link: bool, client: Client, now: datetime) -> Entry:
    sessions.tidy(conn, now=now)
    if by_link:
        passwords.forget(conn, account)
        sessions.end_all(conn, account.id)  # without a password, whoever holds one could choose it
        account = accounts.by_id(conn, account.id)
    token = sessions.open(conn, account.id, half=False, ip=client.ip, agent=client.agent, now=now)
    activity.record(conn, account, deed, "session", now=now)
    return Entry(token, False, account)
