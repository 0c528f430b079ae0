"""The shortest histories in which a reader would get an item twice, never, or against their choice, on both databases.

Each test is one rule of the model: take the rule out of the code and the test fails.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from digest import editions, review, tables
from digest.db import Database
from digest.delivery import variants
from digest.delivery.transports.base import Answer
from digest.errors import Refused
from tests.stage import Stage

DAILY, WEEKLY = "a=daily;b=daily", "a=weekly;b=weekly"


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """Two readers of everything about a and b."""
    stage = Stage(either_db)
    stage.join("ann", WEEKLY)
    stage.join("bob", WEEKLY)
    return stage


@pytest.fixture
def both(either_db: Database) -> Stage:
    """A digest that comes daily and weekly, with two weekly readers."""
    stage = Stage(either_db, ("daily", "weekly"))
    stage.join("ann", WEEKLY)
    stage.join("bob", WEEKLY)
    return stage


def test_a_change_between_a_readers_row_and_the_mark_brings_nothing_twice(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.freeze()
    reads: list[str] = []

    def second_pass() -> None:
        reads.append("second")
        stage.choose("ann", "a=weekly;b=off")  # ann has her row, the mark has not moved

    stage.people.after_read.append(lambda: stage.people.after_read.append(second_pass))
    assert stage.plan(edition)
    assert reads == ["second"]
    assert stage.lists(edition)["ann"] == ["x"]
    assert stage.carries() == {}


def test_a_plan_that_a_withdrawal_stopped_goes_on_as_soon_as_that_is_answered(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    edition = stage.freeze()
    stage.people.after_read.append(lambda: stage.withdraw("x"))
    assert not stage.plan(edition)
    stage.republish("x")
    assert stage.plan(edition)  # and does not wait until the lease of the one who stopped is over


def test_a_change_between_reading_and_writing_waits_for_the_next_pass(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.freeze()
    stage.people.after_read.append(lambda: stage.choose("ann", "a=weekly;b=off"))
    assert stage.plan(edition)
    assert stage.lists(edition) == {"ann": ["x"], "bob": ["x"]}
    assert stage.carries() == {}
    stage.see_through(edition)
    with pytest.raises(Refused, match="Nothing is new"):
        stage.freeze()


def test_a_move_to_daily_between_reading_and_writing_brings_nothing_twice(both: Stage) -> None:
    both.publish("x", "a")
    edition = both.freeze()
    both.people.after_read.append(lambda: both.choose("ann", DAILY))
    assert both.plan(edition)
    both.see_through(edition)
    assert both.lists(edition) == {"bob": ["x"]}
    assert both.lists(both.send("daily")) == {"ann": ["x"]}


def test_a_move_to_daily_between_the_row_and_the_mark_brings_nothing_twice(both: Stage) -> None:
    both.publish("x", "a")
    edition = both.freeze()
    people = both.people
    people.after_read.append(lambda: people.after_read.append(lambda: both.choose("ann", DAILY)))
    assert both.plan(edition)
    both.see_through(edition)
    assert both.lists(edition) == {"ann": ["x"], "bob": ["x"]}
    assert both.carries("daily") == {}


def test_a_carry_that_was_not_read_is_not_cleared(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.freeze()
    stage.publish("y", "a")
    stage.people.after_read.append(lambda: stage.choose("ann", "a=weekly;b=off"))
    stage.plan(edition)
    assert stage.lists(edition)["ann"] == ["x"]
    stage.see_through(edition)
    following = stage.send()
    assert stage.lists(following) == {"ann": ["y"], "bob": ["y"]}


def test_what_was_published_after_the_freeze_goes_with_the_next_edition_even_when_owed(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.freeze()
    stage.publish("y", "a")
    stage.choose("ann", "a=weekly;b=off")
    stage.plan(edition)
    assert stage.lists(edition)["ann"] == ["x"]
    stage.see_through(edition)
    assert stage.lists(stage.send())["ann"] == ["y"]


def test_what_is_held_back_does_not_slip_through_as_owed(stage: Stage) -> None:
    stage.publish("x", "a")
    stage.choose("ann", "a=weekly;b=off")
    stage.publish("y", "a")
    assert stage.hold("x")
    edition = stage.send()
    assert stage.lists(edition) == {"ann": ["y"], "bob": ["y"]}
    stage.release("x")
    with pytest.raises(Refused, match="let go already"):
        stage.release("x")
    assert stage.lists(stage.send()) == {"ann": ["x+"], "bob": ["x+"]}


def test_who_chooses_while_paused_misses_nothing(stage: Stage) -> None:
    stage.pause("ann")
    stage.publish("x", "a")
    stage.send()
    stage.choose("ann", "a=weekly;b=off")
    stage.wake("ann")
    assert stage.lists(stage.send())["ann"] == ["x"]


def test_who_moves_to_daily_while_paused_misses_nothing(both: Stage) -> None:
    both.pause("ann")
    both.publish("x", "a")
    both.send()
    both.choose("ann", "a=daily;b=weekly")
    both.wake("ann")
    assert both.lists(both.send("daily")) == {"ann": ["x"]}


def test_an_item_let_go_does_not_reach_again_who_had_it_daily(both: Stage) -> None:
    both.choose("ann", DAILY)
    both.publish("x", "a")
    both.hold("x")
    assert both.lists(both.send("daily")) == {"ann": ["x"]}
    both.publish("y", "a")
    assert both.lists(both.send())["bob"] == ["y"]
    both.choose("ann", WEEKLY)
    both.release("x")
    edition = both.send()
    assert sorted(both.lists(edition)["bob"]) == ["x+"]
    assert "x+" not in both.lists(edition)["ann"]


def test_an_item_let_go_reaches_who_moved_to_daily_while_it_was_held(both: Stage) -> None:
    both.choose("bob", DAILY)
    both.publish("x", "a")
    both.hold("x")
    both.send("daily")
    both.publish("y", "a")
    both.send()
    both.choose("ann", DAILY)
    both.release("x")
    had = [slug for edition in (both.send("daily"), both.send()) for slug in both.lists(edition).get("ann", [])]
    assert had == ["x+"]


def test_an_update_in_a_topic_that_is_off_does_not_hide_the_item(stage: Stage) -> None:
    stage.choose("ann", "a=weekly;b=off")
    stage.publish("x", "a")
    stage.update("x", "b")
    assert stage.lists(stage.send()) == {"ann": ["x"], "bob": ["x!"]}


def test_an_item_that_comes_back_reaches_only_those_who_have_not_got_it(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.transport.answers[stage.ids["bob"]] = [Answer.TRANSIENT]
    stage.deliver(edition)
    assert stage.withdraw("x") == [edition.id]
    stage.answer(edition, as_is=False)
    stage.later(minutes=2)
    stage.see_through(edition)
    assert stage.rows(edition) == {"ann": ("accepted", None), "bob": ("skipped", "withdrawn")}
    stage.republish("x")
    again = stage.send()
    assert stage.lists(again) == {"ann": [], "bob": ["x+"]}
    stage.check_sums()


def test_what_a_cancelled_edition_owes_makes_an_edition_of_its_own(stage: Stage) -> None:
    stage.publish("x", "a")
    cancelled = stage.cancel(stage.cycle())
    assert cancelled.state == editions.CANCELLED
    edition = stage.send()
    assert edition.is_carries
    assert stage.lists(edition) == {"ann": ["x"], "bob": ["x"]}
    assert edition.mark_to == stage.mark()
    stage.check_sums()


def test_what_failed_and_is_off_by_now_is_not_owed(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.choose("ann", "a=off;b=weekly")
    stage.later(hours=13)
    stage.expire(edition)
    stage.close(edition)
    assert stage.rows(edition)["ann"] == ("failed", "deadline")
    assert set(stage.carries()) == {"bob"}


def test_a_row_that_comes_back_for_a_paused_reader_is_owed_when_they_wake(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.TRANSIENT]
    stage.transport.during = lambda reader: stage.pause("ann") if reader == stage.ids["ann"] else None
    stage.deliver(edition)
    stage.transport.during = lambda reader: None
    stage.later(minutes=2)
    stage.see_through(edition)
    assert stage.rows(edition)["ann"] == ("skipped", "paused")
    stage.wake("ann")
    assert stage.lists(stage.send())["ann"] == ["x"]


def test_what_did_not_arrive_after_all_is_owed_at_once(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.UNSURE]
    stage.see_through(edition)
    assert stage.rows(edition)["ann"] == ("unsure", None)
    assert stage.settle(edition, arrived=False).too_early == 1
    stage.later(minutes=16)
    assert stage.settle(edition, arrived=False, names=["ann"]).settled == 1
    assert stage.rows(edition)["ann"] == ("failed", "not arrived")
    assert set(stage.carries()) == {"ann"}
    assert stage.lists(stage.send()) == {"ann": ["x"]}
    stage.check_sums()


def test_what_a_stale_sender_learns_after_the_close_is_owed_at_once(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.TRANSIENT]

    def overtaken(reader: int) -> None:
        if reader == stage.ids["ann"]:
            stage.transport.during = lambda reader: None
            with stage.db.transaction() as conn:
                conn.execute(sa.update(tables.batches).values(lease_until=0))
            stage.deliver(edition)
            stage.close(edition)
            assert stage.rows(edition)["ann"] == ("unsure", None)

    stage.transport.during = overtaken
    stage.deliver(edition)
    assert stage.find(edition).state == editions.SENT
    assert stage.rows(edition)["ann"] == ("failed", "transient")
    assert stage.lists(stage.send()) == {"ann": ["x"]}
    stage.check_sums()


def test_a_paused_edition_stays_the_one_open_edition(stage: Stage) -> None:
    stage.publish("x", "a")
    stage.publish("y", "a")
    edition = stage.freeze()
    assert stage.withdraw("x") == [edition.id]
    assert stage.freeze().id == edition.id
    assert not stage.plan(edition)
    stage.answer(edition, as_is=False)
    stage.plan(edition)
    assert stage.lists(edition) == {"ann": ["y"], "bob": ["y"]}


def test_a_cancel_catches_a_row_that_comes_back(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.cycle()
    stage.transport.answers[stage.ids["ann"]] = [Answer.TRANSIENT]
    stage.transport.during = lambda reader: stage.cancel(edition) if reader == stage.ids["ann"] else None
    stage.deliver(edition)
    assert stage.rows(edition)["ann"] == ("skipped", "cancelled")
    stage.close(edition)
    assert stage.find(edition).state == editions.CANCELLED
    assert "ann" in stage.carries()
    stage.check_sums()


def test_a_withdrawal_inside_an_edition_that_staff_paused_asks_too(stage: Stage) -> None:
    stage.publish("x", "a")
    stage.publish("y", "a")
    edition = stage.freeze()
    with stage.db.transaction() as conn:
        review.pause(conn, edition.id, why="A look first.", now=stage.now)
    assert stage.withdraw("x") == [edition.id]
    with stage.db.transaction() as conn, pytest.raises(Refused, match="--without"):
        review.resume(conn, edition.id)
    stage.answer(edition, as_is=True)
    stage.plan(edition)
    assert sorted(stage.lists(edition)["ann"]) == ["x", "y"]


def test_as_it_is_means_also_who_is_owed_the_item_by_an_earlier_choice(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.freeze()
    stage.choose("ann", "a=weekly;b=off")  # x is above the mark, so it goes into her carry
    assert stage.carries() == {"ann": (1,)}
    stage.withdraw("x")
    stage.answer(edition, as_is=True)
    stage.plan(edition)
    assert stage.lists(edition) == {"ann": ["x"], "bob": ["x"]}


def test_publishing_again_answers_the_question(stage: Stage) -> None:
    stage.publish("x", "a")
    edition = stage.freeze()
    stage.withdraw("x")
    stage.republish("x")
    assert stage.find(edition).shown_state == "frozen"
    stage.plan(edition)
    stage.see_through(edition)
    assert stage.lists(edition) == {"ann": ["x"], "bob": ["x"]}
    following = stage.send()
    assert stage.lists(following) == {"ann": [], "bob": []}


def titles(stage: Stage, edition: editions.Edition, name: str) -> list[str]:
    """Which items a reader's mail holds as titles only, in its order."""
    d, v, log, i = tables.deliveries, tables.variants, tables.publication_log, tables.items
    mine = sa.select(v.c.entries).join(d, sa.and_(d.c.edition_id == v.c.edition_id, d.c.variant_n == v.c.n))
    slugs = sa.select(log.c.sequence, i.c.slug).join(i, i.c.id == log.c.item_id)
    with stage.db.reading() as conn:
        known = dict(conn.execute(slugs).all())
        entries = conn.scalars(mine.where(d.c.edition_id == edition.id, d.c.subscriber_id == stage.ids[name])).one()
    order, short = variants.read(entries)
    assert order[len(order) - len(short) :] == tuple(one for one in order if one in short), "titles stand last"
    return [known[sequence] for sequence in order if sequence in short]


