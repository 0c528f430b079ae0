"""The calendar: every zone, every clock change, against a clock that is watched minute by minute."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from digest import schedules
from digest.schedules import Occurrence, Schedule

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NEW_YORK = "America/New_York"

# Zone and the local dates of two changes: usual ones, half hours, midnights, whole days, three hours, none at all.
CHANGES = [
    ("America/New_York", "2026-03-08", "2026-11-01"),
    ("America/Los_Angeles", "2026-03-08", "2026-11-01"),
    ("America/St_Johns", "2006-04-02", "2006-10-29"),
    ("America/Sao_Paulo", "2017-10-15", "2018-02-18"),
    ("America/Havana", "2026-03-08", "2026-11-01"),
    ("America/Asuncion", "2022-10-02", "2023-03-26"),
    ("America/Nuuk", "2023-03-25", "2024-10-26"),
    ("America/Caracas", "2007-12-09", "2016-05-01"),
    ("Europe/Berlin", "2026-03-29", "2026-10-25"),
    ("Europe/London", "2026-03-29", "2026-10-25"),
    ("Africa/Casablanca", "2026-02-15", "2026-03-22"),
    ("Africa/Cairo", "2024-04-26", "2024-10-31"),
    ("Asia/Kathmandu", "2026-03-29", "2026-10-25"),
    ("Asia/Beirut", "2026-03-29", "2026-10-25"),
    ("Asia/Pyongyang", "2015-08-15", "2018-05-05"),
    ("Australia/Lord_Howe", "2026-04-05", "2026-10-04"),
    ("Pacific/Apia", "2011-12-30", "2012-04-01"),
    ("Pacific/Kwajalein", "1993-08-21", "1993-08-22"),
    ("Antarctica/Troll", "2026-03-29", "2026-10-25"),
    ("Antarctica/Casey", "2018-03-11", "2018-10-07"),
]
SOME_CHANGE = [(zone, date.fromisoformat(day)) for zone, *days in CHANGES for day in days]

zones = st.sampled_from(sorted(available_timezones()))
moments = st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001 made aware
hours = st.integers(0, 23)
plans = st.builds(
    Schedule,
    st.sampled_from(["daily", "weekly", "monthly"]),
    hours,
    st.integers(0, 6),
    st.integers(1, 31),
    zones,
)


@lru_cache(maxsize=8)
def minutes_of(day: date, zone: str) -> list[tuple[datetime, datetime]]:
    """What the clock shows, minute by minute, while it can be `day` anywhere, and a day more."""
    start, clock = datetime.combine(day, time(), UTC) - 38 * HOUR, ZoneInfo(zone)
    each = (start + n * MINUTE for n in range(102 * 60))
    return [(moment, moment.astimezone(clock).replace(tzinfo=None)) for moment in each]


def watched(wall: datetime, zone: str) -> datetime:
    """The oracle: looks at the clock every minute until it shows `wall` or later."""
    return next(moment for moment, shown in minutes_of(wall.date(), zone) if shown >= wall)


def is_run_day(plan: Schedule, day: date) -> bool:
    if plan.cadence == "weekly":
        return day.weekday() == plan.weekday
    last = monthrange(day.year, day.month)[1]
    return plan.cadence == "daily" or day.day == min(plan.month_day or 0, last)


def watched_runs(plan: Schedule, first: date, days: int) -> list[tuple[str, datetime]]:
    """The oracle's runs of `days` dates from `first`, those of one moment taken as the last of them."""
    runs = {}
    for day in (first + n * DAY for n in range(days)):
        if is_run_day(plan, day):
            runs[watched(datetime.combine(day, time(plan.hour)), plan.zone)] = f"{day}T{plan.hour:02}"
    return [(moment, at) for at, moment in sorted(runs.items())]


