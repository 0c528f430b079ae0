"""Feeds over HTTP: nothing is sent twice to those who have it, nothing is shown that was withdrawn."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import feedparser
import httpx
import pytest
from lxml import html

from digest import feeds, items, settings_file
from digest.config import FeedsSection
from digest.feeds import files, formats
from digest.feeds.formats import Feed
from digest.home import Home, open_home
from digest.web import app, feed_deltas, feed_files, guard
from digest.web.feed_path import FeedPath
from tests.conftest import NOW
from tests.digest.feed_samples import item
from tests.digest.web import serving
from tests.digest.web.conftest import Served

PLAIN = {"accept-encoding": "identity"}
TYPES = [
    ("hiring.rss", "application/rss+xml"),
    ("kind--fact-sheet.atom", "application/atom+xml"),
    ("all.json", "application/feed+json"),
    ("all.opml", "text/x-opml"),
    ("feed.xsl", "application/xslt+xml"),
    ("feed.css", "text/css"),
]
OF_304 = {"etag", "last-modified", "cache-control", "vary", "access-control-allow-origin"}


def kept(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name in OF_304}


@pytest.mark.parametrize(("name", "media_type"), TYPES)
def test_each_file_has_its_type_and_validators_and_answers_304(served: Served, name: str, media_type: str) -> None:
    path = f"/feeds/{name}"
    first = served.client.get(path, headers=PLAIN)
    assert first.status_code == 200
    assert first.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert first.headers.items() >= dict(guard.HEADERS[1:]).items()
    assert "default-src 'none'" in first.headers["content-security-policy"]
    etag, changed = first.headers["etag"], first.headers["last-modified"]
    assert not etag.startswith("W/")
    for known in ({"if-none-match": etag}, {"if-none-match": f'"x", W/{etag}'}, {"if-modified-since": changed}):
        for method in ("GET", "HEAD"):
            again = served.client.request(method, path, headers=PLAIN | known)
            assert (again.status_code, again.content) == (304, b"")
            assert kept(again) == kept(first)
            assert {*again.headers} - {"date", "content-length"} == OF_304
    stale = {"if-none-match": '"old"', "if-modified-since": changed}
    assert served.client.get(path, headers=stale).status_code == 200
    failed = served.client.get(path, headers={"if-match": '"old"'})
    assert (failed.status_code, failed.headers["cache-control"]) == (412, "no-store")


def test_two_lines_of_one_field_are_one_list(served: Served) -> None:
    etag = served.client.get("/feeds/all.rss", headers=PLAIN).headers["etag"]
    fields = [*PLAIN.items(), ("if-none-match", '"old"'), ("if-none-match", etag)]
    assert served.client.get("/feeds/all.rss", headers=fields).status_code == 304


def test_head_says_all_that_get_does(served: Served) -> None:
    for fields in (PLAIN, {"accept-encoding": "gzip"}):
        whole = served.client.get("/feeds/all.atom", headers=fields)
        head = served.client.head("/feeds/all.atom", headers=fields)
        assert head.content == b""
        assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}


def test_packed_it_is_another_representation_with_a_tag_of_its_own(served: Served) -> None:
    plain = served.client.get("/feeds/all.rss", headers=PLAIN)
    with served.client.stream("GET", "/feeds/all.rss", headers={"accept-encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(raw) < len(plain.content) / 3
    assert gzip.decompress(raw) == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    assert {"Accept-Encoding", "Sec-Fetch-Dest"} == {*plain.headers["vary"].split(", ")}
    for fields, status in ((PLAIN, 200), ({"accept-encoding": "gzip"}, 304)):
        known = fields | {"if-none-match": packed.headers["etag"]}
        assert served.client.get("/feeds/all.rss", headers=known).status_code == status


@pytest.mark.parametrize("name", ["all.rss", "all.atom"])
def test_who_opens_a_feed_in_a_browser_gets_a_page_made_of_it(served: Served, name: str) -> None:
    shown = served.client.get(f"/feeds/{name}", headers=PLAIN | {"sec-fetch-dest": "document"})
    fetched = served.client.get(f"/feeds/{name}", headers=PLAIN | {"sec-fetch-dest": "empty"})
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" not in shown.headers["content-security-policy"]
    assert shown.headers["etag"] != fetched.headers["etag"]
    page = html.fromstring(shown.content)
    feed = feedparser.parse(fetched.content)
    assert page.xpath("//input/@value") == [f"http://127.0.0.1:8080/feeds/{name}"]
    assert page.xpath("//link[@rel='alternate']/@href") == [f"http://127.0.0.1:8080/feeds/{name}"]
    assert page.xpath("//h2/a/@href") == [entry.link for entry in feed.entries]
    assert page.xpath("//h2/a/text()") == [entry.title for entry in feed.entries]
    assert not page.xpath("//script | //li//b")
    assert "<b>bold</b>" in page.text_content()
    assert "the officer's judgment" in page.text_content()


def test_a_text_of_eleven_megabytes_makes_a_page_like_any_other(home: Home) -> None:
    feed = Feed("all", "T", "d", "https://x.example/", (item(1, body="<p>" + "x" * 11_000_000 + "</p>"),))
    file = feed_files.prepare(home.settings, "all.rss", formats.rss(home.settings, feed), 1)
    assert b"<h2><a href=" in file.forms[False, True].body["body"]


def test_a_json_feed_and_a_list_of_feeds_are_what_they_are_in_a_browser_too(served: Served) -> None:
    for name, media_type in TYPES[2:]:
        shown = served.client.get(f"/feeds/{name}", headers={"sec-fetch-dest": "document"})
        assert shown.headers["content-type"] == f"{media_type}; charset=utf-8"


def test_other_methods_are_refused_and_options_says_which_are_not(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = served.client.request(method, "/feeds/all.rss")
        assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "GET, HEAD, OPTIONS", b"")
    asked = served.client.options("/feeds/all.rss")
    assert (asked.status_code, asked.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert asked.headers["access-control-allow-origin"] == "*"
    assert served.client.post("/feeds/all.rss", headers={"if-none-match": "*"}).status_code == 405


def test_a_change_in_the_store_shows_at_once_and_ends_the_304(served: Served) -> None:
    before = served.client.get("/feeds/all.rss", headers=PLAIN)
    with served.home.db.transaction() as conn:
        items.put(conn, serving.draft("brand-new", published_on="2026-09-06"), now=NOW, zone=serving.ZONE)
    known = PLAIN | {"if-none-match": before.headers["etag"]}
    by_date = PLAIN | {"if-modified-since": before.headers["last-modified"]}
    assert served.client.get("/feeds/all.rss", headers=known).status_code == 200
    after = served.client.get("/feeds/all.rss", headers=by_date)
    assert after.status_code == 200
    assert feedparser.parse(after.content).entries[0].link.endswith("/items/brand-new")


def test_what_is_withdrawn_leaves_every_feed_at_once_and_its_page_says_that_it_is_gone(served: Served) -> None:
    assert b"/items/told" in served.client.get("/feeds/hiring.rss").content
    names = feeds.manifest(served.home.feeds)
    assert {"all.json", "kind--fact-sheet.atom"} <= names.keys()
    with served.home.db.transaction() as conn:
        items.withdraw(conn, "told", now=NOW, why="The numbers were wrong.")
    for name in names:
        assert b"/items/told" not in served.client.get(f"/feeds/{name}").content
    gone = served.client.get("/items/told")
    assert gone.status_code == 410
    assert "The numbers were wrong." in gone.text


def test_an_empty_topic_has_a_feed_and_an_unknown_one_has_none(served: Served) -> None:
    assert feedparser.parse(served.client.get("/feeds/empty.atom").content).entries == []
    assert served.client.get("/feeds/nothing.rss").status_code == 404
    assert served.client.get("/feeds/all.xml").status_code == 404
    assert served.client.get("/feeds/.stamp").status_code == 404
    assert served.client.get("/feeds/").status_code == 200


def test_a_hub_is_named_with_the_feed_itself(home: Home) -> None:
    settings = home.settings.model_copy(update={"feeds": FeedsSection(hub="https://hub.example.org/")})
    with serving.serve(Home(home.path, settings, home.keys, home.db)) as address, serving.client(address) as client:
        said = client.get("/feeds/all.rss")
        assert [(link["rel"], link["url"]) for link in said.links.values()] == [
            ("hub", "https://hub.example.org/"),
            ("self", "http://127.0.0.1:8080/feeds/all.rss"),
        ]
        assert "link" not in client.get("/feeds/all.opml").headers


@pytest.mark.parametrize("name", ["hiring.rss", "hiring.atom"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_reader_that_asks_for_what_is_new_gets_only_that(served: Served, name: str, coding: str) -> None:
    fields = {"accept-encoding": coding, "a-im": "feed"}
    before = served.client.get(f"/feeds/{name}", headers=fields)
    assert before.status_code == 200
    known = fields | {"if-none-match": before.headers["etag"]}
    assert served.client.get(f"/feeds/{name}", headers=known).status_code == 304
    with served.home.db.transaction() as conn:
        items.put(conn, serving.draft("brand-new", published_on="2026-09-06"), now=NOW, zone=serving.ZONE)
        items.revise(conn, "told", now=NOW, title="Another title")
    whole = served.client.get(f"/feeds/{name}", headers={"accept-encoding": coding})
    part = served.client.get(f"/feeds/{name}", headers=known)
    assert (part.status_code, part.headers["im"], part.headers["cache-control"]) == (226, "feed", "no-store, im")
    assert (part.headers["etag"], part.headers.get("content-encoding")) == (
        whole.headers["etag"],
        whole.headers.get("content-encoding"),
    )
    entries = [(entry.link.rpartition("/")[2], entry.title) for entry in feedparser.parse(part.content).entries]
    assert entries == [("brand-new", "Fact Sheet: brand-new"), ("told", "Another title")]
    assert len(feedparser.parse(whole.content).entries) > 2
    for other in ({"if-none-match": '"unknown"'}, {}, {"a-im": "feed;q=0", "if-none-match": before.headers["etag"]}):
        assert served.client.get(f"/feeds/{name}", headers=fields | other).status_code == 200
    head = served.client.head(f"/feeds/{name}", headers=known)
    assert head.status_code == 200


@pytest.mark.parametrize(
    ("field", "takes"),
    [
        (b"feed", True),
        (b"vcdiff, Feed", True),
        (b"feed;q=0.5,gzip", True),
        (b"feed;q=0", False),
        (b"feed;q=0.0, x", False),
        (b"feeds", False),
        (b"x-feed", False),
        (b"", False),
    ],
)
def test_who_takes_a_part(field: bytes, takes: bool) -> None:
    assert feed_deltas.wanted(field) is takes


def test_only_so_many_versions_are_remembered(home: Home) -> None:
    past = feed_deltas.Past()
    made = [feed_files.prepare(home.settings, "all.rss", b"<rss><channel><item>%d</item></channel></rss>" % n, n)
            for n in range(feed_deltas.VERSIONS + 2)]  # fmt: skip
    for file in made:
        past.keep("all.rss", file)
    known = [past.since("all.rss", made[-1], file.forms[False, False].etag, packed=False) for file in made]
    assert [version is None for version in known] == [True, True] + [False] * feed_deltas.VERSIONS


# --- how often the store is looked at --------------------------------------------------------------------------


class Clock:
    """A steady clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def ask(path: FeedPath, name: str = "all.rss") -> tuple[int, bytes]:
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    await path({"type": "http", "method": "GET", "path": f"/feeds/{name}", "headers": []}, None, send)  # type: ignore[arg-type]
    return said[0]["status"], said[1]["body"]


