"""Who subscribes to what: people are added, change their choices, pause, wake, leave and come back.

The only writer of a subscription's state. Promises: every change of topics, of how often, and of a pause refiles what
is owed; leaving takes back what is planned and forgets what is owed; every step can be repeated without harm; joining
and leaving are recorded as evidence. Refuses: an address that cannot be mailed or must not be, and values that mean
nothing (an hour of 25, an unknown zone).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import publications
from digest.errors import Refused
from digest.keys import Keyring
from subscribers import consent, newcomers, preferences, records, sent_links, suppression
from subscribers.consent import Origin
from subscribers.newcomers import Choices, Newcomer
from subscribers.records import Subscription
from subscribers.tables import slots, subscribers, subscriptions

STATES = ("pending", "active", "paused", "left")

find = records.find  # everything about the person at an address: one door for the faces
describe = records.describe  # what the page behind a person's link shows

_NO_CARRY: dict[str, Any] = {f"carry_{cadence}": None for cadence in preferences.CADENCES}


@dataclass(frozen=True)
class Added:
    """What became of a newcomer: created, changed, unchanged, suppressed, or left (they left, and were left alone)."""

    subscriber_id: int | None  # None when the address must not be mailed and is not known
    what: str


# --- joining ---------------------------------------------------------------------------------------------------


def add(
    conn: Connection,
    keyring: Keyring,
    email: str,
    *,
    digest_id: int,
    now: datetime,
    mapping: Mapping[str, str] | None = None,
    hour: int | None = None,
    zone: str | None = None,
    name: str | None = None,
    language: str | None = None,
    state: str = "active",
    origin: Origin = consent.NOTHING_STATED,
) -> Added:
    """Adds one person on somebody's word; who is here already gets the new choices, who left joins anew.

    Raises BadInput for an address or a choice that cannot be.
    """
    address = suppression.address(email)
    choices = newcomers.checked(Choices(mapping, hour, zone, name, language), newcomers.offered(conn, digest_id))
    newcomer = Newcomer(address, choices, state, origin=origin)
    return add_all(conn, keyring, [newcomer], digest_id=digest_id, now=now, what="added", revive=True)[0]


def add_all(
    conn: Connection,
    keyring: Keyring,
    people: Sequence[Newcomer],
    *,
    digest_id: int,
    now: datetime,
    what: str = "imported",
    revive: bool = False,
) -> list[Added]:
    """Adds people whose choices are `checked`, each address once; answers in their order.

    Nobody on the do-not-mail list is added. Who left is left alone, unless `revive`.
    """
    ground = preferences.hold(conn, digest_id)
    hashes = {one.address.key: suppression.hash_of(keyring, one.address.key) for one in people}
    barred = suppression.reasons(conn, hashes.values())
    welcome = [one for one in people if hashes[one.address.key] not in barred]
    writer = newcomers.Writer(conn, publications.by_id(conn, digest_id), ground, now)
    ids = writer.subscribers(welcome, hashes)
    standing = records.of_digest(conn, digest_id, list(ids.values()))
    fresh = [one for one in welcome if ids[one.address.key] not in standing]
    writer.subscriptions(fresh, ids)
    consent.record_all(conn, [(ids[one.address.key], one.origin) for one in fresh], what, digest_id=digest_id, now=now)
    results = {one.address.key: "suppressed" for one in people} | {one.address.key: "created" for one in fresh}
    for one in welcome:
        if (row := standing.get(ids[one.address.key])) is not None:
            results[one.address.key] = _amend(conn, row, one, now=now, revive=revive)
    return [Added(ids.get(one.address.key), results[one.address.key]) for one in people]


def expect(
    conn: Connection, keyring: Keyring, address: suppression.Address, choices: Choices, *, digest_id: int, now: datetime
) -> int:
    """The id of somebody who asks to join and has to confirm it; who is new to the digest is `pending` until then.

    Whoever is here already stays as they are, and so does the do-not-mail list.
    """
    ground = preferences.hold(conn, digest_id)
    writer = newcomers.Writer(conn, publications.by_id(conn, digest_id), ground, now)
    hashes = {address.key: suppression.hash_of(keyring, address.key)}
    one = Newcomer(address, choices, "pending")
    ids = writer.subscribers([one], hashes)
    row = preferences.find(conn, digest_id, ids[address.key])
    if row is None:
        writer.subscriptions([one], ids)
    elif row.state == "pending":
        _write(conn, row, joined_at=now)  # from when on it is forgotten if they do not confirm
    return ids[address.key]


def confirm(
    conn: Connection, digest_id: int, subscriber_id: int, choices: Choices, *, now: datetime, origin: Origin
) -> bool:
    """Makes active who asked to join and proved that the address is theirs; False when they get the mail already.

    That lifts what lighter reasons had put on the do-not-mail list. Graver ones nobody lifts by a confirmation.
    """
    theirs = conn.scalar(sa.select(subscribers.c.email_hash).where(subscribers.c.id == subscriber_id))
    preferences.hold(conn, digest_id)
    row = preferences.subscription(conn, digest_id, subscriber_id)
    lifted = theirs is not None and suppression.lift_by_opt_in(conn, theirs)
    if theirs is None or suppression.reason(conn, theirs) is not None:
        return False
    if row.state not in ("pending", "left"):
        if lifted:
            consent.record(conn, subscriber_id, "confirmed", digest_id=digest_id, now=now, origin=origin)
        return lifted
    change(conn, digest_id, subscriber_id, **vars(choices))
    return join(conn, digest_id, subscriber_id, now=now, origin=origin, what="confirmed")


def forget_unconfirmed(conn: Connection, *, before: datetime) -> int:
    """Deletes who asked before then and never confirmed, with everything that is known of the asking."""
    s = subscriptions
    pending = sa.text("subscriptions.state = 'pending'")  # in these words, or the index is not used
    stale = sa.select(s.c.digest_id, s.c.subscriber_id).where(pending, s.c.joined_at < before, s.c.import_id.is_(None))
    rows = conn.execute(stale.order_by(s.c.digest_id, s.c.subscriber_id)).all()
    for row in rows:
        preferences.hold(conn, row.digest_id)
        mine = (s.c.digest_id == row.digest_id, s.c.subscriber_id == row.subscriber_id, s.c.state == "pending")
        if conn.execute(sa.delete(s).where(*mine)).rowcount:
            sent_links.forget(conn, row.subscriber_id, row.digest_id)
            consent.forget_asking(conn, row.subscriber_id, row.digest_id)
            elsewhere = sa.exists().where(s.c.subscriber_id == subscribers.c.id)
            conn.execute(sa.delete(subscribers).where(subscribers.c.id == row.subscriber_id, ~elsewhere))
    return len(rows)


def join(
    conn: Connection,
    digest_id: int,
    subscriber_id: int,
    *,
    now: datetime,
    origin: Origin = consent.NOTHING_STATED,
    what: str = "joined",
) -> bool:
    """Makes active who waits to confirm or has left: new, with nothing owed; False when they are in already."""
    ground = preferences.hold(conn, digest_id)
    row = preferences.subscription(conn, digest_id, subscriber_id)
    if row.state not in ("pending", "left"):
        return False
    fresh = {"since": ground.news, "joined_at": now, "paused_until": None, "import_id": None}
    _write(conn, row, state="active", rev=row.rev + 1, **fresh, **_NO_CARRY)
    consent.record(conn, subscriber_id, what, digest_id=digest_id, now=now, origin=origin)
    return True


# --- changing --------------------------------------------------------------------------------------------------


def change(
    conn: Connection,
    digest_id: int,
    subscriber_id: int,
    *,
    mapping: Mapping[str, str] | None = None,
    hour: int | None = None,
    zone: str | None = None,
    name: str | None = None,
    language: str | None = None,
) -> bool:
    """Sets what is given and says whether anything changed; only topics and how often refile what is owed.

    Raises BadInput for what cannot be, NotFound without a subscription.
    """
    choices = newcomers.checked(Choices(mapping, hour, zone, name, language), newcomers.offered(conn, digest_id))
    if choices.mapping is not None:
        preferences.hold(conn, digest_id)
    row = preferences.subscription(conn, digest_id, subscriber_id)
    standing = records.of_digest(conn, digest_id, [subscriber_id])[subscriber_id]
    if not _differs(standing, choices):
        return False
    if choices.mapping is not None and choices.mapping != standing.preferences:
        _choose(conn, row, choices.mapping)
    hour = standing.hour if choices.hour is None else choices.hour
    _write(conn, row, slot_id=preferences.intern_slot(conn, hour, choices.zone or standing.zone))
    name = standing.name if choices.name is None else choices.name
    person = {"name": name, "language": choices.language or standing.language}
    conn.execute(sa.update(subscribers).where(subscribers.c.id == subscriber_id).values(person))
    return True


def pause(conn: Connection, digest_id: int, subscriber_id: int, *, now: datetime, until: date | None = None) -> bool:
    """No mail until they wake: what is planned is taken back and waits with the rest. False when nothing changed.

    `until` is a day in their own zone; the clock wakes them on it. Raises Refused for who gets no mail anyway.
    """
    preferences.hold(conn, digest_id)
    row = preferences.subscription(conn, digest_id, subscriber_id)
    day = until.isoformat() if until else None
    if row.state not in ("active", "paused"):
        raise Refused("Only somebody who gets mail can pause it. This person does not; let them join first.")
    if row.state == "paused" and row.paused_until == day:
        return False
    if row.state == "paused":
        preferences.refile(conn, digest_id, subscriber_id, alone=True)
    else:
        taken = preferences.take_back(conn, digest_id, subscriber_id, "paused", now=now)
        preferences.refile(conn, digest_id, subscriber_id, taken=taken)
    _write(conn, row, state="paused", paused_until=day)
    return True


def wake(conn: Connection, digest_id: int, subscriber_id: int, *, drop: bool = False) -> bool:
    """Ends a pause; what came meanwhile comes as titles, or is forgotten (`drop`). False when they are not paused."""
    ground = preferences.hold(conn, digest_id)
    row = preferences.subscription(conn, digest_id, subscriber_id)
    if row.state != "paused":
        return False
    preferences.refile(conn, digest_id, subscriber_id, alone=True, drop=drop)
    _write(conn, row, state="active", paused_until=None, titles_upto=ground.news)
    return True


def wake_due(conn: Connection, *, now: datetime, most: int = 500) -> int:
    """Wakes at most `most` people whose pause ends by their own calendar; says how many."""
    sleeping = (
        sa.select(subscriptions.c.digest_id, subscriptions.c.subscriber_id, subscriptions.c.paused_until, slots.c.zone)
        .join(slots, slots.c.id == subscriptions.c.slot_id)
        .where(subscriptions.c.state == "paused")
        .where(subscriptions.c.paused_until <= (now + timedelta(days=1)).date().isoformat())  # the farthest zone
        .order_by(subscriptions.c.digest_id, subscriptions.c.subscriber_id)
    )
    due = [r for r in conn.execute(sleeping) if r.paused_until <= now.astimezone(ZoneInfo(r.zone)).date().isoformat()]
    return sum(wake(conn, row.digest_id, row.subscriber_id) for row in due[:most])


def leave(conn: Connection, digest_id: int, subscriber_id: int, *, now: datetime, how: str | Origin) -> bool:
    """Ends a subscription at once: nothing planned goes out, nothing stays owed. `how` says by which way they left.

    False when they had left already or are not known: leaving can be repeated.
    """
    preferences.hold(conn, digest_id)
    row = preferences.find(conn, digest_id, subscriber_id)
    if row is None or row.state == "left":
        return False
    preferences.take_back(conn, digest_id, subscriber_id, "left", now=now)
    _write(conn, row, state="left", paused_until=None, import_id=None, rev=row.rev + 1, **_NO_CARRY)
    sent_links.end_all(conn, subscriber_id, "left", now=now, digest_id=digest_id)
    consent.record(
        conn,
        subscriber_id,
        "left",
        digest_id=digest_id,
        now=now,
        origin=Origin(source=how) if isinstance(how, str) else how,
    )
    return True


def _choose(conn: Connection, row: sa.Row[Any], mapping: Mapping[str, str]) -> None:
    if row.state in ("active", "paused"):
        preferences.refile(conn, row.digest_id, row.subscriber_id, mapping, alone=row.state == "paused")
    else:
        fitting = preferences.fit(mapping, newcomers.offered(conn, row.digest_id))
        _write(conn, row, preference_set_id=preferences.intern_set(conn, fitting))


def _amend(conn: Connection, row: Subscription, one: Newcomer, *, now: datetime, revive: bool) -> str:
    """What an addition does to who is here already: never more mail than they themselves left standing."""
    if row.state == "left" and (one.state == "left" or not revive):
        return "unchanged" if one.state == "left" else "left"
    place = (row.digest_id, row.subscriber_id)
    if one.state == "left":
        return "changed" if leave(conn, *place, now=now, how="import") else "unchanged"
    moved = revive and one.state == "active" and join(conn, *place, now=now, origin=one.origin)
    if one.state == "paused" and row.state == "active":
        moved = pause(conn, *place, now=now, until=one.paused_until)
    changed = _differs(row, one.choices) and change(conn, *place, **vars(one.choices))
    return "changed" if moved or changed else "unchanged"


def _differs(standing: Subscription, choices: Choices) -> bool:
    asked = (choices.mapping, choices.hour, choices.zone, choices.name, choices.language)
    have = (standing.preferences, standing.hour, standing.zone, standing.name, standing.language)
    return any(wanted is not None and wanted != now for wanted, now in zip(asked, have, strict=True))


def _write(conn: Connection, row: sa.Row[Any], **values: Any) -> None:
    mine = (subscriptions.c.digest_id == row.digest_id) & (subscriptions.c.subscriber_id == row.subscriber_id)
    conn.execute(sa.update(subscriptions).where(mine).values(values))
