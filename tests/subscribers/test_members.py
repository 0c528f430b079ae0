from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from digest import publications, tables
from digest.db import Database
from digest.errors import BadInput, NotFound, Refused
from subscribers import consent, members, offers, suppression
from subscribers.consent import Origin
from subscribers.tables import subscribers, subscriptions
from tests.conftest import NOW
from tests.subscribers import world
from tests.subscribers.world import KEYS

# --- joining ---------------------------------------------------------------------------------------------------


def test_a_person_is_added_with_their_choices_and_starts_behind_the_log(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        latest = world.publish(conn, "a")
        origin = Origin("asked at the desk", "desk", "2026-09-01")
        added = members.add(
            conn, KEYS, "Ann@Example.ORG", digest_id=digest_id, name=" Ann \n Lee ", language="es",
            mapping={"a": "daily"}, hour=18, zone="Europe/Madrid", now=NOW, origin=origin,
        )  # fmt: skip
        assert added.what == "created"
        assert added.subscriber_id is not None
        one = world.subscription(conn, digest_id, added.subscriber_id)
        assert (one.email, one.name, one.language) == ("Ann@example.org", "Ann Lee", "es")
        assert (one.preferences, one.hour, one.zone) == ({"*": "off", "a": "daily"}, 18, "Europe/Madrid")
        assert (one.state, one.since, one.owed, one.joined_at) == ("active", latest, {}, NOW)
        assert consent.of_subscriber(conn, added.subscriber_id) == (consent.Event("added", digest_id, origin, NOW),)


def test_what_a_person_does_not_say_is_as_the_digest_has_it(db: Database) -> None:
    with db.transaction() as conn:
        weekly, monthly = world.digest(conn), world.digest(conn, "monthly", ["daily", "monthly"])
        one = world.subscription(conn, weekly, world.add(conn, weekly))
        assert (one.preferences, one.hour, one.zone, one.language) == ({"*": "weekly"}, 7, "America/New_York", "en")
        assert world.subscription(conn, monthly, world.add(conn, monthly)).preferences == {"*": "monthly"}


def test_the_same_address_in_another_spelling_is_the_same_person(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id, other = world.digest(conn), world.digest(conn, "other")
        first = members.add(conn, KEYS, "Ann@example.org", digest_id=digest_id, now=NOW)
        again = members.add(conn, KEYS, "ann@EXAMPLE.org", digest_id=digest_id, now=NOW)
        changed = members.add(conn, KEYS, "ann@example.org", digest_id=digest_id, mapping={"*": "daily"}, now=NOW)
        elsewhere = members.add(conn, KEYS, "ann@example.org", digest_id=other, now=NOW)
        assert [one.what for one in (first, again, changed, elsewhere)] == [
            "created", "unchanged", "changed", "created",
        ]  # fmt: skip
        assert len({one.subscriber_id for one in (first, again, changed, elsewhere)}) == 1
        assert conn.scalar(sa.select(sa.func.count()).select_from(subscribers)) == 1


def test_an_address_that_must_not_be_mailed_is_not_added(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        suppression.add(conn, KEYS, "ann@example.org", reason="complaint", now=NOW)
        added = members.add(conn, KEYS, "Ann@example.org", digest_id=digest_id, now=NOW)
        assert added == members.Added(None, "suppressed")
        assert conn.scalar(sa.select(sa.func.count()).select_from(subscribers)) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"hour": 24},
        {"hour": -1},
        {"zone": "Mars/Olympus"},
        {"zone": "../etc/passwd"},
        {"language": "klingon!"},
        {"mapping": {"a": "hourly"}},
        {"mapping": {"a": "daily"}},
        {"mapping": {"A b": "weekly"}},
        {"email": "ann@"},
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(db: Database, wrong: dict[str, object]) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn, cadences=["weekly"])
        with pytest.raises(BadInput):
            world.add(conn, digest_id, **wrong)  # type: ignore[arg-type]
        assert conn.scalar(sa.select(sa.func.count()).select_from(subscribers)) == 0


def test_who_waits_to_confirm_owes_nothing_and_starts_when_they_join(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, state="pending")
        latest = world.publish(conn, "a")
        assert members.change(conn, digest_id, ann, mapping={"*": "daily"})
        assert world.owed(conn, digest_id, ann) == {}
        later, rev = NOW + timedelta(hours=1), world.rev(conn, digest_id, ann)
        assert members.join(conn, digest_id, ann, now=later)
        assert world.rev(conn, digest_id, ann) == rev + 1
        one = world.subscription(conn, digest_id, ann)
        assert (one.state, one.since, one.joined_at, one.preferences) == ("active", latest, later, {"*": "daily"})
        assert not members.join(conn, digest_id, ann, now=later)


# --- changing --------------------------------------------------------------------------------------------------


def test_hour_zone_name_and_language_change_without_refiling(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        world.publish(conn, "a")
        rev = world.rev(conn, digest_id, ann)
        assert members.change(conn, digest_id, ann, hour=0, zone="Asia/Tokyo", name="Ann", language="es")
        one = world.subscription(conn, digest_id, ann)
        assert (one.hour, one.zone, one.name, one.language) == (0, "Asia/Tokyo", "Ann", "es")
        assert (one.since, one.owed, world.rev(conn, digest_id, ann)) == (0, {}, rev)
        assert not members.change(conn, digest_id, ann, hour=0, zone="Asia/Tokyo", name="Ann", language="es")
        assert members.change(conn, digest_id, ann, name="")
        assert world.subscription(conn, digest_id, ann).hour == 0


def test_choosing_what_is_chosen_already_changes_nothing(db: Database) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        rev = world.rev(conn, digest_id, ann)
        assert not members.change(conn, digest_id, ann, mapping={"*": "weekly"})
        assert world.rev(conn, digest_id, ann) == rev


def test_a_person_who_is_not_here_cannot_be_changed(db: Database) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        with pytest.raises(NotFound):
            members.change(conn, digest_id, 77, hour=8)


def test_a_pause_takes_planned_mail_back_and_waking_brings_it(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"*": "weekly"})
        planned = world.publish(conn, "a")
        edition = world.freeze(conn, digest_id, "weekly")
        world.plan_row(conn, edition, ann, [planned])
        world.complete(conn, edition)
        assert members.pause(conn, digest_id, ann, until=date(2026, 10, 1), now=NOW)
        row = conn.execute(sa.select(tables.deliveries)).one()
        assert (row.state, row.code, row.carried) == (3, "paused", True)
        one = world.subscription(conn, digest_id, ann)
        assert (one.state, one.paused_until, one.owed) == ("paused", "2026-10-01", {"weekly": (planned,)})
        meanwhile = world.publish(conn, "a")
        world.move_mark(conn, digest_id, "weekly", meanwhile)
        assert members.pause(conn, digest_id, ann, until=date(2026, 11, 1), now=NOW)
        assert not members.pause(conn, digest_id, ann, until=date(2026, 11, 1), now=NOW)
        assert members.wake(conn, digest_id, ann)
        one = world.subscription(conn, digest_id, ann)
        assert (one.state, one.paused_until, one.owed) == ("active", None, {"weekly": (planned, meanwhile)})
        assert not members.wake(conn, digest_id, ann)


def test_waking_can_forget_what_came_meanwhile(db: Database) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        world.publish(conn, "a")
        members.pause(conn, digest_id, ann, now=NOW)
        latest = world.publish(conn, "a")
        assert members.wake(conn, digest_id, ann, drop=True)
        one = world.subscription(conn, digest_id, ann)
        assert (one.state, one.since, one.owed) == ("active", latest, {})


def test_only_who_gets_mail_can_pause(db: Database) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        members.leave(conn, digest_id, ann, now=NOW, how="link")
        with pytest.raises(Refused):
            members.pause(conn, digest_id, ann, now=NOW)


def test_a_pause_ends_on_its_day_in_the_persons_own_zone(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        zones = ("Pacific/Kiritimati", "UTC", "Pacific/Honolulu", "UTC")
        readers = [world.add(conn, digest_id, f"r{n}@example.org", zone=zone) for n, zone in enumerate(zones)]
        for reader in readers[:3]:
            members.pause(conn, digest_id, reader, until=date(2026, 9, 8), now=NOW)
        members.pause(conn, digest_id, readers[3], now=NOW)

        def awake(at: datetime) -> list[bool]:
            members.wake_due(conn, now=at)
            return [world.subscription(conn, digest_id, reader).state == "active" for reader in readers]

        assert awake(datetime(2026, 9, 7, 9, 59, tzinfo=UTC)) == [False, False, False, False]
        assert awake(datetime(2026, 9, 7, 10, 0, tzinfo=UTC)) == [True, False, False, False]
        assert awake(datetime(2026, 9, 8, 0, 0, tzinfo=UTC)) == [True, True, False, False]
        assert awake(datetime(2026, 9, 8, 10, 0, tzinfo=UTC)) == [True, True, True, False]


def test_leaving_stops_what_is_planned_forgets_what_is_owed_and_can_be_repeated(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        planned, owed = world.publish(conn, "a"), world.publish(conn, "a")
        members.change(conn, digest_id, ann, mapping={"*": "daily"})
        assert world.owed(conn, digest_id, ann) == {"daily": (planned, owed)}
        world.plan_row(conn, world.freeze(conn, digest_id, "daily"), ann, [planned])
        rev, touched = world.rev(conn, digest_id, ann), publications.by_id(conn, digest_id).people_rev
        assert members.leave(conn, digest_id, ann, now=NOW, how="link")
        assert world.subscription(conn, digest_id, ann).state == "left"
        assert world.owed(conn, digest_id, ann) == {}
        assert world.rev(conn, digest_id, ann) == rev + 1
        assert publications.by_id(conn, digest_id).people_rev > touched
        assert conn.execute(sa.select(tables.deliveries.c.state, tables.deliveries.c.code)).one() == (3, "left")
        assert not members.leave(conn, digest_id, ann, now=NOW, how="link")
        assert not members.leave(conn, digest_id, 77, now=NOW, how="link")
        assert not members.leave(conn, 77, ann, now=NOW, how="link")
        events = consent.of_subscriber(conn, ann)
        assert [(event.what, event.origin.source) for event in events] == [("added", ""), ("left", "link")]


def test_who_comes_back_is_new(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"a": "weekly"})
        world.publish(conn, "a")
        members.leave(conn, digest_id, ann, now=NOW, how="link")
        latest = world.publish(conn, "a")
        rev = world.rev(conn, digest_id, ann)
        again = members.add(conn, KEYS, "ann@example.org", digest_id=digest_id, mapping={"*": "daily"}, now=NOW)
        assert again == members.Added(ann, "changed")
        one = world.subscription(conn, digest_id, ann)
        assert (one.state, one.since, one.owed) == ("active", latest, {})
        assert one.preferences == {"*": "daily"}
        assert world.rev(conn, digest_id, ann) > rev
        assert [event.what for event in consent.of_subscriber(conn, ann)] == ["added", "left", "joined"]


def test_a_cadence_that_is_withdrawn_moves_its_readers_and_what_they_are_owed(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, "ann@example.org", mapping={"a": "daily", "*": "monthly"})
        bob = world.add(conn, digest_id, "bob@example.org", mapping={"*": "weekly"})
        entry = world.publish(conn, "a")
        offered = ("instant", "weekly", "monthly")
        assert offers.offer(conn, digest_id, offered, now=NOW) == 1
        assert world.subscription(conn, digest_id, ann).preferences == {"a": "weekly", "*": "monthly"}
        assert world.owed(conn, digest_id, ann) == {"weekly": (entry,)}
        assert world.owed(conn, digest_id, bob) == {}
        assert offers.offer(conn, digest_id, offered, now=NOW) == 0


# --- reading ---------------------------------------------------------------------------------------------------


def test_a_person_is_found_with_everything_that_was_sent_and_why_not(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"a": "daily", "*": "weekly"})
        sent, back = world.publish(conn, "a"), world.publish(conn, "b")
        first = world.freeze(conn, digest_id, "daily")
        world.plan_row(conn, first, ann, [sent], state=2)
        world.complete(conn, first)
        second = world.freeze(conn, digest_id, "weekly")
        world.plan_row(conn, second, ann, [back])
        members.pause(conn, digest_id, ann, until=date(2026, 10, 1), now=NOW)
        person = members.find(conn, " ANN@example.org ")
        assert (person.email, person.state, person.suppressed) == ("ann@example.org", "paused", None)
        (one,) = person.subscriptions
        assert (one.digest, one.state, one.preferences) == ("weekly", "paused", {"*": "weekly", "a": "daily"})
        assert one.owed == {"weekly": (back,)}
        told = [(row.edition, row.digest, row.cadence, row.state, row.code, row.at) for row in person.deliveries]
        assert told == [
            (second, "weekly", "weekly", "skipped", "paused", NOW),
            (first, "weekly", "daily", "accepted", None, None),
        ]


def test_the_state_of_a_person_is_that_of_their_liveliest_subscription_unless_suppressed(db: Database) -> None:
    with db.transaction() as conn:
        first, second = world.digest(conn), world.digest(conn, "second")
        ann = world.add(conn, first)
        members.leave(conn, first, ann, now=NOW, how="link")
        states = [members.find(conn, "ann@example.org").state]
        world.add(conn, second, state="pending")
        states.append(members.find(conn, "ann@example.org").state)
        members.join(conn, second, ann, now=NOW)
        states.append(members.find(conn, "ann@example.org").state)
        suppression.add(conn, KEYS, "ann@example.org", reason="hard", now=NOW)
        person = members.find(conn, "ann@example.org")
        assert [*states, person.state, person.suppressed] == ["left", "pending", "active", "suppressed", "hard"]


def test_who_is_not_here_is_not_found(db: Database) -> None:
    with db.transaction() as conn, pytest.raises(NotFound, match="people add"):
        members.find(conn, "ann@example.org")


def test_a_persons_own_page_shows_a_masked_address(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id, mapping={"*": "monthly"}, hour=9)
        described = members.describe(conn, digest_id, ann)
        assert described is not None
        assert (described.masked, described.digest) == ("a•••••@example.org", "The Digest")
        assert (described.preferences, described.hour, described.state) == ({"*": "monthly"}, 9, "active")
        assert "ann@" not in repr(described)
        assert members.describe(conn, digest_id, 77) is None
        assert members.describe(conn, 77, ann) is None


def test_a_subscription_never_loses_its_row_by_leaving(db: Database) -> None:
    with db.transaction() as conn:
        digest_id = world.digest(conn)
        ann = world.add(conn, digest_id)
        members.leave(conn, digest_id, ann, now=NOW, how="link")
        assert conn.scalar(sa.select(sa.func.count()).select_from(subscriptions)) == 1