def test_what_came_during_a_pause_comes_as_titles_after_it(stage: Stage) -> None:
    stage.pause("ann")
    stage.publish("x", "a")
    stage.send()
    stage.publish("y", "a")
    stage.wake("ann")
    stage.publish("z", "a")
    edition = stage.send()
    assert stage.lists(edition) == {"ann": ["x", "y", "z"], "bob": ["y", "z"]}
    assert sorted(titles(stage, edition, "ann")) == ["x", "y"]
    assert titles(stage, edition, "bob") == []


def test_an_old_entry_comes_as_a_title_and_is_not_dropped(stage: Stage) -> None:
    stage.publish("x", "a")
    stage.later(days=46)
    stage.publish("y", "a")
    edition = stage.send()
    assert stage.lists(edition) == {"ann": ["x", "y"], "bob": ["x", "y"]}
    assert titles(stage, edition, "ann") == ["x"]


def test_what_is_owed_but_cannot_go_makes_no_edition(stage: Stage) -> None:
    stage.publish("x", "a")
    stage.cancel(stage.cycle())
    stage.withdraw("x")
    with pytest.raises(Refused, match="Nothing is new"):
        stage.freeze()
    stage.republish("x")
    assert stage.lists(stage.send()) == {"ann": ["x+"], "bob": ["x+"]}
