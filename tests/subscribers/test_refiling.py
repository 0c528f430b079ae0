"""Random histories of one digest against an oracle per reader.

The oracle knows nothing of marks, `since` or carries. It keeps for each reader the entries they still have to get,
as a person would count them; every edition must hold exactly those of its cadence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from digest import news, tables
from digest.db import Database
from subscribers import members, preferences
from subscribers.preferences import cadence_for
from subscribers.tables import subscriptions
from tests.conftest import NOW
from tests.subscribers import world

CADENCES = ("daily", "weekly")
READERS = ("ann", "bob")

Op = tuple[Any, ...]


class History:
    """One digest with two readers: the tables and the oracle take the same steps."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.digest_id = world.digest(conn, cadences=CADENCES)
        self.ids = {name: world.add(conn, self.digest_id, f"{name}@example.org") for name in READERS}
        self.choices: dict[str, dict[str, str]] = {name: {"*": "weekly"} for name in READERS}
        self.state = dict.fromkeys(READERS, "active")
        self.waiting: dict[str, set[int]] = {name: set() for name in READERS}  # still to get
        self.topics: dict[int, tuple[str, ...]] = {}
        self.open: dict[str, int] = {}  # cadence to the edition that is being planned
        self.rows: dict[tuple[int, str], set[int]] = {}  # edition and reader to what the delivery holds
        self.planned: set[tuple[int, str]] = set()  # deliveries that have not gone out

    def often(self, name: str, sequence: int) -> str:
        return cadence_for(self.choices[name], self.topics[sequence])

    # --- what happens

    def publish(self, *topics: str) -> None:
        sequence = world.publish(self.conn, *topics)
        self.topics[sequence] = topics
        for name in READERS:
            if self.state[name] != "left" and self.often(name, sequence) != "off":
                self.waiting[name].add(sequence)

    def choose(self, name: str, a: str, rest: str) -> None:
        if self.state[name] == "left":
            return
        self.choices[name] = {"a": a, "*": rest}
        members.change(self.conn, self.digest_id, self.ids[name], mapping=self.choices[name])
        self.waiting[name] = {s for s in self.waiting[name] if self.often(name, s) != "off"}

    def pause(self, name: str) -> None:
        if self.state[name] == "active":
            members.pause(self.conn, self.digest_id, self.ids[name], now=NOW)
            self.state[name] = "paused"
            for edition, entries in self._planned_of(name).items():
                self.waiting[name] |= {s for s in entries if self.often(name, s) != "off"}
                self.planned.discard((edition, name))

    def wake(self, name: str, drop: bool) -> None:
        if self.state[name] == "paused":
            members.wake(self.conn, self.digest_id, self.ids[name], drop=drop)
            self.state[name] = "active"
            self.waiting[name] = set() if drop else self.waiting[name]

    def leave(self, name: str) -> None:
        members.leave(self.conn, self.digest_id, self.ids[name], now=NOW, how="link")
        self.state[name], self.waiting[name] = "left", set()
        self.planned -= {(edition, name) for edition in self._planned_of(name)}

    def join(self, name: str) -> None:
        if self.state[name] == "left":
            members.join(self.conn, self.digest_id, self.ids[name], now=NOW)
            self.state[name] = "active"

    def freeze(self, cadence: str) -> None:
        if cadence not in self.open:
            self.open[cadence] = world.freeze(self.conn, self.digest_id, cadence)

    def insert(self, cadence: str, name: str) -> None:
        """The plan gives one reader their row: the heart of the check."""
        edition = self.open.get(cadence)
        if edition is None or self.state[name] != "active" or (edition, name) in self.rows:
            return
        last = self.conn.scalar(sa.select(tables.editions.c.last).where(tables.editions.c.id == edition)) or 0
        due = {s for s in self.waiting[name] if s <= last and self.often(name, s) == cadence}
        found = self._list(cadence, name, last)
        assert found == due, f"{name} in {cadence}: gets {sorted(found)}, should get {sorted(due)}"
        world.plan_row(self.conn, edition, self.ids[name], found)
        self.waiting[name] -= due
        self.rows[edition, name] = due
        self.planned.add((edition, name))

    def complete(self, cadence: str) -> None:
        for name in READERS:
            self.insert(cadence, name)
        if cadence in self.open:
            world.complete(self.conn, self.open.pop(cadence))

    def send(self) -> None:
        sending = sa.select(tables.editions.c.id).where(tables.editions.c.state == "sending")
        sent = set(self.conn.scalars(sending))
        due = (tables.deliveries.c.state == 0) & tables.deliveries.c.edition_id.in_(sent)
        self.conn.execute(sa.update(tables.deliveries).where(due).values(state=2))
        self.planned = {(edition, name) for edition, name in self.planned if edition not in sent}

    def give_back(self, name: str) -> None:
        """A delivery that went nowhere, found out after its edition closed."""
        gone = [
            key for key in self.rows if key[1] == name and key not in self.planned and key[0] not in self.open.values()
        ]
        if not gone:
            return
        entries = self.rows.pop(gone[-1])
        self.rows[gone[-1]] = set()
        entries -= self.waiting[name]
        preferences.give_back(self.conn, self.digest_id, self.ids[name], entries)
        if self.state[name] != "left":
            self.waiting[name] |= {s for s in entries if self.often(name, s) != "off"}

    def drain(self) -> None:
        """In the end everyone gets everything, each entry in one edition."""
        for name in READERS:
            self.wake(name, False)
        for cadence in CADENCES * 2:
            self.freeze(cadence)
            self.complete(cadence)
        assert all(not waiting for waiting in self.waiting.values())

    # --- the tables' side, as the design says a list is made

    def _planned_of(self, name: str) -> dict[int, set[int]]:
        return {edition: self.rows[edition, who] for edition, who in self.planned if who == name}

    def _list(self, cadence: str, name: str, last: int) -> set[int]:
        one = world.subscription(self.conn, self.digest_id, self.ids[name])
        floor = max(one.since, world.mark(self.conn, self.digest_id, cadence))
        own = {
            entry.sequence
            for entry in news.entries(self.conn, above=floor, upto=last)
            if cadence_for(one.preferences, entry.topics) == cadence
        }
        carried = set(one.owed.get(cadence, ()))
        kept = preferences.intern_carry(self.conn, {s for s in carried if s > last})
        mine = (subscriptions.c.digest_id == self.digest_id) & (subscriptions.c.subscriber_id == self.ids[name])
        values = {f"carry_{cadence}": kept, "rev": subscriptions.c.rev + 1}
        self.conn.execute(sa.update(subscriptions).where(mine).values(values))
        return own | {s for s in carried if s <= last}


