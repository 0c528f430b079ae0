"""What staff have, page by page, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest import inventory, items, search
from digest.db import Database
from digest.drafts import Draft
from digest.inventory import Wanted
from tests.conftest import NOW


@pytest.fixture
def filled(either_db: Database) -> Database:
    """Twelve items, two of them changed at the same moment, in every state."""
    with either_db.transaction() as conn:
        for n in range(12):
            fields = {"state": "draft"} if n % 3 == 0 else {"published_on": "--06-29"} if n % 3 == 1 else {}
            draft = Draft(
                f"item-{n}",
                ("fact sheet", "article")[n % 2],
                f"Title {n}",
                topics=("hiring",) if n < 6 else (),
                **({"published_on": "2026-08-17"} | fields),  # type: ignore[arg-type]
            )
            items.put(conn, draft, now=NOW + timedelta(minutes=n // 2), zone="America/New_York")
        items.withdraw(conn, "item-11", now=NOW + timedelta(hours=1), why="It was wrong.")
    return either_db


def all_pages(db: Database, wanted: Wanted, limit: int) -> list[str]:
    found, after = list[str](), ""
    with db.reading() as conn:
        while True:
            page = inventory.page(conn, wanted, after=after, limit=limit)
            found += [item.slug for item in (*page.incomplete, *page.items)]
            after = page.after
            if not after:
                return found


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_hold_everything_once_what_is_incomplete_first(filled: Database, limit: int) -> None:
    found = all_pages(filled, Wanted(), limit)
    assert found == [f"item-{n}" for n in (10, 7, 4, 1, 11, 9, 8, 6, 5, 3, 2, 0)]


def test_a_page_goes_on_where_it_was_though_something_changed_meanwhile(filled: Database) -> None:
    with filled.transaction() as conn:
        first = inventory.page(conn, Wanted(state="draft"), limit=2)
        items.revise(conn, "item-0", now=NOW + timedelta(days=1), title="Changed")
        second = inventory.page(conn, Wanted(state="draft"), after=first.after, limit=2)
    assert [item.slug for item in (*first.items, *second.items)] == ["item-9", "item-6", "item-3"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(state="yearless"), {10, 7, 4, 1}),
        (Wanted(state="published"), {10, 8, 7, 5, 4, 2, 1}),
        (Wanted(state="withdrawn"), {11}),
        (Wanted(kind="article", topic="hiring"), {5, 3, 1}),
        (Wanted(kind="article", state="draft"), {9, 3}),
        (Wanted(kind="nothing"), set()),
    ],
)
def test_what_is_asked_for_and_nothing_else(filled: Database, wanted: Wanted, found: set[int]) -> None:
    assert set(all_pages(filled, wanted, 2)) == {f"item-{n}" for n in found}


def test_counts_are_those_of_the_lists(filled: Database) -> None:
    with filled.reading() as conn:
        states = inventory.states(conn)
        assert inventory.kinds(conn) == ["article", "fact sheet"]
    assert states == {"draft": 4, "published": 7, "withdrawn": 1, "yearless": 4}
    assert all(len(all_pages(filled, Wanted(state=state), 5)) == number for state, number in states.items())


def test_a_search_of_staff_knows_the_same_states(filled: Database) -> None:
    with filled.reading() as conn:
        found = search.find(conn, "title", drafts=True, state=inventory.YEARLESS)
        assert {hit.item.slug for hit in found.hits} == {"item-1", "item-4", "item-7", "item-10"}
        assert search.find(conn, "title", state="draft").total == 7  # readers find what is published
