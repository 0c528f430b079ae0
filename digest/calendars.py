"""When the runs of one series happen: by its schedule, but for those that staff moved to another moment. Pure.

Promises: a run that was moved happens at that moment, whatever the schedule has become since, and no more at its own;
every other run happens as `schedules` says; two at the same moment are one, and it is the one that was moved. A run
may be moved only to where it keeps its place between its neighbors (`place`). Keeps nothing: `occurrences` reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge

from digest import schedules
from digest.schedules import Occurrence, Schedule

INSTANT = timedelta(microseconds=1)
NEAR = timedelta(days=2)  # a nominal date may lie so far from the same date in another zone


@dataclass(frozen=True)
class Calendar:
    """A schedule, and when those of its runs happen that were moved, by the run's `moment`."""

    schedule: Schedule
    moved: Mapping[str, datetime] = field(default_factory=dict)

    def next(self, after: datetime) -> Occurrence:
        """The first run strictly after `after`."""
        planned = schedules.next_occurrence(self.schedule, after)
        while planned.moment in self.moved:
            planned = schedules.next_occurrence(self.schedule, planned.at)
        return min((*self._moved(after, planned.at), planned), key=_when)

    def latest(self, upto: datetime) -> Occurrence:
        """The last run at or before `upto`."""
        planned = schedules.latest_occurrence(self.schedule, upto)
        while planned.moment in self.moved:
            planned = schedules.latest_occurrence(self.schedule, planned.at - INSTANT)
        return max((*self._moved(planned.at - INSTANT, upto), planned), key=_when)

    def between(self, after: datetime, upto: datetime) -> Iterator[Occurrence]:
        """Every run strictly after `after`, at or before `upto`."""
        planned = (run for run in schedules.between(self.schedule, after, upto) if run.moment not in self.moved)
        moved = sorted(self._moved(after, upto), key=_when)
        last = after
        for run in merge(moved, planned, key=_when):
            if run.at > last:
                yield run
                last = run.at

    def planned(self, moment: str, near: datetime) -> Occurrence | None:
        """The run of this `moment` as the schedule has it, moved or not, or None; `near` is about when."""
        runs = schedules.between(self.schedule, near - NEAR, near + NEAR)
        return next((run for run in runs if run.moment == moment), None)

    def place(self, run: Occurrence) -> tuple[datetime, datetime]:
        """Between which moments, both excluded, a run of this calendar keeps its order with those beside it."""
        return self.latest(run.at - INSTANT).at, self.next(run.at).at

    def ahead(self, after: datetime, count: int) -> list[Occurrence]:
        """The first so many runs strictly after `after`."""
        found: list[Occurrence] = []
        while len(found) < count:
            found.append(self.next(found[-1].at if found else after))
        return found

    def _moved(self, after: datetime, upto: datetime) -> Iterator[Occurrence]:
        return (Occurrence(moment, at) for moment, at in self.moved.items() if after < at <= upto)


def _when(run: Occurrence) -> datetime:
    return run.at
