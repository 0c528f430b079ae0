"""What follows when a run happens at another moment: for whom, when, with what, and what comes close to it.

Promises: nothing is kept and nothing changes; the numbers are those of the readers as they are now, and add up. Serves
the page that asks before a run is moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from digest import occurrences, publications, schedules, timetable
from digest.calendars import Calendar
from digest.publications import Digest, Series
from digest.schedules import Occurrence
from digest.web.console import frame
from digest.web.look import Site
from subscribers import shifting, tally
from subscribers.shifting import Shift

LATE = {"send": "it goes out all the same", "skip": "it is skipped", "ask": "somebody is asked"}


@dataclass(frozen=True)
class Step:
    """A run of a calendar, and the day and hour of the digest's zone to which it would be moved."""

    digest: Digest
    series: Series
    run: Occurrence
    calendar: Calendar
    day: date
    hour: int

    @property
    def to(self) -> datetime:
        """The moment at which the zone's clock shows this, or a later time when it never does."""
        return schedules.resolve(self.day, self.hour, self.digest.zone)


@dataclass(frozen=True)
class Outlook:
    """What the step means: sentences, and those that warn."""

    step: Step
    people: int  # who take it
    sentences: list[str]
    warnings: list[str]


def outlook_of(conn: Connection, site: Site, step: Step) -> Outlook:
    """What follows from a step that may be made."""
    before, after = step.calendar.place(step.run)
    beside = [one for one in map(step.calendar.latest, (before, after)) if not _is_skipped(conn, site, step, one)]
    # All at once: with a hundred thousand people each look at them is felt.
    shift = shifting.of(conn, step.digest, step.series, step.to, beside=[one.at for one in beside])
    close = [(one, people) for one, people in zip(beside, shift.close, strict=True) if people]
    near = "would have it within an hour of the run of"
    warnings = [f"{_people(number)} {near} {frame.moment(site, one.at)}." for one, number in close]
    warnings += _others(conn, site, step)
    return Outlook(step, shift.people, list(_sentences(conn, site, step, shift)), warnings)


def _sentences(conn: Connection, site: Site, step: Step, shift: Shift) -> Iterator[str]:
    run, series, to = step.run, step.series, step.to
    yield f"It starts on {frame.moment(site, to)}, instead of {frame.moment(site, run.at)}."
    if note := schedules.clock_note(step.day, step.hour, step.digest.zone, this_year=site.today.year):
        yield note
    yield _readers(shift)
    yield f"What is published {'after that waits for the run after it' if to < run.at else 'until then goes with it'}."
    hours = f"{series.late_hours} {'hour' if series.late_hours == 1 else 'hours'}"
    approval = " Somebody approves it first." if series.needs_approval else ""
    yield f"When it comes more than {hours} after that, {LATE[series.late_policy]}.{approval}"
    following = step.calendar.next(run.at)
    state = "is skipped" if _is_skipped(conn, site, step, following) else "stays where it is"
    yield f"The run after it, {frame.moment(site, following.at)}, {state}."


def _readers(shift: Shift) -> str:
    if not shift.people:
        return "Nobody takes it now."
    parts = (
        (shift.at_once, "within an hour of it"),
        (shift.same_day, "later on that day"),
        (shift.afterwards, "on the day after"),
    )
    told = ", ".join(f"{people:,} {when}" for people, when in parts if people)
    return f"Everybody gets it at their own hour: of {_people(shift.people)}, {told}."


def _others(conn: Connection, site: Site, step: Step) -> Iterator[str]:
    """Runs of other series, of this digest or another, that start within an hour of it, for people who take both."""
    mine = (step.digest.id, step.series.cadence)
    for other in publications.all(conn):
        for theirs in publications.series(conn, other.id):
            if theirs.offered and (other.id, theirs.cadence) != mine:
                runs = occurrences.calendar(conn, other, theirs)
                near = runs.next(step.to - timetable.CLOSE) if runs else None
                if near and near.at < step.to + timetable.CLOSE and (people := _both(conn, step, other, theirs)):
                    what, at = f"{other.name} ({theirs.cadence})", frame.moment(site, near.at)
                    takes = "1 person takes" if people == 1 else f"{people:,} people take"
                    yield f"{what} comes within an hour of it, on {at}. {takes} both."


def _both(conn: Connection, step: Step, other: Digest, theirs: Series) -> int:
    if other.id == step.digest.id:
        return tally.choices(conn, other.id).takers(step.series.cadence, theirs.cadence)
    return tally.takers_of_both(conn, (step.digest.id, step.series.cadence), (other.id, theirs.cadence))


def _is_skipped(conn: Connection, site: Site, step: Step, run: Occurrence) -> bool:
    mine = (step.digest.id, step.series.cadence, run.moment)
    return mine in {(s.digest_id, s.cadence, s.moment) for s in occurrences.skips_ahead(conn, now=site.clock())}


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number:,} people"
