"""The clock over a home: runs happen once, late ones as the series says, and by hand without the calendar."""

from __future__ import annotations

import dataclasses
import email
import fcntl
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email import policy
from pathlib import Path
from typing import IO

import pytest
import sqlalchemy as sa

import scheduler
from digest import clock_passes, editions, fetch, items, publications, review, settings_file, tables
from digest.config import FeedsSection, IntakeSection
from digest.drafts import Draft
from digest.editions import Edition
from digest.errors import Refused
from digest.feeds import websub
from digest.home import Home, open_home
from digest.tables import State
from subscribers import members, offices
from subscribers.offices import Office
from tests.conftest import NOW
from tests.standins.hostile_host import listening

BEFORE = NOW - timedelta(days=3)
WEEK = timedelta(days=7)


class World:
    """A home with one digest and two readers; `now` moves only when a test moves it."""

    def __init__(self, home: Home) -> None:
        self.home, self.now = home, BEFORE
        self.office = offices.open_office(home, clock=lambda: self.now)
        with home.db.transaction() as conn:
            self.digest = publications.create(
                conn, "weekly", "Weekly digest", now=BEFORE, zone="America/New_York", from_name="Path to Public Safety",
                from_address="digest@example.org",
            )  # fmt: skip
            for name in ("ann", "bob"):
                members.add(conn, home.keys, f"{name}@example.org", digest_id=self.digest.id, now=BEFORE)

    def publish(self, slug: str, **fields: object) -> None:
        draft = Draft(slug=slug, kind="fact sheet", title=slug, published_on="2026-09-01", **fields)  # type: ignore[arg-type]
        with self.home.db.transaction() as conn:
            items.put(conn, draft, now=self.now, zone="America/New_York")

    def set(self, **rules: str) -> None:
        with self.home.db.transaction() as conn:
            publications.set(conn, "weekly", rules, now=self.now)

    def at(self, moment: datetime, office: Office | None = None) -> None:
        self.now = moment
        scheduler.one_pass(office or self.office)

    def editions(self) -> list[Edition]:
        with self.home.db.reading() as conn:
            return editions.all_editions(conn)

    def mailbox(self) -> list[Path]:
        return sorted((self.home.mail / "new").glob("*"))

    def notices(self) -> list[str]:
        with self.home.db.reading() as conn:
            return list(conn.scalars(sa.select(tables.notices.c.subject).order_by(tables.notices.c.id)))


@pytest.fixture
def world(home: Home) -> World:
    """Friday; the first run is on Monday at 7:00 in New York."""
    return World(home)


def test_the_weekly_run_sends_what_is_new_to_each_reader_once(world: World) -> None:
    world.publish("x")
    world.at(NOW - timedelta(minutes=1))
    assert world.editions() == []
    world.at(NOW)
    (edition,) = world.editions()
    assert (edition.state, edition.number) == (editions.SENT, 1)
    assert len(world.mailbox()) == 2
    world.at(NOW + timedelta(minutes=1))
    assert len(world.editions()) == 1
    assert len(world.mailbox()) == 2


def test_a_week_later_exactly_the_new_item_goes_out(world: World) -> None:
    world.publish("x")
    world.at(NOW)
    world.publish("y")
    world.at(NOW + WEEK)
    newest = [path for path in world.mailbox() if world.editions()[1].uid in path.name]
    assert len(newest) == 2
    assert all("/items/y" in _text(path) and "/items/x" not in _text(path) for path in newest)


def _text(path: Path) -> str:
    message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_a_run_with_nothing_new_is_skipped_and_says_so(world: World) -> None:
    world.at(NOW)
    assert [(e.state, e.reason) for e in world.editions()] == [(editions.SKIPPED, "Nothing new.")]
    assert world.mailbox() == []


def test_a_clock_set_back_runs_nothing_twice(world: World) -> None:
    world.publish("x")
    world.at(NOW)
    world.publish("y")
    world.at(NOW - timedelta(hours=1))
    world.at(NOW + timedelta(minutes=5))
    world.at(NOW + WEEK)
    world.publish("z")
    world.at(NOW + timedelta(hours=1))  # a week back: that run has happened
    assert len(world.editions()) == 2


