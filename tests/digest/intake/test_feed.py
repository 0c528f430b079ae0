"""Foreign feeds: every dialect, who an entry is, and feeds that mean harm."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import intake, items
from digest.db import Database
from digest.drafts import Draft
from digest.errors import BadInput, Problem
from digest.intake import feed
from digest.intake.categories import Rules
from digest.intake.feed import Entry
from digest.intake.identity import identity
from tests.digest.intake import feed_dialects as dialects

ADDRESS = "https://site.example/feed/"
FIRST = datetime(2026, 11, 2, 10, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
UNDATED = {"RSS 0.91"}
PLAIN = Rules()


def drafts(found: feed.Feed, address: str = ADDRESS, rules: Rules = PLAIN, now: datetime = NOW) -> list[Draft]:
    made = [feed.draft(one, address=address, now=now, rules=rules) for one in found.entries]
    assert not [one for one in made if isinstance(one, Problem)]
    return [one for one in made if isinstance(one, Draft)]


def put(db: Database, made: Iterable[Draft | Problem], now: datetime = NOW) -> intake.Report:
    return db.run(lambda conn: intake.bring_in(conn, made, now=now, zone="UTC"))


@pytest.mark.parametrize("dialect", dialects.ALL)
def test_every_dialect_gives_the_same_two_entries(dialect: str) -> None:
    first, second = drafts(feed.read(dialects.ALL[dialect], address=ADDRESS))
    assert first.title.startswith("First")
    assert second.title == "Second"
    assert (first.slug, second.slug) == ("first", "second")
    assert first.canonical_url.startswith("https://site.example/2026/first/")
    if dialect not in UNDATED:
        assert first.published_at == FIRST
    assert (second.published_at, second.seen_at) == (None, NOW)


def test_an_entry_comes_with_all_that_it_has() -> None:
    rules = Rules(kind="news", topics={"law": "detainers"})
    (first, _) = drafts(feed.read(dialects.RSS_20, address=ADDRESS), rules=rules)
    assert (first.title, first.kind, first.topics) == ("First & best", "news", ("detainers",))
    assert (first.body, first.excerpt, first.language) == ("<p>Long <b>text</b>.</p>", "Short.", "en")
    assert [a.name for a in first.authors] == ["Dana Ruiz"]
    assert (first.source, first.foreign_id) == ("site.example", "site.example?p=1")


@pytest.mark.parametrize(("known", "topics"), [({"law"}, ("law",)), (set(), ())])
def test_a_tag_without_a_rule_is_a_topic_only_if_there_is_one(known: set[str], topics: tuple[str, ...]) -> None:
    (first, _) = drafts(feed.read(dialects.RSS_20, address=ADDRESS), rules=Rules(known=known))
    assert first.topics == topics


def test_other_encodings_keep_their_letters() -> None:
    (first, _) = drafts(feed.read(dialects.LATIN_1, address=ADDRESS))
    assert [a.name for a in first.authors] == ["Zoé Núñez"]


def test_again_changes_nothing_and_the_day_first_seen_stays(db: Database) -> None:
    found = feed.read(dialects.RSS_20, address=ADDRESS)
    assert (put(db, drafts(found)).created, put(db, drafts(found)).unchanged) == (2, 2)
    later = NOW + timedelta(days=9)
    changed = feed.Feed(found.title, found.link, (Entry(**{**vars(found.entries[1]), "title": "Second, corrected"}),))
    assert put(db, drafts(changed, now=later), now=later).changed == 1
    with db.reading() as conn:
        item = items.find(conn, "second")
    assert (item.title, item.date_precision, item.published_at) == ("Second, corrected", "seen", NOW)


def test_what_moved_to_https_is_the_same_item(db: Database) -> None:
    old = dialects.RSS_20.replace(b"https://site", b"http://site")
    put(db, drafts(feed.read(old, address="http://site.example/feed"), address="http://site.example/feed"))
    report = put(db, drafts(feed.read(dialects.RSS_20, address=ADDRESS)))
    assert (report.created, report.refused) == (0, 0)


def test_one_feed_never_changes_the_items_of_another(db: Database) -> None:
    put(db, drafts(feed.read(dialects.RSS_20, address=ADDRESS)))
    forged = feed.read(dialects.RSS_20.replace(b"First", b"Forged"), address="https://evil.example/feed/")
    report = put(db, drafts(forged, address="https://evil.example/feed/"))
    assert (report.changed, report.created, report.refused) == (0, 2, 0)
    with db.reading() as conn:
        assert items.find(conn, "first").title == "First & best"


hosts = st.sampled_from(["site.example", "www.site.example"])
schemes = st.sampled_from(["http://", "https://", "HTTPS://"])


@given(schemes, schemes, hosts, hosts, st.sampled_from(["/feed", "/feed/", "/atom.xml"]))
def test_spellings_of_one_site_are_one_identity(a: str, b: str, one: str, other: str, path: str) -> None:
    assert identity(f"{a}{one}{path}", f"{b}{other}/?p=1") == ("site.example", "site.example?p=1")


@given(st.text(), st.text(), st.text())
def test_a_name_of_one_host_is_never_that_of_another(called: str, path: str, query: str) -> None:
    mine, theirs = identity(ADDRESS, called), identity(f"https://evil.example/{path}?{query}", called)
    assert mine != theirs
    assert mine[0].startswith("site.example")


NO_FEEDS = {
    "nothing": b"",
    "a page": b"<!DOCTYPE html><html><head><title>Hello</title></head><body><p>Hi</p></body></html>",
    "other JSON": b'{"items": []}',
    "a list": b"{[",
    "noise": bytes(range(256)) * 40,
    "deep JSON": b'{"version":"https://jsonfeed.org/version/1","items":' + b"[" * 100_000,
}


@pytest.mark.parametrize("what", NO_FEEDS)
def test_what_is_no_feed_is_refused(what: str) -> None:
    with pytest.raises(BadInput, match="no feed"):
        feed.read(NO_FEEDS[what], address=ADDRESS)


PAIRS = zip(b"abcdefg", b"bcdefgh", strict=True)
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (name, b"&%c;" % of * 10) for of, name in PAIRS)
    + b"]><rss version='2.0'><channel><title>x</title><item><title>T</title><link>https://site.example/x</link>"
    b"<description>&h;</description></item></channel></rss>"
)


def test_entities_are_not_expanded() -> None:
    for entry in feed.read(LAUGHS, address=ADDRESS).entries:
        assert len(entry.summary) < 1000


def test_what_leads_out_of_a_feed_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary-of-the-disk")
    outside = LAUGHS[: LAUGHS.index(b"<!ENTITY a")] + b'<!ENTITY h SYSTEM "file://' + str(secret).encode() + b'">'
    found = feed.read(outside + LAUGHS[LAUGHS.index(b"]>") :], address=ADDRESS)
    assert "canary" not in repr(found)


def hostile(value: bytes) -> bytes:
    return dialects.RSS_20_NO_GUID.replace(b"<title>First</title>", b"<title>" + value + b"</title>")


def test_scripts_do_not_come_through() -> None:
    found = feed.read(
        dialects.RSS_20.replace(
            b"<p>Long", b"<script>alert(1)</script><p onclick='x()'><a href='javascript:x()'>Long</a>"
        ),
        address=ADDRESS,
    )
    (first, _) = drafts(found)
    assert not [word for word in ("script", "onclick", "javascript") if word in first.body]
    (link, _) = feed.read(
        dialects.RSS_20_NO_GUID.replace(b"https://site.example/2026/first/", b"javascript:alert(1)"), address=ADDRESS
    ).entries
    made = feed.draft(link, address=ADDRESS, now=NOW, rules=Rules())
    assert isinstance(made, Problem) or made.canonical_url == ""


@pytest.mark.parametrize("value", [b"<x>" * 50_000, b"&lt;p&gt;" * 400_000, b"a" * 4_000_000, b"<!--" * 500_000])
def test_depth_and_size_cost_only_the_feed_that_has_them(value: bytes) -> None:
    with contextlib.suppress(BadInput):
        assert len(feed.read(hostile(value), address=ADDRESS).entries) <= 2
    assert len(feed.read(dialects.RSS_20, address=ADDRESS).entries) == 2


def test_a_feed_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(BadInput, match="more than"):
        feed.read(b"<rss>" + b" " * feed.LARGEST, address=ADDRESS)
