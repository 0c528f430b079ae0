"""What became of rows under way, written beside their counters: ended, moved to a later batch, or planned again.

Promises: an outcome and its counter are one transaction of the lease's holder; a row that was put off keeps its
deadline and loses nothing; a row that comes back obeys a cancel said meanwhile; an unsure row changes once, when the
truth is learnt. Refuses: outcomes of rows that are not under way (the transaction is undone).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.delivery import ledger
from digest.delivery.ledger import AddressBook, Lease, Marked
from digest.delivery.transports.base import Answer, Receipt
from digest.editions import Edition
from digest.errors import Stale
from digest.tables import State, batches, deliveries, replies

RETRY_AFTER = (1, 5, 15, 60)  # minutes until the second, third, ... try of a delivery that was put off


class Outcome(NamedTuple):
    """What became of a row under way."""

    row: Marked
    receipt: Receipt


FINAL = {
    Answer.ACCEPTED: (State.ACCEPTED, None),
    Answer.HARD: (State.FAILED, "hard"),
    Answer.DOUBTFUL: (State.FAILED, "doubtful"),
    Answer.FULL: (State.FAILED, "full"),
    Answer.POLICY: (State.FAILED, "policy"),
    Answer.UNSURE: (State.UNSURE, None),
}


def record(
    conn: Connection, held: Lease, edition: Edition, book: AddressBook, outcomes: Collection[Outcome], *, now: datetime
) -> None:
    """Writes outcomes beside their counters. What must be tried again moves to a later batch of its own.

    A row that comes back from trying obeys what was said meanwhile: a cancel skips it.
    """
    by_answer: dict[Answer, list[Outcome]] = {}
    for outcome in outcomes:
        by_answer.setdefault(outcome.receipt.answer, []).append(outcome)
    for answer, (state, code) in FINAL.items():
        done = by_answer.get(answer, [])
        ledger.change(conn, held, [o.row.pos for o in done], State.TRYING, state, code=code, now=now)
        ledger.count(conn, held.edition_id, held.n, {state: len(done)})
    for outcome in by_answer.get(Answer.HARD, []):
        book.refuse(conn, outcome.row.recipient.subscriber_id, "hard", now)
    back = by_answer.get(Answer.RELAY, []) + by_answer.get(Answer.AWAY, [])
    hand_back(conn, held, edition, [o.row for o in back], now=now)
    _put_off(conn, held, edition, [o.row for o in by_answer.get(Answer.TRANSIENT, [])], now=now)
    _provider_ids(conn, held, by_answer.get(Answer.ACCEPTED, []))
    _keep_replies(conn, held.edition_id, outcomes, now)


def hand_back(conn: Connection, held: Lease, edition: Edition, rows: Sequence[Marked], *, now: datetime) -> None:
    """Rows that certainly were not handed over are planned again; after a cancel they are skipped."""
    positions = [row.pos for row in rows]
    if edition.cancelling:
        ledger.change(
            conn, held, positions, State.TRYING, State.SKIPPED, code=ledger.cancel_code(edition.cancelling), now=now
        )
        ledger.count(conn, held.edition_id, held.n, {State.SKIPPED: len(positions)})
    else:
        ledger.change(conn, held, positions, State.TRYING, State.PLANNED, now=now)


def _put_off(conn: Connection, held: Lease, edition: Edition, rows: Sequence[Marked], *, now: datetime) -> None:
    """Rows that were put off go to a later batch with the same deadline, or fail when there is no more time."""
    if edition.cancelling:
        hand_back(conn, held, edition, rows, now=now)
        return
    by_tries: dict[int, list[int]] = {}
    for row in rows:
        by_tries.setdefault(row.attempts, []).append(row.pos)
    for tries, positions in by_tries.items():
        due = now + timedelta(minutes=RETRY_AFTER[min(tries, len(RETRY_AFTER) - 1)])
        if tries >= len(RETRY_AFTER) or due >= held.deadline:
            ledger.change(conn, held, positions, State.TRYING, State.FAILED, code="transient", now=now)
            ledger.count(conn, held.edition_id, held.n, {State.FAILED: len(positions)})
        else:
            _move(conn, held, positions, tries + 1, due, now)


def _move(conn: Connection, held: Lease, positions: Sequence[int], tries: int, due: datetime, now: datetime) -> None:
    """One transaction: the old batch shrinks, a new one holds the rows; the sum of sizes stays what was planned."""
    ledger.change(conn, held, positions, State.TRYING, State.PLANNED, now=now)
    n = ledger.next_batch(conn, held.edition_id)
    conn.execute(
        sa.insert(batches).values(
            edition_id=held.edition_id, n=n, due_at=due, deadline=held.deadline, size=len(positions)
        )
    )
    conn.execute(
        sa.update(deliveries)
        .where(*ledger.of_batch(held.edition_id, held.n), deliveries.c.pos.in_(list(positions)))
        .values(batch_n=n, attempts=tries)
    )
    conn.execute(
        sa.update(batches)
        .where(batches.c.edition_id == held.edition_id, batches.c.n == held.n)
        .values(size=batches.c.size - len(positions))
    )


def _provider_ids(conn: Connection, held: Lease, accepted: Iterable[Outcome]) -> None:
    for outcome in accepted:
        if outcome.receipt.provider_id is not None:
            conn.execute(
                sa.update(deliveries)
                .where(*ledger.of_batch(held.edition_id, held.n), deliveries.c.pos == outcome.row.pos)
                .values(provider_id=outcome.receipt.provider_id)
            )


def _keep_replies(conn: Connection, edition_id: int, outcomes: Iterable[Outcome], now: datetime) -> None:
    """The reply of everything but a plain acceptance, for the reader's record."""
    texts = {
        o.row.recipient.subscriber_id: " ".join(filter(None, (o.receipt.code, o.receipt.text)))[:500]
        for o in outcomes
        if o.receipt.answer is not Answer.ACCEPTED and (o.receipt.code or o.receipt.text)
    }
    if texts:
        gone = sa.delete(replies).where(replies.c.edition_id == edition_id, replies.c.subscriber_id.in_(list(texts)))
        conn.execute(gone)
        conn.execute(
            sa.insert(replies),
            [{"edition_id": edition_id, "subscriber_id": k, "text": v, "at": now} for k, v in texts.items()],
        )


