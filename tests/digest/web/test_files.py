"""Feeds, media and the style sheet over HTTP: the right types, and nothing sent twice to those who have it."""

from __future__ import annotations

from datetime import UTC, datetime

import feedparser
import pytest

from digest import items
from digest.web.files import has_it
from tests.conftest import NOW
from tests.digest.web import serving
from tests.digest.web.conftest import Served

CHANGED = datetime(2026, 9, 7, 11, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"if-none-match": '"abc"'}, True),
        ({"if-none-match": 'W/"abc"'}, True),
        ({"if-none-match": '"x", "abc"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"x"'}, False),
        ({"if-modified-since": "Mon, 07 Sep 2026 11:00:05 GMT"}, True),
        ({"if-modified-since": "Mon, 07 Sep 2026 11:00:04 GMT"}, False),
        ({"if-modified-since": "nonsense"}, False),
        ({"if-none-match": '"x"', "if-modified-since": "Mon, 07 Sep 2026 11:00:05 GMT"}, False),
        ({"if-none-match": '"abc"', "if-modified-since": "Mon, 07 Sep 2020 11:00:05 GMT"}, True),
    ],
)
def test_the_etag_decides_and_only_without_it_the_date(headers: dict[str, str], expected: bool) -> None:
    assert has_it(headers, etag='"abc"', changed=CHANGED) is expected


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [("rss", "application/rss+xml"), ("atom", "application/atom+xml"), ("json", "application/feed+json")],
)
def test_a_feed_has_its_type_and_validators_and_answers_304(served: Served, ending: str, media_type: str) -> None:
    path = f"/feeds/hiring.{ending}"
    first = served.client.get(path)
    assert first.status_code == 200
    assert first.headers["content-type"] == f"{media_type}; charset=utf-8"
    etag, changed = first.headers["etag"], first.headers["last-modified"]
    assert not etag.startswith("W/")
    for known in ({"if-none-match": etag}, {"if-modified-since": changed}):
        for method in ("GET", "HEAD"):
            again = served.client.request(method, path, headers=known)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
    stale = {"if-none-match": '"old"', "if-modified-since": changed}
    assert served.client.get(path, headers=stale).status_code == 200


def test_a_change_in_the_store_shows_at_once_and_ends_the_304(served: Served) -> None:
    before = served.client.get("/feeds/all.rss")
    with served.home.db.transaction() as conn:
        items.put(conn, serving.draft("brand-new", published_on="2026-09-06"), now=NOW, zone=serving.ZONE)
    known = {"if-none-match": before.headers["etag"]}
    by_date = {"if-modified-since": before.headers["last-modified"]}
    assert served.client.get("/feeds/all.rss", headers=known).status_code == 200
    after = served.client.get("/feeds/all.rss", headers=by_date)
    assert after.status_code == 200
    assert feedparser.parse(after.content).entries[0].link.endswith("/items/brand-new")


def test_an_empty_topic_has_a_feed_and_an_unknown_one_has_none(served: Served) -> None:
    assert feedparser.parse(served.client.get("/feeds/empty.atom").content).entries == []
    assert served.client.get("/feeds/nothing.rss").status_code == 404
    assert served.client.get("/feeds/all.xml").status_code == 404


@pytest.mark.parametrize("folder", ["media", "feeds", "static"])
def test_nothing_outside_the_folders_can_be_reached(served: Served, folder: str) -> None:
    (served.home.path / folder).mkdir(exist_ok=True)
    (served.home.path / folder / ".hidden").write_bytes(b"hidden")
    for name in ("..%2Fdigest.toml", "%2e%2e%2fdigest.toml", ".hidden", "..%5Cdigest.toml", "a%00.pdf", "sub%2Fx.pdf"):
        assert served.client.get(f"/{folder}/{name}").status_code == 404, name


def test_the_style_sheet_is_kept_for_ever_only_under_its_hash(served: Served) -> None:
    page = served.client.get("/").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "immutable" in served.client.get(address).headers["cache-control"]
    assert served.client.get("/static/site.css?v=other").headers["cache-control"] == "no-cache"