@pytest.mark.parametrize(("zone", "day"), SOME_CHANGE)
def test_around_a_change_every_hour_of_three_days_runs_when_a_watched_clock_says(zone: str, day: date) -> None:
    for hour in range(24):
        plan = Schedule("daily", hour, zone=zone)
        expected = watched_runs(plan, day - DAY, 4)
        after = expected[0][1] - timedelta(microseconds=1)
        got = [(run.moment, run.at) for run in schedules.between(plan, after, expected[-1][1])]
        assert got == expected


@pytest.mark.parametrize(("zone", "day"), SOME_CHANGE)
def test_no_week_and_no_month_is_lost_around_a_change(zone: str, day: date) -> None:
    start = datetime.combine(day, time(), UTC) - 40 * DAY
    for hour in (0, 1, 2, 3, 7, 23):
        for turn in (-1, 0, 1):
            when = day + turn * DAY
            weekly = Schedule("weekly", hour, when.weekday(), zone=zone)
            weeks = [date.fromisoformat(run.moment[:10]) for run in schedules.between(weekly, start, start + 80 * DAY)]
            assert {later - earlier for earlier, later in pairwise(weeks)} == {7 * DAY}
            assert when in weeks
            monthly = Schedule("monthly", hour, month_day=when.day, zone=zone)
            months = [run.moment[:7] for run in schedules.between(monthly, start, start + 80 * DAY)]
            assert len(months) == len(set(months)) >= 2
            assert f"{when:%Y-%m}" in months


@given(plans, moments)
@settings(max_examples=300, deadline=None)
def test_runs_rise_strictly_one_per_nominal_date_and_none_is_left_out(plan: Schedule, start: datetime) -> None:
    runs = [schedules.next_occurrence(plan, start)]
    for _ in range(14):
        runs.append(schedules.next_occurrence(plan, runs[-1].at))
    dates = [date.fromisoformat(run.moment[:10]) for run in runs]
    assert all(earlier.at < later.at for earlier, later in pairwise(runs))
    assert all(run.at.tzinfo is UTC and run.moment[10:] == f"T{plan.hour:02}" for run in runs)
    assert all(is_run_day(plan, day) for day in dates)
    between = {dates[0] + n * DAY for n in range((dates[-1] - dates[0]).days)}
    lost = {day for day in between - set(dates) if is_run_day(plan, day)}
    assert all(schedules.resolve(day, plan.hour, plan.zone) in {run.at for run in runs} for day in lost)


@given(plans, moments)
@settings(max_examples=300, deadline=None)
def test_next_latest_and_between_tell_the_same_story(plan: Schedule, now: datetime) -> None:
    latest, following = schedules.latest_occurrence(plan, now), schedules.next_occurrence(plan, now)
    assert latest.at <= now < following.at
    assert schedules.next_occurrence(plan, latest.at) == following
    assert schedules.latest_occurrence(plan, following.at) == following
    assert schedules.latest_occurrence(plan, following.at - timedelta(microseconds=1)) == latest
    assert list(schedules.between(plan, latest.at, following.at)) == [following]
    assert list(schedules.between(plan, latest.at - timedelta(microseconds=1), now)) == [latest]


@given(zones, moments, hours)
@settings(max_examples=60, deadline=None)
def test_a_run_happens_when_the_clock_first_shows_its_hour(zone: str, near: datetime, hour: int) -> None:
    assert schedules.resolve(near.date(), hour, zone) == watched(datetime.combine(near.date(), time(hour)), zone)


@given(zones, moments, hours)
@example(NEW_YORK, datetime(2026, 3, 7, 8, 30, tzinfo=UTC), 2)
@example("Antarctica/Casey", datetime(2018, 3, 9, 22, 30, tzinfo=UTC), 8)
@example("Pacific/Apia", datetime(2011, 12, 29, 20, tzinfo=UTC), 7)
@settings(max_examples=400, deadline=None)
def test_a_reader_waits_25_hours_at_most_and_gets_it_at_the_hour(zone: str, starts_at: datetime, hour: int) -> None:
    due = schedules.due_for(starts_at, hour, zone)
    assert starts_at <= due <= starts_at + 25 * HOUR
    clock = ZoneInfo(zone)
    changed = {(starts_at + n * HOUR).astimezone(clock).utcoffset() for n in range(-1, 27)}
    assume(len(changed) == 1)
    assert due.astimezone(clock).hour == hour
    assert due == starts_at or due.astimezone(clock).minute == 0


