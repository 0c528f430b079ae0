"""Watched sources through the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.digest.cli.conftest import Digest
from tests.sources_world import read_here
from tests.standins.feed_host import FeedHost, feed_host, post, rss

BEGAN = datetime.now(UTC)  # commands read the clock


def old(number: int) -> str:
    return post(number, f"Old {number}", BEGAN - timedelta(days=40))


def new(number: int) -> str:
    return post(number, f"New {number}", BEGAN - timedelta(minutes=1))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedHost]:
    """A site beside this one, with two old posts."""
    read_here(monkeypatch)
    monkeypatch.setenv("DIGEST_INTAKE__INNER_NETWORKS", '["127.0.0.0/8"]')
    with feed_host() as one:
        one.says(rss(old(2), old(1)), ETag='"1"')
        yield one


def test_a_new_source_is_read_at_once_and_told_with_what_will_happen(
    digest: Digest, example: Path, host: FeedHost
) -> None:
    first, second, *more = digest("sources", "add", host.feed).out.splitlines()
    assert first == f"Task force is watched now, as source 1: {host.feed}"
    assert second == "It has 2 entries: 2 created, 0 changed, 0 unchanged, 0 refused. 0 are news to readers."
    assert more[0] == "What it has now is known already: nobody is mailed about it."
    assert more[1] == "New entries from now on are published, and go with the next edition."
    assert more[2].startswith("It is checked while Digest runs, next on ")
    assert more[2].split()[-1] in ("EST.", "EDT.")
    assert "Old 1" in (example / "feeds" / "all.rss").read_text()


def test_old_entries_can_be_news_or_wait_as_drafts(digest: Digest, host: FeedHost) -> None:
    assert digest("sources", "add", host.feed, "--as-new", "--json").document["report"]["news"] == 2
    host.says(rss(old(3)), path="/drafts/")
    told = digest("sources", "add", f"{host.url}/drafts/", "--drafts", "--name", "For review", "--digest", "weekly").out
    assert "For review is watched now, as source 2" in told
    assert "They wait as drafts, and so will new ones" in told
    assert "3-a-post  draft" in digest("items", "list", "--state", "draft").out
    assert digest("items", "publish", "3-a-post").out == "3-a-post is published. It goes with the next edition.\n"


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/page", 2, "It is a page and no feed. It names a feed: "),
        ("/bare", 2, "It is no feed."),
        ("/gone", 1, "answers 410"),
        ("/feed/", 1, "is watched already, as source 1"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_line(
    digest: Digest, host: FeedHost, path: str, code: int, words: str
) -> None:
    host.says(b'<link rel="alternate" type="application/atom+xml" href="/atom/"><p>Hello</p>', path="/page")
    host.says(b"<p>Hello</p>", path="/bare")
    host.says(status="410 Gone", path="/gone")
    digest("sources", "add", host.feed)
    told = digest("sources", "add", f"{host.url}{path}")
    assert (told.code, words in told.line) == (code, True)
    assert len(digest("sources", "list", "--json").document) == 1


def test_sources_are_listed_as_they_stand(digest: Digest, host: FeedHost) -> None:
    assert digest("sources", "list").out.startswith("No feed is watched.")
    digest("sources", "add", host.feed)
    host.says(status="301 Moved", Location="/new/")
    host.says(rss(new(3), old(2), old(1)), path="/new/")
    digest("sources", "check")
    head, row = digest("sources", "list").out.splitlines()
    assert head.split()[:3] == ["n", "name", "state"]
    assert row.startswith("1  Task force  watched  ")
    assert f"  3        3        0        {host.url}/new/  It moved here from {host.feed}." in row
    (facts,) = digest("sources", "list", "--json").document
    assert (facts["source"], facts["digest"], facts["state"], facts["entries"]) == (1, "weekly", "watched", 3)
    assert not {"id", "digest_id", "fence", "standing"} & set(facts)


def test_a_look_by_hand_says_what_came(digest: Digest, host: FeedHost) -> None:
    assert digest("sources", "check").out == "No feed is watched, so nothing was asked.\n"
    digest("sources", "add", host.feed)
    host.says(status="304 Not Modified")
    assert digest("sources", "check").out == "1 Task force: nothing has changed.\n"
    host.says(rss(new(3), new(3).replace("New", "Newer"), old(2)))
    told = digest("sources", "check", "1")
    assert told.out == "1 Task force: 1 created, 0 changed, 1 unchanged, 0 refused. 1 is news to readers.\n"
    assert told.err == (
        "  entry New 3 (id): Another entry of this feed has the same id, and was passed over. Tell its publisher.\n"
    )
    assert digest("sources", "check", "--json").document[0]["report"]["unchanged"] == 2


def test_a_look_that_fails_says_why_and_when_it_is_tried_again(digest: Digest, host: FeedHost) -> None:
    digest("sources", "add", host.feed)
    host.says(rss(old(9)), path="/other/")
    digest("sources", "add", f"{host.url}/other/")
    host.says(status="500 Oops")
    told = digest("sources", "check", "all")
    assert told.code == 1
    assert told.out.startswith("1 Task force: Its host answers 500. It is tried again on ")
    assert "2 Task force: 0 created, 0 changed, 1 unchanged" in told.out
    assert "  failing  " in digest("sources", "list").out
    assert digest("sources", "list", "--json").document[0]["state"] == "failing"
    host.says(status="410 Gone")
    assert digest("sources", "check", "1").out == (
        "1 Task force: Its host says that it is gone for good (410). It is not asked any more.\n"
    )
    assert "  stopped  " in digest("sources", "list").out
    assert digest("sources", "check").code == 0  # what has stopped is asked only by its number


def test_a_source_is_removed_and_its_items_stay(digest: Digest, host: FeedHost) -> None:
    digest("sources", "add", host.feed)
    assert digest("sources", "remove", "1").out == (
        "Task force is not watched any more. The items that came from it stay.\n"
    )
    assert digest("items", "show", "1-a-post").code == 0
    assert "There is no source 1." in digest("sources", "remove", "1").line
    assert "There is no source 1." in digest("sources", "check", "1").line
    assert digest("sources", "check", "first").code == 2


def test_a_pass_of_the_clock_asks_and_sends_what_came(
    digest: Digest, host: FeedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_INTAKE__CHECK_MINUTES", "5")
    digest("sources", "add", host.feed)
    digest("send", "weekly", "--wait")
    host.says(rss(new(3), old(2), old(1)))
    soon = datetime.now(UTC) + timedelta(minutes=6)
    digest("run", "--at", soon.isoformat())
    sent = digest("send", "weekly", "--wait", "--json").document
    assert sent["accepted"] > 0
    assert "3-a-post" in digest("editions", "show", sent["edition"]).out
