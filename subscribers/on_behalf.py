"""What staff do on one person's behalf: add them, send them their settings link, end it, bar them, allow them again.

Promises: each is a part of the caller's transaction, and the evidence names who of the staff did it (`by`); nobody
gets mail by it who did not agree: whoever is added agreed in words that are kept, and whoever is taken off the
do-not-mail list has to confirm it from their own mailbox. Refuses: to add somebody who is here or must not be mailed,
and to send a link more often than people themselves may ask for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest import markup, publications
from digest.errors import BadInput, Refused
from digest.home import Home
from subscribers import asking, departures, directory, limits, members, notices, suppression, welcomes
from subscribers.consent import Origin
from subscribers.directory import Listed

STANDING = ("active", "paused")
NOT_LISTED = "This address is not on the do-not-mail list. Nothing was changed."
LONGEST = 1_000  # characters that say how somebody agreed


@dataclass(frozen=True)
class Wish:
    """Who is to be added: to which digest, with which choices (None: everything, as often as usual), and `words`
    that say how they agreed."""

    email: str
    name: str
    digest_id: int
    mapping: Mapping[str, str] | None
    words: str


def add(conn: Connection, home: Home, wish: Wish, *, by: str, now: datetime) -> int:
    """The number of somebody who gets mail from now on. Raises BadInput, or Refused naming what stands against it."""
    words = markup.line(wish.words)
    address = suppression.address(wish.email)
    if not words or len(words) > LONGEST:
        raise BadInput("words", "It says nothing." if not words else "It is too long.", "Say how and when they agreed.")
    known = directory.at(conn, address.email)
    if reason := suppression.reason(conn, suppression.hash_of(home.keys, address.key)):
        raise Barred(reason)
    if known and any(one.digest_id == wish.digest_id and one.state in STANDING for one in known.subscriptions):
        raise Here(known.subscriber_id)
    added = members.add(
        conn,
        home.keys,
        address.email,
        digest_id=wish.digest_id,
        now=now,
        mapping=wish.mapping,
        name=wish.name or None,
        origin=Origin(text=words, source=_by(by)),
    )
    if added.subscriber_id is None:
        raise Barred("by-staff")
    welcomes.queue(conn, home, wish.digest_id, added.subscriber_id, now=now)
    return added.subscriber_id


class Barred(Refused):
    """The address is on the do-not-mail list, for this `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__("This address is on the do-not-mail list. Take it off there first, if the person asks for it.")
        self.reason = reason


class Here(Refused):
    """They get this digest already."""

    def __init__(self, subscriber_id: int) -> None:
        super().__init__("This person gets this digest already. Nothing was changed.")
        self.subscriber_id = subscriber_id


def send_settings(conn: Connection, home: Home, person: Listed, digest_id: int, *, now: datetime) -> None:
    """Mails somebody the link to their settings. Raises Refused when they get no mail, or had such a mail just now."""
    theirs = {one.digest_id for one in person.subscriptions if one.state in STANDING}
    if person.reason or digest_id not in theirs:
        raise Refused("They get no mail of this digest, so no link is sent. They can sign up again on the site.")
    key = limits.of_address(home.keys, suppression.address(person.email))
    if limits.allow(conn, key, asking.TO_ONE_ADDRESS, now=now):
        raise Refused("Such a mail went to them within the hour, or three times today. Nothing was sent.")
    to = notices.To(person.subscriber_id, person.email, person.language)
    notices.settings(conn, home, publications.by_id(conn, digest_id), to, asked_to_join=False, now=now)


def unsubscribe(conn: Connection, home: Home, person: Listed, *, by: str, now: datetime) -> int:
    """Ends all subscriptions of somebody; says how many stood."""
    how = Origin(source=_by(by))
    mine = sorted(one.digest_id for one in person.subscriptions)
    return sum(departures.leave_within(home, one, person.subscriber_id, how, now, conn) for one in mine)


def bar(conn: Connection, home: Home, email: str, *, by: str, now: datetime) -> bool:
    """Puts an address on the do-not-mail list; False when it stands there for a reason as grave."""
    return departures.suppress_within(home, email, "by-staff", by, now, conn)


def allow(conn: Connection, home: Home, email: str, *, by: str, why: str, now: datetime) -> bool:
    """Takes an address off the do-not-mail list; whether a mail asks somebody there to confirm.

    What stood is ended and asked for anew, so that nothing is sent before they confirm. Raises BadInput without a
    reason, Refused when the address is not on the list.
    """
    reason = markup.line(why)
    if not reason:
        raise BadInput("why", "It says nothing.", "Say why this address may be mailed again.")
    if suppression.reason(conn, suppression.address_hash(home.keys, email)) is None:
        raise Refused(NOT_LISTED)
    person = directory.at(conn, email)
    stood = sorted(one.digest_id for one in person.subscriptions if one.state in STANDING) if person else []
    if person:
        origin = Origin(text=f"Off the do-not-mail list, to be confirmed anew: {reason}", source=_by(by))
        for digest_id in stood:  # what may refuse comes before the first line of the journal
            _ask_anew(conn, home, digest_id, person.subscriber_id, origin, now)
        for digest_id in stood:
            departures.leave_within(home, digest_id, person.subscriber_id, origin, now, conn)
    if not departures.lift_within(home, email, by, now, conn):  # somebody did it in the meantime
        raise Refused(NOT_LISTED)
    return bool(stood)


def _ask_anew(conn: Connection, home: Home, digest_id: int, subscriber_id: int, origin: Origin, now: datetime) -> None:
    later = asking.ask_again(
        conn,
        home.keys,
        home.settings.sign_up,
        kind=asking.SIGN_UP,
        digest_id=digest_id,
        subscriber_id=subscriber_id,
        origin=origin,
        now=now,
    )
    if later:
        raise Refused("Too many confirmations were asked for within the hour. Nothing was changed; try again later.")


def erase(conn: Connection, home: Home, subscriber_id: int, *, by: str, now: datetime) -> bool:
    """Deletes everything personal that is known of somebody; False when nobody is there."""
    return departures.erase_within(home, subscriber_id, Origin(source=_by(by)), now, conn, by)


def _by(name: str) -> str:
    """Whose word it is, as the evidence has it."""
    return f"staff, {name}"
