"""A run that staff move, on both databases: it happens at its new moment, once, whoever is at it meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from digest import coming, moving, occurrences, publications, tables
from digest.db import Database
from digest.editions import Edition
from digest.errors import BadInput, Refused
from digest.moving import Move
from digest.publications import Series
from tests.stage import SETTINGS, Stage

FIRST, SECOND, THIRD = "2026-09-07T07", "2026-09-14T07", "2026-09-21T07"
WHY = "Moved by Dana Ruiz. The office is closed."


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A weekly digest with two readers, who have mail at 7 and at 12. It is Monday; today's run has happened."""
    return begun(either_db)


def begun(db: Database) -> Stage:
    """Such a stage in this database."""
    stage = Stage(db)
    stage.join("ann")
    stage.join("bob", hour=12)
    clock(stage)
    stage.publish("x", "a")
    return stage


def at(day: int, hour: int) -> datetime:
    """An hour of September in New York."""
    return datetime(2026, 9, day, 4, tzinfo=UTC) + timedelta(hours=hour)


def series(stage: Stage) -> Series:
    with stage.db.reading() as conn:
        return publications.one_series(conn, stage.digest.id, "weekly")


def clock(stage: Stage) -> Edition | None:
    """What the clock does about the series now."""
    with stage.db.transaction() as conn:
        one = publications.one_series(conn, stage.digest.id, "weekly")
        return occurrences.run_latest(conn, SETTINGS, stage.digest, one, owed=stage.people.owed, now=stage.now)


def move(stage: Stage, moment: str, to: datetime) -> Move:
    with stage.db.transaction() as conn:
        return moving.move(conn, stage.digest, series(stage), moment, to=to, why=WHY, now=stage.now)


def move_back(stage: Stage, moment: str) -> Move:
    with stage.db.transaction() as conn:
        return moving.move_back(conn, stage.digest, series(stage), moment, now=stage.now)


def skip(stage: Stage, moment: str) -> None:
    with stage.db.transaction() as conn:
        occurrences.skip(conn, stage.digest, series(stage), moment, why="No.", now=stage.now)


def take_back(stage: Stage, moment: str) -> None:
    with stage.db.transaction() as conn:
        occurrences.take_back(conn, series(stage), moment, now=stage.now)


def next_run(stage: Stage) -> datetime | None:
    with stage.db.reading() as conn:
        return occurrences.next_run(conn, stage.digest, series(stage), stage.now)


def ran(stage: Stage) -> list[tuple[str, datetime]]:
    """The runs that the clock made, and when."""
    t = tables.occurrences.c
    with stage.db.reading() as conn:
        rows = conn.execute(sa.select(t.moment, t.at).where(t.edition_id.is_not(None)).order_by(t.at)).all()
    return [(row.moment, row.at) for row in rows]


def through(stage: Stage, days: int) -> None:
    """The clock ticks twice a day and at each run, with a second scheduler beside it."""
    until = stage.now + timedelta(days=days)
    while stage.now < until:
        stage.now = min(next_run(stage) or until, stage.now + timedelta(hours=12), until)
        clock(stage)
        assert clock(stage) is None


def test_a_run_moved_later_happens_then_and_the_one_after_it_on_its_day(stage: Stage) -> None:
    done = move(stage, SECOND, at(16, 10))
    assert (done.planned_at, done.due_at, done.reason) == (at(14, 7), at(16, 10), WHY)
    assert next_run(stage) == at(16, 10)
    through(stage, 15)
    assert ran(stage) == [(FIRST, at(7, 7)), (SECOND, at(16, 10)), (THIRD, at(21, 7))]


def test_a_run_moved_earlier_does_not_happen_again_on_its_day(stage: Stage) -> None:
    move(stage, SECOND, at(8, 5))
    through(stage, 15)
    assert ran(stage) == [(FIRST, at(7, 7)), (SECOND, at(8, 5)), (THIRD, at(21, 7))]


