"""Planning, leasing, marking, recording and closing, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import editions, publications, review, tables
from digest.db import Database
from digest.delivery import leases, ledger, outcomes, owners, planning
from digest.delivery.ledger import Lease
from digest.delivery.outcomes import Outcome
from digest.delivery.sender import Sender
from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.local import Outbox
from digest.editions import Edition
from digest.errors import Refused, Stale
from digest.tables import State
from subscribers import suppression
from subscribers.tables import subscribers
from tests.stage import KEYS, SETTINGS, Stage


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest without readers."""
    return Stage(either_db)


def gone_owner() -> str:
    """A process of this machine that no longer runs."""
    return owners.me().rpartition("|")[0] + "|1"


CARRIER = leases.Carrier("test", repeatable=False)


def lease(stage: Stage, edition: Edition, owner: str = "other", carrier: leases.Carrier = CARRIER) -> Lease:
    held = stage.db.run(lambda conn: leases.lease(conn, edition.id, owner=owner, carrier=carrier, now=stage.now))
    assert held is not None
    return held


def mark(stage: Stage, edition: Edition, held: Lease, *, room: int = 10) -> list[ledger.Marked]:
    return stage.db.run(lambda conn: ledger.mark(conn, held, edition, stage.people, room=room, now=stage.now))


def crowd(stage: Stage, count: int) -> Edition:
    """`count` readers of one item, planned."""
    for n in range(count):
        stage.join(f"reader{n}")
    stage.publish("x", "a")
    return stage.cycle()


# --- who gets what ---------------------------------------------------------------------------------------------


def test_each_reader_gets_what_their_topics_and_their_start_say(stage: Stage) -> None:
    stage.join("all")
    stage.join("hiring", "hiring=weekly")
    stage.publish("one", "hiring")
    stage.publish("two", "detainers")
    stage.join("late")  # since: what came before is behind them
    stage.publish("three", "crime", "hiring")
    stage.join("detainers", "detainers=weekly;crime=weekly")
    stage.publish("four", "crime")
    stage.choose("hiring", "detainers=weekly")  # what was pending in hiring is off now, the rest starts here
    stage.publish("five", "detainers")
    edition = stage.send()
    assert stage.lists(edition) == {
        "all": ["one", "two", "three", "four", "five"],
        "hiring": ["five"],
        "late": ["three", "four", "five"],
        "detainers": ["four", "five"],
    }
    assert edition.state == editions.SENT
    assert stage.mark() == 5
    stage.check_sums()


def test_who_has_nothing_in_their_topics_is_skipped_with_that_reason(stage: Stage) -> None:
    stage.join("ann")
    stage.join("bob", "b=weekly")
    stage.publish("x", "a")
    edition = stage.send()
    assert stage.rows(edition) == {"ann": ("accepted", None), "bob": ("skipped", "no topics")}
    assert stage.transport.handed == [(edition.uid, stage.ids["ann"])]


def test_an_edition_that_holds_nothing_for_anyone_is_skipped_and_the_mark_moves(stage: Stage) -> None:
    stage.join("bob", "b=weekly")
    stage.publish("x", "a")
    edition = stage.cycle()
    assert edition.state == editions.SKIPPED
    assert stage.mark() == 1


def test_readers_get_their_mail_at_their_own_hour(stage: Stage) -> None:
    stage.join("east", hour=7, zone="America/New_York")
    stage.join("west", hour=7, zone="America/Los_Angeles")
    stage.join("early", hour=6, zone="America/New_York")
    stage.publish("x", "a")
    edition = stage.freeze(by_hand=False)
    stage.plan(edition)
    stage.deliver(edition)
    assert {name for name, (state, _) in stage.rows(edition).items() if state == "accepted"} == {"east"}
    stage.later(hours=3)
    stage.deliver(edition)
    assert stage.rows(edition)["west"] == ("accepted", None)
    assert not stage.close(edition)
    stage.later(hours=20)
    stage.see_through(edition)
    assert stage.find(edition).state == editions.SENT
    assert stage.rows(edition)["early"] == ("accepted", None)


def test_a_planner_that_is_overtaken_stops_and_nobody_is_planned_twice(stage: Stage) -> None:
    for n in range(5):
        stage.join(f"reader{n}")
    stage.publish("x", "a")
    edition = stage.freeze()
    second: list[bool] = []

    def overtake() -> None:
        with stage.db.transaction() as conn:
            conn.execute(sa.update(tables.editions).values(plan_owner=gone_owner(), plan_until=0))
        second.append(planning.plan(stage.db, edition.id, stage.people, now=stage.now, owner="second"))

    stage.people.after_read.append(overtake)
    assert not stage.plan(edition)
    assert second == [True]
    assert len(stage.rows(edition)) == 5
    stage.check_sums()


