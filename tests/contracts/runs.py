"""What staff and the processes do with editions: freeze, approve, plan, deliver, close, cancel, settle."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from digest import editions, review, tables
from digest.db import Database
from digest.delivery import closing, ledger, planning
from digest.delivery.sender import Sender
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.errors import Refused
from tests.contracts.acts import Act, Acts, chosen, one
from tests.stage import SETTINGS


class Runs(Acts):
    """Acts on editions, by a process that may have died and come back."""

    def __init__(self, db: Database, offered: Sequence[str]) -> None:
        super().__init__(db, offered)
        self.kills = 0
        self.drops: set[int] = set()  # editions of which staff dropped the rest
        self.meddled = False  # something happened in the middle of the last act

    def freeze(self, series: int, by_hand: bool, ask: str) -> None:
        """An edition of what waits, if anything does."""
        with contextlib.suppress(Refused):
            self.stage.freeze(one(self._behind() or self.oracle.offered, series), by_hand=by_hand, ask=ask)

    def _behind(self) -> list[str]:
        """The series that have something new before them; if there are any, those that somebody chose."""
        latest = max(self.oracle.log, default=0)
        behind = [cadence for cadence in self.oracle.offered if self.stage.mark(cadence) < latest]
        chosen_ones = {cadence for reader in self.oracle.readers.values() for cadence in reader.choice.values()}
        return [cadence for cadence in behind if cadence in chosen_ones] or behind

    def freeze_all(self, cadence: str) -> None:
        """An edition of this series, be it for what is owed alone."""
        with contextlib.suppress(Refused):
            self.stage.freeze(cadence)

    def work(self, which: int, answers: Sequence[str], meanwhile: Act, when: int) -> None:
        """The next that an edition under way waits for; a new one, when there is none."""
        if not self.under_way(editions.REVIEW, editions.FROZEN, editions.SENDING):
            if not self._behind():
                self.publish("ab", "2026-09-01")
            self.freeze(which, by_hand=True, ask="")
        for edition in self.some(which, editions.REVIEW, editions.FROZEN, editions.SENDING):
            place = [one.id for one in self.under_way(edition.state)].index(edition.id)
            if edition.state == editions.REVIEW:
                self.approve(place)
            elif edition.state == editions.FROZEN:
                self.plan(place, meanwhile, when)
            elif self._next_due(edition):
                self.deliver(place, answers, meanwhile)
            else:
                self._close(edition)

    def approve(self, which: int) -> None:
        """What is in review goes out, if it is what was proposed."""
        for edition in self.some(which, editions.REVIEW):
            with self.db.transaction() as conn:
                review.approve(conn, edition.id, SETTINGS, by="Mila", now=self.stage.now)

    def undo(self, which: int) -> None:
        """Back to draft, as long as nobody was counted."""
        for edition in self.some(which, editions.FROZEN):
            with contextlib.suppress(Refused), self.db.transaction() as conn:
                review.undo(conn, edition.id)

    def plan(self, which: int, meanwhile: Act, when: int) -> None:
        """Plans an edition; `meanwhile` something happens after its first, or its second reading of the readers."""
        for edition in self.some(which, editions.FROZEN):
            self.meddled = bool(meanwhile)
            if meanwhile:
                self._after_reading(meanwhile, again=when)
            planning.plan(self.db, edition.id, self.stage.people, now=self.stage.now, owner=f"life {self.kills}")

    def _after_reading(self, act: Act, *, again: int) -> None:
        """Has an act happen after readers are read the next time, or the time after it."""
        waiting = self.stage.people.after_read
        waiting.append(lambda: self._after_reading(act, again=0) if again else self.perform(act))

    def deliver(self, which: int, answers: Sequence[str], meanwhile: Act) -> None:
        """Delivers what is due of an edition; `meanwhile` something happens while the first mail is handed over."""
        told = dict(zip(self.stage.ids.values(), answers, strict=False))
        self.stage.transport.answers = {number: [Answer[answer]] for number, answer in told.items()}
        acts = [meanwhile] if meanwhile else []
        self.stage.transport.during = lambda reader: self.perform(acts.pop()) if acts else None
        for edition in self.some(which, editions.SENDING):
            self.meddled = bool(meanwhile)
            self._await(edition)
            self.sender().deliver(edition.id)

    def _await(self, edition: Edition) -> None:
        """Two minutes go by, or the time until its next mail is due."""
        self.stage.later(minutes=2)
        self.stage.now = max(self.stage.now, self._next_due(edition) or self.stage.now)

    def _next_due(self, edition: Edition) -> datetime | None:
        """When the first of what is left of an edition is due."""
        b = tables.batches
        left = sa.select(sa.func.min(b.c.due_at)).where(b.c.edition_id == edition.id, b.c.state < ledger.CLOSED)
        with self.db.reading() as conn:
            due: datetime | None = conn.scalar(left)
            return due

    def sender(self) -> Sender:
        """A sender of the process that lives now."""
        stage = self.stage
        return Sender(
            self.db, stage.transport, stage.people, clock=lambda: stage.now, owner=f"life {self.kills}", key=bytes(32)
        )

    def late(self, hours: int) -> None:
        """Time passes; what is past its deadline fails."""
        self.stage.later(hours=hours)
        for edition in self.under_way(editions.SENDING):
            self.stage.expire(edition)

    def close(self, which: int) -> None:
        """Closes an edition, when nothing is left to go."""
        for edition in self.some(which, editions.FROZEN, editions.SENDING):
            self._close(edition)

    def _close(self, edition: Edition) -> None:
        if edition.cancelling:
            closing.finish_cancel(self.db, edition, self.stage.people, now=self.stage.now)
        else:
            self.stage.close(edition)

    def stop(self, which: int) -> None:
        """Staff pause an edition."""
        for edition in self.some(which, editions.FROZEN, editions.SENDING):
            with self.db.transaction() as conn:
                review.pause(conn, edition.id, why="A look first.", now=self.stage.now)

    def go_on(self, which: int, as_is: bool) -> None:
        """They go on, with an answer where one is asked for."""
        for edition in self.some(which, editions.FROZEN, editions.SENDING):
            with contextlib.suppress(Refused):
                if edition.question:
                    self.stage.answer(edition, as_is=as_is)
                else:
                    with self.db.transaction() as conn:
                        review.resume(conn, edition.id)

    def cancel(self, which: int, drop: bool) -> None:
        """Staff stop the rest, to come later or not at all."""
        for edition in self.some(which, editions.REVIEW, editions.FROZEN, editions.SENDING):
            if drop and not edition.cancelling and edition.state == editions.SENDING:
                self.drops.add(edition.id)
            with contextlib.suppress(Refused):
                self.stage.cancel(edition, drop=drop)

    def settle(self, which: int, arrived: bool) -> None:
        """Staff say what became of what is unsure."""
        self.stage.later(minutes=20)
        for edition in self.some(which, editions.SENDING, editions.SENT, editions.CANCELLED):
            if edition.plan_done_at:
                self.stage.settle(edition, arrived=arrived)

    def some(self, which: int, *states: str) -> list[Edition]:
        """One of the editions in these states, or none."""
        return chosen(self.under_way(*states), which)

    def under_way(self, *states: str) -> list[Edition]:
        """The editions in these states."""
        with self.db.reading() as conn:
            return editions.all_editions(conn, states=states)
