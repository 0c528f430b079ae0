"""Looking people up, on both databases: found under what is shown of them, page by page, and counted day by day."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from digest.db import Database
from subscribers import directory, members, suppression, tally
from subscribers.directory import Wanted
from subscribers.tables import subscriptions
from tests.conftest import NOW
from tests.subscribers import world
from tests.subscribers.world import KEYS


@pytest.fixture
def people(either_db: Database) -> Database:
    """Five in one digest, two of them in another as well; one is on the do-not-mail list."""
    with either_db.transaction() as conn:
        weekly, alerts = world.digest(conn), world.digest(conn, "alerts")
        world.add(conn, weekly, "ann@example.org", name="Ann Ibáñez", mapping={"hiring": "daily"})
        world.add(conn, weekly, "bob@example.net", name="BOB", mapping={"*": "weekly"})
        world.add(conn, alerts, "bob@example.net")
        cyd = world.add(conn, weekly, "c_d@example.org", state="pending")
        world.add(conn, weekly, "dan@example.org", name="Émile Dan", mapping={"*": "monthly", "hiring": "off"})
        eve = world.add(conn, weekly, "eve@example.org")
        assert cyd < eve
        world.add(conn, alerts, "eve@example.org", mapping={"*": "instant"})
        suppression.add(conn, KEYS, "dan@example.org", reason="hard", now=NOW)
        members.leave(conn, weekly, eve, now=NOW, how="test")
    return either_db


def found(people: Database, **wanted: object) -> list[str]:
    with people.reading() as conn:
        shown = directory.page(conn, Wanted(**wanted))  # type: ignore[arg-type]
    for one in shown:
        assert not wanted.get("state") or one.state == wanted["state"] or wanted.get("digest_id"), one
    return [one.email.partition("@")[0] for one in shown]


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("", ["eve", "dan", "c_d", "bob", "ann"]),
        ("EXAMPLE.NET", ["bob"]),
        ("ibáñ", ["ann"]),
        ("IBÁÑEZ", ["ann"]),
        ("émile", ["dan"]),
        ("bob", ["bob"]),
        ("c_d", ["c_d"]),
        ("_", ["c_d"]),
        ("%", []),
        ("nobody", []),
    ],
)
def test_a_part_of_the_address_or_the_name_finds_people(people: Database, part: str, names: list[str]) -> None:
    assert found(people, part=part) == names


def test_each_person_is_found_under_the_one_state_that_is_shown(people: Database) -> None:
    by_state = {state: found(people, state=state) for state in directory.STATES}
    assert by_state == {
        "active": ["eve", "bob", "ann"],
        "paused": [],
        "pending": ["c_d"],
        "left": [],
        "suppressed": ["dan"],
    }
    assert found(people, state="left", digest_id=1) == ["eve"], "of one digest its own state counts"
    assert found(people, state="suppressed", part="dan") == ["dan"]
    assert found(people, state="suppressed", digest_id=2) == []
    assert found(people, state="active", part="zzz") == []


def test_what_people_chose_finds_them(people: Database) -> None:
    assert found(people, digest_id=2) == ["eve", "bob"]
    assert found(people, topic="hiring") == ["eve", "c_d", "bob", "ann"]
    assert found(people, topic="hiring", cadence="daily") == ["ann"]
    assert found(people, topic="hiring", cadence="off") == ["dan"]
    assert found(people, cadence="monthly") == ["dan"]
    assert found(people, cadence="instant", digest_id=1) == []
    assert found(people, since=NOW + timedelta(days=1)) == []
    assert found(people, since=NOW, part="ann") == ["ann"]


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(part="example"), Wanted(state="active"), Wanted(topic="hiring")])
def test_pages_together_are_the_list_without_doubles(people: Database, wanted: Wanted) -> None:
    with people.reading() as conn:
        whole = [one.subscriber_id for one in directory.page(conn, wanted)]
        seen: list[int] = []
        while shown := directory.page(conn, wanted, below=seen[-1] if seen else None, limit=2):
            assert len(shown) <= 2
            seen += [one.subscriber_id for one in shown]
    assert seen == whole
    assert len(whole) == len(set(whole)) > 2


def test_people_are_counted_once_however_many_digests_they_take(people: Database) -> None:
    with people.reading() as conn:
        counted = tally.of_people(conn, now=NOW + timedelta(hours=1))
    assert (counted.active, counted.barred, counted.pending, counted.joined, counted.left) == (3, 1, 1, 4, 1)


def test_the_days_of_the_growth_add_up(people: Database) -> None:
    with people.transaction() as conn:
        late = world.add(conn, 1, "fay@example.org")
        mine = subscriptions.c.subscriber_id == late
        conn.execute(sa.update(subscriptions).where(mine).values(joined_at=NOW - timedelta(days=3)))
        days = _growth(conn)
        assert (days[0].day, days[-1].day) == (date(2026, 8, 30), date(2026, 9, 7))
        assert [(one.joined, one.left, one.with_us) for one in days[-4:]] == [
            (1, 0, 2),
            (0, 0, 2),
            (0, 0, 2),
            (4, 1, 5),
        ]
        for before, after in pairwise(days):
            assert before.with_us + after.joined - after.left == after.with_us


def _growth(conn: Connection) -> list[tally.Day]:
    counted = tally.of_people(conn, now=NOW)
    return tally.growth(conn, counted.with_us, now=NOW, zone="Asia/Kathmandu", days=9)