def test_each_reader_has_it_at_their_hour_from_the_new_moment_on(stage: Stage) -> None:
    move(stage, SECOND, at(16, 10))
    stage.now = at(16, 10)
    edition = clock(stage)
    assert edition is not None
    stage.plan(edition)
    assert edition.starts_at == at(16, 10)
    with stage.db.reading() as conn:
        due = set(conn.scalars(sa.select(tables.batches.c.due_at).where(tables.batches.c.edition_id == edition.id)))
    assert due == {at(16, 12), at(17, 7)}


def test_mail_may_be_tried_until_the_next_run_and_not_until_the_moment_that_the_run_left(either_db: Database) -> None:
    stage = Stage(either_db, ("daily",))
    stage.join("ann", "*=daily", hour=6)
    with stage.db.transaction() as conn:
        one = publications.one_series(conn, stage.digest.id, "daily")
        occurrences.run_latest(conn, SETTINGS, stage.digest, one, owed=stage.people.owed, now=stage.now)
        moving.move(conn, stage.digest, one, "2026-09-08T07", to=at(7, 22), why=WHY, now=stage.now)
    stage.publish("x", "a")
    stage.now = at(7, 22)
    with stage.db.transaction() as conn:
        edition = occurrences.run_latest(conn, SETTINGS, stage.digest, one, owed=stage.people.owed, now=stage.now)
    assert edition is not None
    stage.plan(edition)
    with stage.db.reading() as conn:
        (batch,) = conn.execute(sa.select(tables.batches.c.due_at, tables.batches.c.deadline))
    assert (batch.due_at, batch.deadline) == (at(8, 6), at(8, 18))


def test_what_is_moved_may_be_moved_again_and_back(stage: Stage) -> None:
    move(stage, SECOND, at(16, 10))
    assert move(stage, SECOND, at(13, 9)).planned_at == at(14, 7)
    assert next_run(stage) == at(13, 9)
    assert move_back(stage, SECOND).due_at == at(13, 9)
    assert next_run(stage) == at(14, 7)
    with pytest.raises(Refused, match="not moved"):
        move_back(stage, SECOND)
    move(stage, SECOND, at(13, 9))
    move(stage, SECOND, at(14, 7))  # to where it was planned is back too
    with stage.db.reading() as conn:
        assert moving.ahead(conn, now=stage.now) == []
    through(stage, 8)
    assert ran(stage)[1:] == [(SECOND, at(14, 7))]


def test_it_cannot_go_back_to_a_moment_that_has_passed(stage: Stage) -> None:
    move(stage, SECOND, at(16, 10))
    stage.now = at(15, 0)
    assert clock(stage) is None
    with pytest.raises(Refused, match="Its old moment has passed"):
        move_back(stage, SECOND)
    move(stage, SECOND, at(17, 10))
    assert next_run(stage) == at(17, 10)


UNFIT = [
    (at(7, 7), "has passed"),
    (at(7, 6), "has passed"),
    (at(14, 7), "happens then already"),
    (at(21, 7), "before the run after it"),
    (at(30, 7), "before the run after it"),
]


def test_it_keeps_its_place(stage: Stage) -> None:
    for to, why in UNFIT:
        with pytest.raises(BadInput, match=why) as refused:
            move(stage, SECOND, to)
        assert refused.value.problem.where == "to"
    assert next_run(stage) == at(14, 7)


def test_it_stays_behind_one_that_is_skipped_so_that_this_can_be_taken_back(stage: Stage) -> None:
    skip(stage, SECOND)
    with pytest.raises(BadInput, match="after the run before it"):
        move(stage, THIRD, at(13, 7))
    move(stage, THIRD, at(14, 9))
    take_back(stage, SECOND)
    through(stage, 15)
    assert ran(stage)[1:] == [(SECOND, at(14, 7)), (THIRD, at(14, 9))]


def test_a_moved_run_that_is_skipped_and_taken_back_happens_where_it_was_moved(stage: Stage) -> None:
    move(stage, SECOND, at(16, 10))
    stage.now = at(15, 0)
    skip(stage, SECOND)
    with pytest.raises(Refused, match="This run is skipped"):
        move_back(stage, SECOND)
    take_back(stage, SECOND)
    through(stage, 2)
    assert ran(stage)[1:] == [(SECOND, at(16, 10))]


