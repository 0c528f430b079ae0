"""Where an item has been and where it goes, on both databases."""

from __future__ import annotations

import pytest

from digest import items, journeys
from digest.db import Database
from digest.journeys import Step
from digest.tables import State
from tests.stage import Stage


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest that comes at once, weekly and monthly, with two readers of the weekly."""
    stage = Stage(either_db, ("instant", "weekly", "monthly"))
    stage.join("ann")
    stage.join("bob")
    return stage


def journey(stage: Stage, slug: str = "policy") -> list[Step]:
    with stage.db.reading() as conn:
        return journeys.of(conn, items.find(conn, slug), now=stage.now)


def told(stage: Stage, slug: str = "policy") -> list[tuple[str, bool, str]]:
    """What happened to it, and of what is to come the cadence."""
    return [(one.what, one.done, one.run.series.cadence if one.run else one.note) for one in journey(stage, slug)]


def test_what_is_new_waits_for_the_runs_that_take_it(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    assert told(stage) == [
        ("waits", False, "monthly"),
        ("waits", False, "instant"),
        ("waits", False, "weekly"),
        ("published", True, ""),
    ]


def test_an_edition_tells_how_many_got_it_and_the_place_in_it(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.publish("law", "detainers")
    stage.leave("bob")
    edition = stage.send()
    found = next(one for one in journey(stage) if one.what == "edition")
    assert found.edition
    assert (found.edition.edition.id, found.people, found.done) == (edition.id, 1, True)
    assert found.place in ((1, 2), (2, 2))
    assert not [one for one in journey(stage) if one.run and one.run.series.cadence == "weekly"]


def test_an_edition_that_waits_for_approval_is_told_instead_of_the_run(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.freeze(ask="Look at it first.")
    found = [(one.what, one.done, one.people) for one in journey(stage) if one.edition]
    assert found == [("edition", False, 0)]
    assert "weekly" not in [one.run.series.cadence for one in journey(stage) if one.run]


def test_a_run_that_was_skipped_says_why(stage: Stage) -> None:
    stage.set(weekly__fewest="2")
    stage.publish("policy", "hiring")
    stage.later(days=7)
    stage.freeze(by_hand=False)
    skipped = next(one for one in journey(stage) if one.what == "skipped")
    assert "needs" in skipped.note or "at least 2" in skipped.note
    assert not skipped.done


def test_what_is_held_back_and_what_is_withdrawn_waits_for_nothing(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.hold("policy")
    found = journey(stage)
    assert [one.series for one in found if one.what == "held"] == ["Weekly digest, weekly"]
    assert "weekly" not in [one.run.series.cadence for one in found if one.run]
    stage.withdraw("policy")
    assert told(stage) == [("withdrawn", True, "It was wrong."), ("published", True, "")]


def test_an_item_without_its_year_waits_for_it_and_comes_once_it_is_there(stage: Stage) -> None:
    stage.publish("policy", "hiring", day="--06-29")
    assert told(stage) == [("yearless", False, ""), ("begun", True, "")]
    stage.later(hours=1)
    stage.complete("policy")
    assert [what for what, _, _ in told(stage)][-2:] == ["published", "begun"]


def test_who_got_it_as_owed_is_told_in_that_edition(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    first = stage.cycle()
    stage.cancel(first)
    stage.close(first)
    edition = stage.freeze(owed=True)
    stage.plan(edition)
    stage.see_through(edition)
    assert {state for state, _ in stage.rows(edition).values()} == {State.ACCEPTED.name.lower()}
    found = {one.edition.edition.id: (one.place, one.people) for one in journey(stage) if one.edition}
    assert found == {first.id: ((1, 1), 0), edition.id: (None, 2)}


def test_the_next_run_of_everything_that_waits(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.send()
    stage.publish("law", "detainers")
    with stage.db.reading() as conn:
        ids = {items.find(conn, slug).id: slug for slug in ("policy", "law")}
        found = {ids[one]: run.series.cadence for one, run in journeys.next_runs(conn, now=stage.now).items()}
    assert found == {"law": "weekly", "policy": "instant"}
