"""The runs of several series side by side: the next of them in order, and those that come close together. Pure.

Promises: the same moments as `calendars`, whatever zone each series has; a clock change that brings two runs together,
or parts them, is seen. Refuses nothing. Serves whoever sets a digest's rules, before anything is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from heapq import merge
from itertools import combinations, islice
from zoneinfo import ZoneInfo

from digest.calendars import Calendar

CLOSE = timedelta(hours=1)
AHEAD = timedelta(days=366)  # over which runs are compared


@dataclass(frozen=True, order=True)
class Run:
    """One run; `name` is that of its series in the table that was asked about."""

    at: datetime
    name: str


@dataclass(frozen=True)
class Meeting:
    """Two series with runs less than an hour apart, and when they first are."""

    names: tuple[str, str]
    at: datetime  # of the later of the two runs


def first(plans: Mapping[str, Calendar], after: datetime, limit: int) -> list[Run]:
    """The first so many runs of all series, strictly after a moment."""
    return list(islice(merge(*(_runs(name, plan, after) for name, plan in plans.items())), limit))


def meetings(plans: Mapping[str, Calendar], after: datetime) -> list[Meeting]:
    """Each pair of series that come less than an hour apart within a year, once, the soonest first."""
    runs = {name: [run.at for run in _runs(name, plan, after)] for name, plan in plans.items()}
    pairs = ((names, _met(runs[names[0]], runs[names[1]])) for names in combinations(plans, 2))
    return sorted((Meeting(names, at) for names, at in pairs if at), key=lambda one: one.at)


def change_days(zone: str, first_day: date, days: int) -> set[date]:
    """Those of so many days on which the clock of a zone is changed."""
    clock = ZoneInfo(zone)
    offsets = [
        datetime.combine(first_day + timedelta(days=n), datetime.min.time(), clock).utcoffset() for n in range(days + 1)
    ]
    return {first_day + timedelta(days=n) for n in range(days) if offsets[n] != offsets[n + 1]}


def _runs(name: str, plan: Calendar, after: datetime) -> Iterator[Run]:
    for run in plan.between(after, after + AHEAD):
        yield Run(run.at, name)


def _met(these: list[datetime], those: list[datetime]) -> datetime | None:
    here = there = 0
    while here < len(these) and there < len(those):
        if abs(these[here] - those[there]) < CLOSE:
            return max(these[here], those[there])
        if these[here] < those[there]:
            here += 1
        else:
            there += 1
    return None
