"""Random histories of one weekly digest, against an oracle that knows nothing of marks, starts or carries.

The oracle says, per reader and entry of the log: who was subscribed and wanted it when it was written is owed it, until
they turn its topics off, leave, or wake without what came meanwhile. In the end everybody has had what they are owed,
each item once per told revision, and nothing twice.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from digest import editions, tables
from digest.db import Database
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.errors import Refused
from digest.tables import State
from subscribers import members
from tests.stage import Stage

CHOICES = {"ab": "a=weekly;b=weekly", "a": "a=weekly", "b": "b=weekly", "all": "*=weekly", "none": "*=off"}
WANTED = {"ab": {"a", "b"}, "a": {"a"}, "b": {"b"}, "all": {"a", "b"}, "none": set()}
HISTORIES = int(os.environ.get("HISTORIES", "30"))


@dataclass
class Reader:
    """What the oracle knows of one reader."""

    choice: str
    state: str = "active"
    owed: set[int] = field(default_factory=set)


class Play:
    """One history: the stage, the oracle, and the story so far."""

    def __init__(self, db: Database, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stage = Stage(db)
        self.story: list[str] = []
        self.readers: dict[str, Reader] = {}
        self.entries: dict[int, tuple[str, frozenset[str]]] = {}
        self.published: dict[str, str] = {}
        for name, choice in (("ann", "ab"), ("bob", "a"), ("cy", "all")):
            self.stage.join(name, CHOICES[choice])
            self.readers[name] = Reader(choice)

    # --- what may happen

    def publish(self) -> None:
        slug, topics = f"item{len(self.published)}", self.rng.choice(["a", "b", "ab"])
        self.published[slug] = topics
        self.stage.publish(slug, *topics)
        self.note(slug, topics)

    def update(self) -> None:
        if self.published:
            slug = self.rng.choice(list(self.published))
            self.stage.later(minutes=1)
            self.stage.update(slug)
            self.note(slug, self.published[slug])

    def note(self, slug: str, topics: str) -> None:
        sequence = len(self.entries) + 1
        self.entries[sequence] = (slug, frozenset(topics))
        for reader in self.readers.values():
            if reader.state != "left" and WANTED[reader.choice] & set(topics):
                reader.owed.add(sequence)

    def choose(self) -> None:
        name, choice = self.rng.choice(list(self.readers)), self.rng.choice(list(CHOICES))
        reader = self.readers[name]
        if reader.state == "left":
            return
        self.story.append(f"{name}: {choice}")
        self.stage.choose(name, CHOICES[choice])
        reader.choice = choice
        reader.owed = {s for s in reader.owed if self.entries[s][1] & WANTED[choice]}

    def pause_or_wake(self) -> None:
        name = self.rng.choice(list(self.readers))
        reader = self.readers[name]
        self.story.append(f"{name}: pause or wake from {reader.state}")
        if reader.state == "active":
            self.stage.pause(name)
            reader.state = "paused"
        elif reader.state == "paused":
            drop = self.rng.random() < 0.2
            self.stage.wake(name, drop=drop)
            reader.state = "active"
            reader.owed = set() if drop else reader.owed

    def leave_or_join(self) -> None:
        name = self.rng.choice(list(self.readers))
        reader = self.readers[name]
        self.story.append(f"{name}: leave or join from {reader.state}")
        if reader.state != "left":
            self.stage.leave(name)
            reader.state, reader.owed = "left", set()
        else:
            with self.stage.db.transaction() as conn:
                members.join(conn, self.stage.digest.id, self.stage.ids[name], now=self.stage.now)
            reader.state = "active"

    def edition(self) -> Edition | None:
        with self.stage.db.reading() as conn:
            under_way = editions.all_editions(conn, states=(editions.FROZEN, editions.SENDING))
        return self.rng.choice(under_way) if under_way else None

    def freeze(self) -> None:
        try:
            self.stage.freeze()
        except Refused:
            self.story.append("nothing to freeze")

    def plan(self) -> None:
        edition = self.edition()
        if edition and edition.state == editions.FROZEN:
            if self.rng.random() < 0.6:
                act = self.rng.choice([self.choose, self.pause_or_wake, self.leave_or_join, self.publish])
                first = self.rng.random() < 0.5
                self.stage.people.after_read.append(act if first else lambda: self.stage.people.after_read.append(act))
            self.stage.plan(edition)
            self.stage.people.after_read.clear()

    def deliver(self) -> None:
        edition = self.edition()
        if edition is None:
            return
        for number in self.stage.ids.values():
            answer = self.rng.choice([Answer.ACCEPTED] * 3 + [Answer.TRANSIENT, Answer.POLICY, Answer.UNSURE])
            self.stage.transport.answers[number] = [answer]
        self.stage.deliver(edition)
        self.stage.transport.answers.clear()

    def late(self) -> None:
        edition = self.edition()
        if edition:
            self.stage.later(hours=self.rng.choice([0, 1, 13]))
            self.stage.expire(edition)
            self.stage.close(edition)

    def cancel(self) -> None:
        edition = self.edition()
        if edition and not edition.cancelling and self.rng.random() < 0.5:
            self.stage.cancel(edition)

    def settle(self) -> None:
        with self.stage.db.reading() as conn:
            found = editions.all_editions(conn, states=(editions.SENT, editions.SENDING, editions.CANCELLED))
        ended = [edition for edition in found if edition.plan_done_at]
        if ended:
            self.stage.later(minutes=20)
            self.stage.settle(self.rng.choice(ended), arrived=self.rng.random() < 0.3)

    # --- the whole

    def run(self, steps: int) -> None:
        acts = [self.publish] * 4 + [self.update, self.cancel, self.settle, self.leave_or_join]
        acts += [self.choose] * 3 + [self.pause_or_wake] * 2 + [self.freeze] * 3 + [self.plan] * 4
        acts += [self.deliver] * 4 + [self.late] * 2
        for _ in range(steps):
            act = self.rng.choice(acts)
            self.story.append(act.__name__)
            act()
            self.stage.check_sums()

    def drain(self) -> None:
        self.story.append("--- drain")
        for name, reader in self.readers.items():
            if reader.state == "paused":
                self.stage.wake(name)
        for _ in range(4):
            self.stage.later(hours=13)
            for edition in self.under_way():
                self.stage.plan(edition)
                self.stage.deliver(edition)
                self.stage.expire(edition)
                self.stage.close(edition)
            self.freeze()
            for edition in self.under_way():
                self.stage.plan(edition)
                self.stage.deliver(edition)
                self.stage.close(edition)

    def under_way(self) -> list[Edition]:
        with self.stage.db.reading() as conn:
            return editions.all_editions(conn, states=(editions.FROZEN, editions.SENDING))

    def judge(self) -> None:
        d, ve = tables.deliveries, tables.variant_entries
        held = (
            sa.select(d.c.subscriber_id, ve.c.sequence)
            .join(ve, sa.and_(ve.c.edition_id == d.c.edition_id, ve.c.variant_n == d.c.variant_n))
            .where(d.c.state.in_((State.ACCEPTED, State.UNSURE)))
        )
        names = {number: name for name, number in self.stage.ids.items()}
        had: dict[str, list[int]] = {name: [] for name in names.values()}
        with self.stage.db.reading() as conn:
            for row in conn.execute(held):
                had[names[row.subscriber_id]].append(row.sequence)
        for name, reader in self.readers.items():
            assert len(had[name]) == len(set(had[name])), f"{name} got something twice: {sorted(had[name])}"
            for sequence in reader.owed:
                slug = self.entries[sequence][0]
                later = [s for s in had[name] if s >= sequence and self.entries[s][0] == slug]
                assert later, f"{name} never got entry {sequence} ({slug}); had {sorted(had[name])}"


def play(db: Database, seed: int, steps: int) -> None:
    game = Play(db, seed)
    try:
        game.run(steps)
        game.drain()
        game.judge()
        game.stage.check_sums()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(game.story)) from error


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_whatever_happens_each_reader_gets_what_is_owed_and_nothing_twice(db: Database, seed: int) -> None:
    play(db, seed, steps=30)


@pytest.mark.parametrize("seed", range(1000, 1003))
def test_the_same_holds_on_both_databases(either_db: Database, seed: int) -> None:
    play(either_db, seed, steps=25)
