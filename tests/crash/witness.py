"""A second connection that reads the rows themselves, while a run goes on and when it is over.

Promises: every look is one snapshot. It knows nothing of the program but its tables; the equation (planned = accepted
+ skipped + failed + unsure + remaining) is checked from the rows, against the counters, and over time: no row is ever
lost, added after the plan, or goes back from where it ended.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.db import Database
from digest.tables import State, batches, deliveries
from digest.tables import editions as editions_table
from tests.crash.world import EDITION

EVERY = 0.05  # seconds between two looks
WINDOW = 200  # rows under way at most

COUNTED = (State.ACCEPTED, State.SKIPPED, State.FAILED, State.UNSURE)
LATER = {State.UNSURE: {State.UNSURE, State.ACCEPTED, State.FAILED}} | {
    state: {state} for state in (State.ACCEPTED, State.SKIPPED, State.FAILED)
}


@dataclass(frozen=True)
class Glance:
    """How far the edition is, quickly read: what kills are aimed by."""

    state: str
    planned_all: bool
    fence: int  # of the plan and all batches together: rises with every lease
    rows: int
    trying: int
    accepted: int
    remaining: int


@dataclass(frozen=True)
class Snapshot:
    """The ledger of the edition at one moment, from its rows."""

    state: str
    planned_all: bool
    rows: dict[int, tuple[int, State]]  # subscriber -> batch, state
    counters: dict[int, tuple[int, ...]]  # batch -> size and the four counts

    def count(self, *states: State) -> int:
        return sum(state in states for _, state in self.rows.values())

    @property
    def trying(self) -> int:
        return self.count(State.TRYING)

    @property
    def remaining(self) -> int:
        return self.count(State.PLANNED, State.TRYING)


class Witness:
    """Looks at one database from outside."""

    def __init__(self, url: str) -> None:
        self._db = Database(url)
        self._engine = self._db.read
        if not self._db.is_sqlite:
            self._engine = self._engine.execution_options(isolation_level="REPEATABLE READ")

    def look(self) -> Snapshot:
        """One snapshot of all rows."""
        with self._engine.connect() as conn:
            return _snapshot(conn)

    def glance(self) -> Glance:
        """A snapshot of sums."""
        with self._engine.connect() as conn:
            found = conn.exec_driver_sql(_GLANCE).one()
        return Glance(found[0], found[1] is not None, *(value or 0 for value in found[2:]))

    def close(self) -> None:
        self._db.close()

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with its file; nothing on PostgreSQL."""
        if not self._db.is_sqlite:
            return []
        with self._engine.connect() as conn:
            found = [str(row[0]) for row in conn.exec_driver_sql("PRAGMA integrity_check")]
            found += [str(row) for row in conn.exec_driver_sql("PRAGMA foreign_key_check")]
        return [] if found == ["ok"] else found


_GLANCE = f"""
SELECT e.state, e.plan_done_at,
  e.plan_fence + (SELECT coalesce(sum(b.fence), 0) FROM batches b WHERE b.edition_id = e.id),
  count(d.state),
  sum(CASE WHEN d.state = {State.TRYING:d} THEN 1 END),
  sum(CASE WHEN d.state = {State.ACCEPTED:d} THEN 1 END),
  sum(CASE WHEN d.state <= {State.TRYING:d} THEN 1 END)
FROM editions e LEFT JOIN deliveries d ON d.edition_id = e.id
WHERE e.id = {EDITION}
GROUP BY e.id, e.state, e.plan_done_at, e.plan_fence
"""


def _snapshot(conn: Connection) -> Snapshot:
    edition = conn.execute(
        sa.select(editions_table.c.state, editions_table.c.plan_done_at).where(editions_table.c.id == EDITION)
    ).one()
    b, d = batches.c, deliveries.c
    counts = conn.execute(
        sa.select(b.n, b.size, b.accepted, b.skipped, b.failed, b.unsure).where(b.edition_id == EDITION)
    ).all()
    rows = conn.execute(sa.select(d.subscriber_id, d.batch_n, d.state).where(d.edition_id == EDITION)).all()
    return Snapshot(
        state=edition.state,
        planned_all=edition.plan_done_at is not None,
        rows={row.subscriber_id: (row.batch_n, State(row.state)) for row in rows},
        counters={row.n: tuple(row)[1:] for row in counts},
    )


def faults(now: Snapshot, before: Snapshot | None = None) -> list[str]:
    """What is wrong in a snapshot, by itself and after the one before it."""
    found = []
    by_batch: dict[int, Counter[State]] = {n: Counter() for n in now.counters}
    for n, state in now.rows.values():
        by_batch.setdefault(n, Counter())[state] += 1
    for n, counted in by_batch.items():
        rows = (counted.total(), *(counted[state] for state in COUNTED))
        if rows != now.counters.get(n):
            found.append(f"batch {n}: rows {rows}, counters {now.counters.get(n)}")
    size = sum(counters[0] for counters in now.counters.values())
    if size != now.remaining + now.count(*COUNTED) or size != len(now.rows):
        found.append(f"planned {size}, but the rows are {Counter(state for _, state in now.rows.values())}")
    if now.trying > WINDOW:
        found.append(f"{now.trying} rows under way")
    if before is not None:
        found += _went_back(before, now)
    return found


def _went_back(before: Snapshot, now: Snapshot) -> list[str]:
    found = []
    if before.rows.keys() - now.rows.keys():
        found.append("rows were lost")
    if before.planned_all and before.rows.keys() != now.rows.keys():
        found.append("the plan changed after it was complete")
    for subscriber, (_, old) in before.rows.items():
        new = now.rows.get(subscriber, (0, old))[1]
        if old in LATER and new not in LATER[old]:
            found.append(f"subscriber {subscriber} went from {old.name} to {new.name}")
    return found


@dataclass
class Watch:
    """A thread that looks every 50 ms as long as the block lasts."""

    witness: Witness
    looks: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        before: Snapshot | None = None
        while not self._over.is_set():
            began = time.monotonic()
            now = self.witness.look()
            self.faults += faults(now, before)
            self.looks += 1
            before = now
            self._over.wait(max(0.0, EVERY - (time.monotonic() - began)))
