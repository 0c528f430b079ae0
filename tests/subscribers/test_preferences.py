from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from digest import publications, tables
from digest.db import Database
from digest.errors import BadInput, NotFound
from subscribers import members, preferences
from subscribers.tables import carries, preference_sets
from tests.conftest import NOW
from tests.subscribers import world

ALL = preferences.CADENCES

# --- choices ---------------------------------------------------------------------------------------------------


def test_choices_are_read_as_written_and_what_is_not_named_is_off() -> None:
    assert preferences.parse("hiring=daily;detainers=off;*=weekly", ALL) == {
        "hiring": "daily",
        "detainers": "off",
        "*": "weekly",
    }
    assert preferences.parse(" Hiring = Daily ; ", ALL) == {"hiring": "daily", "*": "off"}
    assert preferences.parse("all=monthly", ALL) == {"*": "monthly"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no topic"),
        (";;", "no topic"),
        ("hiring", "how often"),
        ("hiring=hourly", "not offered"),
        ("hiring=daily", "weekly"),
        ("hiring=weekly;hiring=off", "twice"),
        ("all=weekly;*=off", "twice"),
        ("hi ring=weekly", "address"),
        ("=weekly", "address"),
    ],
)
def test_choices_that_cannot_be_are_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        preferences.parse(text, ["weekly", "monthly"])


def test_topics_at_one_cadence_are_a_set() -> None:
    assert preferences.of(["hiring", "detainers"], "daily") == {"*": "off", "hiring": "daily", "detainers": "daily"}
    assert preferences.of([], "daily") == {"*": "daily"}


@pytest.mark.parametrize(
    ("topics", "cadence"),
    [
        (["a"], "daily"),
        (["a", "b"], "daily"),
        (["b", "c"], "monthly"),
        (["b"], "off"),
        (["new"], "weekly"),
        (["new", "b"], "weekly"),
        (["new", "c"], "weekly"),
        ([], "weekly"),
    ],
)
def test_an_entry_comes_as_often_as_its_most_frequent_topic(topics: list[str], cadence: str) -> None:
    mapping = {"a": "daily", "b": "off", "c": "monthly", "*": "weekly"}
    assert preferences.cadence_for(mapping, topics) == cadence


@pytest.mark.parametrize(
    ("offered", "fitted"),
    [
        (ALL, {"*": "daily", "a": "monthly", "b": "off"}),
        (("weekly", "monthly"), {"*": "weekly", "a": "monthly", "b": "off"}),
        (("instant", "weekly"), {"*": "weekly", "a": "weekly", "b": "off"}),
        (("instant",), {"*": "instant", "a": "instant", "b": "off"}),
    ],
)
def test_what_is_not_offered_becomes_the_next_slower_or_the_slowest(
    offered: tuple[str, ...], fitted: Mapping[str, str]
) -> None:
    assert preferences.fit({"*": "daily", "a": "monthly", "b": "off"}, offered) == fitted


cadences = st.sampled_from([*ALL, "off"])


@given(st.dictionaries(st.sampled_from(["a", "b", "*"]), cadences), st.sets(st.sampled_from(ALL), min_size=1))
def test_a_fitted_set_names_only_what_is_offered_and_fits_again_as_it_is(
    mapping: dict[str, str], offered: set[str]
) -> None:
    fitted = preferences.fit(mapping, tuple(offered))
    assert set(fitted.values()) <= offered | {"off"}
    assert preferences.fit(fitted, tuple(offered)) == fitted


# --- interning -------------------------------------------------------------------------------------------------


def test_equal_choices_hours_and_lists_share_one_row(either_db: Database) -> None:
    with either_db.transaction() as conn:
        first = preferences.intern_set(conn, {"a": "daily", "*": "off"})
        assert preferences.intern_set(conn, {"*": "off", "a": "daily"}) == first
        assert preferences.intern_set(conn, {"a": "daily"}) == first
        assert preferences.intern_set(conn, {"a": "weekly"}) != first
        assert preferences.map_of(conn, first) == {"*": "off", "a": "daily"}
        assert preferences.intern_slot(conn, 7, "UTC") == preferences.intern_slot(conn, 7, "UTC")
        assert preferences.intern_slot(conn, 8, "UTC") != preferences.intern_slot(conn, 7, "UTC")
        carry = preferences.intern_carry(conn, [3, 1, 3])
        assert preferences.intern_carry(conn, (1, 3)) == carry
        assert preferences.carry_of(conn, carry) == (1, 3)
        assert preferences.intern_carry(conn, []) is None
        assert preferences.carry_of(conn, None) == ()
        with pytest.raises(NotFound):
            preferences.map_of(conn, 999)


def test_two_who_intern_the_same_at_once_get_the_same_row(either_db: Database) -> None:
    found: list[int] = []
    gate = threading.Barrier(4)

    def intern() -> None:
        gate.wait()
        for n in range(20):
            with either_db.transaction() as conn:
                found.append(preferences.intern_set(conn, {"a": "daily", f"t{n}": "off"}))

    threads = [threading.Thread(target=intern) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    with either_db.reading() as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(preference_sets)) == 20
    assert len(set(found)) == 20


