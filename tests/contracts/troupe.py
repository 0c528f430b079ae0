"""A digest with all its cadences, readers, staff and processes that may die, acting before the oracle's eyes.

A process is killed at a statement: the transaction it is in is rolled back, what it held in memory is gone, its
leases end. After each scene the rows are looked at, and at the end the oracle judges.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digest import editions, tables
from digest.db import Database
from digest.editions import Edition
from digest.tables import State
from subscribers import explaining
from tests.contracts.acts import Act
from tests.contracts.oracle import OFF, how_often
from tests.contracts.runs import Runs

HAD = (State.ACCEPTED, State.UNSURE)
OPEN = (editions.FROZEN, editions.SENDING)


class Killed(BaseException):
    """A process is gone."""


@dataclass(frozen=True)
class Row:
    """One reader's row in an edition."""

    edition: int
    reader: str
    state: State
    code: str | None
    entries: frozenset[int]


class Troupe(Runs):
    """Everybody, watched."""

    def __init__(self, db: Database, offered: Sequence[str]) -> None:
        super().__init__(db, offered)
        self._capped: set[tuple[str, int]] = set()
        self._seen: set[tuple[int, str, str]] = set()  # rows of which the oracle was told

    def scene(self, act: Act, kill: int | None = None) -> None:
        """An act, and a look at what it left; with `kill` its process dies at that statement, if it gets so far."""
        before = {(row.edition, row.reader): row for row in self.rows()}
        self.meddled = False
        if kill is None:
            self.perform(act)
        else:
            self.story.append(f"killed at {kill}:")
            with contextlib.suppress(Killed), dying(self.db, kill, self._bury):
                self.perform(act)
        self.stage.people.after_read.clear()
        self.stage.transport.during = lambda reader: None
        self._look(before)

    def _bury(self) -> None:
        """The process is gone: the next one has another name."""
        self.kills += 1
        self.story.append("-- killed")

    # --- looking

    def rows(self) -> list[Row]:
        """Every row of every edition, with what it holds."""
        d, ve = tables.deliveries, tables.variant_entries
        names = {number: name for name, number in self.stage.ids.items()}
        same = sa.and_(ve.c.edition_id == d.c.edition_id, ve.c.variant_n == d.c.variant_n)
        held: dict[tuple[int, int], set[int]] = {}
        with self.db.reading() as conn:
            found = conn.execute(
                sa.select(d.c.edition_id, d.c.subscriber_id, d.c.state, d.c.code, ve.c.sequence).outerjoin(ve, same)
            ).all()
        kept = {}
        for row in found:
            key = (row.edition_id, row.subscriber_id)
            held.setdefault(key, set()).update(() if row.sequence is None else (row.sequence,))
            kept[key] = row
        return [
            Row(row.edition_id, names[row.subscriber_id], State(row.state), row.code, frozenset(held[key]))
            for key, row in kept.items()
        ]

    def _look(self, before: dict[tuple[int, str], Row]) -> None:
        """Checks what the last act left, and tells the oracle what staff dropped."""
        self.stage.check_sums()
        with self.db.reading() as conn:
            by_id = {one.id: one for one in editions.all_editions(conn)}
        for row in self.rows():
            if row.state in (State.SKIPPED, State.FAILED):
                self._explained(row)
            earlier = before.get((row.edition, row.reader))
            if not self.meddled and row.state is State.PLANNED and earlier is None:
                self._fits(by_id[row.edition], row)
            if not self.meddled and row.state is State.ACCEPTED and (earlier is None or earlier.state not in HAD):
                self._may_go(by_id[row.edition], row)

    def _explained(self, row: Row) -> None:
        assert row.code in explaining.REASONS, f"{row} has no reason that people can read"
        if (row.edition, row.reader, row.code) in self._seen:
            return
        self._seen.add((row.edition, row.reader, row.code))
        if row.code == "dropped":
            assert row.edition in self.drops, f"nobody dropped {row}"
            self.oracle.dropped(row.reader, [*row.entries])
        if row.code == "alert cap":
            self._capped |= {(row.reader, sequence) for sequence in row.entries}

    def _fits(self, edition: Edition, row: Row) -> None:
        """What was planned is of the reader's choice, was there when the edition was locked, and is not held back."""
        reader = self.oracle.readers[row.reader]
        with self.db.reading() as conn:
            held = editions.held_back(conn, edition.digest_id, edition.series)
        assert reader.state == "active", f"{row} was planned for somebody who is {reader.state}"
        assert not row.entries & held, f"{row} holds what is held back: {held}"
        for sequence in row.entries:
            wanted = how_often(reader.choice, self.oracle.log[sequence].topics)
            assert sequence <= edition.last, f"{row} holds what came after {edition.last}"
            moved = (row.reader, sequence) in self._capped
            assert wanted == edition.series or (moved and wanted != OFF), f"{row}: {sequence} is wanted {wanted}"

    def _may_go(self, edition: Edition, row: Row) -> None:
        states = self._items()
        for sequence in row.entries:
            state = states[self.oracle.log[sequence].item]
            assert edition.as_is or state != "withdrawn", f"{row} went out with {sequence}, which is {state}"

    # --- the end

    def drain(self) -> None:
        """Everything that can still go out goes out."""
        self.story.append("--- the end")
        while self.slugs(0, "withdrawn"):
            self.scene(("republish", 0))
        for number in reversed(range(len(self.held()))):
            self.scene(("release", number))
        while self.who("paused"):
            self.scene(("wake", 0, False))
        self._send_all()
        for _ in range(4):
            for cadence in self.oracle.offered:
                self.scene(("freeze_all", cadence))
            self._send_all()

    def _send_all(self) -> None:
        """A day and more goes by: what is under way goes on, each hour's mail goes, and what is done is closed."""
        for _ in range(2):  # what had changed is proposed anew, and approved then
            self._of_each("approve")
        self._of_each("go_on", True)
        self._of_each("close")
        self._of_each("plan", (), 0)
        for _ in range(5 if self.under_way(*OPEN) else 0):
            self._of_each("deliver", (), ())
            self.scene(("late", 6))
        self._of_each("close")

    def _of_each(self, name: str, *given: object) -> None:
        """The same act on every edition that is under way."""
        for number in reversed(range(len(self.under_way(*(editions.REVIEW,) if name == "approve" else OPEN)))):
            self.scene((name, number, *given))

    def judge(self) -> None:
        """Compares what each reader has with what the oracle says they should."""
        handed = self.stage.transport.handed
        assert len(handed) == len(set(handed)), "an edition was handed over to somebody twice"
        had: dict[str, list[int]] = {name: [] for name in self.oracle.readers}
        for row in self.rows():
            if row.state in HAD:
                had[row.reader] += row.entries
        faults = [fault for name in had for fault in self.oracle.faults(name, had[name])]
        assert not faults, "\n".join([*faults, *self.story])


@contextlib.contextmanager
def dying(db: Database, at: int, bury: Callable[[], None]) -> Iterator[None]:
    """Whoever works in the block is killed at the `at`-th statement or commit of its writing connection."""
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == at + 1:
            raise Killed

    for event in ("before_cursor_execute", "commit"):
        sa.event.listen(db.write, event, step)
    try:
        yield
    except Killed:
        for event in ("before_cursor_execute", "commit"):
            sa.event.remove(db.write, event, step)
        bury()
        with db.transaction() as conn:
            conn.execute(sa.update(tables.batches).where(tables.batches.c.lease_until > 0).values(lease_until=0))
            conn.execute(sa.update(tables.editions).where(tables.editions.c.plan_until > 0).values(plan_until=0))
        raise
    else:
        for event in ("before_cursor_execute", "commit"):
            sa.event.remove(db.write, event, step)