def test_a_clock_that_was_once_wrong_by_a_year_does_not_silence_the_digest(world: World) -> None:
    world.publish("x")
    world.at(NOW + 52 * WEEK)
    world.publish("y")
    world.at(NOW)
    assert [edition.state for edition in world.editions()] == [editions.SENT, editions.SENT]


def test_after_a_long_outage_one_edition_goes_out(world: World) -> None:
    world.publish("x")
    world.at(NOW)
    world.publish("y")
    world.at(NOW + 5 * WEEK + timedelta(hours=1))
    assert len(world.editions()) == 2
    world.at(NOW + 5 * WEEK + timedelta(hours=2))
    assert len(world.editions()) == 2


def test_another_day_makes_no_run_happen_that_lies_behind(world: World) -> None:
    world.publish("x")
    world.at(NOW)
    world.publish("y")
    thursday = NOW + timedelta(days=3)
    world.at(thursday)
    world.set(weekday="wednesday")
    world.at(thursday)
    assert len(world.editions()) == 1
    world.at(thursday + timedelta(days=4))  # Monday, as it was
    world.set(weekday="wed", fewest="1")  # nothing changes, and nothing is put off
    assert len(world.editions()) == 1
    world.at(thursday + timedelta(days=6))
    assert len(world.editions()) == 2


@pytest.mark.parametrize(
    ("policy", "state"), [("send", editions.SENT), ("skip", editions.SKIPPED), ("ask", editions.REVIEW)]
)
def test_a_pass_that_comes_three_hours_late_sends_skips_or_asks(world: World, policy: str, state: str) -> None:
    world.set(late_policy=policy, late_hours="2")
    world.publish("x")
    world.at(NOW + timedelta(hours=3))
    (edition,) = world.editions()
    assert edition.state == state
    assert len(world.mailbox()) == {"send": 2, "skip": 0, "ask": 1}[policy]
    if policy != "send":
        assert edition.reason.startswith("The run of 2026-09-07, 07:00 came 3 hours late.")
    if policy == "skip":
        world.at(NOW + WEEK)
        assert len(world.mailbox()) == 2


def test_a_pass_less_late_than_that_sends_whatever_the_policy(world: World) -> None:
    world.set(late_policy="skip", late_hours="2")
    world.publish("x")
    world.at(NOW + timedelta(hours=2))
    assert [edition.state for edition in world.editions()] == [editions.SENT]


def test_staff_are_told_once_that_an_edition_waits(world: World) -> None:
    world.set(needs_approval="yes")
    world.publish("x")
    world.at(NOW)
    world.at(NOW + timedelta(minutes=1))
    assert world.notices() == ["Waiting for you: Weekly digest"]
    (mail,) = world.mailbox()
    assert b"staff@example.org" in mail.read_bytes()
    with world.home.db.reading() as conn:
        row = conn.execute(sa.select(tables.notices)).one()
    assert (row.state, row.address, row.message) == (State.ACCEPTED, None, None)


def test_a_scheduled_item_becomes_news_at_its_moment(world: World) -> None:
    world.publish("x", state="scheduled", publish_at=NOW - timedelta(hours=1))
    assert scheduler.next_moment(world.office) == NOW - timedelta(hours=1)
    world.at(NOW)
    assert len(world.mailbox()) == 2


def test_a_pass_leaves_a_sign_of_life_and_silence_names_what_is_late(world: World) -> None:
    def heard() -> clock_passes.Heard:
        with world.home.db.reading() as conn:
            return clock_passes.look(conn, now=world.now)

    begun = NOW - timedelta(minutes=5)
    world.at(begun)
    assert heard() == clock_passes.Heard(begun, silent=False)
    world.at(begun + timedelta(seconds=59))
    assert heard().last == begun  # no second note within a minute
    world.publish("x", state="scheduled", publish_at=NOW + timedelta(minutes=6))
    world.now = NOW + timedelta(minutes=10)
    assert [(one.what, one.at) for one in heard().late] == [("run", NOW), ("item", NOW + timedelta(minutes=6))]