@pytest.fixture
def filled(library: Path, tmp_path: Path) -> Iterator[Home]:
    home = open_home(shutil.copytree(library, tmp_path / "copy"))
    yield home
    home.close()


def withdraw(home: Home, slug: str) -> None:
    with home.db.transaction() as conn:
        items.withdraw(conn, slug, now=NOW, why="Wrong.")


def test_a_second_after_a_change_no_process_shows_the_old(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    path = FeedPath(nothing, filled, clock=clock)
    looks: list[float] = []
    look = path.shelf.refresh

    def counted() -> None:
        looks.append(clock.now)
        look()

    monkeypatch.setattr(path.shelf, "refresh", counted)

    async def story() -> None:
        assert b"/items/told" in (await ask(path))[1]
        withdraw(filled, "told")
        clock.now += 0.999
        await ask(path)
        clock.now += 0.001
        answers = await asyncio.gather(*(ask(path) for _ in range(20)))
        assert not [1 for _, body in answers if b"/items/told" in body]

    asyncio.run(story())
    assert looks == [1000.0, 1001.0], "once a second, however many ask"


def test_files_that_another_process_built_show_at_once(filled: Home) -> None:
    clock = Clock()
    path = FeedPath(nothing, filled, clock=clock)

    async def story() -> None:
        await ask(path)
        withdraw(filled, "told")
        with filled.db.reading() as conn:
            feeds.build(filled.settings, conn, filled.feeds)
        clock.now += 0.02
        assert b"/items/told" not in (await ask(path))[1]

    asyncio.run(story())


def test_a_store_whose_files_stand_untouched_is_not_asked(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = FeedPath(nothing, filled).shelf
    asked: list[float] = []
    ask_it = files.is_current

    def counted(*given: Any) -> bool:
        asked.append(1)
        return ask_it(*given)

    monkeypatch.setattr(files, "is_current", counted)

    def age(seconds: float) -> None:
        for path in filled.path.glob("digest.db*"):
            os.utime(path, (time.time() - seconds,) * 2)

    age(0.5)
    shelf.refresh()
    shelf.refresh()
    assert len(asked) == 2, "just written: it might be written again in the same moment"
    age(60)
    shelf.refresh()
    shelf.refresh()
    assert len(asked) == 3
    withdraw(filled, "told")
    shelf.refresh()
    assert len(asked) == 4
    (filled.feeds / feeds.STAMP).unlink()
    age(60)
    shelf.refresh()
    assert (filled.feeds / feeds.STAMP).exists()


def test_feeds_have_the_name_that_is_set_by_now_though_the_store_stands_untouched(filled: Home) -> None:
    shelf, long_ago = FeedPath(nothing, filled).shelf, time.time() - 60

    def named(name: str) -> bool:
        for path in filled.path.glob("digest.db*"):
            os.utime(path, (long_ago, long_ago))
        shelf.refresh()
        file = shelf.find("all.rss")
        assert file is not None
        return f"<title>{name}</title>".encode() in file.forms[False, False].body["body"]

    assert named("Path to Public Safety")
    assert named("Path to Public Safety")  # by now the store is known to stand
    with settings_file.held(filled.path) as held:
        held.write(held.changed({"site.name": "Other news"})[0])
    assert named("Other news")


def test_when_the_store_cannot_be_asked_the_files_are_served(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    path = FeedPath(nothing, filled, clock=clock)

    def broken(*_: object) -> bool:
        raise OSError("disk I/O error")

    async def story() -> None:
        await ask(path)
        with monkeypatch.context() as patch:
            patch.setattr(files, "is_current", broken)
            clock.now += 1
            assert (await ask(path))[0] == 200
        withdraw(filled, "told")
        clock.now += 1
        assert b"/items/told" not in (await ask(path))[1]

    asyncio.run(story())


def test_memory_holds_a_bounded_number_of_files(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.web.feed_path.MOST", 3)
    path = FeedPath(nothing, filled)

    async def story() -> None:
        for ending in ("rss", "atom", "json", "opml"):
            assert (await ask(path, f"all.{ending}"))[0] == 200

    asyncio.run(story())
    assert len(path.shelf._ready) <= 3


def test_the_application_looks_once_a_second(home: Home) -> None:
    made = app.create(home)
    assert isinstance(made, FeedPath)
    assert made.patience == 1.0
