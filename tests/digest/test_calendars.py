"""A calendar with runs that were moved, against the plain list of all runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from digest import schedules
from digest.calendars import INSTANT, Calendar
from digest.schedules import Occurrence, Schedule
from tests.conftest import NOW

ZONE = "America/New_York"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEKLY = Schedule("weekly", 7, weekday=0, zone=ZONE)
FIRST, SECOND = "2026-09-14T07", "2026-09-21T07"
plans = st.sampled_from([
    Schedule("daily", 2, zone=ZONE),
    WEEKLY,
    Schedule("weekly", 1, weekday=6, zone=ZONE),  # the day on which clocks change
    Schedule("monthly", 7, month_day=31, zone=ZONE),
])  # fmt: skip


def at(day: int, hour: int) -> datetime:
    """An hour of September in New York."""
    return datetime(2026, 9, day, hour + 4, tzinfo=UTC)


def test_a_moved_run_happens_at_its_new_moment_and_no_more_at_its_own() -> None:
    later = Calendar(WEEKLY, {FIRST: at(16, 10)})
    assert later.next(at(8, 0)) == Occurrence(FIRST, at(16, 10))
    assert later.next(at(16, 10)).moment == SECOND
    assert later.latest(at(16, 9)).moment == "2026-09-07T07"
    assert later.latest(at(16, 10)).moment == FIRST
    earlier = Calendar(WEEKLY, {SECOND: at(16, 10)})
    assert [run.moment for run in earlier.ahead(at(8, 0), 3)] == [FIRST, SECOND, "2026-09-28T07"]
    assert earlier.latest(at(27, 0)) == Occurrence(SECOND, at(16, 10))


def test_a_run_that_is_no_more_in_the_schedule_happens_where_it_was_moved() -> None:
    changed = Calendar(Schedule("weekly", 9, weekday=1, zone=ZONE), {FIRST: at(16, 10)})
    assert [run.moment for run in changed.ahead(at(8, 9), 3)] == ["2026-09-15T09", FIRST, "2026-09-22T09"]
    assert changed.planned(FIRST, at(14, 7)) is None


def test_two_at_the_same_moment_are_one() -> None:
    changed = Calendar(Schedule("weekly", 9, weekday=1, zone=ZONE), {FIRST: at(15, 9)})
    assert [run.moment for run in changed.ahead(at(8, 9), 2)] == [FIRST, "2026-09-22T09"]
    assert changed.latest(at(15, 9)).moment == FIRST


def test_a_run_has_its_place_between_its_neighbors() -> None:
    calendar = Calendar(WEEKLY, {FIRST: at(16, 10)})
    assert calendar.place(Occurrence(FIRST, at(16, 10))) == (at(7, 7), at(21, 7))
    assert calendar.planned(FIRST, at(14, 7)) == Occurrence(FIRST, at(14, 7))


@settings(max_examples=60, deadline=None)
@given(plans, st.lists(st.tuples(st.integers(0, 30), st.integers(-80, 80)), max_size=4), st.integers(0, 900))
def test_it_is_the_list_of_all_runs_with_some_at_other_moments(
    plan: Schedule, moves: list[tuple[int, int]], hours: int
) -> None:
    runs = list(schedules.between(plan, NOW, NOW + 200 * DAY))
    moved = {runs[n % len(runs)].moment: runs[n % len(runs)].at + shift * HOUR for n, shift in moves}
    calendar = Calendar(plan, moved)
    there = sorted({moved.get(run.moment, run.at): run.moment for run in (*runs, *_last(runs, moved))}.items())
    look = runs[0].at + hours * HOUR
    past = [when for when, _ in there if when <= look]
    if past:
        assert calendar.latest(look).at == past[-1]
    assert [run.at for run in calendar.between(look, look + 40 * DAY)] == [
        when for when, _ in there if look < when <= look + 40 * DAY
    ]
    for earlier, later in pairwise(calendar.ahead(look, 5)):
        assert earlier.at < later.at
        assert calendar.latest(later.at - INSTANT) == earlier


def _last(runs: list[Occurrence], moved: dict[str, datetime]) -> list[Occurrence]:
    """The moved ones once more, since of two at the same moment it is they who stay."""
    return [run for run in runs if run.moment in moved]
