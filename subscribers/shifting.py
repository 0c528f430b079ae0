"""What it means for readers that a run starts at another moment: when they have it, and what comes close to it.

Promises: each reader's time is that of planning (`schedules.due_for`), counted by hour and zone, so that a hundred
thousand people are a few sums; the parts add up to everybody who takes the series. Reads only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import schedules
from digest.publications import Digest, Series
from digest.timetable import CLOSE
from subscribers.tables import preference_sets, slots, subscriptions


@dataclass(frozen=True)
class Shift:
    """How many people have the run within an hour of its start, later on that day where the digest is, and after it;
    and of each run beside it how many have that within an hour of this one."""

    at_once: int
    same_day: int
    afterwards: int
    close: tuple[int, ...]

    @property
    def people(self) -> int:
        """Everybody who takes it."""
        return self.at_once + self.same_day + self.afterwards


def of(conn: Connection, digest: Digest, series: Series, starts: datetime, *, beside: Sequence[datetime] = ()) -> Shift:
    """What a start at this moment means; `beside` are the starts of runs that may come close."""
    at_once = same_day = afterwards = 0
    close = [0] * len(beside)
    zone = ZoneInfo(digest.zone)
    for (hour, where), people in _hours(conn, digest.id, series.cadence).items():
        due = schedules.due_for(starts, hour, where)
        if due - starts < CLOSE:
            at_once += people
        elif due.astimezone(zone).date() == starts.astimezone(zone).date():
            same_day += people
        else:
            afterwards += people
        for n, other in enumerate(beside):
            close[n] += people if abs(schedules.due_for(other, hour, where) - due) < CLOSE else 0
    return Shift(at_once, same_day, afterwards, tuple(close))


def _hours(conn: Connection, digest_id: int, cadence: str) -> Counter[tuple[int, str]]:
    """How many active people who take a series have which hour in which zone."""
    s = subscriptions.c
    mine = sa.select(s.preference_set_id, s.slot_id, sa.func.count()).where(
        s.digest_id == digest_id, s.state == "active"
    )
    counted = conn.execute(mine.group_by(s.preference_set_id, s.slot_id)).all()
    maps = {row.id: row.map for row in conn.execute(sa.select(preference_sets.c.id, preference_sets.c.map))}
    chosen = {number for number in {row[0] for row in counted} if cadence in json.loads(maps[number]).values()}
    there = {row.id: (row.hour, row.zone) for row in conn.execute(sa.select(slots.c.id, slots.c.hour, slots.c.zone))}
    found = Counter[tuple[int, str]]()
    for set_id, slot_id, people in counted:
        if set_id in chosen:
            found[there[slot_id]] += people
    return found
