"""A small world for tests of editions and deliveries: one digest, named readers, items by slug.

Everything goes through the services, as the faces use them. `lists` tells what each reader's row holds. The digest is
weekly, unless a test names the cadences that it is offered; `cadence` says of which series a method speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import drafting, editions, items, publications, review, tables
from digest.config import Settings, Site
from digest.db import Database
from digest.delivery import closing, leases, ledger, planning, provider_sums
from digest.delivery.message import Recipient
from digest.delivery.sender import Sender
from digest.delivery.transports.base import Answer, Body, Receipt, Sequential
from digest.drafts import Draft
from digest.editions import Edition, Run
from digest.keys import Keyring
from digest.publications import Series
from digest.second_person import Colleague
from digest.tables import State
from subscribers import members, offers, preferences
from subscribers.audience import Audience
from tests.conftest import NOW

ZONE = "America/New_York"
SETTINGS = Settings(site=Site(name="Path to Public Safety", address="100 Example Street", time_zone=ZONE))
TOM = Colleague(1, "Tom Okafor")
KEYS = Keyring({1: bytes(32)}, bytes(range(32)))


class Meddling(Audience):
    """An audience that lets a test act between the reading of readers and the writing of their rows."""

    def __init__(self) -> None:
        super().__init__(KEYS, "http://127.0.0.1:8080")
        self.after_read: list[Callable[[], object]] = []

    def read(self, conn: Connection, edition: Edition, low: int, high: int) -> Sequence[Any]:
        """The readers as they are; then, once, whatever the test wants to happen."""
        rows = super().read(conn, edition, low, high)
        waiting, self.after_read = self.after_read, []
        for act in waiting:
            act()
        return rows


class Scripted(Sequential):
    """A transport that answers as told, per subscriber and in order; ACCEPTED when nothing is told. Not repeatable."""

    name = "scripted"

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[int, list[Answer]] = {}
        self.handed: list[tuple[str, int]] = []
        self.during: Callable[[int], object] = lambda reader: None

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        """Notes the hand-over and gives the next answer."""
        self.during(recipient.subscriber_id)
        told = self.answers.get(recipient.subscriber_id) or [Answer.ACCEPTED]
        answer = told.pop(0)
        if answer in (Answer.ACCEPTED, Answer.UNSURE):
            variant.join(recipient)
            self.handed.append((variant.uid, recipient.subscriber_id))
        return Receipt(answer, "250" if answer is Answer.ACCEPTED else "450", "as told")


class Stage:
    """The digest `weekly` with its readers and items; `now` moves only when a test moves it."""

    def __init__(self, db: Database, cadences: Sequence[str] = ("weekly",)) -> None:
        self.db = db
        self.now = NOW
        self.people = Meddling()
        self.transport = Scripted()
        self.ids: dict[str, int] = {}
        with db.transaction() as conn:
            self.digest = publications.create(
                conn,
                "weekly",
                "Weekly digest",
                now=NOW - timedelta(days=30),
                zone=ZONE,
                from_name="Path to Public Safety",
                from_address="digest@example.org",
                cadences=cadences,
            )

    # --- content

    def publish(self, slug: str, *topics: str, day: str = "2026-09-01") -> None:
        """A new item, published now; a day without its year makes it no news yet."""
        draft = Draft(slug=slug, kind="fact sheet", title=f"Fact sheet {slug}", topics=topics, published_on=day)
        with self.db.transaction() as conn:
            items.put(conn, draft, now=self.now, zone=ZONE)

    def update(self, slug: str, *topics: str) -> None:
        """A revision that readers are told of; with topics, it moves to them."""
        changes: dict[str, Any] = {"excerpt": f"As of {self.now.isoformat()} {len(topics)}."}
        if topics:
            changes["topics"] = topics
        with self.db.transaction() as conn:
            items.revise(conn, slug, now=self.now, tell="It says more now.", **changes)

    def complete(self, slug: str) -> None:
        """Gives an item's day its year."""
        with self.db.transaction() as conn:
            items.revise(conn, slug, now=self.now, published_on="2026-06-04")

    def move(self, slug: str, *topics: str) -> None:
        """Other topics for an item, of which nobody is told."""
        with self.db.transaction() as conn:
            items.revise(conn, slug, now=self.now, topics=topics)

    def withdraw(self, slug: str) -> list[int]:
        """Withdraws an item; the editions that ask."""
        with self.db.transaction() as conn:
            return review.withdraw_item(conn, slug, why="It was wrong.", now=self.now)

    def republish(self, slug: str) -> None:
        """Publishes a withdrawn item again."""
        with self.db.transaction() as conn:
            review.publish_item(conn, slug, now=self.now, zone=ZONE)

    def series(self, conn: Connection, cadence: str = "weekly") -> Series:
        """The digest at this cadence, as it stands."""
        return publications.one_series(conn, self.digest.id, cadence)

    def hold(self, slug: str, cadence: str = "weekly", why: str = "") -> list[int]:
        """Holds an item back from a series."""
        with self.db.transaction() as conn:
            return drafting.hold_back(conn, self.series(conn, cadence), slug, why=why, now=self.now)

    def arrange(self, slug: str, cadence: str = "weekly") -> None:
        """Puts an item first in the coming edition."""
        with self.db.transaction() as conn:
            drafting.move(conn, self.series(conn, cadence), slug, "first", by=TOM, now=self.now)

    def release(self, slug: str, cadence: str = "weekly") -> None:
        """Lets it go."""
        with self.db.transaction() as conn:
            drafting.release(conn, self.series(conn, cadence), slug, now=self.now)

    def set(self, **changes: str) -> None:
        """Settings of the digest; `instant__daily_cap` is that of a series, `cadences` what is offered."""
        with self.db.transaction() as conn:
            named = {key.replace("__", "."): value for key, value in changes.items()}
            offers.set(conn, "weekly", named, now=self.now)

    # --- people

    def join(
        self, name: str, topics: str = "*=weekly", *, hour: int = 7, zone: str = ZONE, domain: str = "example.org"
    ) -> int:
        """A reader with these choices, active from now on."""
        with self.db.transaction() as conn:
            added = members.add(
                conn,
                KEYS,
                f"{name}@{domain}",
                digest_id=self.digest.id,
                now=self.now,
                mapping=preferences.parse(topics, preferences.CADENCES),
                hour=hour,
                zone=zone,
            )
        assert added.subscriber_id is not None
        self.ids[name] = added.subscriber_id
        return added.subscriber_id

    def choose(self, name: str, topics: str) -> None:
        """Other topics."""
        with self.db.transaction() as conn:
            members.change(
                conn, self.digest.id, self.ids[name], mapping=preferences.parse(topics, preferences.CADENCES)
            )

    def pause(self, name: str) -> None:
        """No mail until they wake."""
        with self.db.transaction() as conn:
            members.pause(conn, self.digest.id, self.ids[name], now=self.now)

    def wake(self, name: str, *, drop: bool = False) -> None:
        """Mail again."""
        with self.db.transaction() as conn:
            members.wake(conn, self.digest.id, self.ids[name], drop=drop)

    def rejoin(self, name: str) -> None:
        """Who had left is back."""
        with self.db.transaction() as conn:
            members.join(conn, self.digest.id, self.ids[name], now=self.now)

    def leave(self, name: str) -> None:
        """The end of a subscription."""
        with self.db.transaction() as conn:
            members.leave(conn, self.digest.id, self.ids[name], now=self.now, how="test")

    # --- editions

    def freeze(self, cadence: str = "weekly", *, by_hand: bool = True, owed: bool = False, ask: str = "") -> Edition:
        """An edition of what waits, frozen (or skipped, or in review)."""
        with self.db.transaction() as conn:
            series = publications.one_series(conn, self.digest.id, cadence)
            carries = self.people.owed(conn, self.digest.id, cadence, now=self.now)
            run = Run(now=self.now, starts_at=self.now, by_hand=by_hand, owed=owed, carries=carries, ask=ask)
            return editions.compile(conn, SETTINGS, self.digest, series, run)

    def plan(self, edition: Edition) -> bool:
        """Plans it to the end."""
        return planning.plan(self.db, edition.id, self.people, now=self.now, owner="test")

    def cycle(self, cadence: str = "weekly") -> Edition:
        """Freezes and plans."""
        edition = self.freeze(cadence)
        self.plan(edition)
        return self.find(edition)

    def sender(self) -> Sender:
        """A sender over the scripted transport."""
        return Sender(self.db, self.transport, self.people, clock=lambda: self.now, owner="test", key=bytes(32))

    def deliver(self, edition: Edition) -> None:
        """Delivers what is due of it, without closing it."""
        self.sender().deliver(edition.id)

    def close(self, edition: Edition) -> bool:
        """Closes it, when nothing is left to go."""
        return closing.close(self.db, edition.id, self.people, now=self.now)

    def expire(self, edition: Edition) -> None:
        """Fails what is past its deadline."""
        while self.db.run(lambda conn: leases.expire(conn, edition.id, owner="test", now=self.now)):
            pass

    def see_through(self, edition: Edition) -> Edition:
        """Delivers and closes."""
        self.deliver(edition)
        self.close(edition)
        return self.find(edition)

    def send(self, cadence: str = "weekly") -> Edition:
        """A whole edition, by hand."""
        return self.see_through(self.cycle(cadence))

    def cancel(self, edition: Edition, *, drop: bool = False) -> Edition:
        """Cancels the rest."""
        return closing.cancel(self.db, edition.id, self.people, drop=drop, now=self.now)

    def answer(self, edition: Edition, *, as_is: bool) -> None:
        """Answers what to do about a withdrawal."""
        with self.db.transaction() as conn:
            review.answer(conn, edition.id, as_is=as_is)

    def settle(self, edition: Edition, *, arrived: bool, names: Sequence[str] | None = None) -> closing.Settled:
        """Decides what is unsure."""
        with self.db.transaction() as conn:
            ids = None if names is None else [self.ids[name] for name in names]
            return closing.settle(conn, edition.id, self.people, ids, arrived=arrived, now=self.now)

    def later(self, **step: float) -> datetime:
        """Moves the clock."""
        self.now += timedelta(**step)
        return self.now

    # --- looking

    def find(self, edition: Edition) -> Edition:
        """The edition as it is now."""
        with self.db.reading() as conn:
            return editions.find(conn, edition.id)

    def mark(self, cadence: str = "weekly") -> int:
        """The mark of a series."""
        with self.db.reading() as conn:
            return publications.one_series(conn, self.digest.id, cadence).mark

    def rows(self, edition: Edition) -> dict[str, tuple[str, str | None]]:
        """Reader -> state and code."""
        names = {number: name for name, number in self.ids.items()}
        d = tables.deliveries
        with self.db.reading() as conn:
            found = conn.execute(sa.select(d.c.subscriber_id, d.c.state, d.c.code).where(d.c.edition_id == edition.id))
            return {names[row.subscriber_id]: (State(row.state).name.lower(), row.code) for row in found}

    def lists(self, edition: Edition) -> dict[str, list[str]]:
        """Reader -> the items of their row, in no order that matters; with '!' for updates and '+' for again."""
        names = {number: name for name, number in self.ids.items()}
        d, ve, log, i = tables.deliveries, tables.variant_entries, tables.publication_log, tables.items
        rows = (
            sa.select(d.c.subscriber_id, i.c.slug, log.c.what)
            .join(ve, sa.and_(ve.c.edition_id == d.c.edition_id, ve.c.variant_n == d.c.variant_n), isouter=True)
            .join(log, log.c.sequence == ve.c.sequence, isouter=True)
            .join(i, i.c.id == log.c.item_id, isouter=True)
            .where(d.c.edition_id == edition.id)
            .order_by(log.c.sequence)
        )
        marks = {"new": "", "update": "!", "again": "+"}
        found: dict[str, list[str]] = {}
        with self.db.reading() as conn:
            for row in conn.execute(rows):
                mine = found.setdefault(names[row.subscriber_id], [])
                if row.slug:
                    mine.append(row.slug + marks[row.what])
        return found

    def carries(self, cadence: str = "weekly") -> Mapping[str, tuple[int, ...]]:
        """Reader -> what is owed at a cadence, for those to whom anything is."""
        found = {}
        with self.db.reading() as conn:
            for name, number in self.ids.items():
                row = preferences.find(conn, self.digest.id, number)
                owed = preferences.carries_of(conn, row)[cadence] if row is not None else ()
                if owed:
                    found[name] = owed
        return found

    def check_sums(self) -> None:
        """The equation holds, and the counters equal the rows, for every edition."""
        with self.db.reading() as conn:
            for edition in editions.all_editions(conn):
                counted, rows = ledger.totals(conn, edition.id), ledger.recount(conn, edition.id)
                assert counted == rows, (edition.id, counted, rows)
                if edition.state in editions.ENDED:
                    assert counted.remaining == 0, (edition.id, edition.state, counted)
                kept = provider_sums.of_edition(conn, edition)
                assert kept.adds_up, (edition.id, edition.state, kept)
                assert set(kept.sums) == set(provider_sums.count(conn, edition.id).sums), edition.id
