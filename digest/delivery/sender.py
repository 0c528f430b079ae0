"""Delivers one leased batch after the other: mark, address book, transport, record.

Promises: at most one window of rows is under way; every commit first proves that the lease still holds, then writes
what is known and marks as many more rows, so a crash leaves at most a window unsure (and nothing, when the transport
is repeatable). A pause, a cancel and a person who leaves are seen in every commit. Told to stop, it marks nothing
more, waits for answers, and plans again what was certainly not handed over. Refuses: to go on with a lost lease.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from digest import editions, render, tables
from digest.db import Database
from digest.delivery import closing, leases, ledger, message, outcomes, variants
from digest.delivery.allotment import Audience
from digest.delivery.ledger import AddressBook, Lease, Marked
from digest.delivery.outcomes import Outcome
from digest.delivery.transports.base import Answer, Group, Receipt, Transport
from digest.editions import Edition
from digest.errors import Busy, Stale

log = structlog.get_logger(__name__)

WINDOW = 200  # rows under way at most, for a transport that takes them one by one
COMMIT_EVERY = 1.0  # seconds
SAFE = leases.LEASE.total_seconds() / 2  # a hand-over begins only this long after the lease was renewed
BUSY_TRIES = 5  # times 10 seconds that a commit waits for the database
STOP_WITHIN = 20.0  # seconds that answers may still take after a stop
KEPT_BODIES = 256  # compiled variants kept at hand

_tickets = itertools.count(1)  # one name for each hand-over of this process, so that no answer is taken for another's


class People(Audience, AddressBook, Protocol):
    """Both answers of the people's side: who is in an edition, and who is at an address."""


