"""Plays the year: the script's acts, and between them every pass of the product's own clock at the moment it names.

Nothing waits: the time is an argument of the product. What readers are handed is noted by a transport that accepts
everything; what they were owed is told to the oracle, which knows nothing of the product.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

import scheduler
from digest import editions, items, publications, review, tables
from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Body, Receipt, Sequential
from digest.drafts import Draft
from digest.errors import Refused
from digest.home import Home
from subscribers import consent, members, newcomers, offers, offices, suppression
from subscribers.newcomers import Choices, Newcomer
from tests.contracts.oracle import CADENCES, Entry, Oracle
from tests.year.people import TOPICS, Act, Choice, Person

ZONE = "America/New_York"
DAILY_CAP = 3
PATIENCE = 20  # passes at one moment, of which each must have had something to do
STEPS = (scheduler.publish_due, scheduler.compile_due, scheduler.carry_all_on)  # of a pass: all that concerns mails
TOGETHER = 500  # readers added in one transaction
AFTER = timedelta(days=33)  # after the last act: a month, so that every series runs once more


@dataclass
class Handed:
    """The hand-overs of one edition, one after the other: who, and when (seconds since 1970)."""

    readers: array[int] = field(default_factory=lambda: array("q"))
    moments: array[int] = field(default_factory=lambda: array("q"))


class Year(Sequential):
    """The world of one year; it is the transport as well."""

    name = "noted"

    def __init__(self, home: Home, people: list[Person], start: datetime) -> None:
        super().__init__()
        self.home, self.people, self.start, self.now = home, people, start, start
        self.oracle = Oracle(CADENCES)
        self.written: dict[int, datetime] = {}  # sequence -> when
        self.handed: dict[str, Handed] = defaultdict(Handed)  # by the edition's uid
        self.slots: dict[int, list[tuple[datetime, int, str]]] = {}  # subscriber -> since when, hour, zone
        self.amiss: list[str] = []  # mails to people who wanted none
        self.passes = 0
        self.acts: Counter[str] = Counter()
        self.changed: set[int] = set()  # subscribers who did more than move
        self._ids: dict[int, int] = {}  # number of a person -> subscriber
        self._states: dict[int, str] = {}  # subscriber -> the oracle's word
        self._asleep: dict[int, date] = {}  # number of a person -> the day on which they wake
        self._midnights: list[datetime] = []
        self._office = offices.open_office(home, clock=lambda: self.now, transport=self)
        self._open_digest()
        self._enter([n for n, person in enumerate(people) if not person.day])

    def _open_digest(self) -> None:
        with self.home.db.transaction() as conn:
            self.digest = publications.create(
                conn,
                "digest",
                "Digest",
                now=self.now,
                zone=ZONE,
                from_name="Path to Public Safety",
                from_address="digest@example.org",
                cadences=CADENCES,
                languages=("en", "es"),
            )
            settings = {"instant.daily_cap": str(DAILY_CAP), "monthly.month_day": "31"}
            offers.set(conn, "digest", settings, now=self.now)

    # --- the transport

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        """Notes the hand-over."""
        state = self._states[recipient.subscriber_id]
        if state != "active":
            self.amiss.append(f"{recipient.address} had mail of {variant.uid} and is {state}")
        note = self.handed[variant.uid]
        note.readers.append(recipient.subscriber_id)
        note.moments.append(int(self.now.timestamp()))
        return Receipt(Answer.ACCEPTED, "250")

    # --- time

    def play(self, script: dict[datetime, list[Act]], end: datetime) -> None:
        """Everything up to the end, and the month after it, in which everybody is awake and everything published."""
        self._play(script, end)
        self.now = end
        while withdrawn := self._slugs("withdrawn"):
            self._republish(withdrawn[0])
        for n in list(self._asleep):
            self.wake(n, drop=False)
        self._pass()
        self._play({}, end + AFTER)

    def _play(self, script: dict[datetime, list[Act]], end: datetime) -> None:
        moments = iter(script)
        told = next(moments, None)
        again = 0
        while True:
            told_now = [told] if told else []
            due = min([*told_now, *self._midnights[:1], *filter(None, [scheduler.next_moment(self._office)])])
            if due > end:
                return
            again = again + 1 if due <= self.now else 0
            assert again < PATIENCE, f"at {self.now} the clock finds something to do for ever"
            self.now = max(self.now, due)
            while told and told <= self.now:
                for name, *given in script[told]:
                    getattr(self, name)(*given)
                    self.acts[name] += 1
                told = next(moments, None)
            self._pass()

    def _pass(self) -> None:
        while self._midnights and self._midnights[0] <= self.now:
            heapq.heappop(self._midnights)
        for n, day in list(self._asleep.items()):
            if self.now.astimezone(ZoneInfo(self._zone(n))).date() >= day:
                self._awake(n)
        for step in STEPS:
            step(self._office)
        self.passes += 1

    # --- staff

    def publish(self, topics: tuple[str, ...]) -> None:
        """A new item."""
        n = len(self.oracle.log)
        draft = Draft(
            slug=f"item{n}", kind="fact sheet", title=f"Fact sheet {n}", topics=topics, published_on="2026-12-01"
        )
        with self.home.db.transaction() as conn:
            items.put(conn, draft, now=self.now, zone=ZONE)
        self._learn()

    def update(self, which: int) -> None:
        """A change that readers are told of."""
        if slugs := self._slugs("published"):
            with self.home.db.transaction() as conn:
                excerpt = f"As of {self.now.isoformat()}."
                items.revise(conn, slugs[-1 - which % len(slugs)], now=self.now, tell="It says more.", excerpt=excerpt)
            self._learn()

    def withdraw(self, which: int, as_is: bool) -> None:
        """Takes one of the latest items back; editions that hold it ask, and get an answer."""
        if slugs := self._slugs("published")[-5:]:
            with self.home.db.transaction() as conn:
                asking = review.withdraw_item(conn, slugs[which % len(slugs)], why="It was wrong.", now=self.now)
                for number in asking:
                    review.answer(conn, number, as_is=as_is)
                    with suppress(Refused):  # it goes on by itself
                        review.resume(conn, number)

    def republish(self, which: int) -> None:
        """Publishes one again that was taken back."""
        if slugs := self._slugs("withdrawn"):
            self._republish(slugs[which % len(slugs)])

    def _republish(self, slug: str) -> None:
        with self.home.db.transaction() as conn:
            review.publish_item(conn, slug, now=self.now, zone=ZONE)
        self._learn()

    def _slugs(self, state: str) -> list[str]:
        i = tables.items
        with self.home.db.reading() as conn:
            return list(conn.scalars(sa.select(i.c.slug).where(i.c.state == state).order_by(i.c.id)))

    def _learn(self) -> None:
        """Tells the oracle what the log has by now."""
        log, i = tables.publication_log, tables.items
        new = sa.select(log.c.sequence, log.c.what, log.c.topics, i.c.slug).join(i, i.c.id == log.c.item_id)
        with self.home.db.reading() as conn:
            rows = conn.execute(new.where(log.c.sequence > max(self.oracle.log, default=0))).all()
        for row in rows:
            self.oracle.wrote(Entry(row.sequence, row.slug, row.what, frozenset(row.topics)))
            self.written[row.sequence] = self.now

    # --- readers

    def join(self, n: int) -> None:
        """A new reader."""
        self._enter([n])

    def _enter(self, numbers: list[int]) -> None:
        for low in range(0, len(numbers), TOGETHER):
            some = numbers[low : low + TOGETHER]
            with self.home.db.transaction() as conn:
                added = members.add_all(
                    conn,
                    self.home.keys,
                    [_newcomer(self.people[n]) for n in some],
                    digest_id=self.digest.id,
                    now=self.now,
                )
            for n, one in zip(some, added, strict=True):
                assert one.subscriber_id is not None
                person = self.people[n]
                self._ids[n] = one.subscriber_id
                self.slots[one.subscriber_id] = [(self.now, person.hour, person.zone)]
                self.oracle.joined(str(one.subscriber_id), person.choice)
                self._is(n, "active")

    def choose(self, n: int, choice: Choice) -> None:
        """Other topics, or another cadence."""
        if self._state(n) != "left":
            with self.home.db.transaction() as conn:
                mapping = {"*": "off"} | choice
                members.change(conn, self.digest.id, self._ids[n], mapping=mapping)
            self.oracle.chose(str(self._ids[n]), choice)
            self.changed.add(self._ids[n])

    def move(self, n: int, hour: int, zone: str) -> None:
        """Another hour, in another zone."""
        with self.home.db.transaction() as conn:
            members.change(conn, self.digest.id, self._ids[n], hour=hour, zone=zone)
        self.slots[self._ids[n]].append((self.now, hour, zone))
        if n in self._asleep:
            self._sleep(n, self._asleep[n])

    def pause(self, n: int, days: int) -> None:
        """No mail for some days."""
        if self._state(n) == "active":
            until = self.now.astimezone(ZoneInfo(self._zone(n))).date() + timedelta(days=days)
            with self.home.db.transaction() as conn:
                members.pause(conn, self.digest.id, self._ids[n], now=self.now, until=until)
            self._sleep(n, until)
            self._is(n, "paused")

    def wake(self, n: int, drop: bool) -> None:
        """Mail again, with or without what came meanwhile."""
        if self._state(n) == "paused":
            with self.home.db.transaction() as conn:
                members.wake(conn, self.digest.id, self._ids[n], drop=drop)
            self._awake(n)
            if drop:
                self.oracle.forgave(str(self._ids[n]))

    def leave(self, n: int) -> None:
        """The end."""
        if self._state(n) != "left":
            with self.home.db.transaction() as conn:
                members.leave(conn, self.digest.id, self._ids[n], now=self.now, how="year")
            self._asleep.pop(n, None)
            self._is(n, "left")
            self.oracle.forgave(str(self._ids[n]))

    def rejoin(self, n: int) -> None:
        """Who had left is back."""
        if self._state(n) == "left":
            with self.home.db.transaction() as conn:
                members.join(conn, self.digest.id, self._ids[n], now=self.now)
            self._is(n, "active")

    def _sleep(self, n: int, until: date) -> None:
        self._asleep[n] = until
        heapq.heappush(self._midnights, datetime.combine(until, datetime.min.time(), ZoneInfo(self._zone(n))))

    def _awake(self, n: int) -> None:
        del self._asleep[n]
        self._is(n, "active")

    def _is(self, n: int, state: str) -> None:
        self.oracle.readers[str(self._ids[n])].state = state
        self._states[self._ids[n]] = state
        if state != "active":
            self.changed.add(self._ids[n])

    def _state(self, n: int) -> str:
        return self._states[self._ids[n]]

    def _zone(self, n: int) -> str:
        return self.slots[self._ids[n]][-1][2]


def _newcomer(person: Person) -> Newcomer:
    asked = Choices({topic: person.choice[topic] for topic in TOPICS}, person.hour, person.zone, None, person.language)
    return Newcomer(
        suppression.address(person.email), newcomers.checked(asked, CADENCES), origin=consent.NOTHING_STATED
    )


def editions_of(year: Year) -> list[editions.Edition]:
    """All editions, oldest first."""
    with year.home.db.reading() as conn:
        return sorted(editions.all_editions(conn), key=lambda one: one.id)
