"""One import under way: how far it has come, what it counted, what it refused; and its end, which makes people active.

Promises: a batch of rows and the note of it are one transaction, so that an import that was killed goes on behind the
last row it kept, with the same report in the end; nobody that it brings in gets mail before its last commit.
Refuses nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.errors import Problem
from subscribers import preferences
from subscribers.tables import import_problems, subscriptions
from subscribers.tables import imports as t

RUNNING, DONE = "running", "done"
AT_ONCE = 20_000  # subscriptions that one statement makes active


@dataclass(frozen=True)
class Import:
    """Its number, and the last line of the file that it has dealt with."""

    id: int
    line: int


def begin(conn: Connection, key: str, *, now: datetime) -> Import:
    """The import of this name that was cut off, else a new one."""
    found = conn.execute(sa.select(t.c.id, t.c.line).where(t.c.name == key, t.c.state == RUNNING)).one_or_none()
    if found is None:
        values = {"name": key, "line": 0, "counts": {}, "state": RUNNING, "started_at": now}
        found = conn.execute(sa.insert(t).values(values).returning(t.c.id, t.c.line)).one()
    return Import(found.id, found.line)


def note(
    conn: Connection, one: Import, *, line: int, counts: Counter[str], problems: Iterable[tuple[int, Problem]]
) -> None:
    """Adds what a batch up to this line came to."""
    have = conn.execute(sa.select(t.c.counts).where(t.c.id == one.id).with_for_update()).scalar_one()
    conn.execute(sa.update(t).where(t.c.id == one.id).values(line=line, counts=dict(Counter(have) + counts)))
    rows = [
        {"import_id": one.id, "line": at, "place": problem.where, "why": problem.why, "remedy": problem.remedy}
        for at, problem in problems
    ]
    if rows:
        conn.execute(sa.insert(import_problems), rows)


def finish(conn: Connection, one: Import) -> tuple[Counter[str], list[Problem]]:
    """Makes everybody active that it brought in, from now on, and ends it; what it counted and refused."""
    s = subscriptions
    theirs = sa.select(s.c.digest_id).where(s.c.import_id == one.id).distinct()
    for digest_id in sorted(conn.scalars(theirs)):
        ground = preferences.hold(conn, digest_id)
        some = sa.select(s.c.subscriber_id).where(s.c.import_id == one.id, s.c.digest_id == digest_id).limit(AT_ONCE)
        change = sa.update(s).where(s.c.digest_id == digest_id, s.c.subscriber_id.in_(some))
        change = change.values(state="active", since=ground.news, import_id=None, rev=s.c.rev + 1)
        while conn.execute(change).rowcount:  # a million at once would all be held in memory
            pass
    counts = conn.execute(sa.select(t.c.counts).where(t.c.id == one.id)).scalar_one()
    wrong = sa.select(import_problems).where(import_problems.c.import_id == one.id).order_by(import_problems.c.line)
    rows = conn.execute(wrong, execution_options={"yield_per": 1000})  # a million may have been refused
    problems = [Problem(row.place, sys.intern(row.why), sys.intern(row.remedy)) for row in rows]
    conn.execute(sa.delete(import_problems).where(import_problems.c.import_id == one.id))
    conn.execute(sa.update(t).where(t.c.id == one.id).values(state=DONE))
    return Counter(counts), problems