class Sender:
    """One sender of this process. `clock` tells the time, `owner` names the process, `key` makes Message-IDs.

    `only_to` limits a test installation to named addresses; `stopped` is told, in the same transaction, when an
    edition pauses because the transport refuses everyone.
    """

    def __init__(
        self,
        db: Database,
        transport: Transport,
        people: People,
        *,
        clock: Callable[[], datetime],
        owner: str,
        key: bytes,
        only_to: Sequence[str] = (),
        stopped: Callable[[Connection, Edition, datetime], object] = lambda conn, edition, now: None,
    ) -> None:
        self.db, self.transport, self._people = db, transport, people
        self._clock, self._owner, self._key = clock, owner, key
        self._stopped = stopped
        self._only_to = frozenset(address.lower() for address in only_to)
        self._window = max(WINDOW, transport.group * transport.connections)
        self._bodies: OrderedDict[tuple[int, int], message.Compiled] = OrderedDict()
        self._stopping: float | None = None

    def stop(self) -> None:
        """Finish: no new rows are marked, and `deliver` returns within about 20 seconds."""
        self._stopping = time.monotonic() + STOP_WITHIN

    def deliver(self, edition_id: int) -> int:
        """Delivers what is due of the edition until nothing more is, or told to stop; returns the batches done."""
        done = 0
        while self._stopping is None:
            found = self.db.run(partial(self._lease, edition_id))
            if found is None:
                break
            held, edition = found
            log.info("batch leased", edition=edition_id, batch=held.n, fence=held.fence)
            _Batch(self, held, edition).work()
            done += 1
        return done

    def _lease(self, edition_id: int, conn: Connection) -> tuple[Lease, Edition] | None:
        """The next batch; before its first mark, what was withdrawn leaves its rows.

        Once is enough: a withdrawal pauses the edition, and the answer raises its fence; who holds a batch then marks
        nothing more of it and leases anew.
        """
        held = leases.lease(conn, edition_id, owner=self._owner, now=self._clock())
        if held is None:
            return None
        edition = editions.find(conn, edition_id)
        variants.take_out_withdrawn(conn, edition, held.n)
        return held, edition

    def commit(
        self,
        held: Lease,
        edition: Edition,
        known: Sequence[Outcome],
        unbegun: Sequence[Marked],
        under_way: int,
        trouble: str,
        conn: Connection,
    ) -> _Step:
        """One transaction of a holder: gate, record, mark more; the batch is let go when nothing is left to do."""
        now = self._clock()
        moves = any(o.receipt.answer in (Answer.TRANSIENT, Answer.RELAY) for o in known)
        answered = edition.plan_fence
        edition = editions.refreshed(conn, edition, lock=moves or bool(trouble))
        leases.gate(conn, held)
        outcomes.record(conn, held, edition, self._people, known, now=now)
        outcomes.hand_back(conn, held, edition, unbegun, now=now)
        trouble = trouble or next((_refusal(o.receipt) for o in known if o.receipt.answer is Answer.RELAY), "")
        if trouble:
            self._pause(conn, edition, trouble, now)
        marked: list[Marked] = []
        goes_on = _goes_on(edition) and edition.plan_fence == answered and now < held.deadline
        if goes_on and not trouble and self._stopping is None:
            marked = self._mark(conn, held, edition, self._window - under_way, now)
        if not marked and not under_way:
            leases.release(conn, held)
        return _Step(edition, marked)

    def _mark(self, conn: Connection, held: Lease, edition: Edition, room: int, now: datetime) -> list[Marked]:
        book = _Limited(self._people, self._only_to) if self._only_to else self._people
        carrier = self.transport
        return ledger.mark(
            conn, held, edition, book, room=room, transport=carrier.name, repeatable=carrier.repeatable, now=now
        )

    def _pause(self, conn: Connection, edition: Edition, why: str, now: datetime) -> None:
        """What failed would fail for everyone: the edition stops, keeps its place, says why, and staff are told."""
        if edition.paused_at is not None:
            return
        change = sa.update(tables.editions).where(tables.editions.c.id == edition.id)
        conn.execute(change.values(paused_at=now, paused_why=why))
        self._stopped(conn, editions.find(conn, edition.id), now)

    def body(self, edition: Edition, n: int) -> message.Compiled:
        """The compiled variant, from the few that are kept at hand."""
        key = (edition.id, n)
        if key not in self._bodies:
            self._bodies[key] = self._compile(edition, n)
            if len(self._bodies) > KEPT_BODIES:
                self._bodies.popitem(last=False)
        self._bodies.move_to_end(key)
        return self._bodies[key]

    def _compile(self, edition: Edition, n: int) -> message.Compiled:
        v = tables.variants
        with self.db.reading() as conn:
            row = conn.execute(
                sa.select(v.c.subject, v.c.html, v.c.text).where(v.c.edition_id == edition.id, v.c.n == n)
            ).one()
        rendered = render.Rendered(row.subject, row.html, row.text)
        shell = render.Shell.from_json(edition.settings or {})
        date = edition.frozen_at or edition.created_at
        return message.compile(rendered, shell, uid=edition.uid, variant=n, key=self._key, date=date)

    @property
    def stops_at(self) -> float | None:
        """The monotonic second at which a stop ends, when one was asked for."""
        return self._stopping

    def contradict(self, held: Lease, known: Sequence[Outcome], conn: Connection) -> None:
        """After the lease was lost: what is known all the same settles the rows that are unsure now."""
        self._people.hold(conn, editions.find(conn, held.edition_id).digest_id)
        edition = editions.find(conn, held.edition_id, lock=True)
        failed = outcomes.contradict(conn, held, known, now=self._clock())
        if failed and edition.state in editions.ENDED:
            closing.repay(conn, edition, self._people, failed)
        log.warning("lease was lost", edition=held.edition_id, batch=held.n, known=len(known))


@dataclass(frozen=True)
class _Step:
    """What one commit leaves to do: rows to hand over. `edition` is as read in it."""

    edition: Edition
    marked: list[Marked]


