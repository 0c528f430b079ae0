"""What a close reading of planning, sending and closing found, each as a history, on both databases where needed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

import scheduler
from digest import editions, feeds, news, occurrences, publications, review, tables
from digest.config import Settings, Site
from digest.db import Database
from digest.delivery import allotment, closing, leases, ledger, notices, owners, sender
from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.local import Outbox
from digest.editions import Edition
from digest.errors import Refused
from digest.home import Home
from subscribers import members, offices
from tests.contracts import test_notices
from tests.stage import SETTINGS, ZONE, Scripted, Stage


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest without readers."""
    return Stage(either_db)


@pytest.fixture
def postgres_stage(postgres_url: str) -> Iterator[Stage]:
    """A digest without readers on PostgreSQL, for what only two processes at once can show."""
    database = Database(postgres_url)
    yield Stage(database)
    database.close()


def crowd(stage: Stage, count: int) -> Edition:
    """`count` readers of one item, planned."""
    for n in range(count):
        stage.join(f"reader{n}")
    stage.publish("x", "a")
    return stage.cycle()


def lose_lease(stage: Stage) -> None:
    """Another process takes over every batch, as after a lease that ran out while this one was stopped."""
    b = tables.batches
    with stage.db.transaction() as conn:
        for row in conn.execute(sa.select(b.c.edition_id, b.c.n).where(b.c.state == ledger.LEASED)).all():
            here = (b.c.edition_id == row.edition_id, b.c.n == row.n)
            conn.execute(sa.update(b).where(*here).values(fence=b.c.fence + 1))
            leases.recover(conn, row.edition_id, row.n)


def dead_owner() -> str:
    return owners.me().rpartition("|")[0] + "|1"


# --- a lost lease ----------------------------------------------------------------------------------------------


def test_what_a_transport_still_held_when_the_lease_was_lost_is_never_handed_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    edition = crowd(stage, 4)
    monkeypatch.setattr(sender, "COMMIT_EVERY", 0.01)
    first: list[int] = []

    def lose(reader: int) -> None:
        if not first:
            first.append(reader)
            lose_lease(stage)
        time.sleep(0.02)  # longer than a commit waits for answers

    stage.transport.during = lose
    carrier = stage.sender()
    carrier.deliver(edition.id)
    stage.publish("y", "a")
    following = stage.cycle()
    carrier.deliver(following.id)
    assert [reader for uid, reader in stage.transport.handed if uid == edition.uid] == first
    assert {state for state, _ in stage.rows(following).values()} == {"accepted"}
    states = sorted(state for state, _ in stage.rows(edition).values())
    assert states == ["accepted", "failed", "failed", "failed"]
    stage.check_sums()


class Parallel(Scripted):
    """A transport that has begun everything it was given, and then breaks."""

    def recall(self) -> list[int]:
        """Nothing can be taken back."""
        return []

    def outcomes(self, timeout: float) -> list[tuple[int, Receipt]]:
        """Breaks."""
        self._waiting.clear()
        raise OSError("the connection pool is gone")


def test_a_transport_that_breaks_stops_the_edition_even_when_nothing_can_be_taken_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "WINDOW", 2)
    edition = crowd(stage, 6)
    stage.transport = Parallel()
    stage.transport.group = 1
    stage.deliver(edition)
    assert sorted(state for state, _ in stage.rows(edition).values()) == ["planned"] * 4 + ["unsure"] * 2
    assert stage.find(edition).shown_state == "paused"


# --- the end of an edition -------------------------------------------------------------------------------------


def test_an_edition_cancelled_after_its_sender_was_killed_ends(stage: Stage) -> None:
    edition = crowd(stage, 3)

    def kill(reader: int) -> None:
        raise KeyboardInterrupt

    stage.transport.during = kill
    with pytest.raises(KeyboardInterrupt):
        stage.deliver(edition)
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.batches).values(lease_owner=dead_owner()))
    assert stage.cancel(edition).state == editions.CANCELLED
    assert {state for state, _ in stage.rows(edition).values()} == {"unsure"}
    stage.check_sums()


