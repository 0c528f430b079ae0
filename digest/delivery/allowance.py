"""What the pace allows, for staff to see: the rates, today's volume of a warm-up and the days to come, and who waits.

Promises: what it says of today is what `pace` would grant now; nothing is consumed, locked or written. Refuses to
foretell a warm-up that has not begun: its days count from the first mail on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.config import PaceSection
from digest.db import tuples
from digest.delivery import slots
from digest.delivery.local_days import WarmUp
from digest.delivery.pace import Grant, Pace
from digest.delivery.slots import Bucket
from digest.tables import EPOCH, micros, pace_buckets

DAYS = 14  # of a warm-up that are told


@dataclass(frozen=True)
class Day:
    """One day of a warm-up: its number from the first mail on, and how many mails it allows; None: no limit."""

    day: date
    number: int
    volume: int | None


@dataclass(frozen=True)
class Patience:
    """A domain that asked for patience, or put off mail after mail: nothing goes there before `until`."""

    domain: str
    until: datetime
    why: str


@dataclass(frozen=True)
class Allowance:
    """What may go. `days` begin with today and are empty without a warm-up; `used` of today's volume is gone."""

    shut: Grant | None  # why nothing at all goes just now, and until when
    days: tuple[Day, ...] = ()
    used: int = 0
    begun: bool = False  # whether the warm-up has: its first mail went
    patient: tuple[Patience, ...] = ()


def look(conn: Connection, settings: PaceSection, *, zone: str, carrier: str, now: datetime) -> Allowance:
    """What may go now and in the coming days."""
    shut = Pace(settings, zone=zone, carrier=carrier).blocked(conn, now)
    patient = tuple(waiting(conn, carrier, now=now))
    if not settings.warm_up:
        return Allowance(shut, patient=patient)
    found = tuples(conn.execute(_ONE, {"one": carrier}))
    bucket, warm_up = Bucket(*found[0]) if found else Bucket(), WarmUp(settings.warm_up, zone)
    today = warm_up.today(now)
    number, first = warm_up.number(bucket, today), date.fromisoformat(today)
    ahead = range(DAYS if warm_up.volume(number) is not None else 0)
    days = tuple(Day(first + timedelta(days=n), number + n, warm_up.volume(number + n)) for n in ahead)
    return Allowance(shut, days, warm_up.used(bucket, today), bucket.first_day is not None, patient)


def waiting(conn: Connection, carrier: str, *, now: datetime) -> list[Patience]:
    """The domains that get nothing through this carrier just now, the longest first."""
    found = []
    for name, *values in tuples(conn.execute(_BLOCKED)):
        if not name.startswith(f"{carrier} "):
            continue
        bucket = Bucket(*values)
        until = slots.blocked(bucket, micros(now), slots.DOMAIN_WAITS)
        if until is not None:
            moment = EPOCH + timedelta(microseconds=until)
            found.append(Patience(name.removeprefix(f"{carrier} "), moment, bucket.why))
    return sorted(found, key=lambda one: one.until, reverse=True)


_C = pace_buckets.c
_VALUES = [_C[name] for name in Bucket._fields]
_ONE = sa.select(*_VALUES).where(_C.name == sa.bindparam("one"))
_BLOCKED = sa.select(_C.name, *_VALUES).where(_C.failures > 0)
