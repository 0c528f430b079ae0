"""Watched sources and the clock: asked before editions are compiled, and never in the way of the mail."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

import scheduler
from digest import items
from digest.home import Home
from digest.intake import checking
from digest.intake.checking import Wish
from tests.conftest import NOW
from tests.sources_world import LOCAL, read_here
from tests.standins.feed_host import FeedHost, feed_host, post, rss
from tests.test_scheduler import BEFORE, World, _until

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEW = post(2, "New", NOW - HOUR)


@pytest.fixture
def host() -> Iterator[FeedHost]:
    """A host whose feed has one old entry."""
    with feed_host() as one:
        one.says(rss(post(1, "Old", BEFORE - 9 * DAY)))
        yield one


@pytest.fixture
def world(home: Home, host: FeedHost, monkeypatch: pytest.MonkeyPatch) -> World:
    """Friday; the feed is watched, and the first run is on Monday at 7:00 in New York."""
    read_here(monkeypatch)
    settings = home.settings.model_copy(update={"intake": LOCAL})
    world = World(dataclasses.replace(home, settings=settings))
    checking.add(world.home, Wish(host.feed), clock=lambda: world.now)
    return world


def published(world: World) -> list[str]:
    with world.home.db.reading() as conn:
        return [item.slug for item in items.latest(conn)]


def test_what_a_source_brings_goes_out_with_the_edition_of_the_same_pass(world: World, host: FeedHost) -> None:
    assert scheduler.next_moment(world.office) == BEFORE + HOUR
    host.says(rss(NEW))
    world.at(NOW)
    assert len(world.mailbox()) == 2
    assert all("/items/2-a-post" in path.read_text() for path in world.mailbox())
    assert "2-a-post" in (world.home.feeds / "all.rss").read_text()
    assert scheduler.next_moment(world.office) == NOW + HOUR


def test_a_slow_source_does_not_delay_the_mail(world: World, host: FeedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish("x")
    monkeypatch.setattr(scheduler, "PROMPT", 0.1)
    over = threading.Event()

    def heard(office: object) -> None:
        over.set()
        hear(office)  # type: ignore[arg-type]

    hear = scheduler.hear_sources
    steps = [heard if step is hear else step for step in scheduler.PASS]
    monkeypatch.setattr(scheduler, "PASS", steps)
    host.says(rss(NEW), during=lambda: over.wait(30))
    world.at(NOW)
    assert len(world.mailbox()) == 2
    assert not any("/items/2-a-post" in path.read_text() for path in world.mailbox())
    assert "2-a-post" in (world.home.feeds / "all.rss").read_text()  # it came in all the same, for the next edition


def test_the_resident_clock_asks_sources_beside_its_work(world: World, host: FeedHost) -> None:
    host.says(rss(NEW))
    world.now = NOW
    stop = threading.Event()
    thread = threading.Thread(target=scheduler.run_forever, args=(world.office,), kwargs={"stop": stop})
    thread.start()
    try:
        for _ in _until(lambda: "2-a-post" in published(world), 30):
            pass
    finally:
        stop.set()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_after_a_jump_of_the_clock_nobody_is_asked(world: World, host: FeedHost) -> None:
    up = timedelta()
    world.office.steady = lambda: up
    world.at(BEFORE)
    world.at(BEFORE + 400 * DAY)
    assert len(host.asked) == 1
    assert scheduler.next_moment(world.office) > world.now  # type: ignore[operator]


def test_staff_hear_once_that_a_source_fails_for_a_week_and_once_that_it_stopped(world: World, host: FeedHost) -> None:
    host.says(status="500 Oops")
    for days in (0.1, 3, 7.2, 8.4, 9.6):
        world.at(BEFORE + days * DAY)
    host.says(status="410 Gone")
    world.at(BEFORE + 11 * DAY)
    world.at(BEFORE + 12 * DAY)
    told = [subject for subject in world.notices() if "Task force" in subject]
    assert told == ["Cannot be read: Task force", "No longer watched: Task force"]
    mails = [path.read_text() for path in world.mailbox() if "Task force" in path.read_text()]
    assert any("Its host answers 500." in mail and "digest sources check 1" in mail for mail in mails)
    assert all("last read on September 4, 2026." in " ".join(mail.split()) for mail in mails)
