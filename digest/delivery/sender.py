"""Delivers what is due: leases batches, hands their rows to the transport, and takes turns at writing what is known.

Promises: at most one window of rows is under way, over all batches in hand, so a crash leaves at most that many unsure
(and nothing, when the transport is repeatable); one slow answer keeps neither the other rows nor other editions
waiting. Nothing is handed over that the lease may not cover. Told to stop, it marks nothing more, waits for answers,
and plans again what was certainly not handed over. A database that cannot be written is asked again until it can: what
is known is never forgotten. Refuses: to go on with a lost lease.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from digest.config import PaceSection
from digest.db import Database
from digest.delivery import leases
from digest.delivery.flight import Flight
from digest.delivery.leases import Carrier
from digest.delivery.mails import Mails
from digest.delivery.outcomes import Outcome
from digest.delivery.pace import Pace
from digest.delivery.transports.base import Answer, Receipt, Transport
from digest.delivery.turns import SOON, Clerk, Holding, People, Stopped, Turn
from digest.editions import Edition
from digest.errors import Busy, Stale

T = TypeVar("T")

log = structlog.get_logger(__name__)

WINDOW = 200  # rows under way at most, for a transport that takes them one by one
COMMIT_EVERY = 1.0  # seconds
SAFE = leases.LEASE.total_seconds() / 2  # a hand-over begins only this long after the lease was renewed
STOP_WITHIN = 20.0  # seconds that answers may still take after a stop
BREATH = timedelta(seconds=0.5)  # between two marks when the pace is what is waited for
LONGEST_REST = 10.0  # seconds between two tries at a database that cannot be written


@contextmanager
def _calm_collector() -> Iterator[None]:
    """Python's cycle collector looks through all rows in hand again and again, a tenth of the work: less often."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _tell_nobody(conn: Connection, edition: Edition, now: datetime) -> None:
    """For whoever has no staff to tell."""


