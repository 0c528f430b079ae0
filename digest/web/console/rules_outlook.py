"""What follows from the rules of a digest as somebody typed them: the next runs, and what may surprise.

Promises: nothing is kept and nothing changes; what is told is what the clock would do under these rules. Surprises are
two runs within an hour for the same people, people who move to another cadence, a skipped run that another day or hour
would make happen after all, and a moved one that comes beside the new ones. Refuses: values that cannot be understood;
whoever asks has looked for those first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from digest import moving, occurrences, publications, rules, timetable
from digest.calendars import Calendar
from digest.moving import Move
from digest.publications import Digest
from digest.schedules import Schedule
from digest.timetable import Run
from digest.web.console import frame
from digest.web.look import Site
from subscribers import tally
from subscribers.tally import Choices

AHEAD = 10  # runs that are shown
_ALWAYS = ("most", "late_hours", "late_policy", "needs_approval")
OF_SERIES = {
    "instant": _ALWAYS,
    "daily": ("hour", "fewest", *_ALWAYS),
    "weekly": ("weekday", "hour", "fewest", *_ALWAYS),
    "monthly": ("month_day", "hour", "fewest", *_ALWAYS),
}

Texts = Mapping[str, str]  # settings by name, as they are typed


@dataclass(frozen=True)
class Outlook:
    """What follows from what is typed: the next runs, and sentences about what may surprise."""

    runs: list[Run]
    warnings: list[str]
    skipped: frozenset[tuple[str, datetime]] = frozenset()  # runs, by cadence and moment, that are skipped already


def offered(typed: Texts) -> list[str]:
    """How often it could be had."""
    return typed["cadences"].split(",") if typed["cadences"] else []


def outlook_of(conn: Connection, site: Site, digest: Digest, typed: Texts) -> Outlook:
    """What follows from values that can be understood."""
    now, choices = site.clock(), tally.choices(conn, digest.id)
    moves = [one for one in moving.ahead(conn, now=now) if one.digest_id == digest.id]
    plans = {cadence: Calendar(plan, _moved(moves, cadence)) for cadence, plan in _plans(typed).items()}
    warnings = [
        *_moving(conn, digest, typed, choices),
        *_meeting(conn, site, digest, plans, choices),
        *_unskipped(conn, site, digest, plans),
        *_unbound(site, moves, plans),
    ]
    skips = [one for one in occurrences.skips_ahead(conn, now=now) if one.digest_id == digest.id]
    skipped = frozenset((one.cadence, one.due_at) for one in skips)
    return Outlook(timetable.first(plans, now, AHEAD), warnings, skipped)


def _plans(typed: Texts) -> dict[str, Schedule]:
    zone = str(rules.understand("zone", typed["zone"]).value)
    found = {}
    for cadence in offered(typed):
        if cadence != "instant":
            names = [name for name in ("hour", "weekday", "month_day") if name in OF_SERIES[cadence]]
            values = {name: rules.understand(f"{cadence}.{name}", typed[f"{cadence}.{name}"]).value for name in names}
            found[cadence] = Schedule(cadence, zone=zone, **values)
    return found


def _moving(conn: Connection, digest: Digest, typed: Texts, choices: Choices) -> Iterator[str]:
    for series in publications.series(conn, digest.id):
        if series.offered and series.cadence not in offered(typed):
            people = choices.takers(series.cadence)
            if people:
                takes = "1 person takes" if people == 1 else f"{people:,} people take"
                yield f"{takes} it {_often(series.cadence)}. They get the same at the next slower way that is offered."


def _meeting(
    conn: Connection, site: Site, digest: Digest, plans: Mapping[str, Calendar], choices: Choices
) -> Iterator[str]:
    """Two runs within an hour for the same people, of this digest or of this and another."""
    named: dict[str, tuple[Digest, str]] = {cadence: (digest, cadence) for cadence in plans}
    others = {}
    for other in publications.all(conn):
        for series in publications.series(conn, other.id) if other.id != digest.id else ():
            plan = occurrences.calendar(conn, other, series)
            if plan and series.offered:
                key = f"{other.slug} {series.cadence}"
                others[key], named[key] = plan, (other, series.cadence)
    for met in timetable.meetings({**plans, **others}, site.clock()):
        if met.names[0] not in plans:
            continue
        (one, often), (other, other_often) = (named[name] for name in met.names)
        if one.id == other.id:
            people = choices.takers(often, other_often)
        else:
            people = tally.takers_of_both(conn, (one.id, often), (other.id, other_often))
        if people:
            both = "1 person takes" if people == 1 else f"{people:,} people take"
            what = f"{one.name} ({often}) and {other.name} ({other_often})"
            yield f"{what} come within an hour of each other, first on {frame.moment(site, met.at)}. {both} both."


def _unskipped(conn: Connection, site: Site, digest: Digest, plans: Mapping[str, Calendar]) -> Iterator[str]:
    """A run that was skipped beforehand, and that another day or hour would make happen at another moment."""
    for skip in occurrences.skips_ahead(conn, now=site.clock()):
        plan = plans.get(skip.cadence)
        if skip.digest_id == digest.id and plan and skip.moment not in _moments(plan, skip.due_at):
            was = frame.moment(site, skip.due_at)
            yield f"The {skip.cadence} run of {was} was skipped, and would not be a run any more: skip the new one."


def _unbound(site: Site, moves: Sequence[Move], plans: Mapping[str, Calendar]) -> Iterator[str]:
    """A run that was moved, and that the schedule would have no more."""
    for move in moves:
        plan = plans.get(move.cadence)
        if plan and plan.planned(move.moment, move.planned_at) is None:
            was, at = frame.moment(site, move.planned_at), frame.moment(site, move.due_at)
            yield f"The {move.cadence} run of {was} was moved, and happens on {at} beside the new ones."


def _moved(moves: Sequence[Move], cadence: str) -> dict[str, datetime]:
    return {one.moment: one.due_at for one in moves if one.cadence == cadence}


def _moments(plan: Calendar, near: datetime) -> list[str]:
    day = timedelta(days=1)
    return [run.moment for run in plan.between(near - day, near + day)]


def _often(cadence: str) -> str:
    return "at once" if cadence == "instant" else cadence
