"""A second connection that reads the rows themselves, while a run goes on and when it is over.

Promises: every look is one snapshot. It knows nothing of the program but its tables; the equation (planned = accepted
+ skipped + failed + unsure + remaining) is checked from the rows, against the counters, and over time: no row is ever
lost, added after the plan, or goes back from where it ended.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, schema
from digest.db import Database
from digest.delivery import provider_sums
from digest.tables import State, batches, deliveries, occurrences
from digest.tables import editions as editions_table
from subscribers.tables import subscribers, subscriptions
from tests.crash.world import World

EVERY = 0.05  # seconds between two looks
WINDOW = 200  # rows under way at most

COUNTED = (State.ACCEPTED, State.SKIPPED, State.FAILED, State.UNSURE)
LATER = {State.UNSURE: {State.UNSURE, State.ACCEPTED, State.FAILED}} | {
    state: {state} for state in (State.ACCEPTED, State.SKIPPED, State.FAILED)
}


@dataclass(frozen=True)
class Snapshot:
    """The ledger of the edition at one moment, from its rows."""

    state: str  # empty before there is an edition
    planned_all: bool
    rows: dict[int, tuple[int, State]]  # subscriber -> batch, state
    counters: dict[int, tuple[int, ...]]  # batch -> size and the four counts
    owed: frozenset[int] = frozenset()  # subscribers whose entries were given back
    edition: int = 0

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

    def close(self) -> None:
        self._db.close()

    def occurrences(self) -> int:
        """How many runs of the calendar are written down."""
        with self._engine.connect() as conn:
            return conn.scalar(sa.select(sa.func.count()).select_from(occurrences)) or 0

    def left(self) -> set[str]:
        """The addresses of those who have left."""
        query = sa.select(subscribers.c.email).join(subscriptions).where(subscriptions.c.state == "left")
        with self._engine.connect() as conn:
            return set(conn.scalars(query))

    def faults(self) -> list[str]:
        """What is wrong with the database itself: its file, the version of its schema, and sums of what has ended."""
        found = [*self.integrity(), *self._wrong_sums()]
        if (current := schema.current(self._db)) != schema.head():
            found.append(f"the schema is {current}, not {schema.head()}")
        return found

    def _wrong_sums(self) -> list[str]:
        """Ended editions whose sums by mail provider are not what the rows say."""
        found = []
        with self._engine.connect() as conn:
            for edition in editions.all_editions(conn, states=(editions.SENT, editions.CANCELLED)):
                kept, rows = provider_sums.of_edition(conn, edition), provider_sums.count(conn, edition.id)
                if set(kept.sums) != set(rows.sums):
                    found.append(f"edition {edition.id} has the sums {kept.sums}, and its rows say {rows.sums}")
        return found

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with its file; nothing on PostgreSQL."""
        if not self._db.is_sqlite:
            return []
        with self._engine.connect() as conn:
            found = [str(row[0]) for row in conn.exec_driver_sql("PRAGMA integrity_check")]
            found += [str(row) for row in conn.exec_driver_sql("PRAGMA foreign_key_check")]
        return [] if found == ["ok"] else found


def look_aside(world: World) -> Snapshot:
    """A snapshot that leaves no trace."""
    with _aside(world) as witness:
        return witness.look()


def left_readers(world: World) -> set[str]:
    """The addresses of those who have left, without a trace too."""
    with _aside(world) as witness:
        return witness.left()


@contextlib.contextmanager
def _aside(world: World) -> Iterator[Witness]:
    """A witness to a copy of SQLite's files, since whoever opens them also mends them."""
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        url = world.url
        if url.startswith("sqlite"):
            for path in (world.home / "digest.db", world.home / "digest.db-wal", world.home / "digest.db-journal"):
                if path.exists():
                    shutil.copy(path, folder)
            url = f"sqlite:///{folder}/digest.db"
        with contextlib.closing(Witness(url)) as witness:
            yield witness


def _snapshot(conn: Connection) -> Snapshot:
    e, b, d = editions_table.c, batches.c, deliveries.c
    edition = conn.execute(sa.select(e.id, e.state, e.plan_done_at).order_by(e.id).limit(1)).one_or_none()
    number = edition.id if edition else 0
    counts = conn.execute(
        sa.select(b.n, b.size, b.accepted, b.skipped, b.failed, b.unsure).where(b.edition_id == number)
    ).all()
    rows = conn.execute(sa.select(d.subscriber_id, d.batch_n, d.state, d.carried).where(d.edition_id == number)).all()
    return Snapshot(
        edition=number,
        state=edition.state if edition else "",
        planned_all=edition is not None and edition.plan_done_at is not None,
        rows={row.subscriber_id: (row.batch_n, State(row.state)) for row in rows},
        counters={row.n: tuple(row)[1:] for row in counts},
        owed=frozenset(row.subscriber_id for row in rows if row.carried),
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
