"""Who is in an edition, and who is at an address now: the people's answers to planning and sending.

`Audience` fulfils what `allotment` and `ledger` ask for. Promises: eligible are active readers that must not be
left alone (not on the do-not-mail list) whose choices name the edition's cadence, or to whom something is owed at it;
of a letter those in its segment, whatever they chose;
a reader who changed since they were read is never taken; the address book answers inside the caller's transaction,
so whoever left before it commits gets nothing. Refuses: to hand out an address in any other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from digest import db, editions, languages, news, publications, tables
from digest.delivery import alerts
from digest.delivery.message import Recipient
from digest.editions import Edition
from digest.keys import Keyring
from digest.letters import Segment
from digest.tables import deliveries
from subscribers import links, preferences, segments, suppression
from subscribers.tables import preference_sets, slots, subscribers, subscriptions, suppressions

A_DAY = 86_400_000_000  # microseconds
EVERYONE = Segment()
_NEWS = (("active",), ())
# Notices by kind -> the states in which they go, and the entries of the do-not-mail list that they pass.
_PASSES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "confirm": (("pending", "left", "active", "paused"), suppression.BY_OPT_IN),
    "settings": (("active", "paused"), ()),
    "link": (("active", "paused", "left"), ("left",)),
    "moved": (("active", "paused"), ()),
}
FIRST_DAY = tables.EPOCH.toordinal()


class Audience:
    """The subscribers of all digests, as planning and sending see them."""

    def __init__(self, keyring: Keyring, site_url: str) -> None:
        self._keyring = keyring
        self._site = site_url
        self._issuers: dict[tuple[int, date], links.Issuer] = {}
        self._offered: dict[int, tuple[str, ...]] = {}

    # --- planning

    def highest(self, conn: Connection) -> int:
        """The highest subscriber id there is."""
        return conn.scalar(sa.select(sa.func.max(subscribers.c.id))) or 0

    def read(self, conn: Connection, edition: Edition, low: int, high: int) -> Sequence[Any]:
        """Eligible readers without a row in the edition, by id, as tuples in the order of `allotment.Reader`."""
        carry = subscriptions.c[f"carry_{edition.cadence}"]
        rows = conn.execute(
            _eligible(conn, edition)
            .where(subscriptions.c.subscriber_id >= low, subscriptions.c.subscriber_id < high)
            .with_only_columns(
                subscriptions.c.subscriber_id,
                subscriptions.c.preference_set_id,
                subscriptions.c.since,
                carry,
                subscriptions.c.slot_id,
                subscribers.c.language,
                subscriptions.c.rev,
                sa.case((carry.is_(None), 0), else_=subscriptions.c.titles_upto),
                subscribers.c.provider,
            )
            .order_by(subscriptions.c.subscriber_id)
        )
        return db.tuples(rows)

    def addressees(
        self, conn: Connection, edition: Edition, segment: Segment, low: int, high: int
    ) -> Sequence[tuple[int, str, int, int]]:
        """Of a letter's readers without a row, by id: id, language, revision as read and provider."""
        mine = (subscriptions.c.subscriber_id >= low, subscriptions.c.subscriber_id < high)
        rows = conn.execute(
            _active(conn, edition.digest_id, segment)
            .where(*mine, ~_has_row(edition.id))
            .with_only_columns(
                subscriptions.c.subscriber_id, subscribers.c.language, subscriptions.c.rev, subscribers.c.provider
            )
            .order_by(subscriptions.c.subscriber_id)
        )
        return [(reader, language, rev, provider) for reader, language, rev, provider in rows]

    def count(self, conn: Connection, digest_id: int, segment: Segment) -> int:
        """How many people a letter would go to now."""
        counted = _active(conn, digest_id, segment).with_only_columns(sa.func.count())
        return conn.scalar(counted) or 0

    def take(
        self, conn: Connection, edition: Edition, revs: Mapping[int, int], keeps: Mapping[int, tuple[int, ...]]
    ) -> set[int]:
        """Those of the ids whose revision is still as read; what stays owed replaces the carry of those in `keeps`."""
        values = {"digest": edition.digest_id, "ids": _listed(conn, revs)}
        rows = db.tuples(conn.execute(_REVISIONS if conn.dialect.name == "sqlite" else _REVISIONS_LOCKED, values))
        same = {reader for reader, rev in rows if revs[reader] == rev}
        for reader in sorted(same & keeps.keys()):
            conn.execute(
                sa.update(subscriptions)
                .where(subscriptions.c.digest_id == edition.digest_id, subscriptions.c.subscriber_id == reader)
                .values(
                    {
                        f"carry_{edition.cadence}": preferences.intern_carry(conn, keeps[reader]),
                        "rev": subscriptions.c.rev + 1,
                    }
                )
            )
        return same

    def wants(self, conn: Connection, set_id: int) -> Callable[[tuple[str, ...]], str]:
        """How often these choices ask for an entry with these topics."""
        mapping = preferences.map_of(conn, set_id)
        return lambda topics: preferences.cadence_for(mapping, topics)

    def carry(self, conn: Connection, carry_id: int) -> tuple[int, ...]:
        """The sequences of an interned carry."""
        return preferences.carry_of(conn, carry_id)

    def slot(self, conn: Connection, slot_id: int) -> tuple[int, str]:
        """Hour and zone."""
        row = conn.execute(sa.select(slots.c.hour, slots.c.zone).where(slots.c.id == slot_id)).one()
        return row.hour, row.zone

    def owed(self, conn: Connection, digest_id: int, cadence: str, *, now: datetime) -> bool:
        """Whether an active reader is owed something at this cadence that may go now."""
        carry = subscriptions.c[f"carry_{cadence}"]
        owing = _active(conn, digest_id).where(carry.is_not(None))
        lists = conn.scalars(owing.with_only_columns(carry).distinct()).all()
        held = editions.held_back(conn, digest_id, cadence)
        sequences = {one: {*preferences.carry_of(conn, one)} - held for one in lists}
        log = news.by_sequences(conn, set().union(*sequences.values()))
        published = editions.published_ids(conn, {entry.item_id for entry in log.values()})
        going = [one for one, its in sequences.items() if any(log[s].item_id in published for s in its if s in log)]
        cap = publications.one_series(conn, digest_id, cadence).daily_cap if cadence == "instant" else 0
        if not going or not cap:
            return bool(going)
        readers = owing.where(carry.in_(going)).join(slots, slots.c.id == subscriptions.c.slot_id)
        zones = dict(conn.execute(readers.with_only_columns(subscriptions.c.subscriber_id, slots.c.zone)).all())
        had = alerts.recent(conn, digest_id, deliveries.c.subscriber_id.in_(zones), now=now)
        return any(not alerts.reached(cap, had.get(reader, ()), zone, now=now) for reader, zone in zones.items())

    def put_off(self, conn: Connection, edition: Edition, owed: Mapping[int, Sequence[int]]) -> None:
        """Owes entries to readers who had as many alerts as they get in a day, at the next slower cadence offered."""
        preferences.put_off(conn, edition.digest_id, owed, from_cadence=edition.series)

    def hold(self, conn: Connection, digest_id: int) -> object:
        """Holds a digest's people for a change to what they are owed."""
        return preferences.hold(conn, digest_id)

    def give_back(self, conn: Connection, edition: Edition, owed: Mapping[int, Sequence[int]]) -> None:
        """Files entries as owed again, for each reader as their choices of today say."""
        preferences.give_back_all(conn, edition.digest_id, owed)

    # --- the address book

    def resolve(self, conn: Connection, edition: Edition, ids: Sequence[int]) -> Mapping[int, Recipient | str]:
        """For each id the recipient, or why they must not be mailed: left, paused, suppressed, erased."""
        rows = db.tuples(conn.execute(_RESOLVE, {"digest": edition.digest_id, "ids": _listed(conn, ids)}))
        issuer, site, offered = self._issuer(edition), self._site, self._languages(conn, edition)
        unsubscribe, preferences = issuer.unsubscribe, issuer.preferences
        found: dict[int, Recipient | str] = dict.fromkeys(ids, "erased")
        for reader, email, name, language, state, joined, reason in rows:
            if why := _barred(state, reason):
                found[reader] = why
            else:
                slots = {
                    "unsubscribe": f"{site}/u/{unsubscribe(reader)}",
                    "preferences": f"{site}/p/{preferences(reader)}",
                    "masked": links.mask(email),
                    "asked": _in_words(joined, language, offered),
                }
                found[reader] = Recipient(reader, email, name, slots)
        return found

    def barred(self, conn: Connection, kind: str, digest_id: int, subscriber_id: int) -> str:
        """Why a person must not get a notice of this kind now, in the words of `resolve`; empty when they may."""
        row = conn.execute(_RESOLVE, {"digest": digest_id, "ids": _listed(conn, [subscriber_id])}).one_or_none()
        if row is None:
            return "erased"
        states, reasons = _PASSES.get(kind, _NEWS)
        if row.state not in states:
            return "left" if row.state == "pending" else str(row.state)
        return "" if row.reason is None or row.reason in reasons else "suppressed"

    def _issuer(self, edition: Edition) -> links.Issuer:
        day = links.expiry(edition.goes_at)
        key = (edition.digest_id, day)
        if key not in self._issuers:
            self._issuers = {key: links.Issuer(self._keyring, edition.digest_id, expires_day=day)}
        return self._issuers[key]

    def _languages(self, conn: Connection, edition: Edition) -> tuple[str, ...]:
        """Those in which the edition's mails are made; read once for each edition."""
        if edition.id not in self._offered:
            self._offered = {edition.id: publications.by_id(conn, edition.digest_id).languages}
        return self._offered[edition.id]

    def refuse(self, conn: Connection, subscriber_id: int, reason: str, now: datetime) -> None:
        """The address does not exist: nothing more is sent there."""
        theirs = conn.scalar(sa.select(subscribers.c.email_hash).where(subscribers.c.id == subscriber_id))
        if theirs is not None:
            suppression.add_hash(conn, theirs, reason=reason, now=now, by="mail server")


