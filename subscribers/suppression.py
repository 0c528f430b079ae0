"""Addresses never to be mailed, why, and who may lift it; and with that, when two addresses are the same.

Promises: only a keyed hash is kept, so the list names nobody, and a person who was erased stays unmailed. A graver
reason replaces a lighter one, never the other way round. Adding takes no lock but its own row, since senders add while
they hold a batch (the address book refuses whom a plan still holds); lifting is seen by editions being planned.
Refuses: an address that cannot be mailed at all, and lifting without the name of who answers for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import email_validator
import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from digest import db, keys, publications
from digest.errors import BadInput, Refused
from digest.keys import Keyring
from subscribers.tables import subscribers, subscriptions, suppressions

BY_OPT_IN = ("left", "imported", "erased", "hard")  # what a person lifts who signs up anew and confirms it
LONGEST_LOCAL = 64  # characters before the @ (RFC 5321, 4.5.3.1.1)
REASONS = ("left", "imported", "erased", "hard", "by-staff", "complaint")  # from the lightest to the gravest

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Address:
    """One mailbox: `email` as mail is sent to it (domain in ASCII), `key` to tell whether two are the same."""

    email: str
    key: str


# Most addresses are plain enough for one look; the others, and whatever might be special, go to the validator, which
# takes a hundred times as long. Ends of domains that it knows to be no one's are left to it.
_PLAIN = re.compile(
    r"(?=.{6,254}$)(?!.*--)[A-Za-z0-9_+-]{1,64}(?:\.[A-Za-z0-9_+-]+)*@"
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,63})"
)
_NOBODYS = {name.rpartition(".")[2] for name in email_validator.SPECIAL_USE_DOMAIN_NAMES}


def address(email: str) -> Address:
    """The mailbox that `email` names. Raises BadInput when no mail can be sent to it (RFC 5321, strict limits)."""
    plain = _PLAIN.fullmatch(email)
    if plain and plain[1] not in _NOBODYS and email.index("@") <= LONGEST_LOCAL:
        return Address(email, email.lower())
    try:
        parts = email_validator.validate_email(
            email.strip(), check_deliverability=False, strict=True, allow_smtputf8=False, test_environment=True
        )
    except email_validator.EmailNotValidError as error:
        raise BadInput("email", _sentence(error), "Write an address such as name@example.org.") from error
    ascii_email = f"{parts.local_part}@{parts.ascii_domain}"
    return Address(ascii_email, ascii_email.lower())


def address_key(email: str) -> str:
    """The address lower-cased with its domain in ASCII: equal keys are one person. Raises BadInput as `address`."""
    return address(email).key


def hash_of(keyring: Keyring, key: str) -> bytes:
    """The 16 bytes that stand for an address key; made with the key that is never rotated."""
    return keys.mac(keyring.derive_fixed("suppression"), key.encode())


def address_hash(keyring: Keyring, email: str) -> bytes:
    """The 16 bytes that stand for an address. Raises BadInput as `address`."""
    return hash_of(keyring, address_key(email))


def reason(conn: Connection, email_hash: bytes) -> str | None:
    """Why this address must not be mailed, or None when it may be."""
    return reasons(conn, [email_hash]).get(email_hash)


def reasons(conn: Connection, hashes: Iterable[bytes]) -> dict[bytes, str]:
    """Which of these addresses must not be mailed, and why."""
    wanted = suppressions.c.email_hash.in_(list(hashes))
    return {row.email_hash: row.reason for row in conn.execute(sa.select(suppressions).where(wanted))}


def add(conn: Connection, keyring: Keyring, email: str, *, reason: str, now: datetime, by: str = "") -> bool:
    """Never mail this address again; False when it stands already for a reason as grave."""
    if reason not in REASONS:
        raise BadInput("reason", f"{reason!r} is no reason.", f"Choose one of {', '.join(REASONS)}.")
    return add_hash(conn, address_hash(keyring, email), reason=reason, now=now, by=by)


def add_hash(conn: Connection, email_hash: bytes, *, reason: str, now: datetime, by: str) -> bool:
    """`add` for an address of which only the hash is at hand, or which is no address at all."""
    row = {"reason": reason, "at": now, "said_by": by}
    new = db.insert_new(conn, suppressions).values(email_hash=email_hash, **row).returning(suppressions.c.email_hash)
    if conn.execute(new).first() is not None:
        return True
    lighter = suppressions.c.reason.in_(REASONS[: REASONS.index(reason)])
    graver = sa.update(suppressions).where(suppressions.c.email_hash == email_hash, lighter).values(**row)
    return conn.execute(graver).rowcount == 1


@dataclass(frozen=True)
class Entry:
    """One line of the list; who it is, only where somebody with this address is known."""

    mark: bytes
    reason: str
    at: datetime
    by: str
    subscriber_id: int | None
    email: str | None


def page(conn: Connection, *, before: tuple[datetime, bytes] | None = None, limit: int = 50) -> list[Entry]:
    """The latest entries, or those that came `before` one with this moment and mark."""
    t = suppressions.c
    query = _entries().order_by(t.at.desc(), t.email_hash.desc()).limit(limit)
    if before is not None:
        at, mark = before
        query = query.where(sa.or_(t.at < at, sa.and_(t.at == at, t.email_hash < mark)))
    return [Entry(*row) for row in conn.execute(query)]


def count_since(conn: Connection, reason: str, moment: datetime) -> int:
    """How many addresses came to the list for this reason since then."""
    t = suppressions.c
    return conn.scalar(sa.select(sa.func.count()).where(t.reason == reason, t.at >= moment)) or 0


def find(conn: Connection, keyring: Keyring, email: str) -> Entry | None:
    """The entry of an address, if it is on the list. Raises BadInput as `address`."""
    row = conn.execute(_entries().where(suppressions.c.email_hash == address_hash(keyring, email))).one_or_none()
    return Entry(*row) if row else None


def _entries() -> sa.Select[Any]:
    t, who = suppressions.c, subscribers.c
    same = who.email_hash == t.email_hash
    return sa.select(t.email_hash, t.reason, t.at, t.said_by, who.id, who.email).outerjoin_from(
        suppressions, subscribers, same
    )


def export(conn: Connection) -> Iterator[tuple[str, ...]]:
    """The whole list after a row of column names: marks that only this installation can make, and why they stand."""
    yield ("mark", "reason", "at", "by")
    for row in conn.execute(sa.select(suppressions).order_by(suppressions.c.at, suppressions.c.email_hash)):
        yield (row.email_hash.hex(), row.reason, row.at.isoformat(), row.said_by)


def take(conn: Connection, keyring: Keyring, cells: Mapping[str, str], *, now: datetime, by: str) -> bool:
    """Adds one row of such a list, or of another system's with addresses (`email`); False when it stands already.

    Raises BadInput naming the column.
    """
    reason = cells.get("reason", "") or "imported"
    if reason not in REASONS:
        raise BadInput("reason", f"{reason[:40]!r} is no reason.", f"Write one of {', '.join(REASONS)}.")
    if mark := cells.get("mark", ""):
        if not re.fullmatch("[0-9a-f]{32}", mark):
            raise BadInput("mark", f"{mark[:40]!r} is no mark of a list that we wrote.", "Write the address instead.")
        theirs = bytes.fromhex(mark)
    else:
        theirs = address_hash(keyring, cells.get("email", ""))
    return add_hash(conn, theirs, reason=reason, now=now, by=cells.get("by", "") or by)


def lift(conn: Connection, keyring: Keyring, email: str, *, by: str, now: datetime) -> bool:
    """Allow mail to this address again, on the word of `by`; False when it was not on the list."""
    if not by.strip():
        raise Refused("Taking an address off the do-not-mail list needs the name of who answers for it. Add --by NAME.")
    email_hash = address_hash(keyring, email)
    _touch(conn, email_hash)
    lifted = conn.execute(sa.delete(suppressions).where(suppressions.c.email_hash == email_hash)).rowcount == 1
    log.info("suppression lifted", by=by.strip(), found=lifted, at=now.isoformat())
    return lifted


def lift_by_opt_in(conn: Connection, email_hash: bytes) -> bool:
    """The person at this address signed up anew and confirmed it; False when they were not on the list."""
    _touch(conn, email_hash)
    theirs = (suppressions.c.email_hash == email_hash, suppressions.c.reason.in_(BY_OPT_IN))
    return conn.execute(sa.delete(suppressions).where(*theirs)).rowcount == 1


def _touch(conn: Connection, email_hash: bytes) -> None:
    """Tells the plans of this person's digests that people changed; digests by id, so that two never lock crosswise."""
    theirs = (
        sa.select(subscriptions.c.digest_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscribers.c.email_hash == email_hash)
    )
    for digest_id in sorted(conn.scalars(theirs)):
        publications.touch_people(conn, digest_id)


def _sentence(error: Exception) -> str:
    return f"{error}".strip().rstrip(".") + "."
