"""The list of items in the console: what is shown of each, what comes first, and what is found."""

from __future__ import annotations

import re
from datetime import timedelta

from digest import items
from tests.conftest import NOW
from tests.digest.web.console.conftest import AUTHOR, EDITOR, VIEWER, Console
from tests.digest.web.serving import ZONE, draft
from tests.stage import Stage

TITLES = re.compile(r'<h3><a href="(/staff/items/[^"]+)">([^<]+)</a>')


def put(console: Console, slug: str, **fields: object) -> None:
    with console.home.db.transaction() as conn:
        items.put(conn, draft(slug, title=slug, **fields), now=console.now, zone=ZONE)


def titles(page: str) -> list[str]:
    return [title for _, title in TITLES.findall(page)]


def test_an_empty_store_says_what_an_item_is_and_how_one_comes_in(console: Console) -> None:
    page = console.browser(AUTHOR).get("/staff/items").text
    assert "There is none yet." in page
    assert 'href="/staff/items/new"' in page
    assert 'href="/staff/items/new"' not in console.browser(VIEWER).get("/staff/items").text


def test_what_is_incomplete_comes_first_and_says_what_is_missing(console: Console) -> None:
    put(console, "no-year", published_on="--06-29")
    put(console, "whole")
    put(console, "begun", state="draft")
    browser = console.browser(VIEWER)
    page = browser.get("/staff/items").text
    assert titles(page) == ["no-year", "begun", "whole"]
    assert page.index("Incomplete") < page.index("no-year") < page.index("Changed last")
    assert "The year of its date." in page
    assert "No year (1)" in page
    assert titles(browser.get("/staff/items?state=yearless").text) == ["no-year"]
    assert "/staff/items?state=yearless" in browser.get("/staff/").text


def test_each_says_how_many_have_it_and_what_comes_next(console: Console) -> None:
    stage = Stage(console.home.db)
    for name in ("ann", "bob"):
        stage.join(name)
    stage.publish("policy", "hiring")
    stage.send()
    stage.update("policy")
    browser = console.browser(VIEWER)
    page = browser.get("/staff/items").text
    assert "Mailed to 2 people" in page
    assert "Next: weekly digest, Mon, Sep\N{NO-BREAK SPACE}7" in page
    stage.send()
    page = browser.get("/staff/items").text
    assert "Mailed to 2 people; its last update to 2" in page
    assert "Next:" not in page


QUESTIONS = [
    ("?q=begun", ["begun"]),
    ("?q=fact&state=draft", ["begun"]),
    ("?q=nothing", []),
    ("?kind=article", ["other"]),
    ("?topic=hiring&state=published", ["whole"]),
    ("?state=nonsense", ["other", "begun", "whole"]),
    ("?after=nonsense", ["other", "begun", "whole"]),
    ("?after=99999999999999999-1", ["other", "begun", "whole"]),
    ("?q=whole&page=99999", []),
    ("?kind=" + "x" * 500, []),
]


def test_the_list_is_searched_and_sifted_and_odd_questions_are_no_error(console: Console) -> None:
    put(console, "whole")
    put(console, "begun", state="draft")
    put(console, "other", kind="article", topics=())
    browser = console.browser(VIEWER)
    for query, found in QUESTIONS:
        assert titles(browser.get(f"/staff/items{query}").text) == found, query


def test_a_long_list_goes_on_page_by_page(console: Console) -> None:
    for n in range(45):
        console.now = NOW + timedelta(minutes=n)
        put(console, f"item-{n}")
    browser, found, path = console.browser(VIEWER), list[str](), "/staff/items?topic=hiring"
    for _ in range(3):
        page = browser.get(path).text
        found += titles(page)
        onward = re.search(r'<a href="([^"]+)">Changed earlier</a>', page)
        path = onward[1].replace("&amp;", "&") if onward else ""
    assert found == [f"item-{n}" for n in range(44, -1, -1)]
    assert not path


def test_an_item_that_is_called_like_a_page_has_an_address_of_its_own(console: Console) -> None:
    put(console, "new", state="draft")
    browser = console.browser(EDITOR)
    assert 'href="/staff/items/~new"' in browser.get("/staff/items").text
    assert "Save the draft" in browser.get("/staff/items/~new").text
    assert "Where do the items come from?" in browser.get("/staff/items/import").text