class Sender:
    """One sender of this process. `clock` tells the time, `owner` names the process, `key` makes Message-IDs.

    `pace` says how fast, `rest` waits some seconds; for `only_to` and `stopped` see `turns.Clerk`.
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
        pace: Pace | None = None,
        only_to: Sequence[str] = (),
        stopped: Stopped = _tell_nobody,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self.db, self.transport = db, transport
        self.pace = pace or Pace(PaceSection(), zone="UTC", carrier=transport.name)
        self._clock, self._rest = clock, rest
        self.mails = Mails(db, key)
        self._flight = Flight(transport, self.mails)
        carrier = Carrier(transport.name, transport.repeatable)
        self.clerk = Clerk(people, self.pace, carrier, clock=clock, owner=owner, only_to=only_to, stopped=stopped)
        self.window = max(min(self.pace.window, WINDOW), transport.group * transport.connections)
        # A turn comes when about as many are left as are handed over at once, so that no connection stands still.
        at_once = transport.group * transport.connections if transport.connections > 1 else 0
        self._enough = max(self.window // 2, self.window - at_once)
        self._held: list[Holding] = []
        self._wait: datetime | None = None  # the pace allows nothing before this moment
        self.failed: dict[int, Exception] = {}  # editions that the last `deliver` could not work on
        self._stopping: float | None = None
        self._recalled = False
        self._in_doubt = False  # whether a batch was leased of which nothing was heard

    # --- from outside

    def stop(self) -> None:
        """Finish: no new rows are marked, and `deliver` returns within about 20 seconds."""
        self._stopping = time.monotonic() + STOP_WITHIN

    def closed_until(self, conn: Connection) -> datetime | None:
        """Until when nothing may go, by the pace or since the carrier takes nobody; None when it may go now."""
        closed = self.pace.blocked(conn, self._clock(), hours=self.clerk.hours)
        return None if closed is None else closed.wait

    @property
    def stops_at(self) -> float | None:
        """The monotonic second at which a stop ends, when one was asked for."""
        return self._stopping

    def deliver(self, *edition_ids: int) -> int:
        """Delivers what is due of the editions until nothing more is, or told to stop; returns the batches done.

        However it ends, the transport keeps nothing: what it held would go out under the next batch's lease.
        """
        self._wait, self.failed = None, {}
        with _calm_collector():
            return self._deliver(edition_ids)

    def _deliver(self, edition_ids: Sequence[int]) -> int:
        done = 0
        try:
            while True:
                done += self._take_turns()
                self._take_more(edition_ids)
                if not self._held and not self._waits_soon():
                    return done
                self._hand_over()
                self._collect()
                if self._stopping is not None:
                    self._wind_up(self._stopping)
        except BaseException:
            self._flight.drop()
            self._held.clear()
            raise

    # --- turns

    def _take_turns(self) -> int:
        """Writes for each batch that has something to write, or whose lease is to be renewed; counts those let go."""
        released = 0
        for holding in list(self._held):
            if holding.known or holding.unbegun or holding.trouble or self._is_due(holding):
                released += self._lost_turn(holding) if holding.lost else self._take_turn(holding)
        return released

    def _is_due(self, holding: Holding) -> bool:
        """Whether it has nothing to write, but may mark more, is done, or has a lease to renew."""
        if holding.lost:
            return not holding.under_way
        full = holding.drained or self._room <= 0 or self._must_wait()
        nothing_left = not holding.under_way and not self._must_wait()
        return not full or nothing_left or time.monotonic() >= holding.renewed + COMMIT_EVERY

    @property
    def _room(self) -> int:
        return self.window - len(self._flight) - sum(len(holding.unbegun) for holding in self._held)

    def _take_turn(self, holding: Holding) -> bool:
        """One turn; True when the batch was let go. A lost lease ends the batch at once."""
        began = time.monotonic()
        room = self._room + len(holding.unbegun)
        try:
            turn = self._insist(partial(self.clerk.turn, holding, room, self._stopping is not None), holding)
        except Stale:
            log.warning("lease was lost", edition=holding.lease.edition_id, batch=holding.lease.n)
            self._flight.recall()  # what was not handed over never will be by this lease, and that is known
            holding.known += [Outcome(row, Receipt(Answer.TRANSIENT, "lost")) for row in holding.unbegun]
            holding.unbegun, holding.lost = [], True
            return self._lost_turn(holding)
        holding.known, holding.trouble, holding.in_doubt = [], "", None
        self._after(holding, turn, began)
        if not turn.goes_on and not holding.recalled:
            holding.recalled = True
            self._flight.recall()  # paused or canceled: what is not out yet stays here
        return turn.released

    def _lost_turn(self, holding: Holding) -> bool:
        """What is learnt after the lease was lost; True when nothing more will be."""
        known, holding.known = holding.known, []
        if known:
            self._insist(partial(self.clerk.contradict, holding.lease, known))
        if not holding.under_way:
            self._held.remove(holding)
        return not holding.under_way

    def _after(self, holding: Holding, turn: Turn, began: float) -> None:
        holding.renewed, holding.unbegun, holding.drained = began, turn.marked, turn.drained
        if turn.wait is not None:
            self._wait = max(turn.wait, self._clock() + BREATH)
        if turn.released and holding in self._held:
            self._held.remove(holding)

    def _take_more(self, edition_ids: Sequence[int]) -> None:
        """Leases batches until the window is full, or nothing more is due."""
        while self._stopping is None and self._room >= max(1, self.window // 4) and not self._must_wait():
            if any(not holding.drained for holding in self._held):
                return  # one of those in hand has rows left to mark
            if not any(self._take(edition_id) for edition_id in edition_ids if edition_id not in self.failed):
                return

    def _take(self, edition_id: int) -> bool:
        """Leases a batch of the edition; False when none is due. An edition that cannot be worked on is set apart."""
        began = time.monotonic()
        try:
            taken = self._insist(lambda conn: self.clerk.take(edition_id, self._room, self._in_hand(edition_id), conn))
        except (Busy, DBAPIError):
            raise
        except Exception as error:
            log.exception("edition failed", edition=edition_id)
            self.failed[edition_id] = error
            return False
        if taken is None:
            return False
        holding, turn = taken
        log.info("batch leased", edition=edition_id, batch=holding.lease.n, fence=holding.lease.fence)
        self._held.append(holding)
        self._after(holding, turn, began)
        return True

    def _in_hand(self, edition_id: int) -> set[int] | None:
        """After a lease of which nothing was heard: the batches that are known to be in hand."""
        if not self._in_doubt:
            return None
        return {holding.lease.n for holding in self._held if holding.lease.edition_id == edition_id}

    def _insist(self, step: Callable[[Connection], T], holding: Holding | None = None) -> T:
        """What the step returns. While batches are in hand, a database that cannot be written is asked again."""
        rest = 0.5
        while True:
            try:
                result = self.db.run(step, bulk=True)
                self._in_doubt = self._in_doubt and holding is not None
                return result
            except (Busy, DBAPIError) as error:
                over = self._stopping is not None and time.monotonic() > self._stopping
                if not self._held or over or isinstance(error, sa.exc.IntegrityError | sa.exc.ProgrammingError):
                    raise
                log.error("the database cannot be written; sending waits for it", reason=str(error).splitlines()[0])
                self._in_doubt = self._in_doubt or holding is None
                if holding is not None and holding.in_doubt is None:
                    holding.in_doubt = self._flight.positions(holding)
            self._rest(rest)
            rest = min(rest * 2, LONGEST_REST)

    # --- the pace

    def _must_wait(self) -> bool:
        if self._wait is not None and self._wait <= self._clock():
            self._wait = None
        return self._wait is not None

    def _waits_soon(self) -> bool:
        """Whether the pace allows more within a moment that is worth waiting for; waits a part of it."""
        left = timedelta() if self._wait is None else self._wait - self._clock()
        if self._stopping is not None or not timedelta() < left <= SOON:
            return False
        self._rest(min(left.total_seconds(), 0.25))
        return True

    # --- handing over

    def _hand_over(self) -> None:
        try:
            self._flight.begin(self._held, self._safe_until())
        except Exception:
            self._fail()

    def _safe_until(self) -> float:
        """The monotonic second until which all leases surely hold."""
        return min((holding.renewed for holding in self._held if not holding.lost), default=time.monotonic()) + SAFE

    def _collect(self) -> None:
        """Takes outcomes until enough are known for a turn, or it is time for one."""
        if not self._flight:
            if self._held and self._must_wait():
                self._rest(0.05)  # a batch kept because the pace allows more at once
            return
        try:
            until = min(time.monotonic() + COMMIT_EVERY, self._safe_until())
            self._flight.collect(until, min(self._enough, len(self._flight)))
        except Exception:
            self._fail()

    # --- endings

    def _fail(self) -> None:
        """The transport itself failed: rows not handed over go back, the others are unsure, the editions stop."""
        log.exception("transport failed")
        self._flight.give_up()
        for holding in self._held:
            holding.trouble = "The transport failed; the log of the program says how."

    def _wind_up(self, stops_at: float) -> None:
        """After a stop: what was not handed over goes back; what has no answer in time is unsure."""
        if not self._recalled:
            self._recalled = True
            self._flight.recall()
        elif time.monotonic() > stops_at:
            self._flight.give_up()
