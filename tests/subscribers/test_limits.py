"""How often somebody may ask, beside a plain count of the asks that were let through."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.db import Database
from digest.tables import metadata
from subscribers import limits
from tests.conftest import NOW

MINUTE = timedelta(minutes=1)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([0, 0, 0, 1, 20, 59, 60, 61, 600]), max_size=30),
    st.integers(1, 4),
    st.integers(1, 8),
)
def test_no_stretch_lets_through_more_than_its_limit_and_the_wait_told_is_the_true_one(
    db: Database, pauses: list[int], a_minute: int, an_hour: int
) -> None:
    at_most = ((a_minute, MINUTE), (an_hour, limits.HOUR))
    let_through: list[datetime] = []
    now = NOW
    with db.transaction() as conn:
        conn.execute(sa.delete(metadata.tables["limits"]))
        for pause in pauses:
            now += timedelta(seconds=pause)
            later = limits.allow(conn, b"somebody", at_most, now=now)
            full = [
                inside[-most] + length
                for most, length in at_most
                if len(inside := [one for one in let_through if one > now - length]) >= most
            ]
            assert later == (max(full) if full else None)
            if later is None:
                let_through.append(now)


def test_a_storm_within_a_second_takes_no_more_room_than_one(db: Database) -> None:
    with db.transaction() as conn:
        for _ in range(100):
            assert limits.allow(conn, b"all", [(100, limits.HOUR)], now=NOW) is None
        assert limits.allow(conn, b"all", [(100, limits.HOUR)], now=NOW) == NOW + limits.HOUR
        (moments,) = conn.scalars(sa.select(metadata.tables["limits"].c.moments))
    assert moments == [[int(NOW.timestamp()), 100]]
