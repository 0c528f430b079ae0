"""The ledger of deliveries: a row for every reader of an edition, marked before it is handed over, and its counters.

Promises: every row has one state, and `planned = accepted + skipped + failed + unsure + remaining` holds at every
commit (the totals are counters per batch, written with the outcomes). Only the holder of a batch's fence changes its
rows; a row is marked in one transaction before it is handed over, and the count of marked rows must equal the count
just read. Refuses: a change of rows that are not as they were read (`Stale`); who may change them at all is decided
by `leases`. Lock order: editions, batches, deliveries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.delivery.message import Recipient
from digest.editions import Edition
from digest.errors import Stale
from digest.tables import State, batches, deliveries

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


def of_batch(edition_id: int, n: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (deliveries.c.edition_id == edition_id, deliveries.c.batch_n == n)


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
