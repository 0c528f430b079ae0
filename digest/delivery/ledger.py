"""The ledger of deliveries: a row for every reader of an edition, marked before it is handed over, and its counters.

Promises: every row has one state, and `planned = accepted + skipped + failed + unsure + remaining` holds at every
commit (the totals are counters per batch, written with the outcomes). Only the holder of a batch's fence changes its
rows; a row is marked in one transaction before it is handed over, and the count of marked rows must equal the count
just read. Refuses: a change of rows that are not as they were read (`Stale`); who may change them at all is decided
by `leases`. Lock order: editions, batches, deliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db as databases
from digest import editions, tables
from digest.delivery.message import Recipient
from digest.editions import Edition
from digest.errors import Stale
from digest.tables import State, batches, deliveries

OPEN, LEASED, CLOSED = 0, 1, 2

LARGEST = 1_000  # rows of one batch at most
STEP = timedelta(seconds=10)  # moments of batches that rows move to

COUNTED = (State.ACCEPTED, State.SKIPPED, State.FAILED, State.UNSURE)


class AddressBook(Protocol):
    """Who is at an address now; the people's side of marking."""

    def resolve(self, conn: Connection, edition: Edition, ids: Sequence[int]) -> Mapping[int, Recipient | str]:
        """For each id the recipient, or the reason why they must not be mailed: left, paused, suppressed, erased."""

    def refuse(self, conn: Connection, subscriber_id: int, reason: str, now: datetime) -> None:
        """The address does not exist: nothing more is sent there."""


@dataclass(frozen=True)
class Lease:
    """One batch, held by this process until the lease ends or the fence moves on."""

    edition_id: int
    n: int
    fence: int
    deadline: datetime
    paced: bool = False  # its rows have waited for their slots already


class Marked(NamedTuple):
    """One row under way, with all that its hand-over needs."""

    pos: int
    variant_n: int
    attempts: int
    recipient: Recipient


@dataclass(frozen=True)
class Totals:
    """The sum of an edition: `planned` is always the sum of the others."""

    planned: int
    accepted: int
    skipped: int
    failed: int
    unsure: int

    @property
    def remaining(self) -> int:
        """Rows planned or under way."""
        return self.planned - self.accepted - self.skipped - self.failed - self.unsure


def totals(conn: Connection, edition_id: int) -> Totals:
    """The edition's counters, summed over its batches."""
    columns = [sa.func.coalesce(sa.func.sum(c), 0) for c in (batches.c.size, *_counters())]
    return Totals(*conn.execute(sa.select(*columns).where(batches.c.edition_id == edition_id)).one())


def recount(conn: Connection, edition_id: int) -> Totals:
    """The same from the rows themselves: what the counters must equal whenever nothing is under way."""
    # Not grouped by state: the database would sort all rows for it, in memory that grows with their number.
    counts = [sa.func.count().filter(deliveries.c.state == state) for state in COUNTED]
    rows = conn.execute(sa.select(sa.func.count(), *counts).where(deliveries.c.edition_id == edition_id))
    return Totals(*map(int, rows.one()))


def _counters() -> list[sa.Column[int]]:
    return [batches.c[state.name.lower()] for state in COUNTED]


