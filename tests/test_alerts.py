"""Alerts: gathered for ten minutes, capped by the reader's day, and never lost by either."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

import scheduler
from digest import editions, items, publications, review, tables
from digest.delivery import closing
from digest.drafts import Draft
from digest.editions import Edition
from digest.home import Home
from digest.tables import State
from subscribers import members, offers, offices
from tests.conftest import NOW
from tests.stage import ZONE

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


class Newsroom:
    """A home with a digest that comes at once, daily and weekly; Monday, 7:00 in New York."""

    def __init__(self, home: Home) -> None:
        self.home, self.now = home, NOW
        self.office = offices.open_office(home, clock=lambda: self.now)
        self.ids: dict[str, int] = {}
        with home.db.transaction() as conn:
            self.digest = publications.create(
                conn, "weekly", "The Digest", now=NOW, zone=ZONE, from_name="Digest",
                from_address="digest@example.org", cadences=("instant", "daily", "weekly"),
            )  # fmt: skip

    def join(self, name: str, topics: dict[str, str], zone: str = ZONE) -> None:
        with self.home.db.transaction() as conn:
            added = members.add(
                conn, self.home.keys, f"{name}@example.org", digest_id=self.digest.id, now=self.now, mapping=topics,
                hour=7, zone=zone,
            )  # fmt: skip
        assert added.subscriber_id is not None
        self.ids[name] = added.subscriber_id

    def publish(self, slug: str, *topics: str) -> None:
        draft = Draft(slug=slug, kind="fact sheet", title=slug, topics=topics, published_on="2026-09-01")
        with self.home.db.transaction() as conn:
            items.put(conn, draft, now=self.now, zone=ZONE)

    def set(self, **changes: str) -> None:
        with self.home.db.transaction() as conn:
            offers.set(conn, "weekly", {key.replace("__", "."): value for key, value in changes.items()}, now=self.now)

    def later(self, step: timedelta) -> datetime:
        """Moves the clock, and lets it pass."""
        self.now += step
        scheduler.one_pass(self.office)
        return self.now

    def editions(self, cadence: str = "instant") -> list[Edition]:
        with self.home.db.reading() as conn:
            return [one for one in editions.all_editions(conn) if one.cadence == cadence]

    def had(self, name: str, cadence: str = "instant") -> list[tuple[str, list[str]]]:
        """What the reader's rows of a series came to, and the items in them, edition by edition."""
        d, ve, log, i, e = (
            tables.deliveries, tables.variant_entries, tables.publication_log, tables.items, tables.editions,
        )  # fmt: skip
        rows = (
            sa.select(d.c.edition_id, d.c.state, d.c.code, i.c.slug)
            .join(e, e.c.id == d.c.edition_id)
            .join(ve, sa.and_(ve.c.edition_id == d.c.edition_id, ve.c.variant_n == d.c.variant_n), isouter=True)
            .join(log, log.c.sequence == ve.c.sequence, isouter=True)
            .join(i, i.c.id == log.c.item_id, isouter=True)
            .where(d.c.subscriber_id == self.ids[name], e.c.cadence == cadence)
            .order_by(d.c.edition_id, i.c.slug)
        )
        found: dict[int, tuple[str, list[str]]] = {}
        with self.home.db.reading() as conn:
            for row in conn.execute(rows):
                told = row.code or State(row.state).name.lower()
                found.setdefault(row.edition_id, (told, []))[1].append(row.slug)
        return list(found.values())


@pytest.fixture
def room(home: Home) -> Newsroom:
    """Nobody yet."""
    return Newsroom(home)


def test_three_items_published_together_are_one_mail_ten_minutes_after_the_first(room: Newsroom) -> None:
    room.join("ann", {"*": "instant"})
    room.publish("x", "a")
    room.later(4 * MINUTE)
    room.publish("y", "a")
    room.later(5 * MINUTE)
    room.publish("z", "b")
    assert room.editions() == []
    assert scheduler.next_moment(room.office) == NOW + 10 * MINUTE
    room.later(MINUTE)
    assert room.had("ann") == [("accepted", ["x", "y", "z"])]
    room.later(30 * MINUTE)
    assert len(room.editions()) == 1
    assert len([*(room.home.mail / "new").iterdir()]) == 1


