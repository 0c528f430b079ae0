"""People who are new to a digest: what they ask for, checked, and their rows, written many at a time.

Promises: each address becomes one subscriber however many processes add it at once; a subscription starts behind
everything that is in the log by then. Refuses: choices that mean nothing. Called by `members`, which decides who is
new and who may be added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db, markup, publications, rules
from digest.delivery import providers
from digest.errors import BadInput
from subscribers import consent, preferences
from subscribers.consent import Origin
from subscribers.suppression import Address
from subscribers.tables import subscribers, subscriptions


@dataclass(frozen=True)
class Choices:
    """What a person asks for; None leaves a thing as it is, or takes the digest's own when the person is new."""

    mapping: Mapping[str, str] | None = None
    hour: int | None = None
    zone: str | None = None
    name: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Newcomer:
    """Someone to be added: the address, their choices, the state, and where the consent comes from."""

    address: Address
    choices: Choices = Choices()
    state: str = "active"  # one of STATES
    paused_until: date | None = None
    joined_at: datetime | None = None  # now, when it is not known
    origin: Origin = consent.NOTHING_STATED
    import_id: int | None = None  # they are active when this import has ended, and pending until then


def checked(choices: Choices, offered: Sequence[str]) -> Choices:
    """The choices, cleaned. Raises BadInput for an hour, a zone, a language or a how often that cannot be."""
    mapping = choices.mapping
    if mapping is not None:
        cadences = {preferences.checked_topic(t): preferences.checked_cadence(c, offered) for t, c in mapping.items()}
        mapping = {preferences.REST: preferences.OFF} | cadences
    if choices.hour is not None and not 0 <= choices.hour <= 23:
        raise BadInput("hour", f"{choices.hour} is no hour of the day.", "Write a whole number from 0 to 23.")
    return Choices(
        mapping,
        choices.hour,
        _zone(choices.zone) if choices.zone else None,
        None if choices.name is None else markup.line(choices.name)[:200],
        _language(choices.language) if choices.language else None,
    )


@lru_cache(maxsize=1024)
def _zone(text: str) -> str:
    return rules.zone("zone", text)


@lru_cache(maxsize=1024)
def _language(text: str) -> str:
    return rules.languages("language", text)[0]


def offered(conn: Connection, digest_id: int) -> tuple[str, ...]:
    """How often this digest can be had, the most frequent first."""
    return tuple(one.cadence for one in publications.series(conn, digest_id) if one.offered)


class Writer:
    """Writes the rows of people who are new, many at a time, with sets and slots interned once."""

    def __init__(
        self, conn: Connection, digest: publications.Digest, ground: preferences.Ground, now: datetime
    ) -> None:
        self._conn, self._digest, self._ground, self._now = conn, digest, ground, now
        self._series = {one.cadence: one for one in publications.series(conn, digest.id)}
        self._sets: dict[tuple[tuple[str, str], ...], int] = {}
        self._slots: dict[tuple[int, str], int] = {}

    def subscribers(self, people: Sequence[Newcomer], hashes: Mapping[str, bytes]) -> dict[str, int]:
        """The id of each person by address key; who is not known yet becomes a subscriber."""
        keys = [one.address.key for one in people]
        known = self._ids(keys)
        rows = [
            {
                "email": one.address.email,
                "email_key": one.address.key,
                "email_hash": hashes[one.address.key],
                "name": one.choices.name or "",
                "language": one.choices.language or self._digest.languages[0],
                "created_at": self._now,
                "provider": providers.of_address(one.address.key),
            }
            for one in people
            if one.address.key not in known
        ]
        if not rows:
            return known
        self._conn.execute(db.insert_new(self._conn, subscribers), rows)
        return self._ids(keys)

    def subscriptions(self, people: Sequence[Newcomer], ids: Mapping[str, int]) -> None:
        """Their subscriptions: each starts behind everything that is in the log by now."""
        rows = [self._row(one) | {"subscriber_id": ids[one.address.key]} for one in people]
        if rows:
            self._conn.execute(sa.insert(subscriptions), rows)

    def _row(self, one: Newcomer) -> dict[str, Any]:
        mapping = preferences.fit(
            one.choices.mapping or {preferences.REST: publications.usual(self._ground.offered)}, self._ground.offered
        )
        hour = self._hour(mapping) if one.choices.hour is None else one.choices.hour
        return {
            "digest_id": self._digest.id,
            "state": "pending" if one.import_id and one.state == "active" else one.state,
            "import_id": one.import_id if one.state == "active" else None,
            "preference_set_id": self._set(mapping),
            "slot_id": self._slot(hour, one.choices.zone or self._digest.zone),
            "since": self._ground.news,
            "paused_until": one.paused_until.isoformat() if one.paused_until else None,
            "joined_at": one.joined_at or self._now,
        }

    def _hour(self, mapping: Mapping[str, str]) -> int:
        """The digest's own hour for the most frequent mail they get."""
        often = [cadence for cadence in preferences.CADENCES if cadence in mapping.values()]
        return next((self._series[c].hour for c in [*often, *self._series] if c in self._series), 7)

    def _set(self, mapping: Mapping[str, str]) -> int:
        key = tuple(sorted(mapping.items()))
        if key not in self._sets:
            self._sets[key] = preferences.intern_set(self._conn, mapping)
        return self._sets[key]

    def _slot(self, hour: int, zone: str) -> int:
        if (hour, zone) not in self._slots:
            self._slots[hour, zone] = preferences.intern_slot(self._conn, hour, zone)
        return self._slots[hour, zone]

    def _ids(self, keys: Sequence[str]) -> dict[str, int]:
        known = sa.select(subscribers.c.email_key, subscribers.c.id).where(subscribers.c.email_key.in_(keys))
        return dict(self._conn.execute(known).all())
