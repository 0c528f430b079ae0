"""What people do with their own data: a copy, another address, erasure; each by a link sent to the address itself.

Promises: a link holds for an hour and works once; another address counts only when its own mailbox has said yes, and
the old one is told; a copy has everything that is known. Refuses: an address that belongs to somebody else here.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import publications
from digest.delivery import providers
from digest.errors import BadInput
from digest.home import Home
from digest.keys import Keyring
from subscribers import consent, limits, notices, records, sent_links, suppression
from subscribers.asking import TO_ONE_ADDRESS
from subscribers.consent import Origin
from subscribers.sent_links import ADDRESS, COPY, ERASE, NEW_ADDRESS, SentLink
from subscribers.tables import subscribers

KINDS = (COPY, ERASE, ADDRESS)


def ask(conn: Connection, home: Home, kind: str, digest_id: int, subscriber_id: int, *, now: datetime) -> bool:
    """Sends a fresh link to the person's address; False when it had its three of today, or nobody is there."""
    person = conn.execute(sa.select(subscribers).where(subscribers.c.id == subscriber_id)).one_or_none()
    if person is None:
        return False
    key = limits.of_data(home.keys, suppression.Address(person.email, person.email_key))
    if limits.allow(conn, key, TO_ONE_ADDRESS[1:], now=now):
        return False
    link = sent_links.create(conn, kind, digest_id, subscriber_id, wish={}, now=now)
    to = notices.To(subscriber_id, person.email, person.language)
    notices.fresh(conn, home, publications.by_id(conn, digest_id), to, link, now=now)
    return True


def find(conn: Connection, keyring: Keyring, token: str) -> SentLink | None:
    """The link that a token names, if it is one of these."""
    return sent_links.find(conn, keyring, token, *KINDS, NEW_ADDRESS)


# --- a copy ----------------------------------------------------------------------------------------------------


def copy(conn: Connection, subscriber_id: int) -> dict[str, Any]:
    """Everything that is known of a person, in plain values. Raises NotFound."""
    email = conn.scalar(sa.select(subscribers.c.email).where(subscribers.c.id == subscriber_id)) or ""
    person = records.find(conn, email)
    evidence = consent.of_subscriber(conn, subscriber_id)
    return {
        "email": person.email,
        "name": person.name,
        "language": person.language,
        "state": person.state,
        "do_not_mail": person.suppressed,
        "subscriptions": [
            {
                "digest": one.digest,
                "state": one.state,
                "choices": dict(one.preferences),
                "hour": one.hour,
                "zone": one.zone,
                "paused_until": one.paused_until,
                "joined_at": one.joined_at.isoformat(),
            }
            for one in person.subscriptions
        ],
        "mails": [
            {"edition": one.edition, "digest": one.digest, "state": one.state, "at": one.at and one.at.isoformat()}
            for one in person.deliveries
        ],
        "consent": [{"what": one.what, "at": one.at.isoformat(), **asdict(one.origin)} for one in evidence],
    }


# --- another address -------------------------------------------------------------------------------------------


def propose(conn: Connection, home: Home, link: SentLink, email: str, *, now: datetime) -> None:
    """Sends a link to the new address, whose mailbox has to say yes. Raises BadInput for what is no address."""
    address = suppression.address(email)
    reason = suppression.reason(conn, suppression.hash_of(home.keys, address.key))
    if reason is not None and reason not in suppression.BY_OPT_IN:
        return
    if limits.allow(conn, limits.of_address(home.keys, address), TO_ONE_ADDRESS, now=now):
        return
    wish = {"email": address.email}
    person = link.subscriber_id
    language = conn.scalar(sa.select(subscribers.c.language).where(subscribers.c.id == person)) or ""
    new = sent_links.create(conn, NEW_ADDRESS, link.digest_id, person, wish=wish, now=now)
    digest = publications.by_id(conn, link.digest_id)
    notices.fresh(conn, home, digest, notices.To(person, address.email, language), new, now=now)


def move(conn: Connection, home: Home, link: SentLink, *, origin: Origin, now: datetime) -> None:
    """The new address counts from now on, and the old one is told. Raises BadInput when it is somebody else's."""
    address = suppression.address(str(link.wish["email"]))
    t = subscribers
    old = conn.execute(sa.select(t).where(t.c.id == link.subscriber_id).with_for_update()).one_or_none()
    taken = conn.scalar(sa.select(t.c.id).where(t.c.email_key == address.key, t.c.id != link.subscriber_id))
    if taken is not None:
        raise BadInput("email", "This address has a subscription of its own.", "End that one first.")
    if old is None or old.email == address.email:
        return
    theirs = suppression.hash_of(home.keys, address.key)
    suppression.lift_by_opt_in(conn, theirs)
    provider = providers.of_address(address.key)
    values = {"email": address.email, "email_key": address.key, "email_hash": theirs, "provider": provider}
    conn.execute(sa.update(t).where(t.c.id == old.id).values(values))
    consent.record(conn, old.id, "moved", digest_id=link.digest_id, now=now, origin=origin)
    digest = publications.by_id(conn, link.digest_id)
    notices.moved(conn, home, digest, notices.To(old.id, old.email, old.language), now=now)