# --- refiling --------------------------------------------------------------------------------------------------


def test_what_came_since_the_mark_is_filed_as_the_new_choices_say(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"*": "weekly"})
        served = world.publish(conn, "a")
        world.move_mark(conn, digest_id, "weekly", served)
        in_a, in_b, in_both, in_none = (world.publish(conn, *topics) for topics in ("a", "b", "ab", ""))
        before = world.rev(conn, digest_id, ann)
        preferences.refile(conn, digest_id, ann, {"a": "daily", "b": "off", "*": "monthly"})
        assert world.owed(conn, digest_id, ann) == {"daily": (in_a, in_both), "monthly": (in_none,)}
        assert world.subscription(conn, digest_id, ann).since == in_none
        assert world.rev(conn, digest_id, ann) == before + 1
        assert in_b not in {s for entries in world.owed(conn, digest_id, ann).values() for s in entries}


def test_an_entry_is_owed_by_the_mark_of_its_own_cadence(db: Database) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"a": "daily", "b": "weekly"})
        first, second = world.publish(conn, "a"), world.publish(conn, "b")
        world.move_mark(conn, digest_id, "daily", first)
        preferences.refile(conn, digest_id, ann, {"*": "monthly"})
        assert world.owed(conn, digest_id, ann) == {"monthly": (second,)}


def test_what_is_carried_moves_with_the_choices_and_off_drops_it(db: Database) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"*": "weekly"})
        in_a, in_b = world.publish(conn, "a"), world.publish(conn, "b")
        preferences.refile(conn, digest_id, ann, {"*": "daily"})
        assert world.owed(conn, digest_id, ann) == {"daily": (in_a, in_b)}
        preferences.refile(conn, digest_id, ann, {"b": "off", "*": "instant"})
        assert world.owed(conn, digest_id, ann) == {"instant": (in_a,)}


def test_an_edition_in_planning_that_holds_a_row_is_behind_the_reader(either_db: Database) -> None:
    """Without it, the change between a reader's row and the mark would bring the entry twice."""
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, "ann@example.org", mapping={"*": "weekly"})
        bob = world.add(conn, digest_id, "bob@example.org", mapping={"*": "weekly"})
        entry = world.publish(conn, "a")
        edition = world.freeze(conn, digest_id, "weekly")
        world.plan_row(conn, edition, ann, [entry])
        for reader in (ann, bob):
            preferences.refile(conn, digest_id, reader, {"*": "daily"})
        assert world.owed(conn, digest_id, ann) == {}
        assert world.owed(conn, digest_id, bob) == {"daily": (entry,)}


@pytest.mark.parametrize("gone", [{"state": "cancelled"}, {"state": "skipped"}, {"state": "sent", "plan_done_at": NOW}])
def test_an_edition_that_ended_in_planning_is_not_behind_the_reader(db: Database, gone: dict[str, object]) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"*": "weekly"})
        entry = world.publish(conn, "a")
        world.plan_row(conn, world.freeze(conn, digest_id, "weekly", **gone), ann, [entry], state=3)
        preferences.refile(conn, digest_id, ann, {"*": "daily"})
        assert world.owed(conn, digest_id, ann) == {"daily": (entry,)}


def test_a_paused_reader_is_judged_by_since_alone(db: Database) -> None:
    """Choosing while paused, once and twice: the mark passes, and what came meanwhile stays owed."""
    for choices in ({"a": "weekly", "b": "daily"}, {"a": "daily", "b": "weekly"}):
        with db.transaction() as conn:
            digest_id = world.digest(conn, f"digest-{choices['a']}")
            ann = world.add(conn, digest_id, mapping={"*": "weekly"})
            members.pause(conn, digest_id, ann, now=NOW)
            entry = world.publish(conn, "a")
            world.move_mark(conn, digest_id, "weekly", entry)
            members.change(conn, digest_id, ann, mapping=choices)
            assert members.wake(conn, digest_id, ann)
            assert world.owed(conn, digest_id, ann) == {choices["a"]: (entry,)}


