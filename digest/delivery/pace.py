"""How fast mail goes out, as database rows that all processes share: a bucket for the carrier, and one for each domain.

Promises: no two processes take the same slot; a domain that defers waits and the others go on; what is refunded is
granted again. Without settings nothing is written, and each call costs one statement at most.
Refuses: to read the clock (`now` is the caller's, aware), and to hurry: of several reasons to wait the longest counts.
Clocks of several machines must agree within two seconds; what a clock that was set back leaves behind is forgotten.
Lock order: editions, batches, deliveries, the carrier's bucket. Whoever changes a domain's bucket holds the carrier's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import BigInteger, Connection

from digest.config import PaceSection
from digest.db import insert_new, tuples
from digest.delivery import slots
from digest.delivery.local_days import Hours, WarmUp
from digest.delivery.slots import Bucket
from digest.tables import EPOCH, micros, pace_buckets

WINDOW = 200  # rows at most that are under way at once
ANY_DOMAIN = "*"
KEPT = timedelta(days=1)  # how long a domain is remembered that nothing goes to
SWEPT = timedelta(hours=1)  # between two looks for domains to forget
LONGEST_WHY = 500  # characters


class Grant(NamedTuple):
    """Rows that may be handed over now. With none, `wait` says until when and `why` for what reason, for staff."""

    rows: int
    wait: datetime | None = None
    why: str = ""
    carrier: bool = False  # whether it is because the carrier took nobody


class Pace:
    """The set pace of one carrier. `zone` is the site's, for sending hours and days; `carrier` is the transport's name.

    `window` is the number of rows that a sender should have under way: one second's of the set rate, 1 to 200.
    """

    def __init__(self, settings: PaceSection, *, zone: str, carrier: str) -> None:
        self._carrier = carrier
        self._rate = slots.rate(settings.per_second)
        self._spaced = f"No more than {settings.per_second:g} mails a second are set."
        self.window = min(WINDOW, self._rate.depth) if self._rate else WINDOW
        self._domain_rates = {name: slots.rate(rate) for name, rate in settings.per_domain.items()}
        self._hours = Hours.read(settings.hours, zone)
        self._warm_up = WarmUp(settings.warm_up, zone) if settings.warm_up else None
        self._troubled: Mapping[str, Bucket] | None = None  # buckets with failures when this process last looked
        self._swept: datetime | None = None

    def grant(self, conn: Connection, wanted: int, now: datetime, *, hours: bool = True) -> Grant:
        """How many of `wanted` rows may be handed over now; they count against the rate and the warm-up's day.

        `hours=False` does not ask for sending hours.
        """
        if wanted <= 0:
            return Grant(0)
        if not (self._rate or self._warm_up):
            bucket = self._look(conn).get(self._carrier, Bucket())
            return self._shut(bucket, now, hours) or Grant(wanted)
        held = bucket = self._hold(conn)
        if self._warm_up:
            bucket = self._warm_up.set_back(bucket, self._warm_up.today(now))
        answer = self._shut(bucket, now, hours)
        if answer is None:
            rows, bucket = self._take(bucket, wanted, now)
            answer = Grant(rows) if rows else Grant(0, _moment(bucket.next_slot), self._spaced)
        if bucket != held:
            self._write(conn, self._carrier, bucket)
        return answer

    def refund(self, conn: Connection, rows: int, now: datetime) -> None:
        """Gives back rows that were granted and not used. Rows of a day that is over do not count for the next."""
        if rows <= 0 or not (self._rate or self._warm_up):
            return
        bucket = self._hold(conn)
        if self._rate and bucket.next_slot is not None:
            bucket = bucket._replace(next_slot=bucket.next_slot - rows * self._rate.interval)
        if self._warm_up:
            bucket = self._warm_up.give_back(bucket, rows, self._warm_up.today(now))
        self._write(conn, self._carrier, bucket)

    def admit(self, conn: Connection, domains: Sequence[str], now: datetime, *, paced: bool) -> list[datetime | None]:
        """For each row, named by its recipient's domain: None when it may go now, else the moment to ask again.

        That moment is a slot kept for it: ask then with `paced`, and only a block of the domain stops it again. Slots
        after a block are spread at the domain's rate, too.
        """
        at = micros(now)
        ends = self._blocks(conn, at)
        if not ends and (paced or not self._domain_rates):
            return [None] * len(domains)
        names = [f"{self._carrier} {domain.lower()}" for domain in domains]
        rates = {name: self._rate_of(name) for name in set(names) if name in ends or not paced}
        asked = {name: (rate, rows) for name, rows in Counter(names).items() if (rate := rates.get(name))}
        given = self._reserve(conn, asked, now) if asked else {}
        moments = [next(given[name]) if name in given else ends.get(name, at) for name in names]
        return [None if moment <= at else _moment(moment) for moment in moments]

    def failed(self, conn: Connection, why: str, now: datetime, *, wait: float = 0.0, domain: str = "") -> datetime:
        """The carrier, or the domain through it, took nobody: nothing goes there before the moment that is returned.

        `wait` are the seconds that it asked for (300 at most). Else a carrier waits 15 s, 30 s, 1, 2, 5 and 10 min, a
        domain 1, 5, 15 and 60 min, by failures in a row. `why` is for staff.
        """
        bucket = self._hold(conn)
        name, waits = self._carrier, slots.CARRIER_WAITS
        if domain:
            name, waits = f"{self._carrier} {domain.lower()}", slots.DOMAIN_WAITS
            bucket = self._domains(conn, [name])[name]
        bucket = slots.block(bucket, why[:LONGEST_WHY], micros(now), wait, waits)
        self._write(conn, name, bucket)
        self._note(name, bucket)
        self._sweep(conn, now)
        return _moment(bucket.blocked_until or 0)

    def worked(self, conn: Connection, now: datetime, *, domain: str = "") -> None:
        """The carrier, or the domain through it, takes mail again: failures and block are forgotten.

        Costs nothing when this process saw no failure there as it last asked for a grant or an admission.
        """
        name = f"{self._carrier} {domain.lower()}" if domain else self._carrier
        troubled = self._look(conn) if self._troubled is None else self._troubled
        if not troubled.get(name, Bucket()).failures:
            return
        self._hold(conn)
        conn.execute(_FORGET, {"one": name})
        self._note(name, Bucket())
        self._sweep(conn, now)

    def blocked(self, conn: Connection, now: datetime, *, hours: bool = True) -> Grant | None:
        """Why nothing at all goes just now, and until when; None when mail may go. Consumes nothing.

        The set rate is no such reason: it only spaces mails. `hours` as in `grant`.
        """
        found = tuples(conn.execute(_ONE, {"one": self._carrier}))
        return self._shut(Bucket(*found[0]) if found else Bucket(), now, hours)

    def ask_again(self, conn: Connection, now: datetime) -> bool:
        """At a person's word the carrier is asked again at once; False when no block of it held. Failures count on."""
        bucket = self._hold(conn)
        if slots.blocked(bucket, micros(now), slots.CARRIER_WAITS) is None:
            return False
        self._write(conn, self._carrier, bucket._replace(blocked_until=None))
        return True

    # --- deciding ----------------------------------------------------------------------------------------------

    def _shut(self, bucket: Bucket, now: datetime, hours: bool) -> Grant | None:
        """The reason that lasts longest, or None."""
        reasons = []
        until = slots.blocked(bucket, micros(now), slots.CARRIER_WAITS) if bucket.blocked_until else None
        if until is not None:
            why = "The mail server takes nothing just now" + (f": {bucket.why}" if bucket.why else ".")
            reasons.append(Grant(0, _moment(until), why, carrier=True))
        opening = self._hours.opening(now) if self._hours and hours else None
        if self._hours and opening:
            why = f"Mail goes out between {self._hours.first}:00 and {self._hours.last}:00 ({self._hours.zone}) only."
            reasons.append(Grant(0, opening, why))
        if self._warm_up and self._left(self._warm_up, bucket, now) == 0:
            number = self._warm_up.number(bucket, self._warm_up.today(now))
            why = f"The {self._warm_up.volume(number):,} mails of day {number} of the warm-up are used up."
            reasons.append(Grant(0, self._warm_up.midnight(now), why))
        return max(reasons, key=lambda reason: reason.wait or now, default=None)

    @staticmethod
    def _left(warm_up: WarmUp, bucket: Bucket, now: datetime) -> int | None:
        """Mails that today's volume still allows; None when it has no limit."""
        today = warm_up.today(now)
        volume = warm_up.volume(warm_up.number(bucket, today))
        return None if volume is None else max(0, volume - warm_up.used(bucket, today))

    def _take(self, bucket: Bucket, wanted: int, now: datetime) -> tuple[int, Bucket]:
        if self._warm_up:
            left = self._left(self._warm_up, bucket, now)
            wanted = wanted if left is None else min(wanted, left)
        if self._rate:
            wanted, bucket = slots.take(bucket, self._rate, wanted, micros(now))
        if self._warm_up:
            bucket = self._warm_up.add(bucket, wanted, self._warm_up.today(now))
        return wanted, bucket

    def _rate_of(self, name: str) -> slots.Rate | None:
        """Of a domain's bucket: its own rate, or that of each domain without one."""
        domain = name[len(self._carrier) + 1 :]
        return self._domain_rates.get(domain, self._domain_rates.get(ANY_DOMAIN))

    # --- rows --------------------------------------------------------------------------------------------------

    def _look(self, conn: Connection) -> Mapping[str, Bucket]:
        """The buckets with failures, by name: few, and read without a lock."""
        self._troubled = {row[0]: Bucket(*row[1:]) for row in tuples(conn.execute(_TROUBLED))}
        return self._troubled

    def _note(self, name: str, bucket: Bucket) -> None:
        if self._troubled is not None and (bucket.failures or name in self._troubled):
            self._troubled = {**self._troubled, name: bucket}

    def _blocks(self, conn: Connection, at: int) -> dict[str, int]:
        """Buckets that are blocked, and until when."""
        ends = {name: slots.blocked(b, at, slots.DOMAIN_WAITS) for name, b in self._look(conn).items()}
        return {name: end for name, end in ends.items() if end is not None}

    def _hold(self, conn: Connection) -> Bucket:
        """The carrier's bucket, locked to the end of the transaction."""
        found = tuples(conn.execute(_HELD, {"one": self._carrier}))
        if not found:
            conn.execute(insert_new(conn, pace_buckets).values(name=self._carrier))
            found = tuples(conn.execute(_HELD, {"one": self._carrier}))
        bucket = Bucket(*found[0])
        self._note(self._carrier, bucket)
        return bucket

    def _domains(self, conn: Connection, names: Iterable[str]) -> dict[str, Bucket]:
        """The buckets of these names, made where they are missing; the carrier's is held."""
        wanted = sorted(names)
        found = {row[0]: Bucket(*row[1:]) for row in tuples(conn.execute(_SOME, {"some": wanted}))}
        missing = [{"name": name} for name in wanted if name not in found]
        if missing:
            conn.execute(insert_new(conn, pace_buckets), missing)
        return {name: found.get(name, Bucket()) for name in wanted}

    def _reserve(
        self, conn: Connection, asked: Mapping[str, tuple[slots.Rate, int]], now: datetime
    ) -> dict[str, Iterator[int]]:
        """Slots for so many rows of each domain at its rate."""
        self._hold(conn)
        self._sweep(conn, now)
        at = micros(now)
        given: dict[str, Iterator[int]] = {}
        changes = []
        for name, bucket in self._domains(conn, asked).items():
            rate, rows = asked[name]
            times, left = slots.reserve(bucket, rate, rows, at)
            given[name] = iter(times)
            changes.append({"one": name, "slot": left.next_slot, "ahead": left.used})
        conn.execute(_RESERVE, changes)
        return given

    @staticmethod
    def _write(conn: Connection, name: str, bucket: Bucket) -> None:
        conn.execute(_WRITE, {"one": name} | {f"new_{column}": value for column, value in bucket._asdict().items()})

    def _sweep(self, conn: Connection, now: datetime) -> None:
        """Forgets domains without slots or blocks for a day; the carrier's bucket is held.

        A domain may name a person: it is kept no longer than it serves.
        """
        if self._swept is not None and abs(now - self._swept) < SWEPT:
            return
        self._swept = now
        conn.execute(_SWEEP, {"prefix": f"{self._carrier} ", "old": micros(now - KEPT)})


