"""What waits for a person and why: every reason once, on both databases, and nothing that planning would not do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from digest import editions, publications, review, tables
from digest.db import Database
from digest.delivery.transports.base import Answer
from subscribers import members, offers, pending, suppression
from subscribers.pending import Pending
from tests.conftest import NOW
from tests.stage import KEYS, ZONE, Stage

MONDAY = datetime(2026, 9, 14, 11, 0, tzinfo=UTC)  # the run after NOW, 7:00 in New York


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """Three hours after the Monday run; the next is a week away. Ann wants everything."""
    stage = Stage(either_db)
    stage.later(hours=3)
    stage.join("ann")
    return stage


def waits(stage: Stage, name: str = "ann") -> list[Pending]:
    with stage.db.reading() as conn:
        return list(pending.of(conn, stage.digest.id, stage.ids[name], now=stage.now))


def only(stage: Stage, name: str = "ann") -> Pending:
    (one,) = waits(stage, name)
    return one


def set_(stage: Stage, **rules: str) -> None:
    with stage.db.transaction() as conn:
        offers.set(conn, "weekly", {key.replace("__", "."): value for key, value in rules.items()}, now=stage.now)


def choose(stage: Stage, name: str, **mapping: str) -> None:
    rest = mapping.pop("rest", "off")
    with stage.db.transaction() as conn:
        members.change(conn, stage.digest.id, stage.ids[name], mapping={"*": rest, **mapping})


# --- new -------------------------------------------------------------------------------------------------------


def test_nothing_waits_for_who_has_had_everything(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.send()
    assert waits(stage) == []


def test_what_is_new_goes_with_the_next_edition_at_their_hour(stage: Stage) -> None:
    stage.join("eva", "hiring=weekly", hour=9, zone="Europe/Berlin")
    stage.publish("x", "hiring", "crime")
    one = only(stage, "eva")
    assert (one.slug, one.title, one.what, one.cadence, one.topic) == ("x", "Fact sheet x", "new", "weekly", "hiring")
    assert (one.source, one.source_edition, one.outcome, one.edition) == ("new", None, "next", None)
    assert one.due == datetime(2026, 9, 15, 7, 0, tzinfo=UTC)  # Monday 7:00 in New York is after their nine o'clock
    assert one.origin == "new since the last weekly edition; weekly, as they chose for hiring"
    assert one.explained == "goes with the next weekly edition, Tuesday, September 15, 9:00 a.m. their time"
    assert only(stage).topic in ("crime", "hiring")


def test_an_update_says_its_note(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.send()
    stage.update("x")
    one = only(stage)
    assert (one.what, one.note, one.outcome) == ("update", "It says more now.", "next")


def test_what_nobody_asked_for_is_not_told(stage: Stage) -> None:
    stage.join("eva", "hiring=weekly")
    stage.publish("x", "crime")
    assert waits(stage, "eva") == []


def test_a_run_that_is_still_to_happen_is_the_next(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.now = NOW
    assert only(stage).due == NOW
    stage.later(hours=2, minutes=1)  # later than the series allows: it will not happen by itself
    assert only(stage).due == MONDAY


def test_fewer_than_the_fewest_may_wait_and_what_is_owed_does_not(stage: Stage) -> None:
    set_(stage, fewest="3")
    stage.publish("x", "hiring")
    choose(stage, "ann", rest="weekly", hiring="weekly")
    stage.publish("y", "hiring")
    assert [(one.slug, one.outcome, one.why) for one in waits(stage)] == [("x", "next", ""), ("y", "few", "3")]
    assert waits(stage)[1].explained.endswith("a.m. their time: it needs at least 3 items")


def test_alerts_say_when_they_have_gathered(stage: Stage) -> None:
    set_(stage, cadences="instant,weekly")
    choose(stage, "ann", rest="weekly", hiring="instant")
    stage.publish("x", "crime", "hiring")
    stage.later(minutes=3)
    one = only(stage)
    assert (one.cadence, one.topic, one.outcome) == ("instant", "hiring", "alert")
    assert one.due == stage.now + timedelta(minutes=7)
    assert one.origin == "new since the last alert; at once, as they chose for hiring"
    when = "Monday, September 7, 10:10 a.m. their time"
    assert one.explained == f"goes as an alert, ten minutes after the first that waits: {when}"


def test_alerts_beyond_the_days_number_go_slower(stage: Stage) -> None:
    set_(stage, cadences="instant,weekly", instant__daily_cap="1")
    choose(stage, "ann", rest="instant")
    stage.publish("x", "hiring")
    alert(stage)
    stage.publish("y", "hiring")
    assert (only(stage).outcome, only(stage).why) == ("alert cap", "1")
    alert(stage)
    one = only(stage)
    assert (one.cadence, one.source, one.source_edition, one.outcome) == ("weekly", "alert cap", 2, "next")
    assert one.topic == "hiring"


def alert(stage: Stage) -> None:
    """An alert of what waits, sent."""
    with stage.db.transaction() as conn:
        series = publications.one_series(conn, stage.digest.id, "instant")
        run = editions.Run(now=stage.now, starts_at=stage.now, by_hand=True)
        from tests.stage import SETTINGS

        edition = editions.compile(conn, SETTINGS, stage.digest, series, run)
    stage.plan(edition)
    stage.see_through(edition)


# --- owed ------------------------------------------------------------------------------------------------------


def test_a_change_of_choices_carries_over(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.choose("ann", "hiring=weekly")
    one = only(stage)
    assert (one.source, one.outcome, one.due) == ("choices", "next", MONDAY)
    assert "owed from before they changed their choices" in one.origin


def test_a_mail_that_failed_is_owed_first_until_it_closes_and_then_by_name(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.transport.answers[stage.ids["ann"]] = [Answer.POLICY]
    edition = stage.cycle()
    stage.deliver(edition)
    one = only(stage)
    assert (one.outcome, one.edition, one.why) == ("closing", edition.id, "policy")
    assert f"edition {edition.id} did not bring it (the mail was refused)" in one.explained
    stage.close(edition)
    one = only(stage)
    assert (one.source, one.source_edition, one.outcome, one.due) == ("failed", edition.id, "next", MONDAY)


def test_a_mail_that_was_canceled_is_owed(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.cycle()
    stage.cancel(edition)
    assert (only(stage).source, only(stage).source_edition) == ("cancelled", edition.id)
    assert f"edition {edition.id} was canceled" in only(stage).origin


def test_a_pause_keeps_everything_and_says_until_when(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.cycle()
    with stage.db.transaction() as conn:
        until = (NOW + timedelta(days=30)).date()
        members.pause(conn, stage.digest.id, stage.ids["ann"], now=stage.now, until=until)
    stage.publish("y", "hiring")
    taken, new = waits(stage)
    assert (taken.source, taken.source_edition, taken.outcome) == ("paused", edition.id, "pause")
    assert (new.slug, new.source, new.outcome, new.title_only) == ("y", "pause", "pause", "pause")
    assert new.explained == "waits until their pause ends on Wednesday, October 7, as a title only (from a pause)"
    stage.send()  # goes by them
    assert [one.slug for one in waits(stage)] == ["x", "y"]
    stage.wake("ann")
    taken, new = waits(stage)
    assert (new.source, new.outcome, new.title_only, new.due) == ("pause", "next", "pause", MONDAY)
    assert new.explained.endswith("7:00 a.m. their time, as a title only (from a pause)")


def test_a_pause_without_an_end_waits_for_them(stage: Stage) -> None:
    stage.pause("ann")
    stage.publish("x", "hiring")
    assert only(stage).explained.startswith("waits until they end their pause")


# --- in an edition ---------------------------------------------------------------------------------------------


def test_an_edition_on_its_way_is_named_with_its_due_time(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.freeze()
    one = only(stage)
    assert (one.outcome, one.edition, one.due) == ("planned", edition.id, stage.now)
    stage.plan(edition)
    assert only(stage) == one
    assert one.explained == f"planned in edition {edition.id}, due Monday, September 7, 10:00 a.m. their time"


def test_what_comes_after_the_freeze_goes_with_the_one_after(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.cycle()
    stage.publish("y", "hiring")
    assert [(one.slug, one.outcome, one.edition) for one in waits(stage)] == [
        ("x", "planned", edition.id),
        ("y", "next", None),
    ]


@pytest.mark.parametrize("planned", [False, True])
def test_an_edition_that_is_paused_says_why(stage: Stage, planned: bool) -> None:
    stage.publish("x", "hiring")
    edition = stage.cycle() if planned else stage.freeze()
    with stage.db.transaction() as conn:
        review.pause(conn, edition.id, why="A word is wrong.", now=stage.now)
    assert only(stage).outcome == "stopped"
    assert only(stage).explained == f"in edition {edition.id}, which is paused: A word is wrong"


def test_an_edition_in_review_says_what_it_waits_for(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.freeze(ask="The run came late.")
    assert (only(stage).outcome, only(stage).edition) == ("review", edition.id)
    assert only(stage).explained == f"in edition {edition.id}, which waits for approval: The run came late"


def test_a_hand_over_at_this_moment_and_one_that_nobody_knows_of(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.cycle()
    seen: list[Pending] = []
    stage.transport.during = lambda reader: seen.extend(waits(stage))
    stage.transport.answers[stage.ids["ann"]] = [Answer.UNSURE]
    stage.see_through(edition)
    assert [one.outcome for one in seen] == ["trying"]
    assert (only(stage).outcome, only(stage).edition) == ("unsure", edition.id)


def test_the_rest_of_an_edition_that_is_dropped_does_not_come(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.cycle()
    with stage.db.transaction() as conn:  # as between the word and the work of a cancel
        mine = tables.editions.c.id == edition.id
        conn.execute(sa.update(tables.editions).where(mine).values(cancelling="drop"))
    assert only(stage).outcome == "dropped"
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.editions).where(mine).values(cancelling="later"))
    assert (only(stage).outcome, only(stage).why) == ("closing", "cancelled")


# --- what does not come ----------------------------------------------------------------------------------------


def test_what_is_withdrawn_does_not_go(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.withdraw("x")
    assert (only(stage).outcome, only(stage).explained) == ("withdrawn", "withdrawn: it does not go")


def test_a_planned_mail_loses_what_is_withdrawn_unless_staff_send_it_all_the_same(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.cycle()
    stage.withdraw("x")
    assert only(stage).outcome == "withdrawn"
    stage.answer(edition, as_is=True)
    assert only(stage).outcome == "planned"


def test_what_staff_hold_back_says_why_also_when_the_series_went_by(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.hold("x", why="A number is in doubt.")
    told = "held back by staff in the weekly series: A number is in doubt"
    assert (only(stage).outcome, only(stage).explained) == ("held", told)
    stage.publish("y", "hiring")
    stage.send()
    assert (only(stage).slug, only(stage).explained) == ("x", told)
    stage.later(minutes=1)
    stage.join("eva")
    assert waits(stage, "eva") == []  # nobody told them to expect it
    stage.release("x")
    assert [(one.what, one.outcome) for one in waits(stage)] == [("again", "next")]
    stage.send()
    assert waits(stage) == []


def test_what_is_owed_and_held_back_waits_too(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.choose("ann", "hiring=weekly")
    stage.hold("x")
    assert (only(stage).source, only(stage).outcome) == ("choices", "held")
    assert only(stage).explained == "held back by staff in the weekly series"


def test_what_they_have_already_does_not_come_again(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.send()
    stage.withdraw("x")
    stage.republish("x")
    assert (only(stage).what, only(stage).outcome) == ("again", "had")
    stage.send_nothing = None  # type: ignore[attr-defined]
    stage.publish("y", "hiring")
    assert stage.lists(stage.cycle())["ann"] == ["y"]


def test_a_later_word_on_the_same_item_goes_instead(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.update("x")
    assert [(one.what, one.outcome) for one in waits(stage)] == [("new", "replaced"), ("update", "next")]


def test_who_must_not_be_mailed_gets_nothing_and_is_told_so(stage: Stage) -> None:
    stage.publish("x", "hiring")
    edition = stage.cycle()
    stage.publish("y", "hiring")
    with stage.db.transaction() as conn:
        suppression.add(conn, KEYS, "ann@example.org", reason="by-staff", now=stage.now)
    assert [one.outcome for one in waits(stage)] == ["suppressed", "suppressed"]
    stage.see_through(edition)
    assert stage.rows(edition)["ann"] == ("skipped", "suppressed")


def test_who_left_waits_for_nothing(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.leave("ann")
    assert waits(stage) == []


# --- as titles -------------------------------------------------------------------------------------------------


def test_what_is_past_the_age_limit_comes_as_a_title(stage: Stage) -> None:
    set_(stage, age_limit="5")
    stage.publish("x", "hiring")
    one = only(stage)
    assert (one.title_only, one.outcome) == ("age", "next")
    assert one.explained.endswith(", as a title only (older than 5 days)")
    set_(stage, age_limit="8")
    assert only(stage).title_only == ""


def test_a_planned_mail_knows_its_titles(stage: Stage) -> None:
    stage.pause("ann")
    stage.publish("x", "hiring")
    stage.wake("ann")
    stage.publish("y", "hiring")
    stage.cycle()
    assert [(one.slug, one.outcome, one.source, one.title_only) for one in waits(stage)] == [
        ("x", "planned", "pause", "pause"),
        ("y", "planned", "new", ""),
    ]


def test_a_long_list_goes_on_as_titles(stage: Stage) -> None:
    set_(stage, most="1")
    stage.publish("x", "hiring")
    stage.publish("y", "hiring")
    assert [(one.slug, one.title_only) for one in waits(stage)] == [("x", "most"), ("y", "")]
    assert waits(stage)[0].explained.endswith(", as a title only (beyond the first 1)")


# --- it is true ------------------------------------------------------------------------------------------------


def test_what_is_said_to_go_is_what_planning_shares_out(stage: Stage) -> None:
    stage.join("bob", "hiring=weekly", zone=ZONE)
    for slug in "abcdef":
        stage.publish(slug, "hiring" if slug in "ace" else "crime")
    stage.hold("c")
    stage.choose("ann", "hiring=weekly;crime=weekly")
    stage.update("a", "crime")
    stage.withdraw("e")
    told = {name: {one.slug for one in waits(stage, name) if one.outcome == "next"} for name in ("ann", "bob")}
    edition = stage.cycle()
    held = stage.lists(edition)
    assert {name: {slug.rstrip("!+") for slug in held[name]} for name in held} == told
    assert {one.slug for one in waits(stage, "bob") if one.outcome == "planned"} == told["bob"]
