"""What the site's local day allows: sending hours, and the volume of a warm-up. Pure: no clock of its own.

Promises: hours are those that the clock on the wall shows, on days of clock changes too; an opening hour that the
clock jumps over opens after the jump, a repeated one is open both times. A warm-up's day begins at local midnight.
A clock set forward begins a new day; set back, it counts on with what was used, so that going back grants no volume
twice, and withholds none longer than to the next midnight.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from digest import schedules
from digest.delivery.slots import Bucket


@dataclass(frozen=True)
class Hours:
    """Open from the full hour `first` up to `last` (24: midnight), each day in `zone`."""

    first: int
    last: int
    zone: str

    @classmethod
    def read(cls, text: str, zone: str) -> Hours | None:
        """From "8-20"; None when no hours are set."""
        first, _, last = text.partition("-")
        return cls(int(first), int(last), zone) if text else None

    def opening(self, now: datetime) -> datetime | None:
        """None while open, else the moment (UTC) of the next opening."""
        if self._open(now):
            return None
        today = now.astimezone(ZoneInfo(self.zone)).date()
        dates = (today + timedelta(days=n) for n in itertools.count())
        moments = (schedules.resolve(day, self.first, self.zone) for day in dates)
        return next(moment for moment in moments if moment > now and self._open(moment))

    def _open(self, moment: datetime) -> bool:
        return self.first <= moment.astimezone(ZoneInfo(self.zone)).hour < self.last


@dataclass(frozen=True)
class WarmUp:
    """Mails a day at most while a sender is new: `table` names days from 1 on and their volumes, days rising."""

    table: tuple[tuple[int, int], ...]
    zone: str

    def today(self, now: datetime) -> str:
        """The local day, YYYY-MM-DD."""
        return now.astimezone(ZoneInfo(self.zone)).date().isoformat()

    def midnight(self, now: datetime) -> datetime:
        """The moment (UTC) at which the next local day begins."""
        return schedules.resolve(now.astimezone(ZoneInfo(self.zone)).date() + timedelta(days=1), 0, self.zone)

    def number(self, bucket: Bucket, today: str) -> int:
        """Which day of the warm-up today is: 1 on the first day that anything was granted, or is now."""
        first = min(bucket.first_day or today, today)
        return (date.fromisoformat(today) - date.fromisoformat(first)).days + 1

    def volume(self, number: int) -> int | None:
        """Mails on that day at most: its entry's, the one's before it, or the first's. After the last day None."""
        if not self.table or number > self.table[-1][0]:
            return None
        return next((most for day, most in reversed(self.table) if day <= number), self.table[0][1])

    def set_back(self, bucket: Bucket, today: str) -> Bucket:
        """The bucket with its day no later than today: what was counted on a day still to come counts for today."""
        return bucket._replace(day=today) if bucket.day is not None and bucket.day > today else bucket

    def used(self, bucket: Bucket, today: str) -> int:
        """What was granted today."""
        return bucket.used if self.set_back(bucket, today).day == today else 0

    def add(self, bucket: Bucket, rows: int, today: str) -> Bucket:
        """The bucket with `rows` more granted today; nothing is counted after the last day."""
        if rows <= 0 or self.volume(self.number(bucket, today)) is None:
            return bucket
        first = min(bucket.first_day or today, today)
        return bucket._replace(first_day=first, day=today, used=self.used(bucket, today) + rows)

    def give_back(self, bucket: Bucket, rows: int, today: str) -> Bucket:
        """The bucket with `rows` fewer granted today; a first day on which nothing is left was none."""
        if bucket.day != today:
            return bucket
        used = max(0, bucket.used - rows)
        return bucket._replace(used=used, first_day=bucket.first_day if used or bucket.first_day != today else None)