def test_only_the_run_that_was_seen_is_moved_and_none_while_one_is_due(stage: Stage) -> None:
    with pytest.raises(Refused, match="The next run is now the run of 2026-09-14, 07:00"):
        move(stage, THIRD, at(22, 7))
    stage.now = at(14, 7)
    with pytest.raises(Refused, match="is due and has not happened yet"):
        move(stage, THIRD, at(22, 7))
    clock(stage)
    move(stage, THIRD, at(22, 7))


def test_after_its_rules_are_changed_it_happens_where_it_was_moved_and_cannot_go_back(stage: Stage) -> None:
    move(stage, SECOND, at(16, 10))
    stage.set(weekday="tuesday", hour="9")
    with pytest.raises(Refused, match="The rules have changed"):
        move_back(stage, SECOND)
    through(stage, 16)
    assert ran(stage)[1:] == [
        ("2026-09-08T09", at(8, 9)),
        ("2026-09-15T09", at(15, 9)),
        (SECOND, at(16, 10)),
        ("2026-09-22T09", at(22, 9)),
    ]


@pytest.mark.postgres
def test_a_clock_that_looked_before_the_move_runs_nothing_after_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is moved away between the look and the row of the run. SQLite has one writer, so nothing comes between."""
    database = Database(postgres_url)
    stage = begun(database)
    stage.now = at(14, 7)
    happened = occurrences._happened
    moved: list[bool] = []

    def meanwhile(*args: object, **more: object) -> bool:
        if not moved:
            moved.append(True)
            with stage.db.transaction() as conn:
                one, before = publications.one_series(conn, stage.digest.id, "weekly"), at(14, 7) - timedelta(seconds=1)
                moving.move(conn, stage.digest, one, SECOND, to=at(16, 10), why=WHY, now=before)
        return happened(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(occurrences, "_happened", meanwhile)
    assert clock(stage) is None
    through(stage, 3)
    assert ran(stage)[1:] == [(SECOND, at(16, 10))]
    database.close()


def test_an_alert_has_no_run_to_move(either_db: Database) -> None:
    stage = Stage(either_db, ("instant", "weekly"))
    with stage.db.transaction() as conn:
        one = publications.one_series(conn, stage.digest.id, "instant")
        with pytest.raises(Refused, match="no run to skip or move"):
            moving.move(conn, stage.digest, one, SECOND, to=at(9, 9), why=WHY, now=stage.now)


def test_after_an_outage_over_a_moved_run_it_happens_once_and_late(stage: Stage) -> None:
    stage.set(late_policy="ask", late_hours="2")
    move(stage, SECOND, at(16, 10))
    stage.now = at(16, 14)
    edition = clock(stage)
    assert edition is not None
    assert edition.reason.startswith("The run of 2026-09-14, 07:00 came 4 hours late.")
    assert clock(stage) is None


def test_a_run_that_was_killed_half_way_is_there_as_if_nothing_had_been(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(stage, SECOND, at(16, 10))
    stage.now = at(16, 10)
    with monkeypatch.context() as patched:
        patched.setattr(occurrences, "_note", partial(_die))
        with pytest.raises(KeyboardInterrupt):
            clock(stage)
    assert clock(stage) is not None
    assert clock(stage) is None


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_moved_run_is_told_on_the_calendar_and_of_what_comes_next(stage: Stage) -> None:
    done = move(stage, SECOND, at(16, 10))
    with stage.db.reading() as conn:
        (first, second) = (
            one
            for those in coming.calendar(conn, now=stage.now, days=15, zone="America/New_York").values()
            for one in those
        )
        (ahead,) = coming.next_runs(conn, now=stage.now)
    assert (first.at, first.moved, second.moved) == (at(16, 10), done, None)
    assert (ahead.at, ahead.moved) == (at(16, 10), done)
