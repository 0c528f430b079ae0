"""A wall clock that jumps by more than a day: everything asks, and nothing is lost by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

import scheduler
from digest import clock_watch, editions, items, review
from digest.errors import Refused
from digest.home import Home
from tests.conftest import NOW
from tests.test_scheduler import BEFORE, WEEK, World

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Machine(World):
    """A world whose machine has a steady clock beside the one on the wall."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.up = timedelta(hours=5)
        self.office.steady = lambda: self.up
        scheduler.one_pass(self.office)

    def later(self, by: timedelta) -> None:
        """Time passes, and the clock shows it."""
        self.up += by
        self.at(self.now + by)

    def mails(self) -> int:
        """How many mails readers have; staff are told things, too."""
        uids = {edition.uid for edition in self.editions()}
        return sum(path.name.partition("-")[0] in uids for path in self.mailbox())

    def jump(self, by: timedelta) -> None:
        """The clock on the wall is set; no time passes."""
        self.at(self.now + by)


@pytest.fixture
def world(home: Home) -> Machine:
    """Friday; the first run is on Monday at 7:00 in New York."""
    return Machine(home)


def test_a_run_that_a_jump_brought_on_waits_for_a_person(world: Machine) -> None:
    world.publish("x")
    world.jump(400 * DAY)
    (edition,) = world.editions()
    assert edition.state == editions.REVIEW
    assert edition.reason.startswith("The clock of this machine jumped 400 days ahead, to 2027-10-09 11:00 UTC. Set it")
    assert world.mails() == 0
    with world.home.db.transaction() as conn:
        review.approve(conn, edition.id, world.home.settings, by="Mila", now=world.now)
    scheduler.one_pass(world.office)
    assert world.mails() == 2


def test_an_edition_on_its_way_keeps_its_place_and_its_deadlines(world: Machine) -> None:
    world.set(hour="7")
    world.publish("x")
    scheduler.dispatch(world.office, "weekly")
    world.jump(400 * DAY)
    (edition,) = world.editions()
    assert edition.shown_state == "paused"
    assert "jumped 400 days ahead" in edition.paused_why
    assert world.mails() == 0
    world.jump(-400 * DAY)
    assert world.office.jump is None
    with world.home.db.transaction() as conn:
        review.resume(conn, edition.id)
    world.later(HOUR)
    assert world.editions()[0].state == editions.SENT
    assert world.mails() == 2


def test_rows_past_their_deadline_by_a_wrong_clock_do_not_fail(world: Machine) -> None:
    world.publish("x")
    edition = scheduler.dispatch(world.office, "weekly")
    scheduler.prepare(world.office, edition.id)
    world.now += 2 * DAY
    scheduler.conclude(world.office, edition.id)
    with world.home.db.reading() as conn:
        assert editions.find(conn, edition.id).shown_state == "paused"
    world.now -= 2 * DAY
    with world.home.db.transaction() as conn:
        review.resume(conn, edition.id)
    scheduler.one_pass(world.office)
    assert world.mails() == 2


def test_nothing_is_published_or_sent_by_hand_until_somebody_says_that_the_clock_is_right(world: Machine) -> None:
    world.publish("x")
    with world.home.db.transaction() as conn:
        review.withdraw_item(conn, "x", why="Later.", now=world.now)
        review.publish_item(conn, "x", now=world.now, zone="America/New_York", at=BEFORE + 300 * DAY)
    world.jump(400 * DAY)
    with world.home.db.reading() as conn:
        assert items.find(conn, "x").state == "scheduled"
    with pytest.raises(Refused, match=r"jumped 400 days ahead.*--accept-clock"):
        scheduler.dispatch(world.office, "weekly")
    wake = scheduler.next_moment(world.office)
    assert wake is not None
    assert wake > world.now, "what waits for the clock is not due"
    scheduler.accept_clock(world.office)
    scheduler.one_pass(world.office)
    with world.home.db.reading() as conn:
        assert items.find(conn, "x").state == "published"


@pytest.mark.parametrize("by", [HOUR, -HOUR, 23 * HOUR, -23 * HOUR])
def test_less_than_a_day_is_no_jump(world: Machine, by: timedelta) -> None:
    world.jump(by)
    assert world.office.jump is None


def test_time_that_passes_is_no_jump_however_long(world: Machine) -> None:
    world.publish("x")
    world.later(5 * WEEK)
    assert world.office.jump is None
    assert [edition.state for edition in world.editions()] == [editions.SENT]


def test_a_clock_that_goes_back_two_days_asks_too_and_is_told_once(world: Machine) -> None:
    world.publish("x")
    world.later(NOW - HOUR - BEFORE)
    world.jump(-2 * DAY)
    world.jump(timedelta())
    assert str(world.office.jump).startswith("The clock of this machine jumped 2 days back")
    assert world.editions() == []


def test_the_steady_clock_of_this_machine_rises() -> None:
    assert timedelta() < clock_watch.since_boot() <= clock_watch.since_boot()
