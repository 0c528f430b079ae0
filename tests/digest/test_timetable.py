"""Runs of several series side by side, over clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from digest import timetable
from digest.calendars import Calendar
from digest.schedules import Schedule
from digest.timetable import Meeting, Run
from tests.conftest import NOW

ZONE = "America/New_York"
WEEKLY = Calendar(Schedule("weekly", 7, weekday=0, zone=ZONE))
MONTHLY = Calendar(Schedule("monthly", 7, month_day=1, zone=ZONE))


def test_the_next_runs_of_all_series_come_in_order() -> None:
    runs = timetable.first({"w": WEEKLY, "m": MONTHLY}, NOW, 5)
    assert [(run.name, run.at.date().isoformat()) for run in runs] == [
        ("w", "2026-09-14"),
        ("w", "2026-09-21"),
        ("w", "2026-09-28"),
        ("m", "2026-10-01"),
        ("w", "2026-10-05"),
    ]
    assert timetable.first({}, NOW, 5) == []


def test_two_that_come_together_are_told_with_the_first_time_that_they_do() -> None:
    assert timetable.meetings({"w": WEEKLY, "m": MONTHLY}, NOW) == [
        Meeting(("w", "m"), datetime(2027, 2, 1, 12, tzinfo=UTC))
    ]
    apart = Calendar(Schedule("monthly", 8, month_day=1, zone=ZONE))
    assert timetable.meetings({"w": WEEKLY, "m": apart}, NOW) == []


def test_a_clock_change_may_bring_two_zones_together() -> None:
    """New York changes its clock a week after London does."""
    london = Calendar(Schedule("weekly", 11, weekday=0, zone="Europe/London"))  # 6:00 in New York but for that week
    (met,) = timetable.meetings({"here": WEEKLY, "there": london}, NOW)
    assert met.at == datetime(2026, 10, 26, 11, tzinfo=UTC)


def test_the_days_of_clock_changes_are_known() -> None:
    assert timetable.change_days(ZONE, date(2026, 9, 1), 91) == {date(2026, 11, 1)}
    assert timetable.change_days("UTC", date(2026, 1, 1), 365) == set()


plans = st.builds(Schedule, st.just("weekly"), st.integers(6, 8), st.integers(0, 1), st.none(), st.just(ZONE)).map(
    Calendar
)


@settings(max_examples=12, deadline=None)  # a year of zone arithmetic each
@given(plans, plans)
def test_a_meeting_is_found_where_and_only_where_two_runs_are_close(one: Calendar, other: Calendar) -> None:
    until = NOW + timetable.AHEAD
    both = [
        max(a.at, b.at)
        for a in one.between(NOW, until)
        for b in other.between(NOW, until)
        if abs(a.at - b.at) < timetable.CLOSE
    ]
    found = timetable.meetings({"a": one, "b": other}, NOW)
    assert [meeting.at for meeting in found] == ([min(both)] if both else [])
    runs = timetable.first({"a": one, "b": other}, NOW, 7)
    assert runs == sorted(runs)
    assert isinstance(runs[0], Run)
