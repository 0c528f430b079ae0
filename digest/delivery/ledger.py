"""The ledger of deliveries: lease a batch, mark rows, record outcomes, move what must wait, fail what is too late.

Promises: every row has one state, and `planned = accepted + skipped + failed + unsure + remaining` holds at every
commit (the totals are counters per batch, written with the outcomes). Only the holder of a batch's fence changes its
rows; a row is marked in one transaction before it is handed over, and the count of marked rows must equal the count
just read. After a crash, rows that were under way return only when their transport cannot double them; otherwise
they become unsure and are never sent again by themselves. Refuses: anything from a stale lease (`Stale`), except
that it may settle its own unsure rows. Lock order: editions, batches, deliveries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions
from digest.db import now_micros
from digest.delivery import owners
from digest.delivery.message import Recipient
from digest.editions import Edition
from digest.errors import Stale
from digest.tables import State, batches, deliveries
from digest.tables import editions as editions_table

LEASE = timedelta(seconds=120)
OPEN, LEASED, CLOSED = 0, 1, 2

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
    rows = conn.execute(
        sa.select(deliveries.c.state, sa.func.count())
        .where(deliveries.c.edition_id == edition_id)
        .group_by(deliveries.c.state)
    ).all()
    found: dict[int, int] = {row[0]: row[1] for row in rows}
    return Totals(sum(found.values()), *(found.get(state, 0) for state in COUNTED))


def _counters() -> list[sa.Column[int]]:
    return [batches.c[state.name.lower()] for state in COUNTED]


# --- leasing ---------------------------------------------------------------------------------------------------


def lease(conn: Connection, edition_id: int, *, owner: str, now: datetime) -> Lease | None:
    """The next due batch of the edition, or None; rows that a dead holder left under way are put right first.

    `now` is the caller's clock and decides what is due; who holds a lease is judged by the database's clock.
    """
    edition = editions.find(conn, edition_id, share=True)
    if edition.state != editions.SENDING or edition.paused_at or edition.cancelling:
        return None
    free = _claim(conn, edition_id, owner, batches.c.due_at <= now, batches.c.deadline > now)
    if free is None:
        return None
    if free.fence > 1:
        recover(conn, edition_id, free.n)
    return free


def _claim(conn: Connection, edition_id: int, owner: str, *which: sa.ColumnElement[bool]) -> Lease | None:
    _free_dead(conn, edition_id)
    candidate = (
        sa.select(batches.c.n)
        .where(batches.c.edition_id == edition_id, sa.text("batches.state < 2"), *which)
        .where(batches.c.lease_until < now_micros())
        .order_by(batches.c.due_at, batches.c.n)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = conn.execute(
        sa.update(batches)
        .where(batches.c.edition_id == edition_id, batches.c.n == candidate.scalar_subquery())
        .where(batches.c.lease_until < now_micros())
        .values(state=LEASED, lease_owner=owner, lease_until=_lease_end(), fence=batches.c.fence + 1)
        .returning(batches.c.n, batches.c.fence, batches.c.deadline)
    ).one_or_none()
    return Lease(edition_id, row.n, row.fence, row.deadline) if row else None


def _lease_end() -> sa.ColumnElement[int]:
    return now_micros() + int(LEASE / timedelta(microseconds=1))


def _free_dead(conn: Connection, edition_id: int) -> None:
    """Leases of processes of this host that are gone are free at once."""
    held = conn.execute(
        sa.select(batches.c.n, batches.c.lease_owner, batches.c.fence)
        .where(batches.c.edition_id == edition_id, sa.text("batches.state < 2"), batches.c.state == LEASED)
        .where(batches.c.lease_until > 0)
        .order_by(batches.c.n)
    ).all()
    for row in held:
        if owners.is_gone(row.lease_owner):
            conn.execute(
                sa.update(batches)
                .where(batches.c.edition_id == edition_id, batches.c.n == row.n, batches.c.fence == row.fence)
                .values(lease_until=0)
            )


def recover(conn: Connection, edition_id: int, n: int) -> None:
    """Rows left under way: planned again when the transport they were marked for is repeatable, else unsure.

    The caller has taken the batch with a new fence in this transaction.
    """
    repeatable = conn.scalar(
        sa.select(batches.c.repeatable).where(batches.c.edition_id == edition_id, batches.c.n == n)
    )
    state = State.PLANNED if repeatable else State.UNSURE
    left = conn.execute(
        sa.update(deliveries).where(*of_batch(edition_id, n), deliveries.c.state == State.TRYING).values(state=state)
    ).rowcount
    if left and state is State.UNSURE:
        count(conn, edition_id, n, {State.UNSURE: left})


def of_batch(edition_id: int, n: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (deliveries.c.edition_id == edition_id, deliveries.c.batch_n == n)


def gate(conn: Connection, held: Lease) -> None:
    """Begins every later transaction of a holder: renews the lease, or raises Stale when it is lost."""
    values = {"in_edition": held.edition_id, "in_batch": held.n, "my_fence": held.fence}
    if conn.execute(_GATE, values).rowcount != 1:
        raise Stale(f"Batch {held.n} of edition {held.edition_id} has passed to another process.")


def release(conn: Connection, held: Lease) -> bool:
    """Lets go of a batch; closed when no row of it is still to go. True when it is closed."""
    left = conn.scalar(
        sa.select(sa.func.count())
        .select_from(deliveries)
        .where(*of_batch(held.edition_id, held.n), deliveries.c.state <= State.TRYING)
    )
    conn.execute(
        sa.update(batches)
        .where(batches.c.edition_id == held.edition_id, batches.c.n == held.n)
        .values(state=OPEN if left else CLOSED, lease_until=0, lease_owner=None)
    )
    return not left


# --- marking ---------------------------------------------------------------------------------------------------


def mark(
    conn: Connection,
    held: Lease,
    edition: Edition,
    book: AddressBook,
    *,
    room: int,
    transport: str,
    repeatable: bool,
    now: datetime,
) -> list[Marked]:
    """Marks up to `room` planned rows as under way and returns them; those who may not be mailed are skipped.

    The people's answer is read in this transaction: whoever left before it commits gets nothing.
    """
    while rows := _planned(conn, held, room):
        answers = book.resolve(conn, edition, [row[1] for row in rows])
        marked, refused = _divide(rows, answers)
        for reason, positions in refused.items():
            change(conn, held, positions, State.PLANNED, State.SKIPPED, code=reason, now=now)
        change(conn, held, [m.pos for m in marked], State.PLANNED, State.TRYING, now=now)
        count(conn, held.edition_id, held.n, {State.SKIPPED: sum(map(len, refused.values()))})
        if marked:
            carrier = {"transport": transport, "repeatable": repeatable}
            batch = (batches.c.edition_id == held.edition_id, batches.c.n == held.n)
            conn.execute(sa.update(batches).where(*batch).values(carrier))
            return marked
    return []


_Planned = sa.Row[int, int, int, int]  # pos, subscriber, variant, attempts


def _planned(conn: Connection, held: Lease, room: int) -> Sequence[_Planned]:
    values = {"in_edition": held.edition_id, "in_batch": held.n, "room": room}
    return conn.execute(_NEXT_ROWS, values).all()


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


def _runs(positions: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Sorted positions as (first, last) runs without holes."""
    for _, group in groupby(enumerate(sorted(positions)), lambda pair: pair[1] - pair[0]):
        run = [position for _, position in group]
        yield run[0], run[-1]


