"""What readers leaf through, on both databases: pages without doubles or gaps, counts that add up, neighbors."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import items, listings
from digest.db import Database
from digest.items import Draft
from digest.listings import Filter
from tests.conftest import NOW

ZONE = "America/New_York"
KINDS, TOPICS = ("essay", "letter", "report"), ("crime", "hiring")


@pytest.fixture
def library(either_db: Database) -> Database:
    """Thirty items of three kinds, two topics and four years, several a day, some never news; and three unlisted."""
    with either_db.transaction() as conn:
        for n in range(30):
            draft = Draft(
                slug=f"item-{n}",
                kind=KINDS[n % 3],
                title=f"Item {n}",
                topics=TOPICS[: n % 3],
                published_on=f"{2022 + n % 4}-05-0{1 + n % 2}",
            )
            items.put(conn, draft, now=NOW + timedelta(minutes=n), zone=ZONE, known=n % 5 == 0)
        items.put(conn, Draft(slug="draft", kind="poem", title="Draft", state="draft"), now=NOW, zone=ZONE)
        items.put(conn, Draft(slug="yearless", kind="poem", title="-", published_on="--06-29"), now=NOW, zone=ZONE)
        items.put(conn, Draft(slug="gone", kind="poem", title="Gone", published_on="2024-05-02"), now=NOW, zone=ZONE)
        items.withdraw(conn, "gone", now=NOW, why="Wrong.")
    return either_db


def leaf(conn: sa.Connection, wanted: Filter, limit: int) -> list[str]:
    """The slugs of all pages, one after another; each page says truly how many come after it."""
    whole = [item.slug for item in listings.page(conn, wanted, limit=100).items]
    seen: list[str] = []
    while True:
        page = listings.page(conn, wanted, limit=limit, before=seen[-1] if seen else "")
        seen += [item.slug for item in page.items]
        assert page.earlier == len(whole) - len(seen)
        if not page.earlier:
            return seen


@pytest.mark.parametrize("wanted", [Filter(), Filter(kind="letter"), Filter(topic="crime"), Filter("letter", "crime")])
def test_pages_together_are_the_list(library: Database, wanted: Filter) -> None:
    with library.reading() as conn:
        latest = items.latest(conn, kind=wanted.kind or None, topic=wanted.topic or None)
        expected = [item.slug for item in latest]
        assert expected
        assert leaf(conn, wanted, 3) == leaf(conn, wanted, 100) == expected


def test_a_page_goes_on_from_an_item_that_is_no_longer_shown(library: Database) -> None:
    with library.transaction() as conn:
        first = [item.slug for item in listings.page(conn, Filter(), limit=4).items]
        rest = [item.slug for item in listings.page(conn, Filter(), limit=100, before=first[-1]).items]
        items.withdraw(conn, first[-1], now=NOW, why="Wrong.")
        items.put(conn, Draft(slug="new", kind="essay", title="N", published_on="2026-09-01"), now=NOW, zone=ZONE)
        assert [item.slug for item in listings.page(conn, Filter(), limit=100, before=first[-1]).items] == rest
        assert listings.page(conn, Filter(), limit=4, before="never-was").items == ()
        assert listings.page(conn, Filter(), limit=4, before="yearless").items == ()


def test_counts_are_of_what_the_pages_hold(library: Database) -> None:
    with library.reading() as conn:
        assert listings.kinds(conn, Filter()) == [("essay", 10), ("letter", 10), ("report", 10)]
        assert listings.kinds(conn, Filter(kind="essay", topic="hiring")) == [("report", 10)]
        assert [(one.slug, one.items) for one in listings.topics(conn, Filter())] == [("crime", 20), ("hiring", 10)]
        of_letters = listings.topics(conn, Filter(kind="letter", topic="crime"))
        assert [(one.slug, one.items) for one in of_letters] == [("crime", 10), ("hiring", 0)]
        assert listings.years(conn) == [(2025, 7), (2024, 7), (2023, 8), (2022, 8)]
        for year, count in listings.years(conn):
            page = listings.page(conn, Filter(year=year), limit=100)
            assert {(item.published_on or "")[:4] for item in page.items} == {str(year)}
            assert len(page.items) == count


def test_neighbors_are_those_of_the_list(library: Database) -> None:
    with library.reading() as conn:
        shown = items.latest(conn, topic="crime")
        for n, item in enumerate(shown):
            newer, older = listings.beside(conn, item, "crime")
            assert newer == (shown[n - 1] if n else None)
            assert older == (shown[n + 1] if n + 1 < len(shown) else None)
        assert listings.beside(conn, items.find(conn, "yearless"), "crime") == (None, None)
        above, below = listings.beside(conn, items.find(conn, "gone"), "crime")
        assert above
        assert below
        assert above.published_at
        assert above.published_at >= (below.published_at or NOW)


def test_addresses_are_of_everything_published_and_their_version_changes_with_them(library: Database) -> None:
    with library.transaction() as conn:
        slugs = [slug for slug, _ in listings.addresses(conn)]
        assert len(slugs) == 31
        assert slugs == sorted(slugs)
        assert "yearless" in slugs
        before = listings.version(conn)
        items.revise(conn, "item-3", now=NOW + timedelta(days=1), title="Another")
        changed = listings.version(conn)
        items.withdraw(conn, "item-3", now=NOW + timedelta(days=1), why="Wrong.")
        assert len({before, changed, listings.version(conn)}) == 3
        assert "item-3" not in dict(listings.addresses(conn))


def test_what_updates_changed_is_told_from_the_first_news_on(library: Database) -> None:
    with library.transaction() as conn:
        items.put(conn, Draft(slug="x", kind="essay", title="X", state="draft", update_note="?"), now=NOW, zone=ZONE)
        items.revise(conn, "x", now=NOW, title="Better", update_note="For the editors.")
        items.revise(conn, "x", now=NOW, title="Best", update_note="")
        items.publish(conn, "x", now=NOW)
        items.revise(conn, "x", now=NOW, tell="New figures.", updated_on="2026-09-08", excerpt="a")
        items.revise(conn, "x", now=NOW + timedelta(days=2), excerpt="b")
        items.revise(conn, "x", now=NOW + timedelta(days=3), tell="Newer figures.", updated_on="", excerpt="c")
        told = [(note.text, note.day) for note in items.notes(conn, items.find(conn, "x"))]
        assert told == [("Newer figures.", NOW + timedelta(days=3)), ("New figures.", "2026-09-08")]