def test_an_edition_whose_numbers_do_not_add_up_stops_and_staff_are_told(world: World) -> None:
    world.publish("x")
    world.office.sender.stop()  # nothing is handed over
    world.at(NOW)
    (edition,) = world.editions()
    assert (edition.state, edition.paused_at) == (editions.SENDING, None)
    one = sa.update(tables.deliveries).where(tables.deliveries.c.pos == 1)
    with world.home.db.transaction() as conn:
        conn.execute(one.values(state=State.ACCEPTED))
    world.at(NOW + timedelta(seconds=59))
    assert world.editions()[0].paused_at is None  # counted once a minute
    world.at(NOW + timedelta(seconds=60))
    (edition,) = world.editions()
    assert edition.shown_state == "paused"
    assert "do not add up" in edition.paused_why
    assert world.notices() == ["Stopped: Weekly digest"]
    with world.home.db.transaction() as conn:
        conn.execute(one.values(state=State.PLANNED))
        review.resume(conn, edition.id)
    world.at(NOW + timedelta(minutes=5), offices.open_office(world.home, clock=lambda: world.now))
    assert world.editions()[0].state == editions.SENT


def test_feed_files_show_the_store_as_it_is_when_their_turn_has_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.tidy(world.office)
    world.publish("x")
    lock, left = fcntl.flock, ["x"]

    def waiting(file: IO[str] | int, how: int) -> None:
        if how == fcntl.LOCK_EX and left:  # only the turn of the files is waited for like this
            with world.home.db.transaction() as conn:
                items.withdraw(conn, left.pop(), now=NOW, why="Wrong.")
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", waiting)
    scheduler.tidy(world.office)
    assert left == []
    assert b"/items/x" not in (world.home.feeds / "all.rss").read_bytes()


def test_by_hand_an_edition_goes_out_at_once_and_the_calendar_is_not_touched(world: World) -> None:
    world.publish("x")
    edition = scheduler.dispatch(world.office, "weekly")
    assert scheduler.see_through(world.office, edition.id).state == editions.SENT
    assert len(world.mailbox()) == 2
    with pytest.raises(Refused, match="Nothing is new"):
        scheduler.dispatch(world.office, "weekly")
    world.publish("y")
    world.at(NOW)
    assert len(world.mailbox()) == 4


def test_sending_is_refused_without_a_postal_address(world: World, home_path: Path) -> None:
    settings = home_path / "digest.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("100 Example Street NW, Suite 4, Washington, DC 20000", ""), encoding="utf-8")
    bare = open_home(home_path)
    office = offices.open_office(bare, clock=lambda: world.now)
    world.publish("x")
    with pytest.raises(Refused, match="postal address"):
        scheduler.dispatch(office, "weekly")
    world.at(NOW, office)
    assert [edition.state for edition in world.editions()] == [editions.REVIEW]
    office.close()


def test_until_idle_ends_with_the_next_due_time(world: World) -> None:
    world.publish("x")
    world.now = NOW
    assert scheduler.until_idle(world.office) == NOW + WEEK
    assert len(world.mailbox()) == 2


def test_schedulers_that_start_together_make_one_edition(world: World, home_path: Path) -> None:
    world.publish("x")
    homes = [open_home(home_path) for _ in range(4)]
    try:
        _together([_passer(offices.open_office(one, clock=lambda: NOW)) for one in homes])
    finally:
        for one in homes:
            one.close()
    world.at(NOW)
    assert [edition.state for edition in world.editions()] == [editions.SENT]
    assert len(world.mailbox()) == 2


def test_two_sends_at_once_are_one_edition(world: World, home_path: Path) -> None:
    world.publish("x")
    homes = [open_home(home_path) for _ in range(2)]
    made: list[int] = []

    def send(office: Office) -> Callable[[], None]:
        return lambda: made.append(scheduler.dispatch(office, "weekly").id)

    try:
        _together([send(offices.open_office(one, clock=lambda: NOW)) for one in homes])
    finally:
        for one in homes:
            one.close()
    assert len(set(made)) == 1
    assert len(world.editions()) == 1


