"""How often a digest can be had: offered, withdrawn, and offered again; nobody loses or doubles anything by it."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa

from digest import publications, tables
from digest.db import Database
from digest.errors import BadInput, Refused
from subscribers import members, offers, preferences
from tests.conftest import NOW
from tests.subscribers import world

ALL = publications.CADENCES


def test_readers_who_are_moved_together_stand_as_if_each_had_chosen_it(either_db: Database) -> None:
    """The same people twice, in two digests: moved by the withdrawal, and one by one."""
    choices = [
        {"a": one, "*": other} for one, other in itertools.product(("instant", "daily", "off"), ("daily", "weekly"))
    ]
    with either_db.transaction() as conn:
        together, singly = world.digest(conn), world.digest(conn, "other")
        people = {}
        for place, mapping in enumerate(choices * 2):
            people[place] = world.add(conn, together, f"reader{place}@example.org", mapping=mapping)
            world.add(conn, singly, f"reader{place}@example.org", mapping=mapping)
        world.publish(conn, "a")
        for digest_id in (together, singly):
            members.change(conn, digest_id, people[3], mapping={"a": "daily", "b": "daily"})
            members.pause(conn, digest_id, people[4], now=NOW)
            members.pause(conn, digest_id, people[5], now=NOW)
            members.leave(conn, digest_id, people[2], now=NOW, how="test")
        first, last = world.publish(conn, "b"), world.publish(conn)
        for digest_id in (together, singly):
            world.move_mark(conn, digest_id, "weekly", first)
            world.move_mark(conn, digest_id, "daily", first)
        moved = offers.offer(conn, together, ("instant", "weekly", "monthly"), now=NOW)
        daily = tables.series.c.cadence == "daily"
        conn.execute(sa.update(tables.series).where(daily, tables.series.c.digest_id == singly).values(offered=False))
        for reader in people.values():
            standing = world.subscription(conn, singly, reader)
            if standing.state == "left":
                continue
            if "daily" in standing.preferences.values():
                preferences.refile(conn, singly, reader, alone=standing.state == "paused")
        for reader in set(people.values()) - {people[2]}:
            mine, theirs = world.subscription(conn, together, reader), world.subscription(conn, singly, reader)
            assert (mine.preferences, mine.since, mine.owed, mine.state) == (
                theirs.preferences, theirs.since, theirs.owed, theirs.state,
            )  # fmt: skip
            assert "daily" not in mine.preferences.values()
        assert moved == sum("daily" in mapping.values() for mapping in choices * 2)
        assert world.owed(conn, together, people[0])["weekly"] == (last,)


def test_a_cadence_offered_anew_begins_with_the_log_as_it_stands(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn, cadences=("weekly",))
        ann = world.add(conn, digest_id)
        world.publish(conn, "a")
        offers.offer(conn, digest_id, ("daily", "weekly"), now=NOW)
        assert world.mark(conn, digest_id, "daily") == 1
        offers.offer(conn, digest_id, ("weekly",), now=NOW)
        world.publish(conn, "a")
        offers.set(conn, "weekly", {"cadences": "weekly, daily", "daily.hour": "18"}, now=NOW)
        assert world.mark(conn, digest_id, "daily") == 2
        assert publications.one_series(conn, digest_id, "daily").hour == 18
        members.change(conn, digest_id, ann, mapping={"*": "daily"})
        assert world.owed(conn, digest_id, ann) == {"daily": (1, 2)}


def test_what_waits_after_a_full_day_of_alerts_goes_on_when_that_cadence_is_withdrawn(either_db: Database) -> None:
    """Such debts stand at a cadence that the reader's own choices do not name."""
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"*": "instant"})
        entry = world.publish(conn, "a")
        world.move_mark(conn, digest_id, "instant", entry)
        preferences.put_off(conn, digest_id, {ann: [entry]}, from_cadence="instant")
        assert world.owed(conn, digest_id, ann) == {"daily": (entry,)}
        assert offers.offer(conn, digest_id, ("instant", "weekly"), now=NOW) == 1
        assert world.owed(conn, digest_id, ann) == {"instant": (entry,)}


def test_a_cadence_is_not_withdrawn_while_an_edition_of_it_is_on_its_way(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        number = world.freeze(conn, digest_id, "daily")
        world.plan_row(conn, number, ann, [])
        with pytest.raises(Refused, match=f"Edition {number} .daily. is frozen"):
            offers.offer(conn, digest_id, ("weekly",), now=NOW)
        assert publications.one_series(conn, digest_id, "daily").offered


@pytest.mark.parametrize(("text", "fault"), [("", "Nothing is named"), ("hourly", "not how often")])
def test_what_cannot_be_offered_is_refused(db: Database, text: str, fault: str) -> None:
    with db.transaction() as conn:
        world.digest(conn)
        with pytest.raises(BadInput, match=fault):
            offers.set(conn, "weekly", {"cadences": text}, now=NOW)
