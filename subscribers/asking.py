"""People ask for mail at a form, confirm it from their mailbox, and get a fresh link to their settings.

Asking has two halves. The form writes down what was asked and answers; the clock deals with it a moment later: so
the answer, and the time it takes, are the same whoever is known. Promises: mail only to who confirmed from the address
itself; one confirmation an hour and three a day for a mailbox in whatever spelling; a link works once, and never
revives what was ended after it was sent. Refuses: addresses that the settings leave out, and too much asking.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from digest import publications
from digest.config import SignUpSection
from digest.errors import BadInput, NotFound
from digest.home import Home
from digest.keys import Keyring
from subscribers import (
    consent,
    limits,
    members,
    newcomers,
    notices,
    preferences,
    records,
    sent_links,
    suppression,
    welcomes,
)
from subscribers.consent import Origin
from subscribers.newcomers import Choices
from subscribers.sent_links import SentLink
from subscribers.tables import asks as t
from subscribers.tables import subscribers, subscriptions

log = structlog.get_logger(__name__)

SIGN_UP, SETTINGS = "sign-up", "settings"
TO_ONE_ADDRESS = ((1, limits.HOUR), (3, limits.DAY))  # notices that asking can cause
TO_ONE_RETURNED = ((1, timedelta(days=30)),)  # confirmations to an address from which mail came back
UNCONFIRMED = timedelta(days=30)  # after which an address that was never confirmed is forgotten
_ROLE_NAMES = (
    "abuse admin administrator billing contact contacto desk help hostmaster info jobs kontakt mail marketing media "
    "newsletter no-reply noc noreply office postmaster press registrar root sales security service spam staff support "
    "team webmaster"
)
ROLES = frozenset(_ROLE_NAMES.split())


@dataclass(frozen=True)
class Ask:
    """What somebody asked for at a form; `ip` is where from."""

    kind: str  # SIGN_UP, SETTINGS
    digest_id: int
    email: str
    choices: Choices
    origin: Origin


DOMAIN, ROLE = "domain", "role"  # what of an address the settings leave out


# --- asking ----------------------------------------------------------------------------------------------------


def checked(email: str, settings: SignUpSection) -> suppression.Address:
    """The address, if it may sign up. Raises BadInput naming "email", or the DOMAIN or ROLE that may not."""
    address = suppression.address(email)
    local, _, domain = address.key.rpartition("@")
    if any(domain == refused or domain.endswith(f".{refused}") for refused in settings.refused_domains):
        raise BadInput(DOMAIN, "Addresses of this domain cannot sign up.", "Give another address of yours.")
    if not settings.role_addresses and local in ROLES:
        raise BadInput(ROLE, "Several people may read this address.", "Give an address of your own.")
    return address


def ask(conn: Connection, keyring: Keyring, settings: SignUpSection, wanted: Ask, *, now: datetime) -> datetime | None:
    """Writes down what was asked; or, when too much was asked from there or in all, says when it may be again."""
    if later := limits.at_form(conn, keyring, settings, wanted.origin.ip, now=now):
        return later
    values = {"kind": wanted.kind, "digest_id": wanted.digest_id, "email": wanted.email, "at": now}
    conn.execute(sa.insert(t).values(values | {"wish": asdict(wanted.choices), "origin": asdict(wanted.origin)}))
    return None


def ask_again(
    conn: Connection,
    keyring: Keyring,
    settings: SignUpSection,
    *,
    kind: str,
    digest_id: int,
    subscriber_id: int,
    origin: Origin,
    now: datetime,
) -> datetime | None:
    """`ask` for somebody who holds a link of theirs, with the choices that they had; nothing when they are not known.

    The answer goes to their address alone: whoever was forwarded the link gets nothing by it.
    """
    row = records.of_digest(conn, digest_id, [subscriber_id]).get(subscriber_id)
    if row is None:
        return None
    choices = Choices(dict(row.preferences), row.hour, row.zone, None, row.language)
    return ask(conn, keyring, settings, Ask(kind, digest_id, row.email, choices, origin), now=now)


# --- what the clock does with it -------------------------------------------------------------------------------


def work_off(home: Home, *, now: datetime) -> int:
    """Deals with everything that was asked, each in its own transaction; says how many there were.

    What fails is kept, holds up nobody else, and is raised at the end.
    """
    with home.db.reading() as conn:
        waiting = list(conn.scalars(sa.select(t.c.id).order_by(t.c.id)))
    failures: list[Exception] = []
    for number in waiting:
        try:
            home.db.run(partial(_one, home, number, now))
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return len(waiting)


def _one(home: Home, number: int, now: datetime, conn: Connection) -> None:
    row = conn.execute(sa.select(t).where(t.c.id == number).with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return
    conn.execute(sa.delete(t).where(t.c.id == row.id))
    wanted = Ask(row.kind, row.digest_id, row.email, Choices(**row.wish), Origin(**row.origin))
    try:
        with conn.begin_nested():
            _deal(conn, home, wanted, now)
    except (BadInput, NotFound) as error:  # the digest or its cadences changed since
        log.warning("an ask cannot be met", kind=row.kind, why=type(error).__name__)


def _deal(conn: Connection, home: Home, wanted: Ask, now: datetime) -> None:
    address = suppression.address(wanted.email)
    digest = publications.by_id(conn, wanted.digest_id)
    reason = suppression.reason(conn, suppression.hash_of(home.keys, address.key))
    known = _standing(conn, digest.id, address)
    state = known.state if known else ""
    gets_mail = reason is None and state in ("active", "paused")
    if reason is not None and reason not in suppression.BY_OPT_IN:
        return
    if not gets_mail and wanted.kind != SIGN_UP:
        return
    if limits.allow(conn, limits.of_address(home.keys, address), TO_ONE_ADDRESS, now=now):
        return
    if reason == "hard" and limits.allow(conn, limits.of_returned(home.keys, address), TO_ONE_RETURNED, now=now):
        return
    language = (known.language if known else "") or wanted.choices.language or digest.languages[0]
    if gets_mail and known is not None:
        to = notices.To(known.id, address.email, language)
        notices.settings(conn, home, digest, to, asked_to_join=wanted.kind == SIGN_UP, now=now)
    else:
        _ask_to_confirm(conn, home, digest, address, wanted, now)


def _standing(conn: Connection, digest_id: int, address: suppression.Address) -> sa.Row[int, str, str] | None:
    return conn.execute(
        sa.select(subscribers.c.id, subscribers.c.language, subscriptions.c.state)
        .join(subscriptions, subscriptions.c.subscriber_id == subscribers.c.id)
        .where(subscribers.c.email_key == address.key, subscriptions.c.digest_id == digest_id)
    ).one_or_none()


def _ask_to_confirm(
    conn: Connection, home: Home, digest: publications.Digest, address: suppression.Address, wanted: Ask, now: datetime
) -> None:
    offered = newcomers.offered(conn, digest.id)
    choices = newcomers.checked(wanted.choices, offered)
    mapping = choices.mapping or {preferences.REST: publications.usual(offered)}
    person = members.expect(conn, home.keys, address, choices, digest_id=digest.id, now=now)
    consent.record(conn, person, "asked", digest_id=digest.id, now=now, origin=wanted.origin)
    wish = {"choices": asdict(choices), "origin": asdict(wanted.origin)}
    link = sent_links.create(conn, sent_links.CONFIRM, digest.id, person, wish=wish, now=now)
    to = notices.To(person, address.email, choices.language or digest.languages[0])
    notices.confirm(conn, home, digest, to, link, mapping, now=now)


# --- confirming ------------------------------------------------------------------------------------------------


def link_of(conn: Connection, keyring: Keyring, token: str) -> SentLink | None:
    """The link that a confirmation mail holds, or None when it is not genuine."""
    return sent_links.find(conn, keyring, token, sent_links.CONFIRM)


def confirm(conn: Connection, home: Home, token: str, *, ip: str, agent: str, now: datetime) -> SentLink | None:
    """Somebody confirms from their mailbox; answers with the link as it stood before, None when it is not genuine.

    Only one that stood open does anything, and only once.
    """
    link = sent_links.find(conn, home.keys, token, sent_links.CONFIRM)
    if link is None or link.stands(now) != sent_links.OPEN:
        return link
    preferences.hold(conn, link.digest_id)
    if sent_links.use(conn, link, now=now):
        asked = Origin(**link.wish["origin"])
        origin = Origin(
            asked.text, asked.source, link.created_at.isoformat(), asked.version, ip, agent, link.message_id
        )
        choices = _fitting(conn, link)
        if members.confirm(conn, link.digest_id, link.subscriber_id, choices, now=now, origin=origin):
            welcomes.queue(conn, home, link.digest_id, link.subscriber_id, now=now)
    return link


def _fitting(conn: Connection, link: SentLink) -> Choices:
    """What was asked for, as far as the digest still offers it."""
    choices = Choices(**link.wish["choices"])
    offered = newcomers.offered(conn, link.digest_id)
    return replace(choices, mapping=preferences.fit(choices.mapping, offered) if choices.mapping else None)


# --- forgetting ------------------------------------------------------------------------------------------------


def tidy(conn: Connection, settings: SignUpSection, *, now: datetime) -> None:
    """Forgets addresses that were never confirmed, limits that limit nobody, and where people asked from long ago."""
    members.forget_unconfirmed(conn, before=now - UNCONFIRMED)
    limits.forget(conn, now=now)
    consent.minimize(conn, before=now - timedelta(days=settings.keep_network_days))
