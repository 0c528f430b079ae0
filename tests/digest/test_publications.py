"""Digests, series and topics as staff set them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from digest import items, publications
from digest.db import Database
from digest.errors import BadInput, NotFound, Refused
from digest.items import Draft
from digest.publications import Digest
from tests.conftest import NOW


def create(conn: Connection, slug: str = "weekly", cadences: tuple[str, ...] = ("weekly",), **fields: Any) -> Digest:
    given: dict[str, Any] = {
        "from_name": "Path to Public Safety",
        "from_address": "news@example.org",
        "zone": "America/New_York",
    }
    return publications.create(conn, slug, "The Weekly", now=NOW, cadences=cadences, **{**given, **fields})


def test_a_new_digest_starts_with_the_log_as_it_stands(either_db: Database) -> None:
    with either_db.transaction() as conn:
        item = Draft("a", "fact sheet", "A", published_on="2019-06-04")
        items.put(conn, item, now=NOW, zone="UTC")
        digest = create(conn, cadences=("monthly", "weekly"))
        weekly = publications.one_series(conn, digest.id, "weekly")
        assert [one.cadence for one in publications.series(conn, digest.id)] == ["weekly", "monthly"]
    assert (weekly.mark, weekly.next_number, weekly.weekday, weekly.month_day) == (1, 1, 0, None)
    assert (weekly.hour, weekly.fewest, weekly.most, weekly.since) == (7, 1, 12, NOW)
    assert (weekly.late_hours, weekly.late_policy, weekly.needs_approval) == (2, "send", False)


def test_a_digest_is_found_by_slug_and_by_id(db: Database) -> None:
    with db.transaction() as conn:
        digest = create(conn)
        assert publications.find(conn, "weekly") == publications.by_id(conn, digest.id) == digest
        assert publications.all(conn) == [digest]
        assert digest.languages == ("en",)
        with pytest.raises(NotFound, match="There is: weekly"):
            publications.find(conn, "daily")
        with pytest.raises(NotFound, match="It has: weekly"):
            publications.one_series(conn, digest.id, "daily")
        with pytest.raises(Refused, match="already"):
            create(conn)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"from_address": "nobody"}, "from_address"),
        ({"zone": "Moon/Crater"}, "zone"),
        ({"from_name": ""}, "from_name"),
        ({"slug": "Not A Slug"}, "slug"),
    ],
)
def test_a_digest_that_cannot_be_is_refused_with_its_field(db: Database, fields: dict[str, Any], where: str) -> None:
    with db.transaction() as conn, pytest.raises(BadInput) as caught:
        create(conn, **fields)
    assert caught.value.problem.where == where


def test_settings_are_changed_by_name_for_one_series_or_for_all(db: Database) -> None:
    with db.transaction() as conn:
        digest = create(conn, cadences=("daily", "weekly"))
        changed = publications.set(
            conn,
            "weekly",
            {
                "name": "  News \n of the week ",
                "languages": "en, es",
                "reply_to": "help@example.org",
                "zone": "Europe/Berlin",
                "hour": "9",
                "weekly.weekday": "friday",
                "weekly.needs_approval": "yes",
                "daily.fewest": "2",
                "late_policy": "ask",
            },
            now=NOW,
        )
        daily, weekly = publications.series(conn, digest.id)
    assert (changed.name, changed.languages, changed.zone) == ("News of the week", ("en", "es"), "Europe/Berlin")
    assert changed.reply_to == "help@example.org"
    assert (daily.hour, daily.weekday, daily.fewest, daily.needs_approval, daily.late_policy) == (
        9,
        None,
        2,
        False,
        "ask",
    )
    assert (weekly.hour, weekly.weekday, weekly.fewest, weekly.needs_approval) == (9, 4, 1, True)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("colour", "red", "no such setting"),
        ("weekly.name", "x", "no such setting"),
        ("yearly.hour", "7", "no such setting"),
        ("hour", "24", "from 0 to 23"),
        ("hour", "٣", "from 0 to 23"),
        ("weekly.hour", "-1", "from 0 to 23"),
        ("weekly.weekday", "noday", "no day of the week"),
        ("weekly.weekday", "t", "no day of the week"),
        ("daily.weekday", "monday", "Only weekly"),
        ("daily.hour", "7", "has no daily editions"),
        ("fewest", "0", "from 1 to 1000"),
        ("late_policy", "maybe", "send, skip or ask"),
        ("needs_approval", "perhaps", "yes or no"),
        ("from_address", "a@b@c", "no e-mail address"),
        ("from_address", "", "no e-mail address"),
        ("languages", "", "No language"),
        ("languages", "klingon", "no language"),
        ("zone", "../etc/passwd", "no time zone"),
        ("name", "\u202e", "empty"),
    ],
)
def test_a_setting_that_cannot_be_understood_is_refused_by_name(db: Database, key: str, value: str, says: str) -> None:
    with db.transaction() as conn:
        before = create(conn)
        with pytest.raises(BadInput, match=says) as caught:
            publications.set(conn, "weekly", {"description": "New", key: value}, now=NOW)
        assert caught.value.problem.where == key
        assert publications.find(conn, "weekly") == before


def test_the_digest_that_is_meant_is_the_one_named_else_the_oldest(db: Database) -> None:
    with db.transaction() as conn:
        with pytest.raises(NotFound, match="There is no digest yet"):
            publications.first(conn)
        oldest, later = (create(conn, slug) for slug in ("weekly", "daily"))
        assert (publications.first(conn), publications.first(conn, "daily")) == (oldest, later)
        with pytest.raises(NotFound, match="There is no digest 'monthly'"):
            publications.first(conn, "monthly")


def test_a_change_of_people_is_counted(db: Database) -> None:
    with db.transaction() as conn:
        digest, other = create(conn), create(conn, "other")
        publications.touch_people(conn, digest.id)
        publications.touch_people(conn, digest.id)
        assert publications.by_id(conn, digest.id).people_rev == 2
        assert publications.by_id(conn, other.id).people_rev == 0


def test_topics_are_made_from_their_slugs_and_can_be_named(db: Database) -> None:
    with db.transaction() as conn:
        publications.ensure_topics(conn, ["sanctuary-jurisdictions", "287g"])
        publications.set_topic(conn, "287g", "287(g) agreements", "Local police and federal law.")
        publications.ensure_topics(conn, ["287g"])
        assert [(t.slug, t.name, t.items) for t in publications.topics(conn)] == [
            ("287g", "287(g) agreements", 0),
            ("sanctuary-jurisdictions", "Sanctuary jurisdictions", 0),
        ]
        assert publications.topic(conn, "287g").description == "Local police and federal law."
        with pytest.raises(NotFound, match="sanctuary-jurisdictions"):
            publications.topic(conn, "sanctuary-jurisdiction")
        with pytest.raises(BadInput, match="every topic"):
            publications.set_topic(conn, "all", "Everything")
