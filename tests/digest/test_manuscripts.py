"""An item in a form: what is taken from it, what is changed, and what is wrong with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from digest import items, manuscripts
from digest.db import Database
from digest.drafts import Draft
from digest.items import Attachment, Author, Item
from digest.manuscripts import Manuscript, Overtaken
from tests.conftest import NOW

ZONE = "America/New_York"
PDF = Attachment("pdf", "https://example.org/a.pdf", "a.pdf", "application/pdf", 0)
PICTURE = Attachment("image", "https://example.org/a.png", "a.png", "image/*", 0)
WHOLE = Manuscript(title="A title", kind="fact sheet", day="2026-08-17", text="Text.", topics=("hiring",))


def put(db: Database, **fields: object) -> Item:
    given = {"slug": "a", "kind": "fact sheet", "title": "A title", "published_on": "2026-08-17"} | fields
    with db.transaction() as conn:
        items.put(conn, Draft(**given), now=NOW, zone=ZONE)  # type: ignore[arg-type]
        return items.find(conn, "a")


@pytest.mark.parametrize(
    "fields",
    [
        {"body": "<p>One</p>", "markdown": None},
        {"body": "<p>One</p>\n", "markdown": "One\r\n\r\n"},
        {"published_on": "--06-29"},
        {"published_on": None, "published_at": NOW},
        {"body": "<p>" + "Long words. " * 60 + "</p>"},
        {"attachments": (PICTURE, PDF), "authors": (Author("A", "B", "C"),), "topics": ("b", "a"), "language": "es"},
    ],
)
def test_what_is_not_touched_changes_nothing(db: Database, fields: dict[str, object]) -> None:
    item = put(db, **fields)
    assert manuscripts.changes(item, manuscripts.of(item), zone=ZONE) == {}


def test_only_what_was_touched_is_changed_and_the_excerpt_follows_the_text(db: Database) -> None:
    item = put(db, body="<p>One</p>", markdown="One", published_on=None, published_at=NOW)
    typed = replace(manuscripts.of(item), text="Two")
    with db.transaction() as conn:
        outcome = manuscripts.save(conn, "a", typed, opened_at=1, now=NOW, zone=ZONE)
        after = items.find(conn, "a")
    assert outcome.what == "changed"
    assert (after.body, after.excerpt, after.published_at) == ("<p>Two</p>\n", "Two", item.published_at)


def test_files_are_changed_one_by_one_and_others_stay(db: Database) -> None:
    more = replace(PDF, path="https://example.org/b.pdf")
    item = put(db, attachments=(PDF, more, PICTURE))
    typed = replace(manuscripts.of(item), pdf=None, image=replace(PICTURE, alt="A river"))
    assert manuscripts.changes(item, typed, zone=ZONE) == {"attachments": (replace(PICTURE, alt="A river"), more)}


def test_who_opened_an_older_text_is_told_so_and_nothing_is_written(db: Database) -> None:
    item = put(db)
    with db.transaction() as conn:
        items.revise(conn, "a", now=NOW, title="Theirs")
    with db.transaction() as conn, pytest.raises(Overtaken) as told:
        manuscripts.save(conn, "a", manuscripts.of(item), opened_at=1, now=NOW, zone=ZONE)
    assert told.value.item.title == "Theirs"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({}, []),
        ({"title": "", "kind": ""}, ["title", "kind"]),
        ({"day": "June 29"}, ["date"]),
        ({"day": "2026-02-30"}, ["date"]),
        ({"day": ""}, []),
        ({"authors": (Author("", "Sheriff"),)}, ["authors"]),
        ({"image": PICTURE}, ["image_alt"]),
        ({"image": replace(PICTURE, alt="A river")}, []),
    ],
)
def test_all_that_is_wrong_is_named_by_its_field(change: dict[str, object], where: list[str]) -> None:
    typed = replace(WHOLE, **change)  # type: ignore[arg-type]
    assert [one.where for one in manuscripts.faults(typed, None, zone=ZONE)] == where


def test_a_published_item_keeps_its_date_and_a_picture_may_stay_as_it_came(db: Database) -> None:
    item = put(db, attachments=(PICTURE,))
    same = manuscripts.of(item)
    assert manuscripts.faults(same, item, zone=ZONE) == []
    (fault,) = manuscripts.faults(replace(same, day=""), item, zone=ZONE)
    assert fault.where == "date"
    worded = replace(item, attachments=(replace(PICTURE, alt="A river"),))
    assert [one.where for one in manuscripts.faults(same, worded, zone=ZONE)] == ["image_alt"]


@pytest.mark.parametrize(
    ("title", "slug"), [("Who may serve?", "who-may-serve"), ("من يخدم", "fact-sheet"), ("x" * 200, "x" * 80)]
)
def test_a_new_item_is_a_draft_with_an_address_from_its_title(db: Database, title: str, slug: str) -> None:
    with db.transaction() as conn:
        item = manuscripts.create(conn, replace(WHOLE, title=title), now=NOW, zone=ZONE)
    assert (item.slug, item.state, item.body, item.markdown) == (slug, "draft", "<p>Text.</p>\n", "Text.")