def _moment(at: int | None) -> datetime:
    return EPOCH + timedelta(microseconds=at or 0)


# Built once: these run in every commit of a sender. Moments are read and written as the integers they are.
_C = pace_buckets.c
_VALUES = [_C[name] for name in Bucket._fields]
_ONE = sa.select(*_VALUES).where(_C.name == sa.bindparam("one"))
_HELD = _ONE.with_for_update()
_SOME = sa.select(_C.name, *_VALUES).where(_C.name.in_(sa.bindparam("some", expanding=True)))
_TROUBLED = sa.select(_C.name, *_VALUES).where(_C.failures > 0)
_MOMENT = BigInteger()
_MOMENTS = ("next_slot", "blocked_until")
_BUCKET = sa.update(pace_buckets).where(_C.name == sa.bindparam("one"))
_WRITE = _BUCKET.values(
    {n: sa.bindparam(f"new_{n}", type_=_MOMENT if n in _MOMENTS else _C[n].type) for n in Bucket._fields}
)
_RESERVE = _BUCKET.values(next_slot=sa.bindparam("slot", type_=_MOMENT), used=sa.bindparam("ahead"))
_FORGET = _BUCKET.values(blocked_until=None, failures=0, why="")
_PREFIX = sa.bindparam("prefix", type_=sa.Text())
_OLD = sa.bindparam("old", type_=_MOMENT)
_SWEEP = sa.delete(pace_buckets).where(
    sa.func.substr(_C.name, 1, sa.func.length(_PREFIX)) == _PREFIX,
    sa.func.coalesce(sa.type_coerce(_C.next_slot, _MOMENT), 0) < _OLD,
    sa.func.coalesce(sa.type_coerce(_C.blocked_until, _MOMENT), 0) < _OLD,
)