def test_a_plan_that_was_cut_off_goes_on_where_it_was(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "CHUNK", 2)
    monkeypatch.setattr(planning, "BATCH", 2)
    for n in range(7):
        stage.join(f"reader{n}")
    stage.publish("x", "a")
    edition = stage.freeze()
    writes: list[int] = []
    insert = planning._insert

    def dying(conn: sa.Connection, *rest: object) -> None:
        if len(writes) == 2:
            raise KeyboardInterrupt
        writes.append(1)
        insert(conn, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(planning, "_insert", dying)
    with pytest.raises(KeyboardInterrupt):
        planning.plan(stage.db, edition.id, stage.people, now=stage.now, owner=gone_owner())
    assert len(stage.rows(edition)) == 4
    assert stage.find(edition).state == editions.FROZEN
    assert stage.mark() == 0
    monkeypatch.setattr(planning, "_insert", insert)
    assert stage.plan(edition)
    assert len(stage.rows(edition)) == 7
    stage.check_sums()


# --- compiling -------------------------------------------------------------------------------------------------


def test_two_sends_at_once_are_one_edition(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    first, second = stage.freeze(), stage.freeze()
    assert first.id == second.id


def test_fewer_than_the_fewest_wait_and_go_out_after_four_skipped_runs(stage: Stage) -> None:
    stage.join("ann")
    with stage.db.transaction() as conn:
        publications.set(conn, "weekly", {"fewest": "2"}, now=stage.now)
    stage.publish("x", "a")
    skipped = [stage.freeze(by_hand=False) for _ in range(4)]
    assert {edition.state for edition in skipped} == {editions.SKIPPED}
    assert skipped[0].reason == "1 new item, and this digest needs at least 2. It waits for the next run."
    assert stage.mark() == 0
    fifth = stage.freeze(by_hand=False)
    assert fifth.state == editions.FROZEN
    stage.plan(fifth)
    assert stage.lists(fifth) == {"ann": ["x"]}


def test_nothing_new_is_skipped_by_the_clock_and_refused_by_hand(stage: Stage) -> None:
    stage.join("ann")
    assert stage.freeze(by_hand=False).reason == "Nothing new."
    with pytest.raises(Refused, match="Publish an item first"):
        stage.freeze()


def test_an_item_dated_a_year_back_is_news_when_it_is_published(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    first = stage.freeze()
    stage.publish("old", "a")  # dated before the freeze like every item of this stage
    stage.plan(first)
    stage.see_through(first)
    assert stage.lists(stage.send()) == {"ann": ["old"]}


def test_an_edition_in_review_waits_for_approval_of_its_exact_contents(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.freeze(ask="The run came late.")
    assert (edition.state, edition.reason) == (editions.REVIEW, "The run came late.")
    assert not stage.plan(edition)
    stage.update("x")
    with stage.db.transaction() as conn:
        again, done = review.approve(conn, edition.id, SETTINGS, by="dana", now=stage.now)
    assert (again.state, done) == (editions.REVIEW, False)
    with stage.db.transaction() as conn:
        approved, done = review.approve(conn, edition.id, SETTINGS, by="dana", now=stage.now)
    assert (approved.state, done) == (editions.FROZEN, True)
    stage.plan(approved)
    assert stage.lists(approved) == {"ann": ["x!"]}


def test_an_unapproved_edition_gives_way_to_the_next_run(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    waiting = stage.freeze(ask="A look first.")
    following = stage.freeze(by_hand=False)
    assert stage.find(waiting).state == editions.SKIPPED
    stage.plan(following)
    assert stage.lists(following) == {"ann": ["x"]}


def test_undo_works_until_people_were_counted(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.freeze()
    with stage.db.transaction() as conn:
        assert review.undo(conn, edition.id).state == editions.DRAFT
    stage.publish("y", "a")
    again = stage.freeze()
    assert again.id == edition.id
    stage.plan(again)
    assert stage.lists(again) == {"ann": ["x", "y"]}
    with stage.db.transaction() as conn, pytest.raises(Refused, match="can no longer be undone"):
        review.undo(conn, edition.id)


# --- leases and fences -----------------------------------------------------------------------------------------


def test_a_leased_batch_is_not_leased_twice(stage: Stage) -> None:
    edition = crowd(stage, 2)
    lease(stage, edition)
    with stage.db.transaction() as conn:
        assert leases.lease(conn, edition.id, owner="second", carrier=CARRIER, now=stage.now) is None


def test_a_batch_of_a_dead_process_is_free_at_once(stage: Stage) -> None:
    edition = crowd(stage, 2)
    first = lease(stage, edition, gone_owner())
    second = lease(stage, edition)
    assert (second.n, second.fence) == (first.n, first.fence + 1)


def test_rows_left_under_way_are_unsure_when_they_could_double(stage: Stage) -> None:
    edition = crowd(stage, 3)
    mark(stage, edition, lease(stage, edition, gone_owner()), room=2)
    stage.deliver(edition)
    assert sorted(state for state, _ in stage.rows(edition).values()) == ["accepted", "unsure", "unsure"]
    assert stage.close(edition)
    stage.check_sums()


def test_rows_left_under_way_go_again_when_they_cannot_double(stage: Stage) -> None:
    edition = crowd(stage, 3)
    mark(stage, edition, lease(stage, edition, gone_owner(), leases.Carrier("test", repeatable=True)), room=2)
    outbox = Outbox()
    Sender(stage.db, outbox, stage.people, clock=lambda: stage.now, owner="test", key=bytes(32)).deliver(edition.id)
    assert {state for state, _ in stage.rows(edition).values()} == {"accepted"}
    assert len(outbox) == 3


def test_what_counts_after_a_crash_is_the_transport_that_the_rows_were_marked_for(stage: Stage) -> None:
    edition = crowd(stage, 1)
    mark(stage, edition, lease(stage, edition, gone_owner()))
    outbox = Outbox()
    Sender(stage.db, outbox, stage.people, clock=lambda: stage.now, owner="test", key=bytes(32)).deliver(edition.id)
    assert stage.rows(edition)["reader0"] == ("unsure", None)
    assert len(outbox) == 0


def test_a_lost_lease_changes_nothing_but_may_settle_its_own_unsure_rows(stage: Stage) -> None:
    edition = crowd(stage, 2)
    old = lease(stage, edition, gone_owner())
    rows = mark(stage, edition, old)
    new = lease(stage, edition)
    known = [Outcome(rows[0], Receipt(Answer.ACCEPTED)), Outcome(rows[1], Receipt(Answer.TRANSIENT))]
    with pytest.raises(Stale):
        stage.db.run(lambda conn: leases.gate(conn, old))
    failed = stage.db.run(lambda conn: outcomes.contradict(conn, old, known, now=stage.now))
    assert failed == [stage.ids["reader1"]]
    assert stage.rows(edition) == {"reader0": ("accepted", None), "reader1": ("failed", "transient")}
    assert stage.db.run(lambda conn: outcomes.contradict(conn, old, known, now=stage.now)) == []
    stage.db.run(lambda conn: leases.release(conn, new))
    assert stage.close(edition)
    assert set(stage.carries()) == {"reader1"}
    stage.check_sums()


def test_a_sender_that_loses_its_lease_stops_and_hands_over_nothing_more(stage: Stage) -> None:
    edition = crowd(stage, 250)

    def steal(reader: int) -> None:
        stage.transport.during = lambda reader: None
        with stage.db.transaction() as conn:
            conn.execute(sa.update(tables.batches).values(fence=tables.batches.c.fence + 1, lease_until=0))

    stage.transport.during = steal
    stage.deliver(edition)
    assert len(stage.transport.handed) == len(set(stage.transport.handed)) == 250
    counts = [state for state, _ in stage.rows(edition).values()]
    assert counts.count("accepted") + counts.count("unsure") == 250
    stage.check_sums()


def test_a_row_that_changed_since_it_was_read_undoes_the_whole_commit(stage: Stage) -> None:
    edition = crowd(stage, 2)
    held = lease(stage, edition)
    rows = mark(stage, edition, held)
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.deliveries).where(tables.deliveries.c.pos == 2).values(state=State.FAILED))
    done = [Outcome(row, Receipt(Answer.ACCEPTED)) for row in rows]
    with pytest.raises(Stale, match="not as they were read"), stage.db.transaction() as conn:
        outcomes.record(conn, held, edition, stage.people, done, now=stage.now)
    assert stage.rows(edition)["reader0"] == ("trying", None)


# --- who may be mailed at the last moment ----------------------------------------------------------------------


def test_who_left_after_the_plan_gets_nothing(stage: Stage) -> None:
    edition = crowd(stage, 2)
    stage.leave("reader0")
    stage.see_through(edition)
    assert stage.rows(edition) == {"reader0": ("skipped", "left"), "reader1": ("accepted", None)}
    stage.check_sums()


def test_who_is_on_the_do_not_mail_list_by_now_gets_nothing(stage: Stage) -> None:
    edition = crowd(stage, 2)
    with stage.db.transaction() as conn:
        suppression.add(conn, KEYS, "reader0@example.org", reason="complaint", now=stage.now)
    stage.see_through(edition)
    assert stage.rows(edition)["reader0"] == ("skipped", "suppressed")
    assert [reader for _, reader in stage.transport.handed] == [stage.ids["reader1"]]


def test_a_test_installation_mails_only_the_named_addresses(stage: Stage) -> None:
    edition = crowd(stage, 2)
    sender = Sender(
        stage.db, stage.transport, stage.people, clock=lambda: stage.now, owner="test", key=bytes(32),
        only_to=["Reader1@Example.org"],
    )  # fmt: skip
    sender.deliver(edition.id)
    assert stage.rows(edition) == {"reader0": ("skipped", "only_to"), "reader1": ("accepted", None)}


# --- outcomes --------------------------------------------------------------------------------------------------


def test_what_is_put_off_moves_to_a_later_batch_and_keeps_its_deadline(stage: Stage) -> None:
    edition = crowd(stage, 3)
    stage.transport.answers[stage.ids["reader1"]] = [Answer.TRANSIENT, Answer.TRANSIENT]
    stage.deliver(edition)
    b = tables.batches
    with stage.db.reading() as conn:
        sizes = conn.execute(sa.select(b.c.size, b.c.due_at, b.c.deadline).order_by(b.c.n)).all()
    assert [row.size for row in sizes] == [2, 1]
    assert timedelta(minutes=1) <= sizes[1].due_at - stage.now <= timedelta(minutes=1.2) + ledger.STEP
    assert sizes[1].deadline == sizes[0].deadline
    stage.check_sums()
    stage.deliver(edition)
    assert stage.rows(edition)["reader1"] == ("planned", None)
    stage.later(minutes=1.5)
    stage.deliver(edition)
    stage.later(minutes=6.5)
    stage.see_through(edition)
    assert stage.rows(edition)["reader1"] == ("accepted", None)
    stage.check_sums()


def test_what_is_put_off_too_often_fails_and_is_owed(stage: Stage) -> None:
    edition = crowd(stage, 1)
    stage.transport.answers[stage.ids["reader0"]] = [Answer.TRANSIENT] * 9
    for minutes in (0, 1.5, 6.5, 18.5, 73):
        stage.later(minutes=minutes)
        stage.deliver(edition)
    assert stage.rows(edition)["reader0"] == ("failed", "transient")
    assert stage.close(edition)
    assert stage.lists(stage.send()) == {"reader0": ["x"]}


def test_an_address_that_does_not_exist_is_never_mailed_again(stage: Stage) -> None:
    edition = crowd(stage, 1)
    stage.transport.answers[stage.ids["reader0"]] = [Answer.HARD]
    stage.see_through(edition)
    assert stage.rows(edition)["reader0"] == ("failed", "hard")
    assert stage.carries() == {}
    stage.publish("y", "a")
    assert stage.send().state == editions.SKIPPED


def test_an_address_that_no_mail_can_be_made_for_fails_alone(stage: Stage) -> None:
    edition = crowd(stage, 3)
    with stage.db.transaction() as conn:
        broken = sa.update(subscribers).where(subscribers.c.id == stage.ids["reader1"])
        conn.execute(broken.values(email="nobody\r\nBcc: all@example.org"))
    stage.see_through(edition)
    assert stage.rows(edition)["reader1"] == ("failed", "hard")
    assert sorted(state for state, _ in stage.rows(edition).values()) == ["accepted", "accepted", "failed"]
    stage.check_sums()


def test_a_relay_that_refuses_everyone_pauses_the_edition_with_its_reason(stage: Stage) -> None:
    edition = crowd(stage, 3)
    stage.transport.answers[stage.ids["reader0"]] = [Answer.RELAY]
    stage.deliver(edition)
    stopped = stage.find(edition)
    assert stopped.shown_state == "paused"
    assert stopped.paused_why == "The mail server refuses everyone. 450 as told"
    assert stage.rows(edition)["reader0"] == ("planned", None)
    with stage.db.transaction() as conn:
        review.resume(conn, edition.id)
    stage.see_through(edition)
    assert {state for state, _ in stage.rows(edition).values()} == {"accepted"}
    assert len(stage.transport.handed) == 3


def test_a_pause_is_seen_while_sending(stage: Stage) -> None:
    edition = crowd(stage, 450)

    def pause(reader: int) -> None:
        stage.transport.during = lambda reader: None
        with stage.db.transaction() as conn:
            review.pause(conn, edition.id, why="Stop.", now=stage.now)

    stage.transport.during = pause
    stage.deliver(edition)
    counts = [state for state, _ in stage.rows(edition).values()]
    assert counts.count("accepted") == 200  # the window that was marked
    assert counts.count("planned") == 250
    stage.check_sums()


def test_told_to_stop_a_sender_plans_again_what_was_not_handed_over(stage: Stage) -> None:
    edition = crowd(stage, 5)
    sender = stage.sender()

    def stop(reader: int) -> None:
        if len(stage.transport.handed) == 2:
            sender.stop()
            stage.later(seconds=0)

    stage.transport.during = stop
    sender.deliver(edition.id)
    counts = [state for state, _ in stage.rows(edition).values()]
    assert "unsure" not in counts
    assert "trying" not in counts
    stage.check_sums()


def test_a_transport_that_breaks_down_leaves_unsure_only_what_could_double(stage: Stage) -> None:
    edition = crowd(stage, 5)

    def explode(reader: int) -> None:
        if len(stage.transport.handed) == 2:
            raise ConnectionResetError

    stage.transport.during = explode
    stage.deliver(edition)
    counts = [state for state, _ in stage.rows(edition).values()]
    assert (counts.count("accepted"), counts.count("unsure"), counts.count("planned")) == (2, 1, 2)
    assert stage.find(edition).shown_state == "paused"
    stage.check_sums()


# --- the end ---------------------------------------------------------------------------------------------------


def test_what_is_past_its_deadline_fails_and_goes_with_the_next_edition(stage: Stage) -> None:
    edition = crowd(stage, 2)
    stage.later(hours=12)
    stage.deliver(edition)
    assert stage.transport.handed == []
    stage.expire(edition)
    assert stage.close(edition)
    assert set(stage.rows(edition).values()) == {("failed", "deadline")}
    stage.publish("y", "a")
    assert stage.lists(stage.send()) == {"reader0": ["x", "y"], "reader1": ["x", "y"]}
    stage.check_sums()


def test_an_edition_does_not_close_while_anything_is_left(stage: Stage) -> None:
    edition = crowd(stage, 2)
    assert not stage.close(edition)
    assert stage.find(edition).state == editions.SENDING


def test_a_cancel_after_the_plan_drops_or_keeps_as_staff_say(stage: Stage) -> None:
    dropped = stage.cancel(crowd(stage, 2), drop=True)
    assert dropped.state == editions.CANCELLED
    assert set(stage.rows(dropped).values()) == {("skipped", "dropped")}
    assert stage.carries() == {}
    with pytest.raises(Refused, match="nothing left to cancel"):
        stage.cancel(dropped)
    stage.check_sums()


def test_a_cancel_before_the_plan_is_complete_keeps_the_mark_and_the_items(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.freeze()
    with pytest.raises(Refused, match="can only come later"):
        stage.cancel(edition, drop=True)
    assert stage.cancel(edition).state == editions.CANCELLED
    assert stage.mark() == 0
    assert not stage.plan(edition)
    assert stage.lists(stage.send()) == {"ann": ["x"]}


def test_what_is_unsure_can_be_settled_as_arrived(stage: Stage) -> None:
    edition = crowd(stage, 1)
    stage.transport.answers[stage.ids["reader0"]] = [Answer.UNSURE]
    stage.see_through(edition)
    stage.later(minutes=15)
    assert stage.settle(edition, arrived=True).settled == 1
    assert stage.rows(edition)["reader0"] == ("accepted", None)
    assert stage.carries() == {}
    assert stage.settle(edition, arrived=False).settled == 0


def test_send_owed_goes_to_those_alone_to_whom_something_is_owed(stage: Stage) -> None:
    edition = crowd(stage, 2)
    stage.transport.answers[stage.ids["reader0"]] = [Answer.POLICY]
    stage.see_through(edition)
    stage.publish("y", "a")
    owed = stage.freeze(owed=True)
    stage.plan(owed)
    stage.see_through(owed)
    assert stage.lists(owed) == {"reader0": ["x"]}
    assert stage.find(owed).is_carries
    assert stage.lists(stage.send()) == {"reader0": ["y"], "reader1": ["y"]}
    with pytest.raises(Refused, match="Nothing is owed"):
        stage.freeze(owed=True)