def _passer(office: Office) -> Callable[[], None]:
    return lambda: scheduler.one_pass(office)


def _together(acts: list[Callable[[], None]]) -> None:
    """Runs them at the same moment, in threads of their own; what one raises is raised here."""
    start, failures = threading.Barrier(len(acts)), []

    def run(act: Callable[[], None]) -> None:
        start.wait()
        try:
            act()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_the_resident_clock_sends_and_ends_when_it_is_told_to(world: World) -> None:
    world.publish("x")
    world.now = NOW
    stop = threading.Event()
    thread = threading.Thread(target=scheduler.run_forever, args=(world.office,), kwargs={"stop": stop})
    thread.start()
    for _ in _until(lambda: len(world.mailbox()) == 2):
        pass
    stop.set()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_the_resident_clock_takes_up_what_is_set_and_ends_for_what_it_was_opened_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "IDLE", timedelta(seconds=0.05))
    again: list[bool] = []
    thread = threading.Thread(target=lambda: again.append(scheduler.run_forever(world.office)))
    thread.start()
    for key, value in (("site.name", "Other"), ("pace.per_second", 5.0)):
        assert thread.is_alive()
        with settings_file.held(world.home.path) as held:
            held.write(held.changed({key: value})[0])
        for _ in _until(lambda: world.home.settings.site.name == "Other"):
            pass
    thread.join(timeout=30)
    assert again == [True]
    assert world.home.settings.pace.per_second == 5


def test_settings_that_became_wrong_change_nothing(world: World) -> None:
    file = world.home.path / "digest.toml"
    before = world.home.settings
    file.write_text("[site]\nname = 1\n", encoding="utf-8")
    assert not world.home.follow()
    assert world.home.settings is before
    file.write_text('[site]\nname = "Right again"\n', encoding="utf-8")
    assert world.home.follow()
    assert world.home.settings.site.name == "Right again"
    assert not world.home.follow()


def test_a_hub_that_does_not_answer_keeps_no_mail_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, stop = threading.Event(), threading.Event()
    monkeypatch.setattr(websub, "LIMITS", fetch.Limits(seconds=100))

    def hang() -> Iterator[bytes]:
        assert answered.wait(100)
        yield b"HTTP/1.1 204 No Content\r\n\r\n"

    world.publish("x")
    world.now = NOW
    scheduler.tidy(world.office)
    with listening("127.0.0.1", {"/": hang}) as hub:
        changes = {"feeds": FeedsSection(hub=f"http://127.0.0.1:{hub.port}/"),
                   "intake": IntakeSection(inner_networks=("127.0.0.0/8",))}  # fmt: skip
        world.office.home = dataclasses.replace(world.home, settings=world.home.settings.model_copy(update=changes))
        thread = threading.Thread(target=scheduler.run_forever, args=(world.office,), kwargs={"stop": stop})
        thread.start()
        for _ in _until(lambda: bool(hub.asked) and len(world.mailbox()) == 2):
            pass
        stop.set()
        for _ in _until(lambda: world.office.sender.stops_at is not None):
            pass
        answered.set()
        thread.join(timeout=30)
        assert not thread.is_alive()
        assert len(hub.asked) == 1, "the end does not wait for the rest"


def test_a_stop_in_the_last_moment_of_a_pass_does_not_hang(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, stop = threading.Event(), threading.Event()

    def late(office: Office) -> datetime:
        reached.set()
        stop.wait(10)
        threading.Event().wait(0.3)  # the clock is ending by now
        return NOW + WEEK

    monkeypatch.setattr(scheduler, "_next_wake", late)
    thread = threading.Thread(target=scheduler.run_forever, args=(world.office,), kwargs={"stop": stop}, daemon=True)
    thread.start()
    assert reached.wait(30)
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()


def _until(true: Callable[[], bool], seconds: float = 60) -> Iterator[None]:
    """Turns until something is true, and fails when that takes too long."""
    waited = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if true():
            return
        waited.wait(0.05)
        yield
    pytest.fail("It did not become true in time.")