@given(st.sampled_from(SOME_CHANGE), st.integers(-36 * 60, 12 * 60), hours)
@settings(max_examples=200, deadline=None)
def test_around_a_change_no_earlier_full_hour_of_the_reader_is_passed_over(
    change: tuple[str, date], minutes: int, hour: int
) -> None:
    zone, day = change
    clock = ZoneInfo(zone)
    starts_at = datetime.combine(day, time(12), clock).astimezone(UTC) + minutes * MINUTE
    due = schedules.due_for(starts_at, hour, zone)
    moment = starts_at
    while moment < due:
        local = moment.astimezone(clock)
        assert (local.hour, local.minute) != (hour, 0)
        moment += MINUTE
    assert due <= starts_at + 25 * HOUR


def test_within_the_hour_itself_it_is_due_at_once_and_right_after_it_a_day_later() -> None:
    start = datetime(2026, 9, 7, 11, 20, tzinfo=UTC)  # 7:20 in New York
    assert schedules.due_for(start, 7, NEW_YORK) == start
    assert schedules.due_for(start, 6, NEW_YORK) == datetime(2026, 9, 8, 10, tzinfo=UTC)
    assert schedules.due_for(start, 8, NEW_YORK) == datetime(2026, 9, 7, 12, tzinfo=UTC)
    assert schedules.due_for(start, 9, "Asia/Kathmandu") == datetime(2026, 9, 8, 3, 15, tzinfo=UTC)


def test_a_reader_whose_hour_is_missing_gets_it_at_the_end_of_the_gap() -> None:
    evening = datetime(2026, 3, 8, 3, tzinfo=UTC)  # 10 p.m. in New York, the night the clocks go forward
    assert schedules.due_for(evening, 2, NEW_YORK) == datetime(2026, 3, 8, 7, tzinfo=UTC)  # 3:00 EDT


def test_a_missing_half_hour_runs_at_the_first_minute_after_the_gap() -> None:
    plan = Schedule("daily", 2, zone="Australia/Lord_Howe")
    run = schedules.next_occurrence(plan, datetime(2026, 10, 3, 2, tzinfo=UTC))
    assert run == Occurrence("2026-10-04T02", datetime(2026, 10, 3, 15, 30, tzinfo=UTC))
    assert run.at.astimezone(ZoneInfo("Australia/Lord_Howe")).time() == time(2, 30)


def test_a_repeated_hour_runs_once_the_first_time() -> None:
    plan = Schedule("daily", 1, zone=NEW_YORK)
    runs = schedules.between(plan, datetime(2026, 10, 31, 12, tzinfo=UTC), datetime(2026, 11, 1, 12, tzinfo=UTC))
    assert list(runs) == [Occurrence("2026-11-01T01", datetime(2026, 11, 1, 5, tzinfo=UTC))]


def test_the_date_that_samoa_skipped_runs_at_the_first_minute_after_it() -> None:
    friday = Schedule("weekly", 7, 4, zone="Pacific/Apia")
    run = schedules.next_occurrence(friday, datetime(2011, 12, 28, tzinfo=UTC))
    assert run == Occurrence("2011-12-30T07", datetime(2011, 12, 30, 10, tzinfo=UTC))
    midnight = Schedule("daily", 0, zone="Pacific/Apia")
    runs = schedules.between(midnight, datetime(2011, 12, 29, 12, tzinfo=UTC), datetime(2011, 12, 31, 12, tzinfo=UTC))
    assert [run.moment for run in runs] == ["2011-12-31T00", "2012-01-01T00"]