def count(conn: Connection, edition_id: int, n: int, more: Mapping[State, int]) -> None:
    """Adds to a batch's counters; whoever changes rows of a batch counts them in the same transaction."""
    if any(more.values()):
        values = {f"more_{state.name.lower()}": more.get(state, 0) for state in COUNTED}
        conn.execute(_COUNT, {"in_edition": edition_id, "in_batch": n, **values})


# Built once: these run in every commit of a sender.
_HERE = (batches.c.edition_id == sa.bindparam("in_edition"), batches.c.n == sa.bindparam("in_batch"))
_ROWS = (deliveries.c.edition_id == sa.bindparam("in_edition"), deliveries.c.batch_n == sa.bindparam("in_batch"))
_GATE = sa.update(batches).where(*_HERE, batches.c.fence == sa.bindparam("my_fence")).values(lease_until=_lease_end())
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
_COUNT = (
    sa.update(batches)
    .where(*_HERE)
    .values({name: batches.c[name] + sa.bindparam(f"more_{name}") for name in (s.name.lower() for s in COUNTED)})
)


def next_batch(conn: Connection, edition_id: int) -> int:
    """The next free batch number; the caller holds the edition's row."""
    return (
        int(
            conn.scalar(
                sa.select(sa.func.coalesce(sa.func.max(batches.c.n), 0)).where(batches.c.edition_id == edition_id)
            )
            or 0
        )
        + 1
    )


def cancel_code(mode: str) -> str:
    """The reason in a row that a cancel skipped: its entries come later, or are dropped."""
    return "cancelled" if mode == "later" else "dropped"


# --- too late --------------------------------------------------------------------------------------------------


def expire(conn: Connection, edition_id: int, *, owner: str, now: datetime) -> bool:
    """Fails what is still planned in one batch past its deadline; False when there is none (left)."""
    editions.find(conn, edition_id, share=True)
    late = _claim(conn, edition_id, owner, batches.c.deadline <= now)
    if late is None:
        return False
    recover(conn, edition_id, late.n)
    skip_planned(conn, edition_id, late.n, State.FAILED, "deadline", now)
    release(conn, late)
    return True


def take_over(conn: Connection, edition_id: int, *, code: str, now: datetime) -> bool:
    """Ends one batch of a cancelled edition that nobody holds any more, as its dead holder would have; False if none.

    What was under way is put right first; what is planned again by that is skipped with `code`.
    """
    editions.find(conn, edition_id, share=True)
    left = _claim(conn, edition_id, owners.me())
    if left is None:
        return False
    recover(conn, edition_id, left.n)
    skip_planned(conn, edition_id, left.n, State.SKIPPED, code, now)
    release(conn, left)
    return True


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


def next_due(conn: Connection, edition_id: int | None = None) -> datetime | None:
    """When the next batch of an edition under way (of any, unless one is named) falls due, or its plan.

    What another process is at is due, too: it may die at it.
    """
    e = editions_table
    of_one = sa.true() if edition_id is None else e.c.id == edition_id
    waiting = (of_one, e.c.paused_at.is_(None))
    batch = sa.select(sa.func.min(batches.c.due_at)).join(e, e.c.id == batches.c.edition_id)
    of_batches = conn.scalar(batch.where(*waiting, e.c.state == editions.SENDING, sa.text("batches.state < 2")))
    of_plans = conn.scalar(sa.select(sa.func.min(e.c.starts_at)).where(*waiting, e.c.state == editions.FROZEN))
    return min(filter(None, (of_batches, of_plans)), default=None)
