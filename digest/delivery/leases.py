"""Who holds a batch: leases and fences, what a dead holder left, and what is past its deadline.

Promises: a batch has one holder; each new one gets a higher fence, and whoever holds an old fence is refused (`gate`).
A lease ends by the database's clock, and at once when its holder was a process of this machine that is gone. What
such a holder left under way is put right before anything else: planned again when its transport cannot double it,
otherwise unsure, and never sent again by itself. Lock order: editions, batches, deliveries.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, tables
from digest.db import now_micros
from digest.delivery import ledger, owners
from digest.delivery.ledger import Lease
from digest.errors import Stale
from digest.tables import Instant, State, batches, deliveries
from digest.tables import editions as editions_table

LEASE = timedelta(seconds=120)


class Carrier(NamedTuple):
    """Who will carry what is marked: its name, and whether handing over the same delivery again cannot double it."""

    name: str
    repeatable: bool


def lease(conn: Connection, edition_id: int, *, owner: str, carrier: Carrier, now: datetime) -> Lease | None:
    """The next due batch of the edition, or None; rows that a dead holder left under way are put right first.

    `now` is the caller's clock and decides what is due; who holds a lease is judged by the database's clock. The
    carrier is recorded in the batch before a row is marked for it.
    """
    edition = editions.find(conn, edition_id, share=True)
    if edition.state != editions.SENDING or edition.paused_at or edition.cancelling:
        return None
    free = _claim(conn, _DUE, edition_id, owner, now)
    if free is None:
        return None
    if free.fence > 1:
        recover(conn, edition_id, free.n)
    conn.execute(
        _CARRIED, {"in_edition": edition_id, "in_batch": free.n, "by": carrier.name, "again": carrier.repeatable}
    )
    return free


def _claim(conn: Connection, statement: sa.UpdateBase, edition_id: int, owner: str, now: datetime) -> Lease | None:
    """The first free batch; when there is none, one that a dead process of this host held."""
    values = {"in_edition": edition_id, "mine": owner, "moment": now}
    row = conn.execute(statement, values).one_or_none()
    if row is None and _free_dead(conn, edition_id):
        row = conn.execute(statement, values).one_or_none()
    return Lease(edition_id, row.n, row.fence, row.deadline, row.paced) if row else None


def _lease_end() -> sa.ColumnElement[int]:
    return now_micros() + int(LEASE / timedelta(microseconds=1))


def _free_dead(conn: Connection, edition_id: int) -> int:
    """Leases of processes of this host that are gone are free at once; how many there were."""
    held = conn.execute(_HELD, {"in_edition": edition_id}).all()
    gone = [row for row in held if owners.is_gone(row.lease_owner)]
    for row in gone:
        conn.execute(
            sa.update(batches)
            .where(batches.c.edition_id == edition_id, batches.c.n == row.n, batches.c.fence == row.fence)
            .values(lease_until=0)
        )
    return len(gone)


def recover(conn: Connection, edition_id: int, n: int) -> None:
    """Rows left under way: planned again when the transport they were marked for is repeatable, else unsure.

    The caller has taken the batch with a new fence in this transaction.
    """
    repeatable = conn.scalar(
        sa.select(batches.c.repeatable).where(batches.c.edition_id == edition_id, batches.c.n == n)
    )
    state = State.PLANNED if repeatable else State.UNSURE
    left = conn.execute(
        sa.update(deliveries)
        .where(*ledger.of_batch(edition_id, n), deliveries.c.state == State.TRYING)
        .values(state=state)
    ).rowcount
    if left and state is State.UNSURE:
        ledger.count(conn, edition_id, n, {State.UNSURE: left})


def gate(conn: Connection, held: Lease) -> None:
    """Begins every later transaction of a holder: renews the lease, or raises Stale when it is lost."""
    values = {"in_edition": held.edition_id, "in_batch": held.n, "my_fence": held.fence}
    if conn.execute(_GATE, values).rowcount != 1:
        raise Stale(f"Batch {held.n} of edition {held.edition_id} has passed to another process.")


def release(conn: Connection, held: Lease) -> bool:
    """Lets go of a batch; closed when no row of it is still to go. True when it is closed."""
    state = conn.execute(_RELEASE, {"in_edition": held.edition_id, "in_batch": held.n}).scalar_one()
    return bool(state == ledger.CLOSED)


def let_go_others(conn: Connection, edition_id: int, *, owner: str, besides: Collection[int]) -> None:
    """Lets go of batches that this owner leased without hearing of it: what they marked was never handed over."""
    for row in conn.execute(_HELD, {"in_edition": edition_id}).all():
        if row.lease_owner == owner and row.n not in besides:
            trying = (*ledger.of_batch(edition_id, row.n), deliveries.c.state == State.TRYING)
            conn.execute(sa.update(deliveries).where(*trying).values(state=State.PLANNED))
            release(conn, Lease(edition_id, row.n, row.fence, tables.EPOCH))


def expire(conn: Connection, edition_id: int, *, owner: str, now: datetime) -> bool:
    """Fails what is still planned in one batch past its deadline; False when there is none (left)."""
    editions.find(conn, edition_id, share=True)
    late = _claim(conn, _LATE, edition_id, owner, now)
    if late is None:
        return False
    recover(conn, edition_id, late.n)
    ledger.skip_planned(conn, edition_id, late.n, State.FAILED, "deadline", now)
    release(conn, late)
    return True


def take_over(conn: Connection, edition_id: int, *, code: str, now: datetime) -> bool:
    """Ends one batch of a cancelled edition that nobody holds any more, as its dead holder would have; False if none.

    What was under way is put right first; what is planned again by that is skipped with `code`.
    """
    editions.find(conn, edition_id, share=True)
    left = _claim(conn, _ANY, edition_id, owners.me(), now)
    if left is None:
        return False
    recover(conn, edition_id, left.n)
    ledger.skip_planned(conn, edition_id, left.n, State.SKIPPED, code, now)
    release(conn, left)
    return True


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


def _taking(*which: sa.ColumnElement[bool]) -> sa.UpdateBase:
    """Takes the first free batch of an edition that is so; the literal state is what its partial index is made for."""
    here = batches.c.edition_id == sa.bindparam("in_edition")
    free = batches.c.lease_until < now_micros()
    candidate = (
        sa.select(batches.c.n)
        .where(here, sa.text("batches.state < 2"), *which, free)
        .order_by(batches.c.due_at, batches.c.n)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    taken = {"lease_owner": sa.bindparam("mine"), "lease_until": _lease_end(), "fence": batches.c.fence + 1}
    return (
        sa.update(batches)
        .where(here, batches.c.n == candidate.scalar_subquery(), free)
        .values(state=ledger.LEASED, **taken)
        .returning(batches.c.n, batches.c.fence, batches.c.deadline, batches.c.paced)
    )


# Built once: these run for every batch, and the gate in every commit of a holder.
_MOMENT: sa.BindParameter[datetime] = sa.bindparam("moment", type_=Instant)
_DUE = _taking(batches.c.due_at <= _MOMENT, batches.c.deadline > _MOMENT)
_LATE, _ANY = _taking(batches.c.deadline <= _MOMENT), _taking()
_HELD = (
    sa.select(batches.c.n, batches.c.lease_owner, batches.c.fence)
    .where(batches.c.edition_id == sa.bindparam("in_edition"), sa.text("batches.state < 2"))
    .where(batches.c.state == ledger.LEASED, batches.c.lease_until > 0)
    .order_by(batches.c.n)
)
_CARRIED = sa.update(batches).where(*ledger.HERE).values(transport=sa.bindparam("by"), repeatable=sa.bindparam("again"))
_DONE = batches.c.accepted + batches.c.skipped + batches.c.failed + batches.c.unsure == batches.c.size
_RELEASE = (
    sa.update(batches)
    .where(*ledger.HERE)
    .values(state=sa.case((_DONE, ledger.CLOSED), else_=ledger.OPEN), lease_until=0, lease_owner=None)
    .values(released_at=now_micros())
    .returning(batches.c.state)
)
_GATE = (
    sa.update(batches).where(*ledger.HERE, batches.c.fence == sa.bindparam("my_fence")).values(lease_until=_lease_end())
)