def _barred(state: str, suppressed: str | None) -> str:
    if state != "active":
        return "left" if state == "pending" else state
    return "" if suppressed is None else "suppressed"


def _eligible(conn: Connection, edition: Edition) -> sa.Select[Any]:
    """Active, not suppressed, without a row in the edition, and with this cadence in their choices or a debt."""
    carry = subscriptions.c[f"carry_{edition.cadence}"]
    named = [
        row.id
        for row in conn.execute(sa.select(preference_sets.c.id, preference_sets.c.map))
        if f'"{edition.cadence}"' in row.map
    ]
    counts: sa.ColumnElement[bool] = carry.is_not(None)
    if not edition.is_carries:
        counts = sa.or_(counts, subscriptions.c.preference_set_id.in_(named))
    return _active(conn, edition.digest_id).where(counts, ~_has_row(edition.id))


def _active(conn: Connection, digest_id: int, segment: Segment = EVERYONE) -> sa.Select[Any]:
    """Those of a digest who may be mailed: active, not on the do-not-mail list, in the segment."""
    return (
        sa.select(subscriptions.c.subscriber_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .outerjoin(suppressions, suppressions.c.email_hash == subscribers.c.email_hash)
        .where(subscriptions.c.digest_id == digest_id, subscriptions.c.state == "active")
        .where(suppressions.c.email_hash.is_(None), *segments.conditions(conn, segment))
    )


def _has_row(edition_id: int) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        deliveries.c.edition_id == edition_id, deliveries.c.subscriber_id == subscriptions.c.subscriber_id
    )


