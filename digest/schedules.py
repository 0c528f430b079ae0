"""When a series is due, across time zones and clock changes. Pure: no database, no clock of its own.

Promises: one occurrence per nominal local date, strictly rising, none lost to a clock change. A missing hour runs at
the first existing minute after the gap; a repeated hour runs once, the first time. Both are one rule: a run happens
when the local clock first shows its time or a later one. Refuses: to add 24 hours; every step is over local dates.
docs/why/clock.md tells why this is not left to a cron library.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

CADENCES = ("daily", "weekly", "monthly")
DAY = timedelta(days=1)
LONGEST_WAIT = timedelta(hours=25)
NBSP = "\N{NO-BREAK SPACE}"

_REACH = {"daily": 1, "weekly": 7, "monthly": 31}  # days before any date that surely hold a run


@dataclass(frozen=True)
class Schedule:
    """When a series runs: an hour of the local day, on every day, one weekday, or one day of the month."""

    cadence: str  # daily, weekly, monthly
    hour: int  # 0 to 23
    weekday: int | None = None  # weekly: 0 is Monday
    month_day: int | None = None  # monthly: 1 to 31; past the month's end it is the last day
    zone: str = "UTC"  # IANA name

    def __post_init__(self) -> None:
        if self.cadence not in CADENCES:
            raise ValueError(f"{self.cadence!r} has no schedule; known are {', '.join(CADENCES)}")
        if self.hour not in range(24):
            raise ValueError(f"the hour must be 0 to 23, not {self.hour}")
        if self.cadence == "weekly" and self.weekday not in range(7):
            raise ValueError(f"a weekly schedule needs a weekday from 0 (Monday) to 6, not {self.weekday}")
        if self.cadence == "monthly" and self.month_day not in range(1, 32):
            raise ValueError(f"a monthly schedule needs a day from 1 to 31, not {self.month_day}")


@dataclass(frozen=True)
class Occurrence:
    """One due moment: `moment` names it by its nominal local time, `at` is when it happens (aware, UTC)."""

    moment: str  # YYYY-MM-DDTHH
    at: datetime


def resolve(day: date, hour: int, zone: str, minute: int = 0) -> datetime:
    """The moment (UTC) at which the clock of `zone` first shows this time on `day`, or a later one if it never does."""
    return _first_shown(datetime.combine(day, time(hour, minute)), ZoneInfo(zone))


def next_occurrence(schedule: Schedule, after: datetime) -> Occurrence:
    """The first occurrence strictly after `after`."""
    return next(run for run in _walk(schedule, _local_day(schedule, after)) if run.at > after)


def latest_occurrence(schedule: Schedule, upto: datetime) -> Occurrence:
    """The last occurrence at or before `upto`: after a long silence, the only one worth running."""
    first = _local_day(schedule, upto) - _REACH[schedule.cadence] * DAY
    *_, last = takewhile(lambda run: run.at <= upto, _walk(schedule, first))
    return last


def between(schedule: Schedule, after: datetime, upto: datetime) -> Iterator[Occurrence]:
    """Every occurrence strictly after `after`, at or before `upto`."""
    for run in _walk(schedule, _local_day(schedule, after)):
        if run.at > upto:
            return
        if run.at > after:
            yield run


def due_for(starts_at: datetime, hour: int, zone: str) -> datetime:
    """The first moment (UTC) at or after `starts_at` at which it is the full `hour` in `zone`; at most 25 h later.

    When `starts_at` lies within that very hour (7:20 for hour 7), it is that hour already: `starts_at` itself. An
    hour that the clock jumps over counts as shown at the end of the gap; a repeated hour counts each time.
    """
    clock = ZoneInfo(zone)
    local = starts_at.astimezone(clock)
    if local.hour == hour:
        return starts_at.astimezone(UTC)
    shown = [
        moment
        for days in (-1, 0, 1)  # yesterday's hour may be yet to come: at the end of a gap, or repeated past midnight
        for moment in _each_shown(datetime.combine(local.date() + days * DAY, time(hour)), clock)
        if moment >= starts_at
    ]
    # Clocks set back by three hours at once (Antarctic stations) would break the promise of 25 hours.
    return min(*shown, starts_at.astimezone(UTC) + LONGEST_WAIT)


def clock_changes(schedule: Schedule, after: datetime, upto: datetime) -> list[str]:
    """What each clock change strictly after `after`, up to `upto`, does to the runs: a sentence or two for people."""
    return [_tell(schedule, change, this_year=after.year) for change in _changes(schedule.zone, after, upto)]


def clock_note(day: date, hour: int, zone: str, *, this_year: int) -> str:
    """What a change of clocks does to this hour of a day: a sentence for people, or nothing."""
    clock, wall = ZoneInfo(zone), datetime.combine(day, time(hour))
    real = resolve(day, hour, zone).astimezone(clock).replace(tzinfo=None)
    if real != wall:
        return _missing(wall, real, this_year)
    if len(_each_shown(wall, clock)) == 2:
        return f"It is {_time(wall)} twice on {_date(wall, this_year)}; the run happens once, the first time."
    return ""


# --- dates and moments -----------------------------------------------------------------------------------------


def _walk(schedule: Schedule, first: date) -> Iterator[Occurrence]:
    """The occurrences of all nominal dates from `first` on.

    A zone may skip a whole date (Samoa, December 30, 2011). Its run happens at the first minute of the next date;
    if that date's own run is due at the same minute, they are one, named by the date that exists.
    """
    held: Occurrence | None = None
    for day in _dates(schedule, first):
        run = Occurrence(f"{day.isoformat()}T{schedule.hour:02}", resolve(day, schedule.hour, schedule.zone))
        if held and held.at < run.at:
            yield held
        held = run


def _dates(schedule: Schedule, first: date) -> Iterator[date]:
    if schedule.cadence == "monthly":
        yield from _month_days(schedule.month_day or 31, first)
        return
    weekly = schedule.cadence == "weekly"
    day = first + ((schedule.weekday or 0) - first.weekday()) % 7 * DAY if weekly else first
    while True:
        yield day
        day += 7 * DAY if weekly else DAY


def _month_days(month_day: int, first: date) -> Iterator[date]:
    year, month = first.year, first.month
    while True:
        day = date(year, month, min(month_day, monthrange(year, month)[1]))
        if day >= first:
            yield day
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _local_day(schedule: Schedule, moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(schedule.zone)).date()


def _first_shown(wall: datetime, clock: ZoneInfo) -> datetime:
    """The moment at which `clock` first shows the naive time `wall` or, when it jumps over it, a later one."""
    moment = wall.replace(tzinfo=clock, fold=0).astimezone(UTC)
    if moment.astimezone(clock).replace(tzinfo=None) == wall:
        return moment
    # In a gap, fold 1 reads `wall` with the offset of after the change: a moment before it (PEP 495).
    return _change_between(wall.replace(tzinfo=clock, fold=1).astimezone(UTC), moment, clock)


def _each_shown(wall: datetime, clock: ZoneInfo) -> tuple[datetime, ...]:
    """The moments at which `clock` shows `wall`: one, or two when it is repeated, or the end of the gap."""
    again = wall.replace(tzinfo=clock, fold=1).astimezone(UTC)
    first = _first_shown(wall, clock)
    return (first, again) if again > first else (first,)


def _change_between(before: datetime, after: datetime, clock: ZoneInfo) -> datetime:
    """The first second after `before` with the offset of `after`."""
    offset = after.astimezone(clock).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (before, middle) if middle.astimezone(clock).utcoffset() == offset else (middle, after)
    return after


# --- clock changes in words ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Change:
    at: datetime  # UTC
    wall: datetime  # naive: what the clock would have shown had nothing changed
    back: bool


def _changes(zone: str, after: datetime, upto: datetime) -> Iterator[_Change]:
    clock = ZoneInfo(zone)
    step = timedelta(hours=6)
    here = after.astimezone(UTC).replace(microsecond=0)
    while here < upto:
        old, new = (moment.astimezone(clock).utcoffset() for moment in (here, here + step))
        if old is not None and new is not None and old != new:
            at = _change_between(here, here + step, clock)
            if at <= upto:
                yield _Change(at, (at + old).replace(tzinfo=None), back=new < old)
        here += step


def _tell(schedule: Schedule, change: _Change, *, this_year: int) -> str:
    run = next_occurrence(schedule, resolve(change.wall.date(), 0, schedule.zone) - timedelta(seconds=1))
    clock = ZoneInfo(schedule.zone)
    wall = datetime.fromisoformat(f"{run.moment}:00")
    real = run.at.astimezone(clock).replace(tzinfo=None)
    if real != wall:
        return _missing(wall, real, this_year)
    start = f"{_date(change.wall, this_year)}: clocks go {'back' if change.back else 'forward'} at {_time(change.wall)}"
    if len(_each_shown(wall, clock)) == 2:
        return f"{start} The {_time(wall)} run happens once, the first time."
    return f"{start} The {_time(wall)} run stays at {_time(wall)}"


def _missing(wall: datetime, real: datetime, this_year: int) -> str:
    day = "" if real.date() == wall.date() else f" on {_date(real, this_year)}."
    return f"{_time(wall)} does not exist on {_date(wall, this_year)}; the run happens at {_time(real)}{day}"


def _date(moment: datetime, this_year: int) -> str:
    year = "" if moment.year == this_year else f", {moment.year}"
    return f"{moment:%B}{NBSP}{moment.day}{year}"


def _time(moment: datetime) -> str:
    """As in "7:00 a.m.", whose last point also ends a sentence."""
    return f"{moment.hour % 12 or 12}:{moment:%M}{NBSP}{'a.m.' if moment.hour < 12 else 'p.m.'}"
