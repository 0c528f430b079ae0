"""What staff have seen of a coming edition, on both databases: what counts as a look, and what changed since."""

from __future__ import annotations

import pytest

from digest import proposals, publications
from digest.db import Database
from digest.errors import Refused
from digest.proposals import Proposal
from digest.staff import accounts, looks
from tests.stage import SETTINGS, Stage


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest with two items, and two of the staff."""
    stage = Stage(either_db, ("weekly", "monthly"))
    with either_db.transaction() as conn:
        for name in ("tom", "dana"):
            accounts.add(conn, f"{name}@example.org", name=name, role=accounts.EDITOR, now=stage.now)
    for slug in ("one", "two"):
        stage.publish(slug, "hiring")
    return stage


def coming(stage: Stage, cadence: str = "weekly") -> Proposal:
    with stage.db.reading() as conn:
        series = publications.one_series(conn, stage.digest.id, cadence)
        return proposals.of_series(conn, SETTINGS, stage.digest, series, now=stage.now)


def look(stage: Stage, who: int, cadence: str = "weekly") -> None:
    seen = coming(stage, cadence)
    with stage.db.transaction() as conn:
        looks.note(conn, who, seen, seen=seen.edition.content_hash, now=stage.now)


def changes(stage: Stage, who: int, cadence: str = "weekly") -> list[tuple[str, str, tuple[str, ...]]]:
    now = coming(stage, cadence)
    with stage.db.reading() as conn:
        last = looks.last(conn, who, now)
        assert last
        return [(one.what, one.item.slug, one.parts) for one in looks.changes(conn, now, last)]


def test_each_has_a_look_of_their_own_at_each_series(stage: Stage) -> None:
    look(stage, 1)
    stage.publish("three", "hiring")
    look(stage, 2)
    look(stage, 1, "monthly")
    assert changes(stage, 1) == [("added", "three", ())]
    assert changes(stage, 2) == changes(stage, 1, "monthly") == []
    with stage.db.reading() as conn:
        assert looks.last(conn, 2, coming(stage, "monthly")) is None
    look(stage, 1)
    assert changes(stage, 1) == []


def test_what_changed_is_told_by_what_became_of_it(stage: Stage) -> None:
    stage.publish("three", "hiring")
    look(stage, 1)
    stage.move("one", "crime")
    stage.hold("two")
    stage.withdraw("three")
    stage.publish("four", "hiring")
    assert changes(stage, 1) == [
        ("added", "four", ()),
        ("edited", "one", ("topics",)),
        ("withdrawn", "three", ()),
        ("held", "two", ()),
    ]
    stage.move("one", "hiring")
    stage.release("two")
    stage.republish("three")
    assert [what for what in changes(stage, 1) if what[0] != "added"] == []


def test_what_went_out_is_no_change(stage: Stage) -> None:
    stage.join("ann")
    look(stage, 1)
    stage.send()
    assert changes(stage, 1) == []
    stage.publish("three", "hiring")
    assert changes(stage, 1) == [("added", "three", ())]


def test_a_look_at_something_else_is_none(stage: Stage) -> None:
    seen = coming(stage)
    stage.publish("three", "hiring")
    with stage.db.transaction() as conn, pytest.raises(Refused, match="has changed since"):
        looks.note(conn, 1, coming(stage), seen=seen.edition.content_hash, now=stage.now)
    with stage.db.reading() as conn:
        assert looks.last(conn, 1, coming(stage)) is None


def test_of_one_that_waits_for_approval_it_is_the_same_look(stage: Stage) -> None:
    look(stage, 1)
    edition = stage.freeze(ask="Look at it first.")
    stage.publish("too-late", "hiring")
    with stage.db.reading() as conn:
        proposal = proposals.of_edition(conn, SETTINGS, edition, now=stage.now)
        last = looks.last(conn, 1, proposal)
        assert last
        assert looks.changes(conn, proposal, last) == []
