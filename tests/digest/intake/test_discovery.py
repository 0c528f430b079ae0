"""The feeds that a page names."""

from __future__ import annotations

import pytest

from digest.intake import discovery
from digest.intake.discovery import Named

URL = "https://site.example/blog/"


def link(href: str, media_type: str = "application/rss+xml", rel: str = "alternate", title: str = "") -> bytes:
    return f'<link rel="{rel}" type="{media_type}" title="{title}" href="{href}" />'.encode()


def test_a_page_of_wordpress_names_its_feeds_and_nothing_else() -> None:
    page = b"<!DOCTYPE html><html><head>" + b"".join(
        (
            link("https://site.example/feed/", title="Site &raquo; Feed"),
            link("comments/feed/", title="Comments"),
            link("/feed/", title="Site &raquo; Feed"),
            link("/wp-json/wp/v2/pages/2", "application/json"),
            link("/wp-json/oembed/1.0/embed?url=x", "application/json+oembed"),
            link("/style.css", "text/css", "stylesheet"),
            link("/feed.json", "Application/Feed+JSON", "ALTERNATE home"),
            link("/fourth/"),
        )
    )
    assert discovery.feeds(page + b"</head><p>Hello</p>", URL) == [
        Named("Site » Feed", "https://site.example/feed/"),
        Named("Comments", "https://site.example/blog/comments/feed/"),
        Named("", "https://site.example/feed.json"),
    ]


@pytest.mark.parametrize(
    "page",
    [b"", b"\0", b"plain", b"<", b"<link>", link("javascript:alert(1)"), link("http://u:p@host/"), link("//host/feed"),
     b"<link rel=alternate type=application/rss+xml>", b"<div>" * 100_000, bytes(range(256)) * 99,
     b"x" * discovery.READ + link("/feed/")],
    ids=lambda page: repr(page[:20]),
)  # fmt: skip
def test_a_page_without_a_feed_names_none(page: bytes) -> None:
    assert discovery.feeds(page, URL) == []
