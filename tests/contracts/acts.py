"""What readers and staff do, to the product and the oracle alike; an act that the product refuses changes neither."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from digest import tables
from digest.db import Database
from digest.errors import Refused
from tests.contracts.oracle import Entry, Oracle, fitting
from tests.stage import Stage

Act = tuple[Any, ...]  # the name of a method, and what it is called with
T = TypeVar("T")
NAMES = ("ann", "bob", "cy", "dee")


class Acts:
    """The stage and the oracle, and what people do before them."""

    def __init__(self, db: Database, offered: Sequence[str]) -> None:
        self.db = db
        self.stage = Stage(db, offered)
        self.oracle = Oracle(offered)
        self.story: list[str] = []

    def perform(self, act: Act) -> None:
        """One act of the story."""
        name, *given = act
        self.story.append(f"{act}")
        getattr(self, name)(*given)

    # --- readers

    def join(self, which: int, choice: dict[str, str]) -> None:
        """A new reader, or one who had left is back."""
        gone = self.who("left")
        if len(self.oracle.readers) < len(NAMES):
            name, choice = NAMES[len(self.oracle.readers)], fitting(choice, self.oracle.offered)
            self.stage.join(name, said(choice))
            self.oracle.joined(name, choice)
        elif gone:
            self.stage.rejoin(one(gone, which))
            self.oracle.readers[one(gone, which)].state = "active"

    def choose(self, which: int, choice: dict[str, str]) -> None:
        """Other topics, or another cadence."""
        choice = fitting(choice, self.oracle.offered)
        for name in chosen(self.who("active", "paused"), which):
            self.stage.choose(name, said(choice))
            self.oracle.chose(name, choice)

    def pause(self, which: int) -> None:
        """No mail for now."""
        for name in chosen(self.who("active"), which):
            self.stage.pause(name)
            self.oracle.readers[name].state = "paused"

    def wake(self, which: int, drop: bool) -> None:
        """Mail again, with or without what came meanwhile."""
        for name in chosen(self.who("paused"), which):
            self.stage.wake(name, drop=drop)
            self.oracle.readers[name].state = "active"
            if drop:
                self.oracle.forgave(name)

    def leave(self, which: int) -> None:
        """The end."""
        for name in chosen(self.who("active", "paused"), which):
            self.stage.leave(name)
            self.oracle.readers[name].state = "left"
            self.oracle.forgave(name)

    def who(self, *states: str) -> list[str]:
        return [name for name, reader in self.oracle.readers.items() if reader.state in states]

    # --- staff: content

    def publish(self, topics: str, day: str) -> None:
        """A new item; without a year in its day it is no news yet."""
        slug = f"item{len(self._items())}"
        self.stage.publish(slug, *topics, day=day)
        self._learn(slug, "new" if len(day) == 10 else None)

    def complete(self, which: int) -> None:
        """The year of an item's day."""
        for slug in self.slugs(which, "yearless"):
            self.stage.complete(slug)
            self._learn(slug, "new")

    def update(self, which: int, topics: str) -> None:
        """A change that readers are told of, perhaps with other topics."""
        for slug in self.slugs(which, "published"):
            self.stage.later(minutes=1)
            self.stage.update(slug, *topics)
            self._learn(slug, "update")

    def move(self, which: int, topics: str) -> None:
        """Other topics, silently."""
        for slug in self.slugs(which, "published", "withdrawn", "yearless"):
            self.stage.move(slug, *topics)
            self._learn(slug, None)

    def withdraw(self, which: int) -> None:
        """Takes an item back."""
        for slug in self.slugs(which, "published"):
            self.stage.withdraw(slug)
            self._learn(slug, None)

    def republish(self, which: int) -> None:
        """And publishes it again."""
        for slug in self.slugs(which, "withdrawn"):
            self.stage.republish(slug)
            self._learn(slug, "again")

    def hold(self, which: int) -> None:
        """Holds an item back from a series that has it before it, as long as that may be."""
        for slug, cadence in chosen(self._ahead(), which):
            with contextlib.suppress(Refused):
                self.stage.hold(slug, cadence)

    def arrange(self, which: int) -> None:
        """Puts an item first in the coming edition of a series, as long as that may be."""
        for slug, cadence in chosen(self._ahead(), which):
            with contextlib.suppress(Refused):
                self.stage.arrange(slug, cadence)

    def _ahead(self) -> list[tuple[str, str]]:
        """What the series have before them."""
        states = self._items()
        ahead = {
            (entry.item, cadence)
            for cadence in self.oracle.offered
            for entry in self.oracle.log.values()
            if entry.sequence > self.stage.mark(cadence) and states[entry.item] == "published"
        }
        return sorted(ahead)

    def release(self, which: int) -> None:
        """Lets an item go that is held back."""
        for slug, cadence in chosen(self.held(), which):
            with contextlib.suppress(Refused):
                self.stage.release(slug, cadence)
                self._learn(slug, "again", "")

    def held(self) -> list[tuple[str, str]]:
        """What is held back, and from which series."""
        h, log, i = tables.held_back, tables.publication_log, tables.items
        held = (
            sa.select(i.c.slug, h.c.cadence).join(log, log.c.item_id == i.c.id).join(h, h.c.sequence == log.c.sequence)
        )
        with self.db.reading() as conn:
            return sorted({(row.slug, row.cadence) for row in conn.execute(held)})

    def slugs(self, which: int, *states: str) -> list[str]:
        return chosen([slug for slug, state in self._items().items() if state in states], which)

    def _items(self) -> dict[str, str]:
        i = tables.items
        with self.db.reading() as conn:
            rows = conn.execute(sa.select(i.c.slug, i.c.state, i.c.date_precision))
            return {r.slug: "yearless" if r.date_precision == "yearless" else r.state for r in rows}

    def _learn(self, slug: str, *expected: str | None) -> None:
        """Tells the oracle what the log has by now: one entry of one of these kinds, or none."""
        log, i = tables.publication_log, tables.items
        with self.db.reading() as conn:
            rows = conn.execute(
                sa.select(log.c.sequence, log.c.what, log.c.topics, i.c.slug)
                .join(i, i.c.id == log.c.item_id)
                .where(log.c.sequence > max(self.oracle.log, default=0))
            ).all()
        wrote = [(row.slug, row.what) for row in rows] or [(slug, "")]
        assert wrote in [[(slug, what or "")] for what in expected], f"expected {expected}, the log has {wrote}"
        for row in rows:
            self.oracle.wrote(Entry(row.sequence, row.slug, row.what, frozenset(row.topics)))

    # --- staff: the digest

    def offer(self, cadences: Sequence[str]) -> None:
        """Offers just these cadences, when that may be now."""
        with contextlib.suppress(Refused):
            self.stage.set(cadences=",".join(cadences))
            self.oracle.offers(cadences)

    def cap(self, alerts: int) -> None:
        """How many alerts a reader gets in a day."""
        if "instant" in self.oracle.offered:
            self.stage.set(instant__daily_cap=str(alerts))

    def fewest(self, series: int, items: int) -> None:
        """How many new items a run by the calendar needs."""
        self.stage.set(**{f"{one(self.oracle.offered, series)}__fewest": str(items)})


def one(found: Sequence[T], which: int) -> T:
    """The one that this number comes to."""
    return found[which % len(found)]


def chosen(found: Sequence[T], which: int) -> list[T]:
    """The same in a list, empty when there is none."""
    return [one(found, which)] if found else []


def said(choice: dict[str, str]) -> str:
    """The choice as people write it."""
    return ";".join(f"{topic}={cadence}" for topic, cadence in choice.items())
