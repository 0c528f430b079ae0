"""What happened to an edition so far: locked, planned, stopped and gone on with, and by whom, the latest first.

Promises: what staff did is told as the record of deeds has it, the rest as the edition itself remembers. Refuses to
tell of a pause that ended by itself: nothing remembers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest import editions
from digest.delivery.runs import Listed
from digest.staff import activity

MOST = 100  # deeds that are told
_DEEDS = {
    "sent": "Sent by hand",
    "approved": "Approved",
    "stopped in time": "Stopped in time",
    "paused": "Paused",
    "went on with": "Went on",
    "decided about unsure ones of": "Decided about unsure ones",
    "canceled the rest of": "Canceled the rest",
    "exported": "Record downloaded",
}


@dataclass(frozen=True)
class Step:
    """One point of the time-line."""

    at: datetime
    title: str
    told: str = ""


def steps(conn: Connection, one: Listed) -> list[Step]:
    """Everything that is known, the latest first."""
    deeds = activity.lines(conn, thing=f"edition {one.edition.id}", limit=MOST)
    found = [Step(line.at, _DEEDS.get(line.deed, line.deed.capitalize()), f"By {line.name}.") for line in deeds]
    found += _of_itself(one, {line.at for line in deeds})
    return sorted(found, key=lambda step: step.at, reverse=True)


def _of_itself(one: Listed, told: set[datetime]) -> Iterator[Step]:
    """What the edition remembers; `told` are the moments of deeds, which say the same better."""
    edition, sums = one.edition, one.totals
    if edition.closed_at and edition.closed_at not in told:
        yield Step(edition.closed_at, _ENDS.get(edition.state, "Ended"), edition.reason)
    if edition.paused_at and edition.paused_at not in told:
        yield Step(edition.paused_at, "Paused by itself", edition.paused_why)
    if edition.plan_done_at and edition.state != editions.SKIPPED:
        yield Step(edition.plan_done_at, "Started", f"{sums.planned:,} people planned.")
    if edition.frozen_at:
        yield Step(edition.frozen_at, "Locked", "Contents and sender are fixed from here on.")
    yield Step(edition.created_at, "Made by hand" if edition.by_hand else "Made by the schedule")


_ENDS = {editions.SENT: "Done", editions.CANCELLED: "Stopped for good", editions.SKIPPED: "Skipped"}
