"""People go: out of one digest, out of everything, or out of our tables altogether.

Promises: when it is answered, nothing that was planned goes out to them, and the journal has it (it is written before
the commit: a line too many does no harm, one too few would; only that an address came off the do-not-mail list must
not be said too often, so it is the last thing before the commit); each can be repeated; after an erasure the ledger has
bare numbers and the do-not-mail list a keyed hash, and no import brings the person back. Refuses nothing: whoever wants
to go can.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import publications
from digest.home import Home
from digest.tables import notices, replies
from subscribers import consent, journal, members, sent_links, suppression
from subscribers.consent import Origin
from subscribers.tables import asks, subscribers, subscriptions


def leave(home: Home, digest_id: int, subscriber_id: int, *, how: Origin, now: datetime) -> bool:
    """Ends one subscription; False when it had ended before, or never was."""
    return home.db.run(partial(leave_within, home, digest_id, subscriber_id, how, now))


def leave_within(home: Home, digest_id: int, subscriber_id: int, how: Origin, now: datetime, conn: Connection) -> bool:
    """`leave` inside a transaction that does more."""
    theirs = _hash(conn, subscriber_id)
    if theirs is None or not members.leave(conn, digest_id, subscriber_id, now=now, how=how):
        return False
    journal.write(home.path, journal.LEFT, theirs, now=now, digest=publications.by_id(conn, digest_id).slug)
    return True


def leave_everything(home: Home, subscriber_id: int, *, how: Origin, now: datetime) -> bool:
    """Ends every subscription and puts the address on the do-not-mail list; False when nobody is there."""
    return home.db.run(partial(_leave_everything, home, subscriber_id, how, now))


def _leave_everything(home: Home, subscriber_id: int, how: Origin, now: datetime, conn: Connection) -> bool:
    theirs = _hash(conn, subscriber_id)
    if theirs is None:
        return False
    _leave_each(conn, subscriber_id, how, now)
    suppression.add_hash(conn, theirs, reason="left", now=now, by="reader")
    journal.write(home.path, journal.SUPPRESSED, theirs, now=now, reason="left")
    return True


def suppress(home: Home, email: str, *, reason: str, by: str, now: datetime) -> bool:
    """Puts an address on the do-not-mail list; False when it stands there for a reason as grave."""
    return home.db.run(partial(suppress_within, home, email, reason, by, now))


def suppress_within(home: Home, email: str, reason: str, by: str, now: datetime, conn: Connection) -> bool:
    """`suppress` inside a transaction that does more."""
    added = suppression.add(conn, home.keys, email, reason=reason, now=now, by=by)
    if added:
        theirs = suppression.address_hash(home.keys, email)
        journal.write(home.path, journal.SUPPRESSED, theirs, now=now, reason=reason)
    return added


def lift(home: Home, email: str, *, by: str, now: datetime) -> bool:
    """Takes an address off the list on somebody's word; False when it was not there. Raises Refused without a name."""
    return home.db.run(partial(lift_within, home, email, by, now))


def lift_within(home: Home, email: str, by: str, now: datetime, conn: Connection) -> bool:
    """`lift` inside a transaction that does more before it, and nothing after it."""
    lifted = suppression.lift(conn, home.keys, email, by=by, now=now)
    if lifted:
        journal.write(home.path, journal.LIFTED, suppression.address_hash(home.keys, email), now=now)
    return lifted


def erase(home: Home, subscriber_id: int, *, how: Origin, now: datetime) -> bool:
    """Deletes everything personal that is known of somebody; False when nobody is there."""
    return home.db.run(partial(erase_within, home, subscriber_id, how, now))


def erase_within(
    home: Home, subscriber_id: int, how: Origin, now: datetime, conn: Connection, by: str = "reader"
) -> bool:
    """`erase` inside a transaction that does more; `by` is who asked for it, as the do-not-mail list has it."""
    found = conn.execute(sa.select(subscribers).where(subscribers.c.id == subscriber_id)).one_or_none()
    if found is None:
        return False
    _leave_each(conn, subscriber_id, how, now)
    suppression.add_hash(conn, found.email_hash, reason="erased", now=now, by=by)
    consent.record(conn, subscriber_id, "erased", digest_id=None, now=now, origin=how)
    consent.minimize(conn, subscriber_id=subscriber_id)
    sent_links.forget(conn, subscriber_id)
    _forget_asks(conn, found.email_key)
    conn.execute(sa.delete(replies).where(replies.c.subscriber_id == subscriber_id))
    wiped = {"address": None, "message": None, "subject": ""}
    conn.execute(sa.update(notices).where(notices.c.subscriber_id == subscriber_id).values(wiped))
    conn.execute(sa.delete(subscriptions).where(subscriptions.c.subscriber_id == subscriber_id))
    conn.execute(sa.delete(subscribers).where(subscribers.c.id == subscriber_id))
    journal.write(home.path, journal.ERASED, found.email_hash, now=now)
    return True


def _forget_asks(conn: Connection, email_key: str) -> None:
    """Deletes what was asked for a mailbox and not dealt with yet; a database folds no letters beyond ASCII."""
    waiting = conn.execute(sa.select(asks.c.id, asks.c.email)).all()
    theirs = [row.id for row in waiting if suppression.address(row.email).key == email_key]
    conn.execute(sa.delete(asks).where(asks.c.id.in_(theirs)))


def _leave_each(conn: Connection, subscriber_id: int, how: Origin, now: datetime) -> None:
    theirs = sa.select(subscriptions.c.digest_id).where(subscriptions.c.subscriber_id == subscriber_id)
    for digest_id in sorted(conn.scalars(theirs)):
        members.leave(conn, digest_id, subscriber_id, now=now, how=how)


def _hash(conn: Connection, subscriber_id: int) -> bytes | None:
    found: bytes | None = conn.scalar(sa.select(subscribers.c.email_hash).where(subscribers.c.id == subscriber_id))
    return found