def test_an_alert_has_rows_only_for_those_whom_it_holds_something_for(room: Newsroom) -> None:
    room.join("ann", {"a": "instant", "*": "weekly"})
    room.join("bob", {"b": "instant", "*": "off"})
    room.publish("x", "a")
    room.later(10 * MINUTE)
    (edition,) = room.editions()
    assert (edition.state, room.had("ann"), room.had("bob")) == (editions.SENT, [("accepted", ["x"])], [])
    room.publish("y", "c")
    room.later(10 * MINUTE)
    assert [one.reason for one in room.editions()] == ["", "There was nothing in it for anyone."]
    room.later(7 * DAY)
    assert room.had("ann", "weekly")[-1] == ("accepted", ["y"])


def test_beyond_the_cap_of_a_local_day_items_come_with_the_next_slower_digest(room: Newsroom) -> None:
    room.set(instant__daily_cap="2")
    room.join("ann", {"*": "instant"})
    for slug in ("u", "v", "w", "x"):
        room.publish(slug)
        room.later(10 * MINUTE)
    assert [told for told, _ in room.had("ann")] == ["accepted", "accepted", "alert cap", "alert cap"]
    third = room.editions()[2]
    assert (third.state, third.reason) == (editions.SKIPPED, "Everyone it was for has had as many alerts as they get "
                                           "in a day. They get it later.")  # fmt: skip
    room.later(DAY)
    assert room.had("ann", "daily") == [("accepted", ["w", "x"])]
    room.publish("y")
    room.later(10 * MINUTE)
    assert room.had("ann")[-1] == ("accepted", ["y"])


def test_the_day_is_the_readers_own(room: Newsroom) -> None:
    """At 7:00 in New York it is 23:00 in Auckland: an hour later it is tomorrow there."""
    room.set(instant__daily_cap="1")
    room.join("ann", {"*": "instant"})
    room.join("tui", {"*": "instant"}, zone="Pacific/Auckland")
    for slug, step in (("x", 10 * MINUTE), ("y", 61 * MINUTE)):
        room.publish(slug)
        room.later(step)
    assert [told for told, _ in room.had("ann")] == ["accepted", "alert cap"]
    assert [told for told, _ in room.had("tui")] == ["accepted", "accepted"]


def test_where_only_alerts_are_offered_what_is_too_many_waits_for_the_readers_midnight(room: Newsroom) -> None:
    room.set(cadences="instant", instant__daily_cap="1")
    room.join("ann", {"*": "instant"})
    for slug in ("x", "y"):
        room.publish(slug)
        room.later(10 * MINUTE)
    for _ in range(10):
        room.later(90 * MINUTE)  # up to 22:20 in New York
    assert [told for told, _ in room.had("ann")] == ["accepted", "alert cap"]
    assert len(room.editions()) == 2
    room.later(2 * 60 * MINUTE)
    room.later(10 * MINUTE)
    assert room.had("ann")[-1] == ("accepted", ["y"])
    room.later(DAY)
    room.later(DAY)
    assert len(room.editions()) == 3


def test_what_an_alert_owes_goes_ten_minutes_later_and_makes_no_edition_while_it_cannot_go(room: Newsroom) -> None:
    room.join("ann", {"*": "instant"})
    room.publish("x", "a")
    with room.home.db.transaction() as conn:
        members.pause(conn, room.digest.id, room.ids["ann"], now=room.now)
    room.later(10 * MINUTE)
    with room.home.db.transaction() as conn:
        members.wake(conn, room.digest.id, room.ids["ann"])
        review.withdraw_item(conn, "x", why="It was wrong.", now=room.now)
    for _ in range(5):
        room.later(11 * MINUTE)
    assert room.had("ann") == []
    stopped = len(room.editions())
    with room.home.db.transaction() as conn:
        review.publish_item(conn, "x", now=room.now, zone=ZONE)
    room.later(10 * MINUTE)
    assert room.had("ann") == [("accepted", ["x"])]
    assert len(room.editions()) == stopped + 1


def test_an_alert_that_staff_cancel_goes_with_the_next_one(room: Newsroom) -> None:
    room.set(instant__needs_approval="yes")
    room.join("ann", {"*": "instant"})
    room.publish("x")
    room.later(10 * MINUTE)
    (edition,) = room.editions()
    assert edition.state == editions.REVIEW
    closing.cancel(room.home.db, edition.id, room.office.people, drop=False, now=room.now)
    room.set(instant__needs_approval="no")
    for _ in range(3):
        room.later(10 * MINUTE)
    assert len(room.editions()) == 1
    room.publish("y")
    room.later(10 * MINUTE)
    assert room.had("ann") == [("accepted", ["x", "y"])]