def of_batch(edition_id: int, n: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (deliveries.c.edition_id == edition_id, deliveries.c.batch_n == n)


# --- marking ---------------------------------------------------------------------------------------------------


Admit = Callable[[Connection, Sequence[Recipient]], Sequence[datetime | None]]


def mark(
    conn: Connection,
    held: Lease,
    edition: Edition,
    book: AddressBook,
    *,
    room: int,
    now: datetime,
    admit: Admit | None = None,
) -> list[Marked]:
    """Marks up to `room` planned rows as under way and returns them; fewer only when no more are planned.

    The people's answer is read in this transaction: whoever left before it commits gets nothing, and is skipped.
    `admit` tells who must wait, and until when: their rows move to a later batch.
    """
    done: list[Marked] = []
    while len(done) < room and (rows := _planned(conn, held, room - len(done))):
        answers = book.resolve(conn, edition, [row[1] for row in rows])
        marked, refused = _divide(rows, answers)
        for reason, positions in refused.items():
            change(conn, held, positions, State.PLANNED, State.SKIPPED, code=reason, now=now)
        count(conn, held.edition_id, held.n, {State.SKIPPED: sum(map(len, refused.values()))})
        if admit is not None and marked:
            marked = _admitted(conn, held, marked, admit(conn, [m.recipient for m in marked]))
        change(conn, held, [m.pos for m in marked], State.PLANNED, State.TRYING, now=now)
        done += marked
    return done


_Planned = tuple[int, int, int, int]  # pos, subscriber, variant, attempts


def _planned(conn: Connection, held: Lease, room: int) -> list[Any]:
    values = {"in_edition": held.edition_id, "in_batch": held.n, "room": room}
    return databases.tuples(conn.execute(_NEXT_ROWS, values))


def _divide(
    rows: Iterable[_Planned], answers: Mapping[int, Recipient | str]
) -> tuple[list[Marked], dict[str, list[int]]]:
    """Rows that may be mailed, and the positions of the others by reason."""
    marked: list[Marked] = []
    refused: dict[str, list[int]] = {}
    for pos, subscriber_id, variant_n, attempts in rows:
        answer = answers[subscriber_id]
        if isinstance(answer, str):
            refused.setdefault(answer, []).append(pos)
        else:
            marked.append(Marked(pos, variant_n, attempts, answer))
    return marked, refused


def _admitted(
    conn: Connection, held: Lease, marked: Sequence[Marked], waits: Sequence[datetime | None]
) -> list[Marked]:
    """Those who may go now; the others move to batches due when their turn comes, never after the deadline."""
    later: dict[datetime, list[int]] = {}
    for row, wait in zip(marked, waits, strict=True):
        if wait is not None:
            later.setdefault(min(rounded(wait), held.deadline), []).append(row.pos)
    if later:
        editions.find(conn, held.edition_id, lock=True)  # whoever gives a batch its number holds the edition
    for due, positions in sorted(later.items()):
        move(conn, held, positions, due=due, paced=True)
    return [row for row, wait in zip(marked, waits, strict=True) if wait is None]


def rounded(moment: datetime) -> datetime:
    """Up to the next step, so that rows that wait for nearly the same moment share a batch."""
    return tables.EPOCH + -((tables.EPOCH - moment) // STEP) * STEP


def move(
    conn: Connection, held: Lease, positions: Sequence[int], *, due: datetime, paced: bool = False, tries: int = 0
) -> None:
    """Planned rows leave a held batch for a later one with the same deadline; the sum of sizes stays what was planned.

    `tries` are added to their attempts. A later batch that nobody has touched yet, of the same moment, takes them in.
    The caller holds the edition's row.
    """
    n, size = _later_batch(conn, held, due, paced, len(positions))
    moved = 0
    for pos in sorted(positions):
        moved += 1
        values = {"in_edition": held.edition_id, "in_batch": held.n, "at_pos": pos, "to": n, "place": size + moved}
        if conn.execute(_MOVE, values | {"more": tries}).rowcount != 1:
            raise Stale(f"Row {pos} of batch {held.n} is not as it was read. Nothing was changed.")
    resize = sa.update(batches).where(batches.c.edition_id == held.edition_id)
    conn.execute(resize.where(batches.c.n == held.n).values(size=batches.c.size - moved))
    conn.execute(resize.where(batches.c.n == n).values(size=batches.c.size + moved))


def _later_batch(conn: Connection, held: Lease, due: datetime, paced: bool, more: int) -> tuple[int, int]:
    """Number and size of the batch that takes them: an untouched one of that moment, or a new one."""
    same = (batches.c.due_at == due, batches.c.deadline == held.deadline, batches.c.paced == paced)
    fit = sa.select(batches.c.n, batches.c.size).where(batches.c.edition_id == held.edition_id, *same)
    fit = fit.where(sa.text("batches.state < 2"), batches.c.state == OPEN, batches.c.fence == 0)
    found = conn.execute(fit.where(batches.c.size <= LARGEST - more).with_for_update().limit(1)).one_or_none()
    if found is not None:
        return found.n, found.size
    n = next_batch(conn, held.edition_id)
    new = {"edition_id": held.edition_id, "n": n, "due_at": due, "deadline": held.deadline, "paced": paced, "size": 0}
    conn.execute(sa.insert(batches).values(new))
    return n, 0


def change(
    conn: Connection,
    held: Lease,
    positions: Sequence[int],
    old: State,
    new: State,
    *,
    now: datetime,
    code: str | None = None,
) -> None:
    """Moves rows from one state to the next by runs of neighbours; a count that differs undoes the transaction."""
    values = {"in_edition": held.edition_id, "in_batch": held.n, "old": old, "new": new, "why": code, "at": now}
    for first, last in _runs(positions):
        changed = conn.execute(_CHANGE, values | {"first": first, "last": last}).rowcount
        if changed != last - first + 1:
            raise Stale(f"Rows {first} to {last} of batch {held.n} are not as they were read. Nothing was changed.")


def name(conn: Connection, held: Lease, names: Mapping[int, str]) -> None:
    """Writes the carrier's own name of each of these deliveries, by position."""
    if conn.dialect.name == "sqlite":
        rows = [(name, held.edition_id, held.n, pos) for pos, name in names.items()]
        conn.exec_driver_sql(_NAME_SQLITE, rows)
    else:
        batch = {"in_edition": held.edition_id, "in_batch": held.n}
        conn.execute(_NAME_POSTGRES, batch | {"positions": list(names), "names": list(names.values())})


def _runs(positions: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Sorted positions as (first, last) runs without holes."""
    ordered = sorted(positions)
    if ordered and ordered[-1] - ordered[0] == len(ordered) - 1 == len(set(ordered)) - 1:  # as nearly always
        yield ordered[0], ordered[-1]
        return
    for _, group in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0]):
        run = [position for _, position in group]
        yield run[0], run[-1]


def count(conn: Connection, edition_id: int, n: int, more: Mapping[State, int]) -> None:
    """Adds to a batch's counters; whoever changes rows of a batch counts them in the same transaction."""
    if any(more.values()):
        values = {f"more_{state.name.lower()}": more.get(state, 0) for state in COUNTED}
        conn.execute(_COUNT, {"in_edition": edition_id, "in_batch": n, **values})


# Built once: these run in every commit of a sender.
HERE = (batches.c.edition_id == sa.bindparam("in_edition"), batches.c.n == sa.bindparam("in_batch"))
_ROWS = (deliveries.c.edition_id == sa.bindparam("in_edition"), deliveries.c.batch_n == sa.bindparam("in_batch"))
_HIGHEST = sa.select(sa.func.max(batches.c.n)).where(batches.c.edition_id == sa.bindparam("in_edition"))
_NEXT_ROWS = (
    sa.select(deliveries.c.pos, deliveries.c.subscriber_id, deliveries.c.variant_n, deliveries.c.attempts)
    .where(*_ROWS, deliveries.c.state == State.PLANNED)
    .order_by(deliveries.c.pos)
    .limit(sa.bindparam("room"))
)
_CHANGE = (
    sa.update(deliveries)
    .where(*_ROWS, deliveries.c.pos.between(sa.bindparam("first"), sa.bindparam("last")))
    .where(deliveries.c.state == sa.bindparam("old"))
    .values(state=sa.bindparam("new"), code=sa.bindparam("why"), updated_at=sa.bindparam("at"))
)
_MOVE = (
    sa.update(deliveries)
    .where(*_ROWS, deliveries.c.pos == sa.bindparam("at_pos"), deliveries.c.state == State.PLANNED)
    .values(
        batch_n=sa.bindparam("to"), pos=sa.bindparam("place"), attempts=deliveries.c.attempts + sa.bindparam("more")
    )
)
_NAME_SQLITE = "UPDATE deliveries SET provider_id = ? WHERE edition_id = ? AND batch_n = ? AND pos = ?"
_NAME_POSTGRES = sa.text(
    "UPDATE deliveries SET provider_id = r.name "
    "FROM unnest(CAST(:positions AS integer[]), CAST(:names AS text[])) AS r(pos, name) "
    "WHERE edition_id = :in_edition AND batch_n = :in_batch AND deliveries.pos = r.pos"
)
_COUNT = (
    sa.update(batches)
    .where(*HERE)
    .values({name: batches.c[name] + sa.bindparam(f"more_{name}") for name in (s.name.lower() for s in COUNTED)})
)


def next_batch(conn: Connection, edition_id: int) -> int:
    """The next free batch number; the caller holds the edition's row."""
    return int(conn.scalar(_HIGHEST, {"in_edition": edition_id}) or 0) + 1


def cancel_code(mode: str) -> str:
    """The reason in a row that a cancel skipped: its entries come later, or are dropped."""
    return "cancelled" if mode == "later" else "dropped"


def skip_planned(conn: Connection, edition_id: int, n: int, state: State, code: str, now: datetime) -> int:
    """Ends the planned rows of one batch as skipped or failed, counted; returns how many. The batch is held."""
    planned = (*of_batch(edition_id, n), deliveries.c.state == State.PLANNED)
    ended = conn.execute(sa.update(deliveries).where(*planned).values(state=state, code=code, updated_at=now)).rowcount
    count(conn, edition_id, n, {state: ended})
    return ended


def close_if_done(conn: Connection, edition_id: int, n: int) -> None:
    """Closes a batch whose rows are all settled; the caller holds its row."""
    done = batches.c.accepted + batches.c.skipped + batches.c.failed + batches.c.unsure
    conn.execute(
        sa.update(batches)
        .where(batches.c.edition_id == edition_id, batches.c.n == n, done == batches.c.size)
        .values(state=CLOSED, lease_until=0, lease_owner=None)
    )
