"""Feeds: the same bytes for the same items, readable by a feed reader, and written only when something changed."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import feedparser
import pytest
from sqlalchemy import Connection

from digest import feeds, items, publications
from digest.db import Database
from digest.feed_formats import FORMATS, Feed
from digest.items import Draft
from tests.conftest import NOW
from tests.digest.feed_samples import LIBRARY, PDF, SETTINGS, item

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "feeds"
TITLE = "Path to Public Safety"


def whole(found: list[Any] | None = None, slug: str = "all") -> Feed:
    shown = feeds.newest(LIBRARY if found is None else found)
    return Feed(slug, TITLE, SETTINGS.site.lead, "https://news.example.org/", shown)


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
    assert parsed("atom", whole([])).feed.updated == "1970-01-01T00:00:00+00:00"


def test_withdrawn_draft_and_yearless_items_are_not_shown() -> None:
    hidden = [
        item(7, state="withdrawn"),
        item(8, state="draft"),
        item(9, published_on="--06-29", published_at=None, date_precision="yearless"),
        item(10),
    ]
    assert [one.id for one in feeds.newest(hidden)] == [10]


def test_a_feed_is_bounded() -> None:
    assert len(feeds.newest([item(n) for n in range(1, 80)])) == feeds.LONGEST


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


def test_a_file_is_replaced_whole_and_its_date_always_moves(tmp_path: Path) -> None:
    path = tmp_path / "all.rss"
    assert feeds._replace(path, b"one")
    seen = path.stat()
    assert not feeds._replace(path, b"one")
    assert path.stat().st_mtime_ns == seen.st_mtime_ns
    assert path.stat().st_ino == seen.st_ino
    assert feeds._replace(path, b"two")
    assert path.read_bytes() == b"two"
    assert int(path.stat().st_mtime) > int(seen.st_mtime)
    assert [p.name for p in tmp_path.iterdir()] == ["all.rss"]


def put(conn: Connection, slug: str, **fields: Any) -> None:
    given: dict[str, Any] = {"kind": "fact sheet", "title": slug, "published_on": "2026-08-17", "topics": ("hiring",)}
    items.put(conn, Draft(slug=slug, **(given | fields)), now=NOW, zone="America/New_York")


def built(db: Database, folder: Path) -> feeds.Built:
    with db.reading() as conn:
        return feeds.build(SETTINGS, conn, folder)


def is_current(db: Database, folder: Path) -> bool:
    with db.reading() as conn:
        return feeds.is_current(SETTINGS, conn, folder)


def test_a_build_writes_once_and_then_leaves_every_file_alone(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "feeds"
    with db.transaction() as conn:
        put(conn, "one")
        publications.set_topic(conn, "empty", "Nothing yet")
    assert not is_current(db, folder)
    first = built(db, folder)
    assert set(first.written) == {f"{slug}.{ending}" for slug in ("all", "hiring", "empty") for ending in FORMATS}
    stamps = {name: (folder / name).stat().st_mtime_ns for name in first.names}
    again = built(db, folder)
    assert (again.written, again.unchanged) == ((), first.names)
    assert {name: (folder / name).stat().st_mtime_ns for name in first.names} == stamps
    assert is_current(db, folder)


def test_a_new_item_changes_only_the_feeds_that_show_it(db: Database, tmp_path: Path) -> None:
    with db.transaction() as conn:
        put(conn, "one")
        put(conn, "other", topics=("detainers",))
    built(db, tmp_path / "feeds")
    with db.transaction() as conn:
        put(conn, "two", published_on="2026-08-18")
    assert not is_current(db, tmp_path / "feeds")
    done = built(db, tmp_path / "feeds")
    assert {name.partition(".")[0] for name in done.written} == {"all", "hiring"}
    entries = feedparser.parse((tmp_path / "feeds" / "hiring.rss").read_bytes()).entries
    assert [entry.title for entry in entries] == ["two", "one"]


def test_a_withdrawn_item_vanishes_from_the_feeds(db: Database, tmp_path: Path) -> None:
    with db.transaction() as conn:
        put(conn, "one")
        put(conn, "two")
    built(db, tmp_path / "feeds")
    with db.transaction() as conn:
        items.withdraw(conn, "one", now=NOW, why="The numbers were wrong.")
    assert not is_current(db, tmp_path / "feeds")
    built(db, tmp_path / "feeds")
    assert b"/items/one" not in (tmp_path / "feeds" / "all.json").read_bytes()


def test_an_edit_and_a_renamed_topic_make_the_feeds_stale(db: Database, tmp_path: Path) -> None:
    with db.transaction() as conn:
        put(conn, "one")
    built(db, tmp_path / "feeds")
    with db.transaction() as conn:
        items.revise(conn, "one", now=NOW, title="Another title")
    assert not is_current(db, tmp_path / "feeds")
    built(db, tmp_path / "feeds")
    with db.transaction() as conn:
        publications.set_topic(conn, "hiring", "Hiring officers")
    assert not is_current(db, tmp_path / "feeds")


def test_the_files_of_a_topic_that_is_gone_are_removed_and_nothing_else(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "feeds"
    folder.mkdir()
    (folder / "gone.rss").write_bytes(b"old")
    (folder / "notes.txt").write_bytes(b"mine")
    built(db, folder)
    assert not (folder / "gone.rss").exists()
    assert (folder / "notes.txt").exists()
