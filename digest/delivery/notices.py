"""Mails about one affair: a test to a member of staff, word to staff that something waits for them.

Promises: one mail per occasion, however often it is asked for; a notice is queued in the transaction that causes it
and survives a kill like a delivery does (marked before it is handed over; afterwards unsure if it could double); the
address and the mail itself are wiped when it is done. Notices go before editions. What is a subscriber's own affair
goes only to who may still be mailed when it is handed over: who left meanwhile gets nothing. Refuses nothing: whether
a person may be mailed is for others to know, who are asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from digest import db as databases
from digest import render
from digest.db import Database, now_micros
from digest.delivery import leases, message, outcomes, owners
from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Group, Receipt, Transport
from digest.tables import State
from digest.tables import notices as t

log = structlog.get_logger(__name__)

# Why a subscriber of a digest must not get a notice of this kind; empty: they may.
Barred = Callable[[Connection, str, int, int], str]

TOGETHER_SECONDS = 600.0  # how long an answer may take


@dataclass(frozen=True)
class Letter:
    """A notice ready to be queued. `occasion` names what it is about: there is one mail for each."""

    occasion: str
    kind: str  # test, staff, welcome
    address: str
    rendered: render.Rendered
    whose: tuple[int, int] | None = None  # digest and subscriber, when it is a subscriber's own affair


@dataclass(frozen=True)
class _Whole:
    """A mail that needs no filling in."""

    uid: str
    data: bytes

    @property
    def sender(self) -> str:
        return parseaddr(str(BytesHeaderParser(policy=policy.compat32).parsebytes(self.data)["From"]))[1]

    def join(self, recipient: Recipient) -> bytes:
        return self.data


@dataclass(frozen=True)
class _Held:
    id: int
    uid: str
    fence: int
    address: str
    data: bytes
    attempts: int


def queue(
    conn: Connection,
    letter: Letter,
    shell: render.Shell,
    *,
    key: bytes,
    now: datetime,
    slots: dict[str, str] | None = None,
) -> str:
    """Queues the mail and returns its Message-ID, made with `key`; empty when there was one for this occasion."""
    uid = secrets.token_hex(16)
    compiled = message.compile(letter.rendered, shell, uid=uid, variant=1, key=key, date=now)
    recipient = Recipient(0, letter.address, "", slots or {})
    data = compiled.join(recipient)
    digest_id, subscriber_id = letter.whose or (None, None)
    added = conn.execute(
        databases.insert_new(conn, t)
        .values(
            occasion=letter.occasion,
            kind=letter.kind,
            digest_id=digest_id,
            subscriber_id=subscriber_id,
            address=letter.address,
            subject=letter.rendered.subject,
            message=data,
            uid=uid,
            state=State.PLANNED,
            created_at=now,
            due_at=now,
        )
        .returning(t.c.id)
    )
    return compiled.message_id(recipient) if added.first() is not None else ""


class Fate(NamedTuple):
    """Where a notice is: `code` is why it was put off or refused."""

    state: State
    code: str | None


def fate(conn: Connection, occasion: str) -> Fate | None:
    """What became of the notice of this occasion so far, if there was one."""
    row = conn.execute(sa.select(t.c.state, t.c.code).where(t.c.occasion == occasion)).one_or_none()
    return None if row is None else Fate(State(row.state), row.code)


def deliver_due(
    db: Database,
    transport: Transport,
    *,
    clock: Callable[[], datetime],
    owner: str,
    barred: Barred,
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Sends what is due, one at a time, until told to stop; returns how many were handed over."""
    sent = 0
    while not stopping() and (held := db.run(partial(_take, transport, clock(), owner, barred))) is not None:
        receipt = _hand_over(transport, held)
        db.run(partial(_record, held, receipt, clock()))
        log.info("notice", notice=held.id, answer=receipt.answer.value)
        sent += 1
    return sent