def contradict(conn: Connection, held: Lease, outcomes: Iterable[Outcome], *, now: datetime) -> list[int]:
    """What a stale holder still learnt: it may turn its own unsure rows into accepted or failed, nothing else.

    Returns the subscribers whose row turned failed: when the edition is closed their entries go back at once.
    """
    failed = []
    for outcome in outcomes:
        arrived = outcome.receipt.answer is Answer.ACCEPTED
        if outcome.receipt.answer is Answer.UNSURE:
            continue
        reason = {Answer.HARD: "hard", Answer.POLICY: "policy"}.get(outcome.receipt.answer, "transient")
        person = outcome.row.recipient.subscriber_id
        if settle_unsure(conn, held.edition_id, person, arrived=arrived, reason=reason, now=now) and not arrived:
            failed.append(person)
    return failed


def settle_unsure(
    conn: Connection, edition_id: int, subscriber_id: int, *, arrived: bool, reason: str, now: datetime
) -> bool:
    """Turns an unsure row into accepted or failed; False when it is not unsure (any more)."""
    unsure = (
        deliveries.c.edition_id == edition_id,
        deliveries.c.subscriber_id == subscriber_id,
        deliveries.c.state == State.UNSURE,
    )
    n = conn.scalar(sa.select(deliveries.c.batch_n).where(*unsure))
    if n is None:
        return False
    new = State.ACCEPTED if arrived else State.FAILED
    ledger.count(conn, edition_id, n, {State.UNSURE: -1, new: 1})
    changed = conn.execute(
        sa.update(deliveries).where(*unsure).values(state=new, code=None if arrived else reason, updated_at=now)
    ).rowcount
    if changed != 1:
        raise Stale(f"A row of edition {edition_id} was settled by someone else at the same time.")
    return True