class _in_digest(FunctionElement[bool]):  # noqa: N801 - reads as an SQL operator
    """Subscriptions of one digest with ids from one bound list: a parameter for each would be bound one by one.

    On SQLite the pair is compared as one, or the planner walks through the whole digest for every list.
    """

    inherit_cache = True


@compiles(_in_digest, "sqlite")
def _in_digest_sqlite(element: _in_digest, compiler: Any, **kw: Any) -> str:
    digest, reader, this, ids = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({digest}, {reader}) IN (SELECT {this}, value FROM json_each({ids}))"  # noqa: S608 - compiled clauses


@compiles(_in_digest, "postgresql")
def _in_digest_postgresql(element: _in_digest, compiler: Any, **kw: Any) -> str:
    digest, reader, this, ids = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({digest} = {this} AND {reader} = ANY (CAST({ids} AS integer[])))"


def _listed(conn: Connection, ids: Iterable[int]) -> Any:
    """Ids as the one parameter that `_in_digest` takes."""
    return str(list(ids)) if conn.dialect.name == "sqlite" else list(ids)


# Built once: these run for every window of rows.
_THESE = _in_digest(
    subscriptions.c.digest_id, subscriptions.c.subscriber_id, sa.bindparam("digest"), sa.bindparam("ids")
)
_RESOLVE = (
    sa.select(
        subscribers.c.id,
        subscribers.c.email,
        subscribers.c.name,
        subscribers.c.language,
        subscriptions.c.state,
        sa.type_coerce(subscriptions.c.joined_at, sa.BigInteger) // A_DAY,
        suppressions.c.reason,
    )
    .join(subscriptions, subscriptions.c.subscriber_id == subscribers.c.id)
    .outerjoin(suppressions, suppressions.c.email_hash == subscribers.c.email_hash)
    .where(_THESE)
)
_REVISIONS = sa.select(subscriptions.c.subscriber_id, subscriptions.c.rev).where(_THESE)
_REVISIONS_LOCKED = _REVISIONS.order_by(subscriptions.c.subscriber_id).with_for_update()


@lru_cache(maxsize=4096)
def _in_words(day: int, language: str, offered: tuple[str, ...]) -> str:
    """A day as the mail around it says it: a reader of a language that is not offered reads another one."""
    return languages.of(languages.choose(language, offered)).long(date.fromordinal(FIRST_DAY + day))
