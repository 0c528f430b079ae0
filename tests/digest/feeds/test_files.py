"""Feed files: written once, replaced whole, following the store; archives that stay as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree
from sqlalchemy import Connection

from digest import feeds, items, publications
from digest.db import Database
from digest.feeds import collecting, files, pages
from digest.feeds.formats import FORMATS
from digest.items import Draft
from tests.conftest import NOW
from tests.digest.feed_samples import SETTINGS

BESIDE = {"all.opml", "feed.xsl", "feed.css"}


def test_a_file_is_replaced_whole_and_its_date_always_moves(tmp_path: Path) -> None:
    path = tmp_path / "all.rss"
    assert files.put(path, b"one")
    seen = path.stat()
    assert not files.put(path, b"one")
    assert path.stat().st_mtime_ns == seen.st_mtime_ns
    assert path.stat().st_ino == seen.st_ino
    assert files.put(path, b"two")
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
    slugs = ("all", "hiring", "empty", "kind--fact-sheet")
    assert set(first.written) == {f"{slug}.{ending}" for slug in slugs for ending in FORMATS} | BESIDE
    stamps = {name: (folder / name).stat().st_mtime_ns for name in first.names}
    again = built(db, folder)
    assert (again.written, again.unchanged) == ((), first.names)
    assert {name: (folder / name).stat().st_mtime_ns for name in first.names} == stamps
    assert is_current(db, folder)


def test_a_new_item_changes_only_the_feeds_that_show_it(db: Database, tmp_path: Path) -> None:
    with db.transaction() as conn:
        put(conn, "one")
        put(conn, "other", topics=("detainers",), kind="profile")
    built(db, tmp_path / "feeds")
    with db.transaction() as conn:
        put(conn, "two", published_on="2026-08-18")
    assert not is_current(db, tmp_path / "feeds")
    done = built(db, tmp_path / "feeds")
    assert {name.partition(".")[0] for name in done.written} == {"all", "hiring", "kind--fact-sheet"}
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


def entries(folder: Path, name: str) -> list[str]:
    """The slugs of the items in a feed, in its order."""
    return [link.rpartition("/")[2] for link in links(folder, name)]


def links(folder: Path, name: str) -> list[str]:
    content = (folder / name).read_bytes()
    if name.endswith(".json"):
        return [entry["url"] for entry in json.loads(content)["items"]]
    return [entry.link for entry in feedparser.parse(content).entries]


def chain(folder: Path, name: str) -> list[str]:
    """The files of a feed, from the one that readers poll to its last archive, as a reader finds them."""
    found = [name]
    while older := _older((folder / found[-1]).read_bytes(), name):
        found.append(older.rpartition("/")[2])
    return found


def _older(content: bytes, name: str) -> str:
    if name.endswith(".json"):
        return str(json.loads(content).get("next_url", ""))
    feed = feedparser.parse(content).feed
    return next((str(link.href) for link in feed.links if link.rel == "prev-archive"), "")


@pytest.fixture
def old(db: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Twelve items of which two never were news, in pages of four."""
    monkeypatch.setattr(pages, "PAGE", 4)
    monkeypatch.setattr(pages, "LONGEST", 3)
    with db.transaction() as conn:
        for n in range(1, 13):
            topics = ("hiring",) if n % 3 else ("hiring", "detainers")
            draft = Draft(f"i{n}", "fact sheet", f"i{n}", published_on=f"2020-01-{n:02}", topics=topics)
            items.put(conn, draft, now=NOW, zone="America/New_York", known=n in (1, 6))
    return db


@pytest.mark.parametrize("ending", FORMATS)
def test_whoever_follows_the_chain_gets_every_item(old: Database, tmp_path: Path, ending: str) -> None:
    built(old, tmp_path)
    names = chain(tmp_path, f"all.{ending}")
    assert names == [f"all.{page}{ending}" for page in ("", "archive-2.", "archive-1.", "known-2.", "known-1.")]
    assert entries(tmp_path, names[0]) == ["i12", "i11", "i10"]
    assert [entries(tmp_path, name) for name in names[1:]] == [
        ["i10", "i9", "i8", "i7"],
        ["i5", "i4", "i3", "i2"],
        ["i6"],
        ["i1"],
    ]
    assert chain(tmp_path, f"detainers.{ending}") == [
        f"detainers.{page}{ending}" for page in ("", "archive-2.", "archive-1.", "known-2.")
    ]
    assert entries(tmp_path, f"detainers.archive-2.{ending}") == ["i9"]


