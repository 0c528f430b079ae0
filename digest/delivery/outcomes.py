"""What became of rows under way, written beside their counters: ended, moved to a later batch, or planned again.

Promises: an outcome and its counter are one transaction of the lease's holder; a row that was put off keeps its
deadline and loses nothing; a row that comes back obeys a cancel said meanwhile; an unsure row changes once, when the
truth is learnt. Refuses: outcomes of rows that are not under way (the transaction is undone).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import tables
from digest.db import adding
from digest.delivery import ledger, provider_sums
from digest.delivery.ledger import AddressBook, Lease, Marked
from digest.delivery.transports.base import Answer, Receipt
from digest.editions import Edition
from digest.errors import Stale
from digest.tables import State, deliveries, replies, requests

RETRY_AFTER = (1, 5, 15, 60)  # minutes until the second, third, ... try of a delivery that was put off
JITTER = 0.2  # of that time is added at most, so that what failed together does not come back together

FULL_EDITIONS, FULL_FOR = 5, timedelta(days=14)  # a mailbox that is full so often, for so long, is given up
LOOKED_BACK = 10  # editions of a digest in which an address's earlier refusals are looked for


class Outcome(NamedTuple):
    """What became of a row under way."""

    row: Marked
    receipt: Receipt


FINAL = {
    Answer.HARD: "hard",
    Answer.DOUBTFUL: "doubtful",
    Answer.FULL: "full",
    Answer.POLICY: "policy",
}
_PROVIDER_ID = attrgetter("receipt.provider_id")
BACK = (Answer.RELAY, Answer.AWAY)  # proof that nothing was accepted, and it says nothing of the reader


def record(
    conn: Connection, held: Lease, edition: Edition, book: AddressBook, outcomes: Collection[Outcome], *, now: datetime
) -> None:
    """Writes outcomes beside their counters. What must be tried again moves to a later batch.

    A row that comes back from trying obeys what was said meanwhile: a cancel skips it.
    """
    accepted = [outcome for outcome in outcomes if outcome.receipt.answer is Answer.ACCEPTED]
    by_answer: dict[Answer, list[Outcome]] = {}
    if len(accepted) < len(outcomes):  # else nothing but acceptances, as nearly always
        for outcome in outcomes:
            by_answer.setdefault(outcome.receipt.answer, []).append(outcome)
        by_answer.pop(Answer.ACCEPTED, None)
    unsure = by_answer.pop(Answer.UNSURE, [])
    failed = {code: by_answer.get(answer, []) for answer, code in FINAL.items()}
    _accept(conn, held, accepted, now)
    ledger.change(conn, held, [o.row.pos for o in unsure], State.TRYING, State.UNSURE, now=now)
    for code, some in failed.items():
        ledger.change(conn, held, [o.row.pos for o in some], State.TRYING, State.FAILED, code=code, now=now)
    counts = {State.ACCEPTED: len(accepted), State.UNSURE: len(unsure), State.FAILED: sum(map(len, failed.values()))}
    ledger.count(conn, held.edition_id, held.n, counts)
    if by_answer:
        _refuse(conn, edition, book, failed, now)
        hand_back(conn, held, edition, [o.row for answer in BACK for o in by_answer.get(answer, [])], now=now)
        _put_off(conn, held, edition, [o.row for o in by_answer.get(Answer.TRANSIENT, [])], now=now)
    if by_answer or unsure:
        _keep_replies(conn, held.edition_id, [*unsure, *itertools.chain.from_iterable(by_answer.values())], now)


def _accept(conn: Connection, held: Lease, accepted: Sequence[Outcome], now: datetime) -> None:
    """Runs of plain acceptances change together; ids of each are written one by one, those of a request once."""
    ledger.change(conn, held, [o.row.pos for o in accepted], State.TRYING, State.ACCEPTED, now=now)
    single: dict[int, str] = {}
    for name, outcomes in itertools.groupby(accepted, _PROVIDER_ID):
        if name is not None:
            first, *others = outcomes  # those of one request come together
            if others:
                _count_request(conn, held, name, 1 + len(others), now)
            else:
                single[first.row.pos] = name
    if single:
        ledger.name(conn, held, single)


def _count_request(conn: Connection, held: Lease, name: str, recipients: int, now: datetime) -> None:
    """One call that took many under one name; its outcomes may be recorded in more than one commit."""
    row = {"edition_id": held.edition_id, "provider_id": name, "batch_n": held.n, "recipients": recipients, "at": now}
    conn.execute(_REQUEST[conn.dialect.name], row)


def _refuse(
    conn: Connection, edition: Edition, book: AddressBook, failed: Mapping[str, Sequence[Outcome]], now: datetime
) -> None:
    """Addresses that do not exist get nothing more; a doubtful refusal or a full mailbox counts up to that."""
    for outcome in failed["hard"]:
        book.refuse(conn, outcome.row.recipient.subscriber_id, "hard", now)
    for outcome in failed["doubtful"]:
        reader = outcome.row.recipient.subscriber_id
        if any(code == "doubtful" for code, _ in _history(conn, edition, reader)):
            book.refuse(conn, reader, "hard", now)
    for outcome in failed["full"]:
        reader = outcome.row.recipient.subscriber_id
        before = list(itertools.takewhile(lambda row: row[0] == "full", _history(conn, edition, reader)))
        if len(before) + 1 >= FULL_EDITIONS and before[-1][1] <= now - FULL_FOR:
            book.refuse(conn, reader, "hard", now)


def _history(conn: Connection, edition: Edition, reader: int) -> list[tuple[str | None, datetime]]:
    """What became of this reader's rows in the digest's editions before this one, the latest first: code, when."""
    e, d = tables.editions, deliveries
    rows = (
        sa.select(d.c.code, d.c.updated_at)
        .join(e, e.c.id == d.c.edition_id)
        .where(e.c.digest_id == edition.digest_id, e.c.id < edition.id, d.c.subscriber_id == reader)
        .where(d.c.state.in_((State.ACCEPTED, State.FAILED)), d.c.updated_at.is_not(None))
        .order_by(e.c.id.desc())
        .limit(LOOKED_BACK)
    )
    return [(row.code, row.updated_at) for row in conn.execute(rows)]


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
        due = ledger.rounded(now + _wait(edition, held, tries)) if tries < len(RETRY_AFTER) else held.deadline
        if due >= held.deadline:
            ledger.change(conn, held, positions, State.TRYING, State.FAILED, code="transient", now=now)
            ledger.count(conn, held.edition_id, held.n, {State.FAILED: len(positions)})
        else:
            ledger.change(conn, held, positions, State.TRYING, State.PLANNED, now=now)
            ledger.move(conn, held, positions, due=due, tries=1)


def _wait(edition: Edition, held: Lease, tries: int) -> timedelta:
    """The time until the next try, with a jitter that is the same whenever this batch is asked again."""
    dice = int.from_bytes(blake2b(f"{edition.uid} {held.n} {tries}".encode(), digest_size=4).digest()) / 2**32
    return timedelta(minutes=RETRY_AFTER[tries] * (1 + JITTER * dice))


def _keep_replies(conn: Connection, edition_id: int, outcomes: Iterable[Outcome], now: datetime) -> None:
    """The reply of everything but a plain acceptance, for the reader's record."""
    texts = {
        o.row.recipient.subscriber_id: " ".join(filter(None, (o.receipt.code, o.receipt.text)))[:500]
        for o in outcomes
        if o.receipt.code or o.receipt.text
    }
    if texts:
        gone = sa.delete(replies).where(replies.c.edition_id == edition_id, replies.c.subscriber_id.in_(list(texts)))
        conn.execute(gone)
        conn.execute(
            sa.insert(replies),
            [{"edition_id": edition_id, "subscriber_id": k, "text": v, "at": now} for k, v in texts.items()],
        )


