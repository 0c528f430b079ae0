"""A short year is lived through and judged; and the judge sees what is wrong when something is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest.tables import State, deliveries
from tests.contracts.oracle import CADENCES
from tests.year import report
from tests.year.__main__ import live, new_home
from tests.year.judge import due, judge
from tests.year.people import ZONES
from tests.year.play import Year, editions_of


def test_nobody_is_mailed_twice_missed_or_at_a_wrong_hour_and_the_judge_would_see_it(tmp_path: Path) -> None:
    with new_home(tmp_path) as home:
        year = live(home, readers=60, days=14, seed=1)
        verdict = judge(year)
        assert verdict.faults == []
        assert all(verdict.mails[cadence] for cadence in CADENCES)
        assert len([*report.lines(year, verdict)]) > len(CADENCES)
        spoil(year)
        said = "\n".join(judge(year).faults)
    for word in ("were handed over", "the rows say", "never had entry", "had it at"):
        assert word in said


def spoil(year: Year) -> None:
    """One mail of a weekly edition goes twice, the second time late, and its readers are said to have had none."""
    edition = next(one for one in editions_of(year) if one.cadence == "weekly" and year.handed[one.uid].readers)
    note = year.handed[edition.uid]
    note.readers.append(note.readers[0])
    note.moments.append(note.moments[0] + 1)
    skipped = sa.update(deliveries).where(deliveries.c.edition_id == edition.id)
    with year.home.db.transaction() as conn:
        conn.execute(skipped.values(state=State.SKIPPED, code="no topics"))


@pytest.mark.parametrize(
    ("hour", "zone", "starts", "expected"),
    [
        (7, "America/New_York", "2027-03-13T17:00", "2027-03-14T11:00"),
        (2, "America/New_York", "2027-03-13T17:00", "2027-03-14T07:00"),  # there is no such hour: at 3:00
        (1, "America/New_York", "2027-11-07T04:00", "2027-11-07T05:00"),  # the first of two
        (2, "America/Anchorage", "2027-03-14T11:00", "2027-03-14T11:00"),  # it starts when the clock has jumped over it
        (7, "Asia/Kathmandu", "2027-01-01T12:20", "2027-01-02T01:15"),
        (7, "Europe/London", "2027-01-01T07:20", "2027-01-01T07:20"),  # it is that hour already
        (0, "Africa/Cairo", "2027-04-29T12:00", "2027-04-29T22:00"),  # midnight is left out
    ],
)
def test_the_judge_finds_a_readers_hour(hour: int, zone: str, starts: str, expected: str) -> None:
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (starts, expected)]
    assert datetime.fromtimestamp(due(int(moments[0].timestamp()), hour, zone), UTC) == moments[1]


def test_the_weeks_of_clock_changes_are_found() -> None:
    year = datetime(2027, 1, 1, tzinfo=UTC)
    found = [at.isoformat() for at, _ in report.changes("America/New_York", year, year + timedelta(days=365))]
    assert found == ["2027-03-14T07:00:00+00:00", "2027-11-07T06:00:00+00:00"]


def test_there_are_sixty_zones() -> None:
    assert len(set(ZONES)) == 60 == len(ZONES)