def test_an_archive_changes_only_when_an_item_of_its_own_does(old: Database, tmp_path: Path) -> None:
    built(old, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in chain(tmp_path, "all.atom")}
    with old.transaction() as conn:
        put(conn, "of-old", published_on="2019-01-01")
        items.withdraw(conn, "i4", now=NOW, why="Wrong.")
    assert {name for name in built(old, tmp_path).written if name in before} == {"all.atom", "all.archive-1.atom"}
    assert entries(tmp_path, "all.archive-1.atom") == ["i5", "i3", "i2"]
    assert entries(tmp_path, "all.atom") == ["i12", "i11", "i10", "of-old"], "its date is old, and it is news"
    with old.transaction() as conn:
        items.revise(conn, "i9", now=NOW, title="Another", tell="Now with figures.")
    assert {name for name in built(old, tmp_path).written if name in before} == {"all.atom", "all.archive-2.atom"}
    assert chain(tmp_path, "all.atom")[1] == "all.archive-3.atom"
    assert entries(tmp_path, "all.archive-3.atom") == ["i12", "i11", "i9", "of-old"]
    assert entries(tmp_path, "all.atom") == ["i12", "i11", "i10"]
    with old.transaction() as conn:
        items.revise(conn, "i2", now=NOW, title="Another", tell="Now with figures.")
    built(old, tmp_path)
    assert entries(tmp_path, "all.atom") == ["i12", "i11", "i10", "i2"], "what is told again shows again"


def test_a_document_whose_items_stand_is_not_made_again(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(conn: Connection, document: collecting.Document) -> tuple[items.Item, ...]:
        made.append(document.feed.slug)
        return ()

    with db.transaction() as conn:
        put(conn, "one")
        put(conn, "other", topics=("detainers",), kind="profile")
    built(db, tmp_path)
    monkeypatch.setattr(files, "_items", counted)
    built(db, tmp_path)
    assert made == []
    with db.transaction() as conn:
        put(conn, "two")
    built(db, tmp_path)
    assert made == ["all", "hiring", "kind--fact-sheet"]


def test_what_is_withdrawn_while_the_files_are_made_is_left_out(db: Database) -> None:
    with db.transaction() as conn:
        put(conn, "one")
        put(conn, "two")
        document = collecting.collect(SETTINGS, conn)[0]
        items.withdraw(conn, "one", now=NOW, why="Wrong.")
        assert [one.slug for one in files._items(conn, document)] == ["two"]


def test_a_feed_that_fits_into_one_document_has_no_archive(db: Database, tmp_path: Path) -> None:
    with db.transaction() as conn:
        put(conn, "one")
        items.put(conn, Draft("two", "fact sheet", "two", published_on="2020-01-01"), now=NOW, zone="UTC", known=True)
    assert not [name for name in built(db, tmp_path).names if "archive" in name or "known" in name]


def test_no_topic_can_be_taken_for_a_kind_or_an_archive(db: Database, tmp_path: Path) -> None:
    topics = ("kind-fact-sheet", "kind", "all-archive-1", "archive-1", "feed", "known-1")
    with db.transaction() as conn:
        put(conn, "one", topics=topics)
        put(conn, "two", kind="報告", topics=())
        put(conn, "three", kind="Fact  Sheet", topics=())
    names = built(db, tmp_path).names
    assert len(names) == len({*names}) == 3 * (1 + len(topics) + 2) + len(BESIDE)
    assert entries(tmp_path, "kind--fact-sheet.rss") == ["three", "one"]
    assert entries(tmp_path, f"{feeds.kind_slug('報告')}.rss") == ["two"]
    assert all(feeds.FILE_NAME.fullmatch(name) for name in names)


def test_a_kind_keeps_its_feed_when_its_last_item_is_withdrawn(db: Database, tmp_path: Path) -> None:
    with db.transaction() as conn:
        put(conn, "one")
    built(db, tmp_path)
    with db.transaction() as conn:
        items.withdraw(conn, "one", now=NOW, why="Wrong.")
    built(db, tmp_path)
    assert entries(tmp_path, "kind--fact-sheet.atom") == []


def test_the_list_of_feeds_names_each_once(db: Database, tmp_path: Path) -> None:
    with db.transaction() as conn:
        put(conn, "one")
        publications.set_topic(conn, "hiring", "Hiring & <more>")
    built(db, tmp_path)
    outlines = etree.fromstring((tmp_path / "all.opml").read_bytes()).findall("body/outline")
    assert [(one.get("text"), one.get("xmlUrl"), one.get("htmlUrl")) for one in outlines] == [
        (
            f"Path to Public Safety{name}",
            f"https://news.example.org/feeds/{slug}.rss",
            f"https://news.example.org/{page}",
        )
        for name, slug, page in (
            ("", "all", ""),
            (": Hiring & <more>", "hiring", "topics/hiring"),
            (": Fact sheet", "kind--fact-sheet", "?kind=fact%20sheet"),
        )
    ]
    assert {one.get("type") for one in outlines} == {"rss"}


def test_a_build_that_was_killed_is_finished_by_the_next(db: Database, tmp_path: Path) -> None:
    with db.transaction() as conn:
        put(conn, "one")
    built(db, tmp_path)
    (tmp_path / ".stamp").unlink()
    (tmp_path / ".manifest").write_bytes(b"{ half")
    (tmp_path / "all.rss").unlink()
    (tmp_path / ".all.rss.abcdefgh").write_bytes(b"half")
    assert not is_current(db, tmp_path)
    assert built(db, tmp_path).written == ("all.rss",)
    assert not (tmp_path / ".all.rss.abcdefgh").exists()