def test_what_staff_settle_while_an_edition_closes_is_owed_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.UNSURE]
    stage.deliver(edition)
    stage.later(minutes=20)
    monkeypatch.setattr(closing, "_close", _after_settling(stage, closing._close))
    assert stage.close(edition)
    assert stage.carries() == {"ann": (1,)}


def _after_settling(stage: Stage, close: Callable[..., bool]) -> Callable[..., bool]:
    """`_close` as it is when staff settled between the last look at what is owed and the close itself."""
    meddled: list[int] = []

    def acting(edition_id: int, now: object, conn: sa.Connection) -> bool:
        if not meddled:
            meddled.append(edition_id)
            closing.settle(conn, edition_id, stage.people, None, arrived=False, now=stage.now)
        return close(edition_id, now, conn)

    return acting


def test_two_processes_that_close_give_back_once(postgres_stage: Stage) -> None:
    stage = postgres_stage
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.POLICY]
    stage.deliver(edition)
    hold, once = stage.people.hold, list[int]()

    def late(conn: sa.Connection, digest_id: int) -> object:
        if not once:
            once.append(1)
            assert stage.close(edition)
            assert stage.lists(stage.send()) == {"ann": ["x"]}
        return hold(conn, digest_id)

    stage.people.hold = late  # type: ignore[method-assign]
    give = partial(closing.give_back, edition=edition, audience=stage.people, which=closing._owed(edition))
    assert stage.db.run(give) == 0
    assert stage.carries() == {}


# --- runs ------------------------------------------------------------------------------------------------------


