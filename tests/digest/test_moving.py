"""Runs moved, skipped and taken back at random: each run happens once, in its order, or is on record as skipped."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from itertools import pairwise

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from digest import moving, occurrences, publications, schedules, tables
from digest.db import Database
from digest.errors import DigestError
from tests.stage import SETTINGS

HOUR = timedelta(hours=1)
rules = st.sampled_from([
    ("daily", {"hour": "2"}),
    ("weekly", {"hour": "7", "weekday": "sunday"}),
    ("monthly", {"hour": "0", "month_day": "31"}),
])  # fmt: skip
acts = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(-40, 40)),
        st.tuples(st.just("move"), st.integers(-900, 900)),
        st.tuples(st.just("back"), st.just(0)),
        st.tuples(st.just("skip"), st.just(0)),
        st.tuples(st.just("take back"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 200)),
    ),
    max_size=14,
)


class Enough(Exception):
    """The history has been played, and leaves nothing."""


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules, acts)
def test_each_run_happens_once_in_its_order_or_is_recorded_as_skipped(
    db: Database, rule: tuple[str, dict[str, str]], history: list[tuple[str, int]]
) -> None:
    with contextlib.suppress(Enough), db.transaction() as conn:
        _play(conn, db, rule, history)
        raise Enough


def _play(conn: Connection, db: Database, rule: tuple[str, dict[str, str]], history: list[tuple[str, int]]) -> None:
    story = _Story(conn, db, *rule)
    for what, number in history:
        with contextlib.suppress(DigestError):
            story.act(what, number)
    story.wait(33 * 24)
    story.check()


class _Story:
    def __init__(self, conn: Connection, db: Database, cadence: str, changes: dict[str, str]) -> None:
        self.conn, self.cadence = conn, cadence
        self.now = self.begun = tables.EPOCH + timedelta(days=20_700)
        self.digest = publications.create(
            conn, "w", "W", now=self.begun, zone="America/New_York", from_name="W", from_address="w@example.org",
            cadences=(cadence,),
        )  # fmt: skip
        publications.set(conn, "w", changes, now=self.begun)
        self.made = 0

    def act(self, what: str, number: int) -> None:
        """What staff do now; the clock may refuse it."""
        conn, digest, one, now = self.conn, self.digest, self.series, self.now
        if what == "wait":
            self.wait(number)
        elif what in ("take back", "back"):
            for done in occurrences.skips_ahead(conn, now=now) if what == "take back" else moving.ahead(conn, now=now):
                if what == "take back":
                    occurrences.take_back(conn, one, done.moment, now=now)
                else:
                    moving.move_back(conn, digest, one, done.moment, now=now)
        else:
            run = occurrences.coming(conn, digest, one, now)
            if what == "skip":
                occurrences.skip(conn, digest, one, run.moment, why="No.", now=now)
            else:
                moving.move(conn, digest, one, run.moment, to=run.at + number * HOUR, why="So.", now=now)

    @property
    def series(self) -> publications.Series:
        return publications.one_series(self.conn, self.digest.id, self.cadence)

    def wait(self, hours: int) -> None:
        """The clock wakes at each run, as the scheduler does, and two of them at once."""
        until = self.now + hours * HOUR
        while (at := occurrences.coming(self.conn, self.digest, self.series, self.now).at) <= until:
            self.now = at
            self._tick()
        self.now = until
        self._tick()

    def _tick(self) -> None:
        for _ in range(2):
            made = occurrences.run_latest(
                self.conn, SETTINGS, self.digest, self.series, owed=lambda *_, **__: False, now=self.now
            )
            self.made += made is not None

    def check(self) -> None:
        """Every run that was planned, or moved, into this time has its one row; those that happened, in order."""
        t = tables.occurrences.c
        rows = self.conn.execute(sa.select(t.moment, t.due_at, t.at, t.edition_id).order_by(t.moment)).all()
        calendar = occurrences.calendar(self.conn, self.digest, self.series)
        assert calendar is not None
        there = {run.moment for run in calendar.between(self.begun, self.now)}
        planned = schedules.between(calendar.schedule, self.begun, self.now)
        left = {moment for moment, at in calendar.moved.items() if at > self.now}
        assert {row.moment for row in rows if row.due_at <= self.now} == there
        assert {run.moment for run in planned} - left <= there
        happened = [row for row in rows if row.edition_id is not None]
        assert len(happened) == self.made
        assert all(row.at == row.due_at for row in happened), "each at its moment"
        assert all(earlier.at < later.at for earlier, later in pairwise(happened)), "in their order"
