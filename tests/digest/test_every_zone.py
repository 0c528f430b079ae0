"""The calendar in every zone of zoneinfo, at every clock change from 1969 to 2037, and over whole years.

The changes are found by looking at the clocks. What a run should be is then told without any of the rules of
`schedules`: between two changes a clock only adds an offset, so the first moment that shows a time or a later one is
found stretch by stretch. Over years a second oracle just looks at the clock.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest import schedules
from digest.schedules import Schedule

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUARTER, MINUTE = timedelta(minutes=15), timedelta(minutes=1)  # no clock since 1990 was set between two minutes
INSTANT = timedelta(microseconds=1)
FIRST, LAST = datetime(1969, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
ZONES = sorted(available_timezones())
STARTS = [timedelta(minutes=n) for n in (-25 * 60, 0, -13 * 60 + 20, -20, -61, 40, 0)]  # of an edition, about a change

Stretch = tuple[datetime, timedelta]  # from when on, and what the clock adds to UTC


def stretches(zone: str) -> tuple[Stretch, ...]:
    """The offsets of a zone; a change that was taken back within ten days would be missed, and there is none."""
    clock, step = ZoneInfo(zone), 10 * DAY
    found, here = [(FIRST - 400 * DAY, FIRST.astimezone(clock).utcoffset() or timedelta())], FIRST
    while here < LAST:
        offset = (here + step).astimezone(clock).utcoffset() or timedelta()
        if offset != found[-1][1]:
            found.append((changed(clock, here, here + step), offset))
        here += step
    return tuple(found)


def changed(clock: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second with the later offset."""
    old, second = before.astimezone(clock).utcoffset(), timedelta(seconds=1)
    low, high = 0, (after - before) // second
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if (before + middle * second).astimezone(clock).utcoffset() == old else (low, middle)
    return before + high * second


@pytest.fixture(scope="module")
def changes() -> dict[tuple[Stretch, ...], str]:
    """Each clock change with its neighbors, told once, and one of the zones that have it."""
    found: dict[tuple[Stretch, ...], str] = {}
    for zone in ZONES:
        all_of_it = stretches(zone)
        for n in range(1, len(all_of_it)):
            around = [one for one in all_of_it[max(n - 2, 0) : n + 3] if abs(one[0] - all_of_it[n][0]) < 8 * DAY]
            before = bisect_right(all_of_it, around[0]) - 2
            first = (around[0][0] - 400 * DAY, all_of_it[before][1])
            found.setdefault((first, *around), zone)
    return found


def spans(around: tuple[Stretch, ...]) -> Iterator[tuple[datetime, datetime, timedelta]]:
    ends = [start for start, _ in around[1:]] + [LAST + 400 * DAY]
    return ((start, end, offset) for (start, offset), end in zip(around, ends, strict=True))


def first_shown(around: tuple[Stretch, ...], wall: datetime) -> datetime:
    """The oracle: the first moment at which the clock shows `wall` (as if it were UTC) or later."""
    for start, end, offset in spans(around):
        if max(start, wall - offset) < end:
            return max(start, wall - offset)
    raise AssertionError(wall)


def hour_comes(around: tuple[Stretch, ...], starts_at: datetime, hour: int) -> datetime:
    """The oracle for readers: the first moment from `starts_at` on that shows the hour, or jumps over its beginning."""
    moments = []
    before: timedelta | None = None
    for start, end, offset in spans(around):
        if start <= starts_at < end and (starts_at + offset).hour == hour:
            return starts_at
        for n in range(-1, 4):
            wall = datetime.combine(starts_at + n * DAY, time(hour), UTC)
            moments += [wall - offset] if start <= wall - offset < end else []
            moments += [start] if before is not None and start + before <= wall < start + offset else []
        before = offset
    return min(moment for moment in [*moments, starts_at + 25 * HOUR] if moment >= starts_at)