def test_a_run_that_is_too_late_and_skipped_leaves_an_open_edition_alone(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    waiting = stage.freeze(ask="A look first.")
    with stage.db.transaction() as conn:
        publications.set(conn, "weekly", {"late_policy": "skip", "late_hours": "2"}, now=stage.now)
    stage.later(days=7, hours=5)
    with stage.db.transaction() as conn:
        series = publications.one_series(conn, stage.digest.id, "weekly")
        skipped = occurrences.run_latest(conn, SETTINGS, stage.digest, series, owed=stage.people.owed, now=stage.now)
    assert skipped is not None
    assert skipped.state == editions.SKIPPED
    assert stage.find(waiting).state == editions.REVIEW


def test_a_plan_that_comes_a_day_late_still_reaches_everyone(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.freeze()
    stage.later(hours=20)
    stage.plan(edition)
    stage.expire(edition)
    assert stage.see_through(edition).state == editions.SENT
    assert stage.rows(edition) == {"ann": ("accepted", None)}


def test_a_send_by_hand_just_before_the_run_that_adopts_it_reaches_everyone(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    stage.later(days=7, minutes=-2)
    edition = stage.freeze()
    stage.later(minutes=2)
    assert stage.freeze(by_hand=False).id == edition.id
    stage.plan(edition)
    stage.expire(edition)
    stage.see_through(edition)
    assert stage.rows(edition) == {"ann": ("accepted", None)}


def test_a_delivery_that_is_put_off_just_before_the_next_run_is_tried_again(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    stage.later(days=7, seconds=-30)
    edition = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.TRANSIENT, Answer.ACCEPTED]
    stage.deliver(edition)
    stage.later(minutes=1.5)
    stage.expire(edition)
    stage.deliver(edition)
    assert stage.rows(edition) == {"ann": ("accepted", None)}


def test_what_waits_for_the_fewest_is_waived_though_something_is_owed_at_each_run(stage: Stage) -> None:
    stage.join("ann")
    stage.join("bob")
    with stage.db.transaction() as conn:
        publications.set(conn, "weekly", {"fewest": "2"}, now=stage.now)
    stage.publish("y", "a")
    refusing = stage.cycle()
    stage.transport.answers[stage.ids["bob"]] = [Answer.POLICY] * 6
    stage.see_through(refusing)
    stage.publish("x", "a")
    kinds = []
    for _ in range(5):
        stage.later(days=7)
        edition = stage.freeze(by_hand=False)
        kinds.append(edition.kind)
        stage.plan(edition)
        stage.see_through(edition)
    assert kinds == ["carries"] * 4 + ["digest"]


# --- staff -----------------------------------------------------------------------------------------------------


def test_go_on_without_is_obeyed_by_a_sender_that_saw_neither_question_nor_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "WINDOW", 2)
    stage.transport.group = 1
    edition = crowd(stage, 6)

    def meddle(reader: int) -> None:
        stage.transport.during = lambda reader: None
        stage.withdraw("x")
        stage.answer(edition, as_is=False)

    stage.transport.during = meddle
    stage.deliver(edition)
    assert len(stage.transport.handed) == 2  # those under way when it was withdrawn
    assert sorted(code or state for state, code in stage.rows(edition).values()) == ["accepted"] * 2 + ["withdrawn"] * 4
    stage.check_sums()


def test_an_item_that_comes_back_answers_only_when_nothing_else_in_the_rows_is_withdrawn(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("y", "a")
    first = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.POLICY]
    stage.see_through(first)
    stage.publish("x", "a")
    second = stage.cycle()
    assert stage.lists(second) == {"ann": ["y", "x"]}
    stage.withdraw("y")
    stage.withdraw("x")
    stage.republish("x")
    assert stage.find(second).question
    stage.republish("y")
    assert not stage.find(second).question


def test_a_scheduled_item_that_comes_back_answers_too(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.withdraw("x")
    with stage.db.transaction() as conn:
        review.publish_item(conn, "x", now=stage.now, zone=ZONE, at=stage.now + timedelta(hours=1))
    assert stage.find(edition).question
    stage.later(hours=1)
    with stage.db.transaction() as conn:
        assert review.publish_due(conn, stage.now) == ["x"]
    assert not stage.find(edition).question


def test_nothing_is_approved_while_the_settings_are_not_fit_for_sending(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.freeze(ask="The postal address is missing.")
    bare = Settings(site=Site(name="Path to Public Safety", address="", time_zone=ZONE))
    with stage.db.transaction() as conn, pytest.raises(Refused, match="postal address"):
        review.approve(conn, edition.id, bare, by="dana", now=stage.now)
    assert stage.find(edition).state == editions.REVIEW


def test_a_reader_whose_language_has_a_country_gets_mail(stage: Stage) -> None:
    stage.join("ann")
    with stage.db.transaction() as conn:
        members.change(conn, stage.digest.id, stage.ids["ann"], language="pt-BR")
    stage.publish("x", "a")
    edition = stage.send()
    assert stage.rows(edition) == {"ann": ("accepted", None)}


# --- order of locks --------------------------------------------------------------------------------------------


def _in_thread(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def _waits_for_lock(db: Database, count: int = 1) -> None:
    """Until this many connections wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with db.reading() as conn:
            if int(conn.scalar(sa.text(waiting)) or 0) >= count:
                return
    pytest.fail("Nobody waits for a lock.")


def test_releasing_an_item_and_a_change_of_readers_do_not_lock_crosswise(postgres_stage: Stage) -> None:
    stage = postgres_stage
    stage.join("ann")
    stage.publish("x", "a")
    stage.hold("x")
    stage.publish("y", "a")
    stage.send()
    threads: list[threading.Thread] = []
    write = news.write_entry

    def meddle(*args: object, **more: object) -> object:
        threads.append(_in_thread(lambda: stage.choose("ann", "a=weekly")))
        _waits_for_lock(stage.db)
        return write(*args, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(news, "write_entry", meddle)
        stage.release("x")
    for thread in threads:
        thread.join()
    stage.send()


def test_approving_and_the_next_run_do_not_lock_crosswise(postgres_stage: Stage) -> None:
    stage = postgres_stage
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.freeze(ask="A look first.")
    threads: list[threading.Thread] = []
    freeze = editions.freeze

    def meddle(*args: object) -> object:
        if not threads:
            threads.append(_in_thread(lambda: stage.freeze(by_hand=False)))
            _waits_for_lock(stage.db)
        return freeze(*args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(editions, "freeze", meddle)
        with stage.db.transaction() as conn:
            assert review.approve(conn, edition.id, SETTINGS, by="dana", now=stage.now)[1]
        for thread in threads:
            thread.join()
    assert stage.find(edition).state == editions.FROZEN


def test_a_notice_that_another_process_took_meanwhile_is_not_recovered(
    postgres_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = postgres_stage
    assert test_notices.queue(stage)
    outbox = Outbox()
    taken = stage.db.run(partial(notices._take, outbox, stage.now, dead_owner(), stage.people.barred))
    assert taken is not None
    gone, second = owners.is_gone, []

    def first_look(owner: str | None) -> bool:
        monkeypatch.setattr(owners, "is_gone", gone)
        second.append(stage.db.run(partial(notices._take, outbox, stage.now, owners.me(), stage.people.barred)))
        return gone(owner)

    monkeypatch.setattr(owners, "is_gone", first_look)
    assert stage.db.run(partial(notices._take, outbox, stage.now, "third", stage.people.barred)) is None
    assert second[0] is not None


# --- the clock -------------------------------------------------------------------------------------------------


class World:
    """A home with one digest, for two editions at once."""

    def __init__(self, home: Home) -> None:
        self.stage = Stage(home.db)
        self.office = offices.open_office(home, clock=lambda: self.stage.now, transport=self.stage.transport)


@pytest.fixture
def world(home: Home) -> World:
    """The clock over a stage."""
    return World(home)


def test_seeing_one_edition_through_does_not_wait_for_another(world: World) -> None:
    stage = world.stage
    stage.join("ann")
    stage.publish("x", "a")
    stage.cycle()  # due, and nobody works on it
    stage.publish("y", "a")
    mine = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.TRANSIENT]
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.deliveries).where(tables.deliveries.c.edition_id == mine.id).values(attempts=2))
    done: list[Edition] = []
    thread = threading.Thread(target=lambda: done.append(scheduler.see_through(world.office, mine.id)), daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert [edition.state for edition in done] == [editions.SENDING]


def test_a_plan_that_another_process_is_at_is_waited_for(world: World) -> None:
    stage = world.stage
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.freeze()
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.editions).values(plan_owner="elsewhere", plan_until=2**60, plan_fence=1))

    def die(seconds: float) -> None:
        with stage.db.transaction() as conn:
            conn.execute(sa.update(tables.editions).values(plan_until=0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", die)
        assert scheduler.see_through(world.office, edition.id).state == editions.SENT


def test_a_stopped_sender_ends_the_passes(world: World) -> None:
    crowd(world.stage, 2)
    world.office.sender.stop()
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(scheduler.until_idle(world.office)), daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert done == [world.stage.now]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_pass_that_is_told_to_end_leaves_nothing_unsure(world: World, number: int) -> None:
    edition = crowd(world.stage, 4)
    world.stage.transport.group = 1

    def told(reader: int) -> None:
        world.stage.transport.during = lambda reader: time.sleep(0.6)
        signal.raise_signal(number)

    world.stage.transport.during = told
    before = signal.getsignal(number)
    scheduler.until_idle(world.office)
    assert signal.getsignal(number) == before
    states = sorted(state for state, _ in world.stage.rows(edition).values())
    assert set(states) == {"accepted", "planned"}
    world.stage.check_sums()


def test_an_edition_that_cannot_be_planned_stops_alone_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = world.stage
    stage.join("ann")
    stage.publish("x", "a")
    good = stage.cycle()
    stage.publish("y", "a")
    bad = stage.freeze()
    prepare, built = allotment.prepare, []

    def poisoned(*args: object, **more: object) -> object:
        raise KeyError("a template that cannot be")

    monkeypatch.setattr(allotment, "prepare", poisoned)
    monkeypatch.setattr(feeds, "follow", lambda *args: built.append(1))
    with pytest.raises(KeyError):
        scheduler.one_pass(world.office)
    assert stage.find(good).state == editions.SENT
    assert stage.find(bad).shown_state == "paused"
    assert built
    with stage.db.reading() as conn:
        assert conn.scalar(sa.select(tables.notices.c.subject)) == "Stopped: Weekly digest"
    monkeypatch.setattr(allotment, "prepare", prepare)
    with stage.db.transaction() as conn:
        review.resume(conn, bad.id)
        conn.execute(sa.update(tables.editions).values(plan_until=0))
    scheduler.one_pass(world.office)
    assert stage.find(bad).state == editions.SENT


def test_a_failing_edition_does_not_keep_a_later_one_from_going_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = world.stage
    stage.join("ann")
    stage.publish("x", "a")
    first = stage.cycle()
    stage.publish("y", "a")
    second = stage.cycle()
    prepare = scheduler.prepare

    def failing(office: offices.Office, number: int) -> None:
        if number == first.id:
            raise ZeroDivisionError
        prepare(office, number)

    monkeypatch.setattr(scheduler, "prepare", failing)
    with pytest.raises(ZeroDivisionError):
        scheduler.one_pass(world.office)
    assert stage.find(second).state == editions.SENT


def test_the_resident_clock_survives_a_database_that_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "IDLE", timedelta(milliseconds=50))
    failed, passed = threading.Event(), threading.Event()

    def broken(office: offices.Office) -> None:
        failed.set()
        monkeypatch.setattr(scheduler, "next_moment", lambda office: None)
        monkeypatch.setattr(scheduler, "_do", lambda office, steps: passed.set())
        raise OSError("the database is away")

    monkeypatch.setattr(scheduler, "_do", lambda office, steps: None)
    monkeypatch.setattr(scheduler, "next_moment", broken)
    stop = threading.Event()
    thread = threading.Thread(target=scheduler.run_forever, args=(world.office,), kwargs={"stop": stop})
    thread.start()
    assert failed.wait(10)
    went_on = passed.wait(10)
    stop.set()
    thread.join(timeout=30)
    assert went_on


def test_a_notice_does_not_wait_for_a_long_delivery(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "IDLE", timedelta(milliseconds=100))
    stage = world.stage
    edition = crowd(stage, 1)
    sending, go_on, stop = threading.Event(), threading.Event(), threading.Event()

    def slow(reader: int) -> None:
        sending.set()
        go_on.wait(30)

    stage.transport.during = slow
    thread = threading.Thread(target=scheduler.run_forever, args=(world.office,), kwargs={"stop": stop}, daemon=True)
    thread.start()
    assert sending.wait(20)
    test_notices.queue(stage)
    until = time.monotonic() + 20
    while test_notices.only(stage).state != tables.State.ACCEPTED and time.monotonic() < until:
        stop.wait(0.05)
    assert test_notices.only(stage).state == tables.State.ACCEPTED
    assert stage.rows(edition) == {"reader0": ("trying", None)}
    go_on.set()
    stop.set()
    thread.join(timeout=30)
    assert stage.rows(edition) == {"reader0": ("accepted", None)}


def test_all_pauses_that_are_over_end_before_the_run(world: World) -> None:
    stage = world.stage
    for n in range(3):
        stage.join(f"reader{n}")
        with stage.db.transaction() as conn:
            day = stage.now.date()
            members.pause(conn, stage.digest.id, stage.ids[f"reader{n}"], now=stage.now, until=day)
    wake_due = members.wake_due
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "wake_due", partial(wake_due, most=1))
        scheduler.publish_due(world.office)
    s = tables.metadata.tables["subscriptions"]
    with stage.db.reading() as conn:
        assert set(conn.scalars(sa.select(s.c.state))) == {"active"}