names = st.sampled_from(READERS)
cadences = st.sampled_from(CADENCES)
often = st.sampled_from((*CADENCES, "off"))
ops = st.one_of(
    st.sampled_from([("publish",), ("publish", "a"), ("publish", "b"), ("publish", "a", "b")]),
    st.tuples(st.just("choose"), names, often, often),
    st.tuples(st.just("pause"), names),
    st.tuples(st.just("wake"), names, st.booleans()),
    st.tuples(st.sampled_from(["leave", "join", "give_back"]), names),
    st.tuples(st.sampled_from(["freeze", "complete"]), cadences),
    st.tuples(st.just("insert"), cadences, names),
    st.just(("send",)),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([("publish", "a"), ("freeze", "weekly"), ("insert", "weekly", "ann"), ("choose", "ann", "daily", "daily")])
@example([("pause", "ann"), ("publish", "a"), ("complete", "weekly"), ("choose", "ann", "weekly", "daily")])
@example([("pause", "ann"), ("publish", "a"), ("freeze", "weekly"), ("complete", "weekly"), ("pause", "ann")])
@given(st.lists(ops, max_size=40))
def test_every_reader_gets_every_entry_they_chose_once(db: Database, history: list[Op]) -> None:
    with db.write.connect() as conn:
        world_of = History(conn)
        for name, *rest in history:
            step: Callable[..., None] = getattr(world_of, name)
            step(*rest)
        world_of.drain()
        conn.rollback()