class _Batch:
    """One leased batch on its way."""

    def __init__(self, sender: Sender, held: Lease, edition: Edition) -> None:
        self._sender, self._held, self._transport = sender, held, sender.transport
        self._edition = edition  # as it was when the batch was leased
        self._under_way: dict[int, Marked] = {}  # begun, without an outcome yet
        self._unbegun: list[Marked] = []  # marked, certainly not handed over
        self._known: list[Outcome] = []
        self._trouble = ""  # why nothing can be handed over to anyone
        self._recalled = False

    def work(self) -> None:
        """Until nothing of the batch is left for this sender; a lost lease ends it at once.

        However it ends, the transport keeps nothing of it: what it held would go out under the next batch's lease.
        """
        try:
            while self._step():
                pass
        except Stale:
            self._let_go()
            self._sender.db.run(partial(self._sender.contradict, self._held, self._known))
        except BaseException:
            self._let_go()
            raise

    def _step(self) -> bool:
        """Commit, hand over, collect; False when the batch was let go."""
        renewed = time.monotonic()
        step = self._commit()
        self._known, self._unbegun = [], list(step.marked)
        if not step.marked and not self._under_way:
            return False
        try:
            self._hand_over(step.edition, until=renewed + SAFE)
            self._collect(until=min(time.monotonic() + COMMIT_EVERY, renewed + SAFE))
        except Exception:
            log.exception("transport failed", edition=self._held.edition_id, batch=self._held.n)
            self._give_up()
            self._trouble = "The transport failed; the log of the program says how."
        if self._sender.stops_at is not None:
            self._wind_up(self._sender.stops_at)
        return True

    def _commit(self) -> _Step:
        """A database that is busy is asked again: what is known must not be forgotten."""
        waiting = (self._known, self._unbegun, len(self._under_way), self._trouble)
        work = partial(self._sender.commit, self._held, self._edition, *waiting)
        for _ in range(BUSY_TRIES):
            with suppress(Busy):
                return self._sender.db.run(work, bulk=True)
        return self._sender.db.run(work, bulk=True)

    def _hand_over(self, edition: Edition, *, until: float) -> None:
        """Begins what was marked, as long as the lease surely holds; the rest goes back in the next commit."""
        rows = self._unbegun
        while rows and time.monotonic() < until:
            same = [row for row in rows[: self._transport.group] if row.variant_n == rows[0].variant_n]
            body = self._sender.body(edition, same[0].variant_n)
            del rows[: len(same)]
            tickets = [next(_tickets) for _ in same]
            self._under_way.update(zip(tickets, same, strict=True))
            self._transport.begin(Group(tickets, body, [row.recipient for row in same]))

    def _collect(self, *, until: float) -> None:
        """Takes outcomes until all are known or it is time to commit."""
        while self._under_way and time.monotonic() < until:
            for ticket, receipt in self._transport.outcomes(until - time.monotonic()):
                if ticket in self._under_way:  # else: of a batch that was given up, told too late
                    self._known.append(Outcome(self._under_way.pop(ticket), receipt))
                if time.monotonic() > until:
                    break

    def _wind_up(self, stops_at: float) -> None:
        """After a stop: what was not handed over goes back; what has no answer in time is unsure."""
        if not self._recalled:
            self._recalled = True
            self._recall()
        elif time.monotonic() > stops_at:
            self._give_up()

    def _recall(self) -> None:
        tickets = [ticket for ticket in self._transport.recall() if ticket in self._under_way]
        self._unbegun += [self._under_way.pop(ticket) for ticket in tickets]

    def _give_up(self) -> None:
        """No more answers come: rows not handed over go back, the others are unsure if they could double."""
        self._recall()
        rows = list(self._under_way.values())
        self._under_way.clear()
        if self._transport.repeatable:
            self._unbegun += rows
        else:
            self._known += [Outcome(row, Receipt(Answer.UNSURE, "no answer")) for row in rows]

    def _let_go(self) -> None:
        """The batch is no longer ours: what was not handed over never will be by this lease, and that is known."""
        self._recall()
        self._known += [Outcome(row, Receipt(Answer.TRANSIENT, "lost")) for row in self._unbegun]


def _refusal(receipt: Receipt) -> str:
    return " ".join(filter(None, ("The mail server refuses everyone.", receipt.code, receipt.text)))[:500]


def _goes_on(edition: Edition) -> bool:
    return edition.state == editions.SENDING and edition.paused_at is None and edition.cancelling is None


class _Limited:
    """An address book of a test installation: only the named addresses are mailed."""

    def __init__(self, book: AddressBook, only_to: frozenset[str]) -> None:
        self._book, self._only_to = book, only_to

    def resolve(self, conn: Connection, edition: Edition, ids: Sequence[int]) -> dict[int, message.Recipient | str]:
        """As the book answers, but whoever is not named is refused."""
        answers = self._book.resolve(conn, edition, ids)
        return {
            i: a if isinstance(a, str) or a.address.lower() in self._only_to else "only_to" for i, a in answers.items()
        }

    def refuse(self, conn: Connection, subscriber_id: int, reason: str, now: datetime) -> None:
        """As the book does."""
        self._book.refuse(conn, subscriber_id, reason, now)