def _take(transport: Transport, now: datetime, owner: str, barred: Barred, conn: Connection) -> _Held | None:
    """Leases and marks the next due notice; what a dead holder left under way is put right first.

    In the same commit it is asked whether its person may still be mailed; those who may not are skipped.
    """
    _recover(conn, now)
    while (row := _lease(conn, transport, now, owner)) is not None:
        whose = (row.kind, row.digest_id, row.subscriber_id)
        why = barred(conn, *whose) if row.subscriber_id is not None else ""
        if not why:
            return _Held(row.id, row.uid, row.fence, row.address, row.message, row.attempts)
        skipped = {"state": State.SKIPPED, "code": why, "lease_until": 0, "address": None, "message": None}
        conn.execute(sa.update(t).where(t.c.id == row.id).values(skipped))
    return None


def _lease(conn: Connection, transport: Transport, now: datetime, owner: str) -> sa.Row[Any] | None:
    candidate = (
        sa.select(t.c.id)
        .where(sa.text("notices.state < 2"), t.c.state == State.PLANNED, t.c.due_at <= now)
        .where(t.c.lease_until < now_micros())
        .order_by(t.c.due_at, t.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    until = now_micros() + int(leases.LEASE / timedelta(microseconds=1))
    return conn.execute(
        sa.update(t)
        .where(t.c.id == candidate.scalar_subquery(), t.c.state == State.PLANNED)
        .values(
            state=State.TRYING,
            repeatable=transport.repeatable,
            lease_owner=owner,
            lease_until=until,
            fence=t.c.fence + 1,
        )
        .returning(
            *(t.c.id, t.c.uid, t.c.fence, t.c.address, t.c.message, t.c.attempts),
            *(t.c.kind, t.c.digest_id, t.c.subscriber_id),
        )
    ).one_or_none()


def _recover(conn: Connection, now: datetime) -> None:
    """Notices under way whose holder is gone: planned again when their transport is repeatable, else unsure."""
    left = conn.execute(
        sa.select(
            t.c.id, t.c.fence, t.c.lease_owner, t.c.repeatable, (t.c.lease_until < now_micros()).label("over")
        ).where(sa.text("notices.state < 2"), t.c.state == State.TRYING)
    ).all()
    for row in left:
        if row.over or owners.is_gone(row.lease_owner):
            again = {"state": State.PLANNED, "lease_until": 0}
            unsure = {"state": State.UNSURE, "lease_until": 0, "message": None, "address": None}
            change = again if row.repeatable else unsure
            same = (t.c.id == row.id, t.c.fence == row.fence, t.c.state == State.TRYING)  # not taken again meanwhile
            conn.execute(sa.update(t).where(*same).values(change))


def _hand_over(transport: Transport, held: _Held) -> Receipt:
    ticket = -held.id  # deliveries are handed over under positive numbers
    transport.begin(Group([ticket], _Whole(held.uid, held.data), [Recipient(0, held.address, "", {})]))
    told = (receipt for number, receipt in transport.outcomes(TOGETHER_SECONDS) if number == ticket)
    return next(told, Receipt(Answer.UNSURE, "no answer"))


def _record(held: _Held, receipt: Receipt, now: datetime, conn: Connection) -> None:
    """Writes the answer, unless the lease was lost; what was put off is tried again like a delivery."""
    mine = sa.update(t).where(t.c.id == held.id, t.c.fence == held.fence, t.c.state == State.TRYING)
    if receipt.answer in (Answer.TRANSIENT, Answer.AWAY, Answer.RELAY) and held.attempts < len(outcomes.RETRY_AFTER):
        wait = timedelta(minutes=outcomes.RETRY_AFTER[held.attempts])
        later = {"state": State.PLANNED, "attempts": held.attempts + 1, "due_at": now + wait, "lease_until": 0}
        conn.execute(mine.values(code=receipt.code or None, **later))
        return
    ended = {Answer.ACCEPTED: State.ACCEPTED, Answer.UNSURE: State.UNSURE}.get(receipt.answer, State.FAILED)
    wiped = {"address": None, "message": None, "lease_until": 0}
    conn.execute(mine.values(state=ended, code=receipt.code or None, **wiped))


def next_due(conn: Connection) -> datetime | None:
    """When the next notice falls due."""
    soonest: datetime | None = conn.scalar(sa.select(sa.func.min(t.c.due_at)).where(sa.text("notices.state < 2")))
    return soonest
