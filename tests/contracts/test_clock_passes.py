"""Whether the clock goes, and what is late when it does not, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest import clock_passes
from digest.clock_passes import EDITION, RUN, Heard, Late
from digest.db import Database
from tests.conftest import NOW
from tests.stage import Stage


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A weekly digest with a reader; a minute before its run the clock made a pass."""
    stage = Stage(either_db)
    stage.join("ann")
    stage.publish("policy", "hiring")
    stage.now = NOW - timedelta(minutes=1)
    _note(stage)
    return stage


def _note(stage: Stage) -> None:
    with stage.db.transaction() as conn:
        clock_passes.note(conn, now=stage.now)


def heard(stage: Stage) -> Heard:
    with stage.db.reading() as conn:
        return clock_passes.look(conn, now=stage.now)


def test_a_clock_that_never_went_is_silent(either_db: Database) -> None:
    assert heard(Stage(either_db)) == Heard(None, silent=True)


def test_after_ten_minutes_of_silence_the_run_that_came_meanwhile_is_late(stage: Stage) -> None:
    begun = stage.now
    stage.later(minutes=9)
    assert heard(stage) == Heard(begun, silent=False)
    stage.later(minutes=1)
    assert heard(stage) == Heard(begun, silent=True, late=(Late(RUN, NOW, "Weekly digest", "weekly"),))
    _note(stage)
    assert heard(stage) == Heard(stage.now, silent=False)


def test_what_waits_to_go_is_late_too(stage: Stage) -> None:
    stage.later(minutes=2)
    _note(stage)
    edition = stage.cycle()
    due = stage.now
    stage.later(minutes=20)
    assert heard(stage).late == (Late(EDITION, due),)
    stage.see_through(edition)
    assert heard(stage).late == ()


def test_a_pass_that_a_wrong_clock_noted_is_no_sign_of_life(stage: Stage) -> None:
    stage.later(days=100)
    _note(stage)
    stage.now = NOW
    assert heard(stage).silent
    _note(stage)
    assert not heard(stage).silent
