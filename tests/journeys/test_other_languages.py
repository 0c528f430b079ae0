"""Every page in a language that does not exist: each of our texts is marked and longer, and runs from right to left.

What stands unmarked on a page was written past the catalogs; what overflows would in a language with longer words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from gettext import NullTranslations

import pytest
from babel import Locale
from lxml import html
from playwright.sync_api import Browser

from digest import publications
from digest.home import Home
from digest.render.words import Words
from digest.web.look import Book, Site
from subscribers.pages import frame
from tests.digest.web import serving
from tests.journeys.test_pages import OVERFLOW, browser, page_of

__all__ = ["browser"]

OPEN, CLOSE = "\N{LEFT WHITE SQUARE BRACKET}", "\N{RIGHT WHITE SQUARE BRACKET}"


class Marked(NullTranslations):
    """A catalog that says everything between brackets, a third longer."""

    def gettext(self, message: str) -> str:
        """The marked text."""
        return f"{OPEN}{message}{' ~~~' * (len(message) // 12)}{CLOSE}"

    def ngettext(self, one: str, many: str, number: int) -> str:
        """The same of the form for this number."""
        return self.gettext(one if number == 1 else many)

    def pgettext(self, context: str, message: str) -> str:
        """Lists of words stay lists."""
        return message if len(message.split()) > 5 else self.gettext(message)


@pytest.fixture
def strange(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, str]]]:
    """The running site in the marked language, and a page of every sort that is ours."""
    words = Words(Locale.parse("ar"), Marked())
    monkeypatch.setattr(Site, "book", lambda self, language="": Book(self, words))
    monkeypatch.setattr(frame, "speaker", lambda site, language: words)
    serving.fill(home)
    with home.db.transaction() as conn:
        for n, topic in enumerate(publications.topics(conn)):
            publications.set_topic(conn, topic.slug, f"Topic{n}", "")
    paths = {
        "subscribe": "/subscribe",
        "sent": "/subscribe/sent",
        "ask": "/ask",
        "privacy": "/privacy",
        "confirm": serving.confirm_link(home),
        "preferences": "/p/" + serving.token(home, "preferences"),
        "unsubscribe": "/u/" + serving.token(home, "unsubscribe"),
        "broken": "/u/broken",
        "not found": "/nope",
        "feeds": "/feeds/",
        "editions": "/editions/",
        "home": "/",
        "item": "/items/told",
        "withdrawn": "/items/taken-back",
    }
    with serving.serve(home) as address:
        yield address, paths


CONTENT = {"Path to"}  # the beginning of the site's name
PLAIN = ("subscribe", "sent", "ask", "privacy", "confirm", "preferences", "unsubscribe", "broken", "not found", "feeds")


def unmarked(page: str) -> list[str]:
    """Texts of a page that are no marked ones, with attributes that people read or hear."""
    tree = html.fromstring(page)
    for gone in tree.xpath("//script|//style|//option|//address|//*[@aria-hidden='true']|//footer//li|//head/link"):
        gone.drop_tree()
    texts = [str(text) for text in tree.xpath("//body//text()")]
    texts += [str(value) for name in ("aria-label", "placeholder", "alt") for value in tree.xpath(f"//body//@{name}")]
    whole = " ".join(" ".join(texts).split())
    while (shorter := re.sub(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}", "", whole)) != whole:
        whole = shorter
    return re.findall(r"[A-Z][a-z]+(?: [a-z]+)+", whole)


def test_every_text_of_ours_comes_from_the_catalogs(strange: tuple[str, dict[str, str]]) -> None:
    address, paths = strange
    found: dict[str, list[str]] = {}
    with serving.client(address) as client:
        for name in PLAIN:
            if left := [text for text in unmarked(client.get(paths[name]).text) if text not in CONTENT]:
                found[name] = left
    assert found == {}


def test_pages_hold_from_right_to_left_with_longer_words(browser: Browser, strange: tuple[str, dict[str, str]]) -> None:
    address, paths = strange
    faults: dict[str, object] = {}
    for width in (320, 1280):
        page = page_of(browser, viewport={"width": width, "height": 800})
        for name, path in paths.items():
            page.goto(address + path)
            assert page.evaluate("document.documentElement.dir") == "rtl"
            assert page.evaluate("getComputedStyle(document.querySelector('h1')).direction") == "rtl"
            if found := page.evaluate(OVERFLOW):
                faults[f"{name}, {width}"] = found
    assert faults == {}