def test_no_zone_is_left_out_and_the_odd_changes_are_among_them(changes: dict[tuple[Stretch, ...], str]) -> None:
    assert len(ZONES) > 500
    assert len(changes) > 2000
    jumps = {later[1] - earlier[1] for around in changes for earlier, later in pairwise(around)}
    assert {24 * HOUR, -23 * HOUR, HOUR / 2, -HOUR / 2, 2 * HOUR, -2 * HOUR, 3 * HOUR, -3 * HOUR} <= jumps
    midnights = {"America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "America/Asuncion", "Asia/Gaza"}
    for zone in midnights:
        assert any(
            datetime.combine(start + new, time(), UTC) in (start + old, start + new)
            for (_, old), (start, new) in pairwise(stretches(zone))
        )


def test_at_every_change_every_hour_runs_at_its_first_moment(changes: dict[tuple[Stretch, ...], str]) -> None:
    for around, zone in changes.items():
        for day in days_about(around):
            for hour in range(24):
                at = first_shown(around, datetime.combine(day, time(hour), UTC))
                assert schedules.resolve(day, hour, zone) == at, (zone, day, hour)


def test_at_every_change_the_runs_of_the_hours_about_it_follow_each_other(
    changes: dict[tuple[Stretch, ...], str],
) -> None:
    for around, zone in changes.items():
        start, offset = around[1]
        for hour in sorted({(start + offset + n * HOUR).hour for n in (-1, 0, 1)} | {(start + around[0][1]).hour}):
            plan = Schedule("daily", hour, zone=zone)
            runs: dict[datetime, str] = {}
            for day in days_about(around):
                runs[first_shown(around, datetime.combine(day, time(hour), UTC))] = f"{day}T{hour:02}"
            got = list(schedules.between(plan, min(runs) - INSTANT, max(runs)))
            assert [(run.at, run.moment) for run in got] == sorted(runs.items()), (zone, hour)
            earlier, later = got[-2:]
            assert schedules.next_occurrence(plan, earlier.at) == later
            assert schedules.latest_occurrence(plan, later.at - INSTANT) == earlier


def test_at_every_change_a_reader_gets_it_at_the_first_hour_of_theirs(changes: dict[tuple[Stretch, ...], str]) -> None:
    for n, (around, zone) in enumerate(changes.items()):
        start, offset = around[1]
        for turn in range(3):
            starts_at = start + STARTS[(n + turn) % len(STARTS)]
            for hour in {(start + offset).hour, (start + around[0][1]).hour, (n + 5 * turn) % 24}:
                due = schedules.due_for(starts_at, hour, zone)
                assert due == hour_comes(around, starts_at, hour), (zone, starts_at, hour)
                assert starts_at <= due <= starts_at + 25 * HOUR


def days_about(around: tuple[Stretch, ...]) -> list[date]:
    there = (around[1][0] + around[0][1]).date()
    return [there + n * DAY for n in (-1, 0, 1)]


# --- whole years -----------------------------------------------------------------------------------------------


def watched(wall: datetime, clock: ZoneInfo) -> datetime:
    """The second oracle: looks at the clock every quarter of an hour until it shows the naive `wall` or later, and
    then again at each minute of that quarter: Newfoundland long set its clocks at one past midnight."""
    moment = wall.replace(tzinfo=UTC) - 38 * HOUR
    for step in (QUARTER, MINUTE):
        while moment.astimezone(clock).replace(tzinfo=None) < wall:
            moment += step
        moment -= step
    return moment + MINUTE


def nominal(plan: Schedule, first: date, last: date) -> list[date]:
    """The dates from `first` to `last` on which the plan says that it runs, told day by day."""
    every = [first + n * DAY for n in range((last - first).days + 1)]
    if plan.cadence == "daily":
        return every
    if plan.cadence == "weekly":
        return [day for day in every if day.weekday() == plan.weekday]
    return [day for day in every if day.day == min(plan.month_day or 0, monthrange(day.year, day.month)[1])]


hours, zones, years = st.integers(0, 23), st.sampled_from(ZONES), st.integers(1990, 2036)


def check_year(plan: Schedule, year: int) -> None:
    """Once for each nominal date of the year, in order; what falls on one moment is one run, of the later date."""
    clock, runs = ZoneInfo(plan.zone), {}
    for day in nominal(plan, date(year, 1, 1), date(year, 12, 31)):
        runs[watched(datetime.combine(day, time(plan.hour)), clock)] = f"{day}T{plan.hour:02}"
    expected = sorted(runs.items())
    got = [schedules.next_occurrence(plan, expected[0][0] - INSTANT)]
    while len(got) < len(expected):
        got.append(schedules.next_occurrence(plan, got[-1].at))
    assert [(run.at, run.moment) for run in got] == expected
    for earlier, later in pairwise(got):
        assert schedules.latest_occurrence(plan, later.at - INSTANT) == earlier
    assert schedules.latest_occurrence(plan, got[-1].at) == got[-1]


@given(zones, hours, years, st.integers(0, 6))
@example("Pacific/Apia", 0, 2011, 4)
@example("Pacific/Apia", 0, 2011, 5)
@example("Pacific/Kwajalein", 7, 1993, 5)
@example("America/St_Johns", 1, 1990, 6)
@example("America/Sao_Paulo", 0, 2017, 6)
@example("Africa/Cairo", 0, 2024, 4)
@settings(max_examples=60, deadline=None)
def test_a_weekly_series_runs_once_for_each_week_of_a_year(zone: str, hour: int, year: int, weekday: int) -> None:
    check_year(Schedule("weekly", hour, weekday, zone=zone), year)


@given(zones, hours, years, st.one_of(st.sampled_from([29, 30, 31]), st.integers(1, 31)))
@example("Pacific/Apia", 0, 2011, 30)
@example("Pacific/Apia", 7, 2011, 30)
@example("America/St_Johns", 1, 1990, 1)
@example("Asia/Beirut", 0, 2024, 31)
@example("America/Asuncion", 0, 2028, 29)
@settings(max_examples=100, deadline=None)
def test_a_monthly_series_runs_once_for_each_month_of_a_year(zone: str, hour: int, year: int, month_day: int) -> None:
    check_year(Schedule("monthly", hour, month_day=month_day, zone=zone), year)


@given(zones, hours, years)
@example("Pacific/Apia", 0, 2011)
@example("Pacific/Apia", 7, 2011)
@example("Antarctica/Troll", 1, 2026)
@example("Australia/Lord_Howe", 2, 2026)
@example("Asia/Gaza", 0, 2022)
@settings(max_examples=12, deadline=None)
def test_a_daily_series_runs_once_for_each_day_of_a_year(zone: str, hour: int, year: int) -> None:
    check_year(Schedule("daily", hour, zone=zone), year)
