"""A run that staff skip beforehand, on both databases: the clock passes it by, and runs the next one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest import coming, editions, occurrences, publications
from digest.db import Database
from digest.editions import Edition
from digest.errors import Refused
from digest.occurrences import Skip
from digest.publications import Series
from tests.stage import SETTINGS, Stage

WEEK = timedelta(days=7)
FIRST, SECOND, THIRD = "2026-09-07T07", "2026-09-14T07", "2026-09-21T07"
WHY = "Skipped by Dana Ruiz. Nobody is here in that week."


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A weekly digest with one reader and one item. It is Monday, 7:00: a run is due and has not been."""
    stage = Stage(either_db)
    stage.join("ann")
    stage.publish("x", "a")
    return stage


def series(stage: Stage, cadence: str = "weekly") -> Series:
    with stage.db.reading() as conn:
        return publications.one_series(conn, stage.digest.id, cadence)


def clock(stage: Stage, cadence: str = "weekly") -> Edition | None:
    """What the clock does about the series now."""
    with stage.db.transaction() as conn:
        one = publications.one_series(conn, stage.digest.id, cadence)
        return occurrences.run_latest(conn, SETTINGS, stage.digest, one, owed=stage.people.owed, now=stage.now)


def skip(stage: Stage, moment: str, cadence: str = "weekly") -> Skip:
    with stage.db.transaction() as conn:
        one = publications.one_series(conn, stage.digest.id, cadence)
        return occurrences.skip(conn, stage.digest, one, moment, why=WHY, now=stage.now)


def take_back(stage: Stage, moment: str) -> Skip:
    with stage.db.transaction() as conn:
        return occurrences.take_back(conn, series(stage), moment, now=stage.now)


def next_run(stage: Stage) -> datetime | None:
    with stage.db.reading() as conn:
        return occurrences.next_run(conn, stage.digest, series(stage), stage.now)


def test_the_clock_passes_by_what_is_skipped_and_runs_the_next_one_with_all_that_waits(stage: Stage) -> None:
    first = clock(stage)
    assert first is not None
    stage.plan(first)
    for slug in ("y", "z"):
        stage.publish(slug, "a")
    skip(stage, SECOND)
    assert next_run(stage) == datetime(2026, 9, 21, 11, tzinfo=UTC)
    for days in (7, 1, 5):  # at its moment, a day later, and just before the next
        stage.later(days=days)
        assert clock(stage) is None
    stage.later(days=1)
    edition = clock(stage)
    assert edition is not None
    stage.plan(edition)
    assert stage.lists(edition) == {"ann": ["y", "z"]}
    with stage.db.reading() as conn:
        assert len(editions.all_editions(conn)) == 2


def test_what_is_skipped_can_be_taken_back_until_its_time(stage: Stage) -> None:
    clock(stage)
    skip(stage, SECOND)
    assert take_back(stage, SECOND).reason == WHY
    assert next_run(stage) == datetime(2026, 9, 14, 11, tzinfo=UTC)
    with pytest.raises(Refused, match="not skipped"):
        take_back(stage, SECOND)
    skip(stage, SECOND)
    stage.later(days=7)
    with pytest.raises(Refused, match="its time has passed"):
        take_back(stage, SECOND)
    assert clock(stage) is None


def test_of_two_skipped_in_a_row_the_first_still_runs_when_it_is_taken_back(stage: Stage) -> None:
    clock(stage)
    skip(stage, SECOND)
    skip(stage, THIRD)
    take_back(stage, SECOND)
    stage.publish("y", "a")
    stage.later(days=7)
    assert clock(stage) is not None
    stage.later(days=7)
    assert clock(stage) is None


def test_nothing_is_skipped_while_the_run_before_it_is_due(stage: Stage) -> None:
    with pytest.raises(Refused, match=r"The run of 2026-09-07, 07:00 is due and has not happened yet\. Wait for it"):
        skip(stage, SECOND)
    clock(stage)
    assert skip(stage, SECOND).moment == SECOND


def test_only_the_run_that_was_seen_is_skipped_and_only_once(stage: Stage) -> None:
    clock(stage)
    with pytest.raises(Refused, match="The next run is now the run of 2026-09-14, 07:00"):
        skip(stage, THIRD)
    skip(stage, SECOND)
    with pytest.raises(Refused, match="The next run is now the run of 2026-09-21, 07:00"):
        skip(stage, SECOND)


def test_a_run_that_has_happened_cannot_be_taken_back(stage: Stage) -> None:
    clock(stage)
    with pytest.raises(Refused, match="not skipped"):
        take_back(stage, FIRST)
    assert clock(stage) is None


def test_an_alert_has_no_run_to_skip(either_db: Database) -> None:
    stage = Stage(either_db, ("instant", "weekly"))
    with pytest.raises(Refused, match="no run to skip or move"):
        skip(stage, SECOND, "instant")


def test_after_an_outage_over_a_skipped_run_the_latest_happens(stage: Stage) -> None:
    clock(stage)
    skip(stage, SECOND)
    stage.publish("y", "a")
    stage.later(days=16)
    assert clock(stage) is not None
    assert clock(stage) is None


def test_what_is_skipped_is_listed_before_and_after_its_time_and_is_on_no_calendar(stage: Stage) -> None:
    clock(stage)
    told = skip(stage, SECOND)

    def lists() -> tuple[list[Skip], list[Skip]]:
        with stage.db.reading() as conn:
            past = occurrences.skips_past(conn, now=stage.now, limit=5)
            return occurrences.skips_ahead(conn, now=stage.now), past

    with stage.db.reading() as conn:
        due = coming.calendar(conn, now=stage.now, days=15, zone="America/New_York")
    assert [one.skipped for those in due.values() for one in those] == [WHY, ""]
    assert lists() == ([told], [])
    stage.later(days=8)
    assert lists() == ([], [told])