def still_under_way(conn: Connection, held: Lease, mine: Collection[int]) -> set[int]:
    """After a commit whose answer was lost: which of `mine` are still under way in the ledger.

    What that commit marked, and nobody will hand over now, is planned again. The caller holds the batch.
    """
    trying = (*ledger.of_batch(held.edition_id, held.n), deliveries.c.state == State.TRYING)
    found = set(conn.scalars(sa.select(deliveries.c.pos).where(*trying)))
    for pos in found - set(mine):
        conn.execute(sa.update(deliveries).where(*trying, deliveries.c.pos == pos).values(state=State.PLANNED))
    return found & set(mine)


def contradict(conn: Connection, held: Lease, outcomes: Iterable[Outcome], *, now: datetime) -> list[int]:
    """What a stale holder still learnt: it may turn its own unsure rows into accepted or failed, nothing else.

    Returns the subscribers whose row turned failed: when the edition is closed their entries go back at once.
    """
    failed = []
    for outcome in outcomes:
        arrived = outcome.receipt.answer is Answer.ACCEPTED
        if outcome.receipt.answer is Answer.UNSURE:
            continue
        reason = FINAL.get(outcome.receipt.answer, "transient")
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
    row = conn.execute(sa.select(deliveries.c.batch_n, deliveries.c.provider).where(*unsure)).one_or_none()
    if row is None:
        return False
    new = State.ACCEPTED if arrived else State.FAILED
    ledger.count(conn, edition_id, row.batch_n, {State.UNSURE: -1, new: 1})
    changed = conn.execute(
        sa.update(deliveries).where(*unsure).values(state=new, code=None if arrived else reason, updated_at=now)
    ).rowcount
    if changed != 1:
        raise Stale(f"A row of edition {edition_id} was settled by someone else at the same time.")
    provider_sums.settle(conn, edition_id, row.provider, new, "" if arrived else reason)
    return True


# Built once: it runs for every request.
_REQUEST = adding(requests, requests.c.recipients)