@pytest.mark.parametrize(
    ("month_day", "expected"),
    [
        (31, ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
        (30, ["2027-12-30", "2028-01-30", "2028-02-29", "2028-03-30", "2028-04-30"]),
        (1, ["2027-12-01", "2028-01-01", "2028-02-01", "2028-03-01", "2028-04-01"]),
    ],
)
def test_a_day_past_the_end_of_the_month_is_its_last(month_day: int, expected: list[str]) -> None:
    plan = Schedule("monthly", 7, month_day=month_day, zone=NEW_YORK)
    runs = schedules.between(plan, datetime(2027, 11, 30, 17, tzinfo=UTC), datetime(2028, 4, 30, 17, tzinfo=UTC))
    assert [run.moment for run in runs] == [f"{day}T07" for day in expected]


def test_after_a_long_silence_there_is_one_latest_run() -> None:
    plan = Schedule("weekly", 7, 0, zone=NEW_YORK)
    assert schedules.latest_occurrence(plan, datetime(2026, 9, 13, 20, tzinfo=UTC)).moment == "2026-09-07T07"
    assert schedules.latest_occurrence(plan, datetime(2026, 9, 7, 11, tzinfo=UTC)).moment == "2026-09-07T07"
    assert schedules.latest_occurrence(plan, datetime(2026, 9, 7, 10, 59, tzinfo=UTC)).moment == "2026-08-31T07"


@pytest.mark.parametrize(
    ("cadence", "hour", "weekday", "month_day"),
    [("instant", 7, 0, 1), ("daily", 24, 0, 1), ("weekly", 7, None, 1), ("weekly", 7, 7, 1), ("monthly", 7, 0, 32)],
)
def test_a_schedule_that_makes_no_sense_is_refused(
    cadence: str, hour: int, weekday: int | None, month_day: int | None
) -> None:
    with pytest.raises(ValueError, match=r"schedule|hour"):
        Schedule(cadence, hour, weekday, month_day)


@pytest.mark.parametrize(
    ("hour", "autumn", "spring"),
    [
        (
            7,
            "November 1: clocks go back at 2:00 a.m. The 7:00 a.m. run stays at 7:00 a.m.",
            "March 14, 2027: clocks go forward at 2:00 a.m. The 7:00 a.m. run stays at 7:00 a.m.",
        ),
        (
            1,
            "November 1: clocks go back at 2:00 a.m. The 1:00 a.m. run happens once, the first time.",
            "March 14, 2027: clocks go forward at 2:00 a.m. The 1:00 a.m. run stays at 1:00 a.m.",
        ),
        (
            2,
            "November 1: clocks go back at 2:00 a.m. The 2:00 a.m. run stays at 2:00 a.m.",
            "2:00 a.m. does not exist on March 14, 2027; the run happens at 3:00 a.m.",
        ),
    ],
)
def test_clock_changes_are_told_in_words(hour: int, autumn: str, spring: str) -> None:
    plan = Schedule("daily", hour, zone=NEW_YORK)
    start = datetime(2026, 9, 7, 11, tzinfo=UTC)
    told = schedules.clock_changes(plan, start, start + 240 * DAY)
    assert [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in told] == [autumn, spring]
    assert all("2:00\N{NO-BREAK SPACE}a.m." in sentence for sentence in told)


def test_a_date_skipped_whole_is_told_with_the_date_it_runs_on() -> None:
    plan = Schedule("daily", 7, zone="Pacific/Apia")
    told = schedules.clock_changes(plan, datetime(2011, 12, 1, tzinfo=UTC), datetime(2011, 12, 31, tzinfo=UTC))
    assert [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in told] == [
        "7:00 a.m. does not exist on December 30; the run happens at 12:00 a.m. on December 31."
    ]


def test_a_zone_without_changes_has_nothing_to_tell() -> None:
    plan = Schedule("daily", 7, zone="Asia/Kathmandu")
    assert schedules.clock_changes(plan, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)) == []
