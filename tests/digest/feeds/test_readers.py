"""Readers that share no code agree on what our feeds say, and Atom is as RFC 4287 defines it.

feedparser reads as people's readers do, lxml by the letter of the specifications, and JSON Feed says the same a third
time.
"""

from __future__ import annotations

import json
from calendar import timegm
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree

from digest.config import FeedsSection
from digest.feeds.formats import FORMATS, Feed
from digest.items import Author, Item
from tests.digest.feed_samples import IMAGE, LIBRARY, PDF, SETTINGS, item

Entry = tuple[str, str, str, datetime]  # id, title, link, date

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parent / "atom.rng"))
ATOM = {"a": "http://www.w3.org/2005/Atom"}
HUB = SETTINGS.model_copy(update={"feeds": FeedsSection(hub="https://hub.example.org/?a=1&b=2")})
AWKWARD = [
    item(11, title="A & B <c> \"d\" 'e' § 🙂", day="2024-02-29", authors=(Author("D & R"),), language="es"),
    item(12, title="]]> &amp; é", excerpt="<b>bold</b> & more", attachments=(PDF, IMAGE, IMAGE), kind="Q & A"),
    item(13, title="x" * 300, body="<p>]]&gt; &lt;script&gt; 報告</p>", topics=(), day="1999-12-31"),
    item(14, title="spaced  out", excerpt="", subtitle="", update_note="<new> & other"),
]


def feeds() -> Iterator[Feed]:
    """Documents of every kind: of everything and of nothing, with and without archives."""
    for shown in (LIBRARY, AWKWARD, []):
        for archive, older in (("", ""), ("", "archive-2"), ("archive-2", "known-1"), ("known-1", "")):
            page = "https://news.example.org/?kind=Q%20%26%20A"
            yield Feed(
                "kind--q-a", "T & <T>", "What & <why>.", page, tuple(shown), {"hiring": "H & <H>"}, archive, older
            )


DOCUMENTS = list(feeds())
EACH = pytest.mark.parametrize("feed", DOCUMENTS, ids=lambda feed: f"{len(feed.items)}-{feed.archive}-{feed.older}")


def by_feedparser(made: bytes) -> list[Entry]:
    result = feedparser.parse(made, sanitize_html=False, resolve_relative_uris=False)
    assert not result.bozo, result.bozo_exception
    return [(e.id, e.title, e.link, datetime.fromtimestamp(timegm(e.published_parsed), UTC)) for e in result.entries]


def by_the_specification(made: bytes) -> list[Entry]:
    """RSS 2.0 (rssboard.org), RFC 4287 or JSON Feed 1.1, element by element."""
    if made.startswith(b"{"):
        return [
            (e["id"], e["title"], e["url"], datetime.fromisoformat(e["date_published"]))
            for e in json.loads(made)["items"]
        ]
    root = etree.fromstring(made)
    if root.tag == "rss":
        return [
            (e.findtext("guid"), e.findtext("title"), e.findtext("link"), parsedate_to_datetime(e.findtext("pubDate")))
            for e in root.findall("channel/item")
        ]
    return [_atom(e) for e in root.findall("a:entry", ATOM)]


def _atom(entry: Any) -> Entry:
    (link,) = entry.xpath("a:link[not(@rel) or @rel='alternate']/@href", namespaces=ATOM)
    named = {name: entry.findtext(f"a:{name}", namespaces=ATOM) for name in ("id", "title", "published")}
    return named["id"], named["title"], link, datetime.fromisoformat(named["published"])


def meant(shown: tuple[Item, ...]) -> list[Entry]:
    """What they should say."""
    at = "https://news.example.org/items/"
    return [
        (f"tag:news.example.org,2026:/items/{one.slug}", one.title.strip("\x0b\x00"), at + one.slug, one.published_at)
        for one in shown
        if one.published_at
    ]


@EACH
def test_readers_agree_on_number_ids_titles_order_links_and_dates(feed: Feed) -> None:
    made = {ending: write(HUB, feed) for ending, write in FORMATS.items()}
    for ending, document in made.items():
        assert by_the_specification(document) == meant(feed.items), ending
        if ending != "json":
            assert by_feedparser(document) == meant(feed.items), ending


@EACH
def test_atom_is_as_its_standard_defines_it(feed: Feed) -> None:
    root = etree.fromstring(FORMATS["atom"](HUB, feed))
    assert SCHEMA.validate(root), SCHEMA.error_log.last_error
    ids = root.xpath("a:entry/a:id/text()", namespaces=ATOM)
    assert len({*ids}) == len(ids)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"<updated>", b"<updated>on "),
        (b'rel="self"', b'rel="Self!"'),
        (b"<id>", b"<ID>"),
        (b' length="212345"', b' length="-1"'),
        (b"<name>", b"<name></name><name>"),
    ],
)
def test_the_schema_finds_what_is_wrong(right: bytes, wrong: bytes) -> None:
    made = FORMATS["atom"](HUB, DOCUMENTS[4])
    assert right in made
    try:
        broken = etree.fromstring(made.replace(right, wrong))
    except etree.XMLSyntaxError:
        return
    assert not SCHEMA.validate(broken)
