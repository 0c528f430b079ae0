"""When the next one may go at a set rate, and how long a wait lasts after a failure: arithmetic of whole microseconds.

The generic cell rate algorithm in its virtual scheduling form (ITU-T I.371, annex A), turned round: every row gets a
slot, slots lie one interval apart, and a row may go when its slot has come. Time that passed without rows is kept as
slots for one second's rows, no more.
Promises: in any stretch of T seconds go at most rate * T rows and one second's more; a queue costs the same for each
row, however long. A clock that is set back frees what it would block for longer than anything could be blocked.
Refuses: to read a clock or a database; `pace` does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

SECOND = 1_000_000  # microseconds
DAY = 86_400 * SECOND
SKEW = 2 * SECOND  # what the clocks of two machines may differ by
HORIZON = DAY  # no slot is reserved further ahead: every delivery's deadline comes sooner
MOST_ROWS = 2**31 - 1  # what the column holds

# Seconds to wait after the first failure in a row, the second and so on.
CARRIER_WAITS: tuple[int, ...] = (15, 30, 60, 120, 300, 600)
DOMAIN_WAITS: tuple[int, ...] = (60, 300, 900, 3600)
LONGEST_TOLD = 300  # seconds: who asks for a longer wait is asked again after this


class Rate(NamedTuple):
    """So many rows: one each `interval` (microseconds), and `depth` at once after a pause."""

    interval: int
    depth: int


class Bucket(NamedTuple):
    """A row of `pace_buckets`, its moments in microseconds since 1970; the columns stand in this order."""

    next_slot: int | None = None  # the first slot that nobody has yet
    blocked_until: int | None = None
    why: str = ""
    failures: int = 0  # in a row
    first_day: str | None = None  # of a warm-up
    day: str | None = None
    used: int = 0  # a carrier's: granted on `day`; a domain's: slots that were still to come when it was last asked


def rate(per_second: float) -> Rate | None:
    """The rate of `per_second` rows a second, never faster; None for 0. Slower than one a day is one a day."""
    if not per_second > 0:
        return None
    interval = max(1, math.ceil(min(SECOND / per_second, DAY)))
    return Rate(interval, max(1, int(min(per_second, SECOND))))


def first_free(bucket: Bucket, pace: Rate, now: int, *, ahead: int) -> int:
    """The first slot that is free; `ahead` slots at most can have been given away that are still to come.

    A bucket that says more than that was filled before the clock was set back: it begins again, now.
    """
    full = now - (pace.depth - 1) * pace.interval
    if bucket.next_slot is None:
        return full
    if bucket.next_slot > now + ahead * pace.interval + SKEW:
        return now
    return max(full, bucket.next_slot)


def take(bucket: Bucket, pace: Rate, wanted: int, now: int) -> tuple[int, Bucket]:
    """How many of `wanted` rows may go now, and the bucket without their slots."""
    slot = first_free(bucket, pace, now, ahead=1)
    rows = min(wanted, max(0, (now - slot) // pace.interval + 1))
    return rows, bucket._replace(next_slot=slot + rows * pace.interval)


def reserve(bucket: Bucket, pace: Rate, rows: int, now: int) -> tuple[list[int], Bucket]:
    """The slots of `rows` rows that keep them, come or still to come, and the bucket without these slots.

    A block moves them behind its end. Slots beyond the horizon are named as the horizon and not kept.
    """
    slot = max(first_free(bucket, pace, now, ahead=bucket.used), blocked(bucket, now, DOMAIN_WAITS) or 0)
    last = now + HORIZON
    given = [min(slot + n * pace.interval, last) for n in range(rows)]
    kept = min(rows, max(0, (last - slot) // pace.interval + 1))
    slot += kept * pace.interval
    ahead = min(MOST_ROWS, max(0, -((now - slot) // pace.interval)))
    return given, bucket._replace(next_slot=slot, used=ahead)


def blocked(bucket: Bucket, now: int, waits: tuple[int, ...]) -> int | None:
    """Until when a block holds, or None. It cannot be longer than its wait was: then the clock was set back."""
    until = bucket.blocked_until
    if until is None or until <= now:
        return None
    return until if until <= now + _longest(bucket.failures, waits) + SKEW else None


def block(bucket: Bucket, why: str, now: int, wait: float, waits: tuple[int, ...]) -> Bucket:
    """The bucket after a failure: blocked for `wait` seconds when it said so, else longer with each one in a row.

    A failure told within a block was on its way before it: it does not count, but may ask for a later end.
    """
    told = now + round(min(max(0.0, wait), LONGEST_TOLD) * SECOND)
    until = blocked(bucket, now, waits)
    if until is not None:
        return bucket._replace(blocked_until=told, why=why) if told > until else bucket
    failures = min(bucket.failures + 1, MOST_ROWS)
    until = told if told > now else now + _step(failures, waits)
    return bucket._replace(blocked_until=until, why=why, failures=failures)


def _step(failures: int, waits: tuple[int, ...]) -> int:
    return waits[min(max(failures, 1), len(waits)) - 1] * SECOND


def _longest(failures: int, waits: tuple[int, ...]) -> int:
    return max(_step(failures, waits), LONGEST_TOLD * SECOND)
