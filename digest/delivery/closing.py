"""How an edition ends: closed when nothing is left to go, cancelled, or settled person by person afterwards.

Promises: an edition closes only when no row is planned or under way; rows that ended without hand-over for a reason
that is not the person's own give their entries back, each in the transaction that marks it so; states only move
forward, and nothing changes a row of a closed edition but an unsure one that becomes known. Refuses: to drop entries
of an edition whose plan was not complete, and to decide what is unsure in the first 15 minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions
from digest.db import Database
from digest.delivery import leases, ledger, mailed, outcomes, provider_sums
from digest.delivery.allotment import Audience
from digest.editions import Edition
from digest.errors import Refused
from digest.tables import State, batches, deliveries, variant_entries
from digest.tables import editions as t

Beside = Callable[[Connection, Edition], None]

CHUNK = 500  # readers who get entries back in one transaction
SURE_AFTER = timedelta(minutes=15)  # a stale sender may still learn the truth until then

# Not the person's own reason: what they were to get is owed to them still.
OWED_FAILED = ("transient", "full", "policy", "deadline", "not arrived")
OWED_SKIPPED = ("paused", "cancelled")


def close(db: Database, edition_id: int, audience: Audience, *, now: datetime) -> bool:
    """Closes an edition of which nothing is left to go; what is owed goes back first, some readers at a time."""
    while True:
        left, given = db.run(partial(_give_back_some, edition_id, audience), bulk=True)
        if left:
            return False
        if not given and db.run(partial(_close, edition_id, now)):
            return True


def _give_back_some(edition_id: int, audience: Audience, conn: Connection) -> tuple[bool, int]:
    edition = editions.find(conn, edition_id)
    if not _may_close(conn, edition):
        return True, 0
    return False, give_back(conn, edition, audience, _owed(edition), limit=CHUNK)


def _may_close(conn: Connection, edition: Edition) -> bool:
    """Whether it is under way (or cancelled before it was) and nothing of it is left to go."""
    if edition.state != editions.SENDING and not (edition.state == editions.FROZEN and edition.cancelling):
        return False
    open_one = sa.select(batches.c.n).where(batches.c.edition_id == edition.id, sa.text("batches.state < 2"))
    return conn.scalar(open_one.limit(1)) is None


def _owed(edition: Edition) -> sa.ColumnElement[bool]:
    """The rows whose entries are owed still; a letter holds none, and its remedy is another letter."""
    if edition.is_letter:
        return sa.false()
    failed = sa.and_(deliveries.c.state == State.FAILED, deliveries.c.code.in_(OWED_FAILED))
    skipped = sa.and_(deliveries.c.state == State.SKIPPED, deliveries.c.code.in_(OWED_SKIPPED))
    return sa.and_(deliveries.c.edition_id == edition.id, ~deliveries.c.carried, sa.or_(failed, skipped))


def give_back(
    conn: Connection, edition: Edition, audience: Audience, which: sa.ColumnElement[bool], *, limit: int | None = None
) -> int:
    """Files the entries of these rows as owed again and notes it in the rows; returns how many rows there were.

    The rows are read when the people are held: whoever gave them back before has noted it by then.
    """
    audience.hold(conn, edition.digest_id)
    rows = conn.execute(sa.select(deliveries.c.subscriber_id, deliveries.c.variant_n).where(which).limit(limit)).all()
    if not rows:
        return 0
    entries: dict[int, list[int]] = {}
    ve = variant_entries
    of_variants = sa.select(ve.c.variant_n, ve.c.sequence).where(
        ve.c.edition_id == edition.id, ve.c.variant_n.in_({row.variant_n for row in rows})
    )
    for row in conn.execute(of_variants):
        entries.setdefault(row.variant_n, []).append(row.sequence)
    audience.give_back(conn, edition, {row.subscriber_id: entries.get(row.variant_n, []) for row in rows})
    conn.execute(
        sa.update(deliveries)
        .where(deliveries.c.edition_id == edition.id)
        .where(deliveries.c.subscriber_id.in_([row.subscriber_id for row in rows]))
        .values(carried=True)
    )
    return len(rows)


def _close(edition_id: int, now: datetime, conn: Connection) -> bool:
    """False when it is not (or no longer) to be closed, or when a row turned failed since what is owed went back."""
    edition = editions.find(conn, edition_id, lock=True)
    owing = conn.scalar(sa.select(deliveries.c.subscriber_id).where(_owed(edition)).limit(1))
    if owing is not None or not _may_close(conn, edition):
        return False
    state = editions.CANCELLED if edition.cancelling else editions.SENT
    conn.execute(
        sa.update(t).where(t.c.id == edition_id).values(state=state, closed_at=now, paused_at=None, question=False)
    )
    mailed.keep(conn, edition_id)
    provider_sums.keep(conn, edition_id)
    return True


# --- cancelling ------------------------------------------------------------------------------------------------


def cancel(
    db: Database, number: int, audience: Audience, *, drop: bool, now: datetime, beside: Beside | None = None
) -> Edition:
    """Stops what has not gone out; its entries come later, or with `drop` not at all. Who has it, has it.

    `beside` is done in the same transaction, with the edition as it was: to write down who did it.

    An edition in draft or review is skipped. What is under way at this moment is still recorded; the edition closes
    when that is known.
    """
    edition = db.run(partial(_cancel, number, drop, now, beside))
    if edition.cancelling:
        finish_cancel(db, edition, audience, now=now)
    with db.reading() as conn:
        return editions.find(conn, number)


def finish_cancel(db: Database, edition: Edition, audience: Audience, *, now: datetime) -> bool:
    """Carries out a cancel that was said: again after a kill, until the edition is closed."""
    while db.run(partial(_cancel_batch, edition.id, edition, now), bulk=True):
        pass
    code = ledger.cancel_code(edition.cancelling or "later")
    while db.run(partial(leases.take_over, edition_id=edition.id, code=code, now=now), bulk=True):
        pass
    return close(db, edition.id, audience, now=now)


def _cancel(number: int, drop: bool, now: datetime, beside: Beside | None, conn: Connection) -> Edition:
    edition = editions.find(conn, number, lock=True)
    _stop(conn, edition, drop, now)
    if beside is not None:
        beside(conn, edition)
    return editions.find(conn, number)


def _stop(conn: Connection, edition: Edition, drop: bool, now: datetime) -> None:
    number = edition.id
    if edition.state in editions.ENDED or edition.cancelling:
        raise Refused(f"Edition {number} is {edition.shown_state}; there is nothing left to cancel.")
    change = sa.update(t).where(t.c.id == number)
    if edition.state in (editions.DRAFT, editions.REVIEW):
        reason = "Canceled by staff." if edition.is_letter else "Canceled by staff. Its items wait for the next run."
        ended = {"state": editions.SKIPPED, "reason": reason}
        conn.execute(change.values(closed_at=now, **ended))
        return
    if drop and edition.state == editions.FROZEN:
        raise Refused(
            f"Edition {number} has not been planned to the end, so its items can only come later. "
            f"`digest editions cancel {number}` without --drop does that."
        )
    mode = "drop" if drop else "later"  # a planner or sender at work sees it at its next commit
    conn.execute(change.values(cancelling=mode, question=False, paused_at=None))


def _cancel_batch(number: int, edition: Edition, now: datetime, conn: Connection) -> int:
    """Skips the planned rows of one batch; returns its number, 0 when no batch has any left."""
    planned = (deliveries.c.edition_id == number, deliveries.c.state == State.PLANNED)
    n = conn.scalar(sa.select(deliveries.c.batch_n).where(*planned).order_by(deliveries.c.batch_n).limit(1))
    if n is None:
        return 0
    editions.find(conn, number, share=True)
    batch = (batches.c.edition_id == number, batches.c.n == n)
    conn.execute(sa.select(batches.c.n).where(*batch).with_for_update())
    ledger.skip_planned(conn, number, n, State.SKIPPED, ledger.cancel_code(edition.cancelling or "later"), now)
    ledger.close_if_done(conn, number, n)
    return int(n)


# --- settling --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settled:
    """What became of a decision about unsure rows."""

    settled: int
    too_early: int


def settle(
    conn: Connection, number: int, audience: Audience, ids: Sequence[int] | None, *, arrived: bool, now: datetime
) -> Settled:
    """Staff say of unsure rows (all, or of these readers) that the mail arrived, or that it did not and is owed."""
    audience.hold(conn, editions.find(conn, number).digest_id)
    edition = editions.find(conn, number, lock=True)
    if edition.plan_done_at is None:
        raise Refused(f"Edition {number} is {edition.shown_state}; nothing of it is unsure.")
    unsure = sa.select(deliveries.c.subscriber_id, deliveries.c.updated_at).where(
        deliveries.c.edition_id == number, deliveries.c.state == State.UNSURE
    )
    rows = conn.execute(unsure if ids is None else unsure.where(deliveries.c.subscriber_id.in_(list(ids)))).all()
    ripe = [row.subscriber_id for row in rows if row.updated_at is None or row.updated_at + SURE_AFTER <= now]
    for reader in ripe:
        outcomes.settle_unsure(conn, number, reader, arrived=arrived, reason="not arrived", now=now)
    if not arrived and edition.state in editions.ENDED:
        repay(conn, edition, audience, ripe)
    return Settled(len(ripe), len(rows) - len(ripe))


def repay(conn: Connection, edition: Edition, audience: Audience, ids: Sequence[int]) -> None:
    """Gives back what rows owe that turned failed after the edition closed, in the commit that turned them."""
    give_back(conn, edition, audience, sa.and_(_owed(edition), deliveries.c.subscriber_id.in_(list(ids))))
