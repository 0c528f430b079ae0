"""A calendar of whole months: each day with what happens on it, as plain values for a table.

Promises: weeks begin on Sunday; a day outside its month is empty; each mark has its words beside its letter, so that
none is told by a letter or a color alone.
"""

from __future__ import annotations

from calendar import SUNDAY, Calendar
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from digest import rules

DAYS = tuple(day.capitalize() for day in (rules.WEEKDAYS[-1], *rules.WEEKDAYS[:-1]))


@dataclass(frozen=True)
class Mark:
    """One thing on a day: a letter as on the strip, and what it stands for."""

    letter: str
    words: str
    skipped: bool = False
    moved: bool = False


@dataclass(frozen=True)
class Day:
    """One square of the table."""

    day: date
    marks: Sequence[Mark]
    today: bool
    changes: bool  # the clock is changed on it


@dataclass(frozen=True)
class Month:
    """One month; `None` stands for days of its neighbors."""

    first: date
    weeks: Sequence[Sequence[Day | None]]


def months(count: int, today: date, marks: Mapping[date, Sequence[Mark]], changes: Collection[date]) -> list[Month]:
    """This month and those that follow."""
    first, found = today.replace(day=1), []
    for _ in range(count):
        weeks = Calendar(SUNDAY).monthdatescalendar(first.year, first.month)
        found.append(Month(first, [[_day(one, first, today, marks, changes) for one in week] for week in weeks]))
        first = last_day(first) + timedelta(days=1)
    return found


def last_day(within: date) -> date:
    """The last day of a month."""
    return (within.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _day(
    day: date, first: date, today: date, marks: Mapping[date, Sequence[Mark]], changes: Collection[date]
) -> Day | None:
    if day.month != first.month:
        return None
    return Day(day, marks.get(day, ()), day == today, day in changes)