def test_what_is_given_back_is_filed_by_the_choices_of_that_day(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        readers = [world.add(conn, digest_id, f"r{n}@example.org", mapping={"*": "weekly"}) for n in range(4)]
        in_a, in_b = world.publish(conn, "a"), world.publish(conn, "b")
        world.move_mark(conn, digest_id, "weekly", in_b)
        stays, off, gone, unknown = readers[0], readers[1], readers[2], 9999
        members.change(conn, digest_id, off, mapping={"a": "off", "*": "daily"})
        members.leave(conn, digest_id, gone, now=NOW, how="link")
        revs = {reader: world.rev(conn, digest_id, reader) for reader in readers}
        touched = publications.by_id(conn, digest_id).people_rev
        preferences.give_back_all(conn, digest_id, dict.fromkeys([*readers[:3], unknown], (in_a, in_b)))
        assert world.owed(conn, digest_id, stays) == {"weekly": (in_a, in_b)}
        assert world.owed(conn, digest_id, off) == {"daily": (in_b,)}
        assert world.owed(conn, digest_id, gone) == world.owed(conn, digest_id, readers[3]) == {}
        moved = [reader for reader in readers if world.rev(conn, digest_id, reader) == revs[reader] + 1]
        assert moved == [stays, off]
        assert publications.by_id(conn, digest_id).people_rev > touched
        preferences.give_back(conn, digest_id, stays, [in_a])
        assert world.owed(conn, digest_id, stays) == {"weekly": (in_a, in_b)}


def test_a_reader_without_a_subscription_is_not_refiled(db: Database) -> None:
    with db.transaction() as conn, pytest.raises(NotFound):
        preferences.refile(conn, world.digest(conn), 77)


# --- taking back -----------------------------------------------------------------------------------------------


def _batch(conn: Connection, edition_id: int) -> sa.Row[int, int, int]:
    found = sa.select(tables.batches.c.state, tables.batches.c.skipped, tables.batches.c.size)
    return conn.execute(found.where(tables.batches.c.edition_id == edition_id)).one()


@pytest.mark.parametrize(
    ("size", "state_before", "state_after"), [(1, 0, 2), (2, 0, 0), (1, 1, 1)], ids=["whole", "part", "leased"]
)
def test_planned_mail_is_taken_back_and_its_batch_counts_with_it(
    either_db: Database, size: int, state_before: int, state_after: int
) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        entries = {world.publish(conn, "a"), world.publish(conn, "b")}
        edition = world.freeze(conn, digest_id, "weekly")
        world.plan_row(conn, edition, ann, entries, size=size)
        conn.execute(sa.update(tables.batches).values(state=state_before))
        assert preferences.take_back(conn, digest_id, ann, "paused", now=NOW) == entries
        row = conn.execute(sa.select(tables.deliveries)).one()
        assert (row.state, row.code, row.carried, row.updated_at) == (3, "paused", True, NOW)
        assert tuple(_batch(conn, edition)) == (state_after, 1, size)
        assert preferences.take_back(conn, digest_id, ann, "paused", now=NOW) == frozenset()


@pytest.mark.parametrize("state", [1, 2, 3, 4, 5])
def test_mail_that_is_on_its_way_or_done_stays_as_it_is(db: Database, state: int) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        edition = world.freeze(conn, digest_id, "weekly")
        world.plan_row(conn, edition, ann, [world.publish(conn, "a")], state=state)
        assert preferences.take_back(conn, digest_id, ann, "left", now=NOW) == frozenset()
        assert conn.execute(sa.select(tables.deliveries.c.state)).scalar_one() == state
        assert _batch(conn, edition).skipped == 0


def test_another_digests_mail_is_not_taken_back(db: Database) -> None:
    with db.transaction() as conn:
        digest_id, other = world.digest(conn), world.digest(conn, "other")
        ann = world.add(conn, digest_id)
        world.plan_row(conn, world.freeze(conn, other, "weekly"), ann, [world.publish(conn, "a")])
        assert preferences.take_back(conn, digest_id, ann, "left", now=NOW) == frozenset()


@pytest.mark.postgres
def test_a_sender_that_marks_first_keeps_the_row(postgres_url: str) -> None:
    """The two meet at the batch: whoever has it first decides, and the other sees what was decided."""
    db = Database(postgres_url)
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        edition = world.freeze(conn, digest_id, "weekly")
        world.plan_row(conn, edition, ann, [world.publish(conn, "a")])
        world.complete(conn, edition)
    taken: list[frozenset[int]] = []

    def pause() -> None:
        with db.transaction() as conn:
            taken.append(preferences.take_back(conn, digest_id, ann, "paused", now=NOW))

    with db.transaction() as sender:
        sender.execute(sa.update(tables.batches).values(state=1, fence=1))
        thread = threading.Thread(target=pause)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        sender.execute(sa.update(tables.deliveries).values(state=1))
    thread.join(10)
    assert taken == [frozenset()]
    with db.reading() as conn:
        assert conn.execute(sa.select(tables.deliveries.c.state)).scalar_one() == 1
        assert _batch(conn, edition).skipped == 0
    db.close()


@pytest.mark.postgres
def test_no_news_and_no_mark_can_come_between_a_refile_and_its_commit(postgres_url: str) -> None:
    db = Database(postgres_url)
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        world.publish(conn, "a")
    done: list[str] = []

    def publish() -> None:
        with db.transaction() as conn:
            world.publish(conn, "b")
            done.append("published")

    def plan() -> None:
        with db.transaction() as conn:
            conn.execute(sa.select(tables.series).where(tables.series.c.digest_id == digest_id).with_for_update())
            done.append("planned")

    threads = [threading.Thread(target=step) for step in (publish, plan)]
    with db.transaction() as conn:
        preferences.refile(conn, digest_id, ann, {"*": "daily"})
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.2)
        assert done == []
    for thread in threads:
        thread.join(10)
    assert sorted(done) == ["planned", "published"]
    with db.reading() as conn:
        assert world.owed(conn, digest_id, ann) == {"daily": (1,)}
        assert conn.scalar(sa.select(sa.func.count()).select_from(carries)) == 1
    db.close()
