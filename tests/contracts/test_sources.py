"""Watched sources on both databases: asked once however many clocks run, and nothing lost or doubled by a death."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest import tables
from digest.db import Database
from digest.errors import NotFound, Refused
from digest.home import Home
from digest.intake import checking, sources
from tests.conftest import NOW
from tests.sources_world import DAY, HOUR, SETTINGS, Watch, read_here
from tests.stage import KEYS
from tests.standins.feed_host import FeedHost, feed_host, post, rss

OLD = post(1, "Old", NOW - 9 * DAY)
NEW = post(2, "New", NOW + HOUR / 2)


@pytest.fixture
def watch(either_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """A home without a source."""
    read_here(monkeypatch)
    return Watch(either_db, tmp_path)


@pytest.fixture
def host() -> Iterator[FeedHost]:
    """A host whose feed has one entry."""
    with feed_host() as one:
        one.says(rss(OLD), ETag='"1"', Last_Modified="Mon, 07 Sep 2026 10:00:00 GMT")
        yield one


def test_what_is_there_is_known_and_what_comes_is_news(watch: Watch, host: FeedHost) -> None:
    added = watch.add(host.feed)
    assert (added.report and added.report.created, watch.news()) == (1, [])
    host.says(status="304 Not Modified", ETag='"1"')
    (done,) = watch.round(HOUR)
    assert (done.report, done.source.standing.last_error) == (None, "")
    assert b"User-Agent: Digest/" in host.asked[-1]
    assert b'If-None-Match: "1"' in host.asked[-1]
    assert b"If-Modified-Since: Mon, 07 Sep 2026 10:00:00 GMT" in host.asked[-1]
    host.says(rss(NEW, OLD), ETag='"2"')
    (done,) = watch.round(HOUR)
    assert done.report is not None
    assert (done.report.created, done.report.unchanged, watch.news()) == (1, 1, ["2-a-post"])
    assert (done.source.entries, done.source.created) == (2, 2)
    assert (watch.standing().etag, watch.standing().last_modified) == ('"2"', "")
    assert watch.round() == []  # not due


def test_two_clocks_at_once_ask_once(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    host.says(rss(NEW, OLD))
    watch.now += HOUR
    begin, done = threading.Barrier(2), []
    url = watch.home.db.url.render_as_string(hide_password=False)
    homes = [Home(watch.home.path, SETTINGS, KEYS, Database(url)) for _ in range(2)]

    def go(home: Home) -> None:
        begin.wait()
        done.extend(watch.round(home=home))
        home.db.close()

    threads = [threading.Thread(target=go, args=(home,)) for home in homes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), len(host.asked), watch.news()) == (1, 2, ["2-a-post"])


def test_who_was_overtaken_brings_nothing_in(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    host.says(rss(post(2, "Newer", NOW), OLD))
    watch.now += HOUR
    asked = checking.set_out(watch.home, now=watch.now)
    assert watch.check().report is not None  # by hand, while the clock's answer is on its way
    before = watch.standing()
    assert checking.take_in(watch.home, asked, clock=lambda: watch.now, tell=watch.tell) == []
    assert (watch.standing(), watch.news(), watch.count()) == (before, ["2-a-post"], 2)


@pytest.mark.parametrize("place", ["keep", "_bring_in"])
def test_a_death_between_loses_nothing_and_doubles_nothing(
    watch: Watch, host: FeedHost, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """It strikes when everything was brought in and the source is not written, or both and the commit is not sent."""
    watch.add(host.feed)
    host.says(rss(NEW, OLD), ETag='"2"')
    before = watch.standing()
    module = sources if place == "keep" else checking
    act = getattr(module, place)

    def dies(*args: object, **named: object) -> None:
        act(*args, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as struck:
        struck.setattr(module, place, dies)
        with pytest.raises(KeyboardInterrupt):
            watch.round(HOUR)
    assert (watch.news(), watch.standing().etag, watch.standing().read_at) == ([], before.etag, before.read_at)
    assert watch.round() == []  # somebody is thought to be at it
    (done,) = watch.round(sources.CLAIM)
    assert done.report is not None
    assert (done.report.created, watch.news(), watch.standing().etag) == (1, ["2-a-post"], '"2"')
    assert b'If-None-Match: "1"' in host.asked[-1]


def test_a_source_that_is_removed_meanwhile_brings_nothing_in(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    host.says(rss(NEW, OLD))
    watch.now += HOUR
    asked = checking.set_out(watch.home, now=watch.now)
    watch.home.db.run(lambda conn: sources.remove(conn, 1))
    assert checking.take_in(watch.home, asked, clock=lambda: watch.now, tell=watch.tell) == []
    assert [*watch.items()] == ["published 1-a-post"]
    with pytest.raises(NotFound, match="no source 1"):
        watch.check()
    assert watch.add(host.feed).source.id == 2  # no number is given twice


def test_one_address_is_watched_once_however_it_is_spelled(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    with pytest.raises(Refused, match="watched already, as source 1"):
        watch.add(host.feed.rstrip("/"))
    host.says(status="301 Moved", path="/old", Location="/feed/")
    with pytest.raises(Refused, match="watched already, as source 1"):
        watch.add(f"{host.url}/old")
    assert watch.count(tables.sources) == 1
