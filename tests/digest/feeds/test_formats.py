"""Feeds: the same bytes for the same items, and everything in them that a reader needs."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree

from digest.config import FeedsSection
from digest.feeds.formats import FORMATS, Feed, published
from digest.items import Item
from tests.digest.feed_samples import IMAGE, LIBRARY, PDF, SETTINGS, item

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "feeds"
HISTORY = {"h": "http://purl.org/syndication/history/1.0"}
TITLE = "Path to Public Safety"


def whole(found: list[Item] | None = None, **fields: str) -> Feed:
    shown = sorted(LIBRARY if found is None else found, key=published, reverse=True)
    return Feed("all", TITLE, SETTINGS.site.lead, "https://news.example.org/", tuple(shown), **fields)  # type: ignore[arg-type]


def parsed(ending: str, feed: Feed | None = None) -> Any:
    result = feedparser.parse(FORMATS[ending](SETTINGS, feed or whole()))
    assert not result.bozo, result.bozo_exception
    return result


@pytest.mark.parametrize("ending", FORMATS)
def test_a_feed_has_the_bytes_that_were_reviewed(ending: str) -> None:
    path = GOLDEN / f"all.{ending}"
    made = FORMATS[ending](SETTINGS, whole())
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made)
    assert made == path.read_bytes(), "Look at the change; if it is meant, run again with GOLDEN=write."


@pytest.mark.parametrize("ending", ["rss", "atom"])
def test_a_reader_sees_the_newest_first_and_one_day_in_the_order_of_the_store(ending: str) -> None:
    links = [entry.link.rpartition("/")[2] for entry in parsed(ending).entries]
    assert links == ["lpr-hiring", "enforcement-priorities", "sanctuary-jurisdictions", "local-role"]


@pytest.mark.parametrize("ending", ["rss", "atom"])
def test_titles_keep_their_signs_and_lose_what_xml_cannot_carry(ending: str) -> None:
    entry = parsed(ending).entries[2]
    assert entry.title == "Background on 'Sanctuary Jurisdictions' - 8 U.S.C. § 1373 <draft> & more"


@pytest.mark.parametrize("ending", ["rss", "atom"])
def test_the_pdf_is_an_enclosure_with_its_true_length(ending: str) -> None:
    (enclosure,) = parsed(ending).entries[0].enclosures
    assert enclosure.href == f"https://news.example.org/media/{PDF.path}"
    assert (enclosure.type, int(enclosure.length)) == ("application/pdf", 212_345)


@pytest.mark.parametrize("ending", ["rss", "atom"])
def test_the_whole_body_authors_and_categories_are_there(ending: str) -> None:
    first, _, authored, _ = parsed(ending).entries
    assert first.content[0].value.startswith('<p>Where <a href="https://example.org/a?b=1&amp;c=2">permanent')
    assert [author.name for author in authored.authors if author] == ["Laurence Benenson", "A. Second"] or (
        authored.author == "Laurence Benenson, A. Second"
    )
    assert [tag.term for tag in authored.tags] == ["hiring", "sanctuary-jurisdictions", "backgrounder"]


def test_the_note_of_an_update_comes_first_and_is_escaped() -> None:
    entry = parsed("atom").entries[1]
    assert "guidelines released on September 30 &amp; after.</p>" in entry.content[0].value.splitlines()[0]


def test_json_feed_holds_the_same_as_the_others() -> None:
    document = json.loads(FORMATS["json"](SETTINGS, whole()))
    assert document["version"] == "https://jsonfeed.org/version/1.1"
    assert document["feed_url"] == "https://news.example.org/feeds/all.json"
    assert [entry["id"] for entry in document["items"]] == [entry.id for entry in parsed("atom").entries]
    assert document["items"][0]["attachments"] == [
        {
            "url": "https://news.example.org/media/ab12cd34.pdf",
            "mime_type": "application/pdf",
            "title": "lpr-hiring.pdf",
            "size_in_bytes": 212_345,
        }
    ]
    assert document["items"][0]["image"] == "https://news.example.org/media/ef56.png"
    assert document["items"][0]["date_published"] == "2023-08-17T00:00:00-04:00"


@pytest.mark.parametrize("ending", FORMATS)
def test_ids_survive_another_scheme_port_and_an_edit(ending: str) -> None:
    def ids(settings: Any, feed: Feed) -> list[str]:
        return re.findall(rb"tag:[^\"<]+", FORMATS[ending](settings, feed))

    elsewhere = SETTINGS.model_copy(
        update={"site": SETTINGS.site.model_copy(update={"url": "http://news.example.org:8080"})}
    )
    edited = [replace(one, title="New", published_on="2024-01-01", revision=2) for one in LIBRARY]
    before = ids(SETTINGS, whole())
    assert len(before) >= 4
    assert ids(elsewhere, whole()) == before
    assert ids(SETTINGS, whole(edited)) == before


def test_updated_is_the_youngest_change_and_never_the_clock() -> None:
    assert parsed("atom").feed.updated == "2026-09-02T08:00:00+00:00"
    assert parsed("rss").feed.updated == "Wed, 02 Sep 2026 08:00:00 +0000"
    assert parsed("atom", whole([])).feed.updated == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("ending", ["rss", "atom"])
def test_every_character_that_xml_forbids_is_dropped_everywhere(ending: str) -> None:
    nasty = "a" + "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0xD800, 0xFFFE, 0xFFFF])) + "b"
    fields = {"title": nasty, "excerpt": nasty, "body": f"<p>{nasty}</p>", "kind": nasty}
    entry = parsed(ending, whole([item(1, **fields)])).entries[0]
    assert entry.title.split() == ["a", "b"]


def test_rss_and_atom_name_themselves_and_the_page() -> None:
    for ending in ("rss", "atom"):
        links = {link.rel: link.href for link in parsed(ending).feed.links}
        assert links["self"] == f"https://news.example.org/feeds/all.{ending}"
        assert links["alternate"] == "https://news.example.org/"


def test_a_picture_says_what_it_shows_and_a_file_of_unknown_size_claims_none() -> None:
    strange = item(
        1, attachments=(replace(PDF, size=0, path="https://example.org/a.pdf"), replace(IMAGE, alt="A \x00b"))
    )
    for ending in ("rss", "atom"):
        entry = parsed(ending, whole([strange])).entries[0]
        (picture,) = entry.media_content
        assert (picture["url"], picture["medium"], picture["filesize"]) == (
            "https://news.example.org/media/ef56.png",
            "image",
            "40000",
        )
        assert entry.media_thumbnail == [{"url": picture["url"]}]
        assert "A b" in FORMATS[ending](SETTINGS, whole([strange])).decode()
    assert "length" not in parsed("atom", whole([strange])).entries[0].enclosures[0]
    assert parsed("rss", whole([strange])).entries[0].enclosures[0].length == "0"


def test_signs_are_text_whatever_a_reader_takes_a_title_and_a_summary_for() -> None:
    signs = item(1, title="A <b> & c", excerpt="Of <b> & c &amp;")
    (rss,) = etree.fromstring(FORMATS["rss"](SETTINGS, whole([signs]))).iter("item")
    assert (rss.findtext("title"), rss.findtext("description")) == ("A <b> & c", "Of &lt;b&gt; &amp; c &amp;amp;")
    assert b"<title>A &#x3C;b&gt; &#x26; c</title>" in FORMATS["rss"](SETTINGS, whole([signs]))
    atom = parsed("atom", whole([signs])).entries[0]
    assert (atom.title_detail.type, atom.title, atom.summary_detail.type) == ("text/plain", "A <b> & c", "text/plain")
    assert atom.summary == "Of <b> & c &amp;"


def test_an_item_in_another_language_says_so() -> None:
    made = FORMATS["atom"](SETTINGS, whole([item(1, language="es"), item(2)]))
    assert made.count(b'<entry xml:lang="es">') == 1
    assert json.loads(FORMATS["json"](SETTINGS, whole([item(1, language="es")])))["items"][0]["language"] == "es"


@pytest.mark.parametrize("ending", FORMATS)
def test_an_archive_says_what_it_is_and_leads_on_and_has_no_hub(ending: str) -> None:
    settings = SETTINGS.model_copy(update={"feeds": FeedsSection(hub="https://hub.example.org/?a=1&b=2")})
    at = "https://news.example.org/feeds/all"
    first = FORMATS[ending](settings, whole(older="archive-7"))
    archive = FORMATS[ending](settings, whole(archive="archive-7", older="known-1"))
    last = FORMATS[ending](settings, whole(archive="known-1"))
    if ending == "json":
        chain = [json.loads(one) for one in (first, archive, last)]
        assert [one["feed_url"] for one in chain] == [f"{at}.json", f"{at}.archive-7.json", f"{at}.known-1.json"]
        assert [one.get("next_url") for one in chain] == [f"{at}.archive-7.json", f"{at}.known-1.json", None]
        assert chain[0]["hubs"] == [{"type": "WebSub", "url": "https://hub.example.org/?a=1&b=2"}]
        assert "hubs" not in chain[1]
        return
    led = [{link.rel: link.href for link in feedparser.parse(one).feed.links} for one in (first, archive, last)]
    assert [one["self"] for one in led] == [f"{at}.{ending}", f"{at}.archive-7.{ending}", f"{at}.known-1.{ending}"]
    assert [one.get("prev-archive") for one in led] == [f"{at}.archive-7.{ending}", f"{at}.known-1.{ending}", None]
    assert [one.get("current") for one in led] == [None, f"{at}.{ending}", f"{at}.{ending}"]
    assert [one.get("hub") for one in led] == ["https://hub.example.org/?a=1&b=2", None, None]
    marks = [etree.fromstring(one).xpath("count(//h:archive)", namespaces=HISTORY) for one in (first, archive, last)]
    assert marks == [0, 1, 1]
    assert len({feedparser.parse(one).feed.get("id") for one in (first, archive, last)}) == 1
