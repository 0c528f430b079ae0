"""Watched sources against a real host: what comes in, what is news, and what becomes of a host that fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from digest import items, publications, tables
from digest.db import Database
from digest.errors import BadInput, NotFound, Refused
from digest.intake import checking, look, polling, sources
from tests.conftest import NOW
from tests.sources_world import DAY, HOUR, Watch, read_here
from tests.stage import ZONE
from tests.standins.feed_host import FeedHost, feed_host, post, rss

FIRST, SECOND = post(1, "First", NOW - 30 * DAY), post(2, "Second", NOW - 9 * DAY)
THIRD = post(3, "Third", NOW + HOUR / 2)


@pytest.fixture
def watch(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """A home without a source."""
    read_here(monkeypatch)
    return Watch(db, tmp_path)


@pytest.fixture
def host() -> Iterator[FeedHost]:
    """A host whose feed has two entries."""
    with feed_host() as one:
        one.says(rss(SECOND, FIRST))
        yield one


# --- what is news ----------------------------------------------------------------------------------------------


def test_old_entries_are_news_when_staff_say_so_the_oldest_first(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed, as_new=True)
    assert watch.news() == ["1-a-post", "2-a-post"]


def test_an_old_entry_that_comes_to_light_later_is_no_news(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    lagging, undated = post(5, "Lagging", NOW - 2 * DAY), post(6, "Undated", None)
    host.says(rss(undated, THIRD, lagging, FIRST, post(4, "Older", NOW - 8 * DAY)))
    (done,) = watch.round(HOUR)
    assert done.report is not None
    assert (done.report.created, done.report.news) == (4, 3)
    assert watch.news() == ["5-a-post", "3-a-post", "6-a-post"]


def test_after_months_of_silence_what_came_meanwhile_is_news(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    host.says(rss(post(8, "Meanwhile", NOW + 20 * DAY), post(9, "Late", NOW + 80 * DAY)))
    watch.round(90 * DAY)
    assert watch.news() == ["8-a-post", "9-a-post"]


def test_a_changed_entry_is_a_revision_and_no_news(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed, as_new=True)
    host.says(rss(SECOND.replace("Text.", "Better text."), FIRST))
    (done,) = watch.round(HOUR)
    assert done.report is not None
    assert (done.report.changed, done.report.unchanged, done.report.news, done.source.changed) == (1, 1, 0, 1)
    with watch.home.db.reading() as conn:
        item = items.find(conn, "2-a-post")
    assert (item.revision, item.body) == (2, "<p>Better text.</p>")


def test_what_has_vanished_from_the_feed_stays(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    host.says(rss())
    (done,) = watch.round(HOUR)
    assert (done.source.entries, done.source.created) == (0, 2)
    assert watch.items() == {"published 1-a-post": "First", "published 2-a-post": "Second"}


def test_what_staff_withdrew_does_not_come_back(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    watch.stage.withdraw("1-a-post")
    host.says(rss(SECOND, FIRST.replace("Text.", "Better text.")))
    watch.round(HOUR)
    assert "withdrawn 1-a-post" in watch.items()
    assert watch.news() == []


def test_an_id_that_a_feed_has_twice_is_one_item_and_does_not_change_to_and_fro(watch: Watch, host: FeedHost) -> None:
    host.says(rss(FIRST.replace("First", "Corrected"), SECOND, FIRST))
    added = watch.add(host.feed)
    assert added.report is not None
    assert [(one.where, one.why) for one in added.report.problems] == [
        ("entry Corrected (id)", "Another entry of this feed has the same id, and was passed over.")
    ]
    (done,) = watch.round(HOUR)
    assert done.report is not None
    assert (done.report.unchanged, watch.count()) == (2, 2)
    assert watch.items()["published 1-a-post"] == "Corrected"


def test_what_categories_are_is_for_the_digest_to_say(watch: Watch, host: FeedHost) -> None:
    with watch.home.db.transaction() as conn:
        publications.create(
            conn, "law", "Law", now=NOW, zone=ZONE, from_name="Law", from_address="law@example.org",
            languages=("es",),
        )  # fmt: skip
        publications.set(conn, "law", {"import_kinds": "law=fact sheet"}, now=NOW)
    watch.add(host.feed, digest="law")
    with watch.home.db.reading() as conn:
        assert (items.find(conn, "1-a-post").kind, items.find(conn, "1-a-post").language) == ("fact sheet", "es")
    with pytest.raises(NotFound, match="no digest 'none'"):
        watch.add(host.feed, digest="none")


def test_what_is_here_already_stays_until_the_feed_changes_and_keeps_what_no_feed_tells(
    watch: Watch, host: FeedHost
) -> None:
    """As after the export of a site: whole texts with PDFs, where the feed may have the first words alone."""
    here = host.url.removeprefix("http://")
    entry = post(1, "First", NOW - 30 * DAY, host=here)
    pdf = items.Attachment("pdf", "ab12.pdf", "wso.pdf", "application/pdf", 1200, 2)
    whole = items.Draft(
        "whole", "fact sheet", "Whole", body="<p>All of it.</p>", published_on="2026-08-08", attachments=(pdf,),
        featured=True, source=here, foreign_id=f"{here}?p=1",
    )  # fmt: skip
    with watch.home.db.transaction() as conn:
        items.put(conn, whole, now=NOW, zone=ZONE, known=True)
    host.says(rss(SECOND, entry))
    added = watch.add(host.feed)
    assert added.report is not None
    assert (added.report.created, added.report.changed, added.report.unchanged) == (1, 0, 1)
    (done,) = watch.round(HOUR)
    assert done.report is not None
    assert done.report.unchanged == 2
    with watch.home.db.reading() as conn:
        assert items.find(conn, "whole").body == "<p>All of it.</p>"
    host.says(rss(SECOND, entry.replace("Text.", "Better text.")))
    watch.round(HOUR)
    with watch.home.db.reading() as conn:
        item = items.find(conn, "whole")
    assert (item.body, item.attachments, item.featured) == ("<p>Better text.</p>", (pdf,), True)


# --- drafts ----------------------------------------------------------------------------------------------------


def test_entries_wait_as_drafts_and_stand_where_staff_put_them(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed, drafts=True)
    assert [*watch.items()] == ["draft 2-a-post", "draft 1-a-post"]
    with watch.home.db.transaction() as conn:
        items.publish(conn, "1-a-post", now=watch.now)
    host.says(rss(THIRD, SECOND.replace("Second", "Changed"), FIRST.replace("First", "Changed too")))
    watch.round(HOUR)
    found = watch.items()
    assert found == {
        "draft 3-a-post": "Third",
        "draft 2-a-post": "Changed",
        "published 1-a-post": "Changed too",
    }
    assert watch.news() == ["1-a-post"]


def test_what_staff_edited_before_they_published_it_stays_while_the_feed_does_not_change(
    watch: Watch, host: FeedHost
) -> None:
    watch.add(host.feed, drafts=True)
    with watch.home.db.transaction() as conn:
        items.revise(conn, "1-a-post", now=watch.now, title="A better title")
        items.publish(conn, "1-a-post", now=watch.now)
    watch.round(HOUR)
    assert watch.items()["published 1-a-post"] == "A better title"


# --- moving ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "follows"), [("301 Moved", True), ("308 Moved", True), ("302 Found", False)])
def test_only_what_moved_for_good_is_asked_there_from_then_on(
    watch: Watch, host: FeedHost, status: str, follows: bool
) -> None:
    watch.add(host.feed)
    host.says(status=status, Location="/new/")
    host.says(rss(THIRD, SECOND, FIRST), path="/new/")
    (done,) = watch.round(HOUR)
    assert done.report is not None
    assert (done.report.created, done.report.unchanged) == (1, 2)
    moved = (f"{host.url}/new/", host.feed) if follows else (host.feed, "")
    assert (watch.standing().address, watch.standing().moved_from) == moved


def test_a_move_to_what_is_no_feed_is_not_followed(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    host.says(status="301 Moved", Location="/")
    host.says(b"<html><p>Hello</p></html>", path="/")
    watch.round(HOUR)
    assert (watch.standing().address, watch.standing().failures) == (host.feed, 1)
    assert "It is no feed." in watch.standing().last_error


def test_a_move_inside_is_refused_by_the_guard(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    host.says(status="301 Moved", Location="http://169.254.169.254/feed/")
    watch.round(HOUR)
    assert "not on the public Internet" in watch.standing().last_error
    assert watch.standing().address == host.feed


@pytest.mark.parametrize("named_by", ["address there", "old name"])
def test_entries_of_a_site_that_moved_to_another_host_are_the_same_items(
    watch: Watch, host: FeedHost, named_by: str
) -> None:
    """Those that are named by where they are take other names; those with a name of their own keep it."""
    with feed_host("127.0.0.2") as new:
        there, here = (f"{one.url.removeprefix('http://')}" for one in (new, host))
        old = post(1, "First", NOW - 9 * DAY, host=here)
        host.says(rss(old, SECOND))
        watch.add(host.feed)
        host.says(status="301 Moved", Location=f"{new.url}/blog/feed/")
        moved = post(1, "First", NOW - 9 * DAY, host=there if named_by == "address there" else here)
        new.says(rss(post(3, "Third", NOW + HOUR / 2, host=there), moved, SECOND), path="/blog/feed/")
        (done,) = watch.round(HOUR)
        (again,) = watch.round(HOUR)
    assert done.report is not None
    assert (done.report.created, done.report.refused, watch.news()) == (1, 0, ["3-a-post"])
    assert again.report is not None
    assert again.report.unchanged == 3


def test_the_same_entry_after_http_became_https_is_the_same_item(watch: Watch, host: FeedHost) -> None:
    host.says(rss(SECOND.replace("https:", "http:")))
    watch.add(host.feed)
    host.says(rss(SECOND))
    (done,) = watch.round(HOUR)
    assert done.report is not None
    assert (done.report.created, done.report.changed) == (0, 1)  # its link has changed


def test_a_source_that_moves_to_where_another_is_stops(watch: Watch, host: FeedHost) -> None:
    host.says(rss(FIRST), path="/old/")
    watch.add(host.feed)
    watch.add(f"{host.url}/old/")
    host.says(status="301 Moved", path="/old/", Location="/feed/")
    watch.round(HOUR)
    standing = watch.standing(2)
    assert (standing.state, standing.last_error) == ("stopped", f"It has moved to {host.feed}, which is source 1.")
    assert [one.id for one in watch.told] == [2]
    assert len(watch.items()) == 3  # nothing came in by the other name


# --- failing ---------------------------------------------------------------------------------------------------


def test_a_host_that_fails_is_asked_less_and_less_and_staff_hear_of_it_after_a_week(
    watch: Watch, host: FeedHost
) -> None:
    watch.add(host.feed)
    host.says(status="500 Oops")
    watch.now += HOUR
    asked = len(host.asked)
    while watch.now < NOW + 9 * DAY:
        watch.round()
        watch.now = watch.standing().next_check_at or watch.now
    assert len(host.asked) - asked == 16
    assert watch.standing().last_error == "Its host answers 500."
    assert {one.id for one in watch.told} == {1}
    assert watch.told[0].standing.checked_at >= NOW + 7 * DAY
    host.says(rss(THIRD, SECOND, FIRST))
    watch.round()
    assert (watch.standing().failures, watch.news()) == (0, ["3-a-post"])


@pytest.mark.parametrize("status", ["429 Too Many", "503 Away"])
def test_a_host_that_asks_for_patience_gets_it(watch: Watch, host: FeedHost, status: str) -> None:
    watch.add(host.feed)
    host.says(status=status, Retry_After="86400")
    watch.round(HOUR)
    assert watch.standing().next_check_at == watch.now + DAY
    assert watch.round(DAY - HOUR) == []


def test_what_is_gone_for_good_is_asked_no_more_but_by_hand(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    host.says(status="410 Gone")
    watch.round(HOUR)
    assert (watch.standing().state, watch.standing().last_error) == (
        "stopped", "Its host says that it is gone for good (410).",
    )  # fmt: skip
    assert watch.round(400 * DAY) == []
    with watch.home.db.reading() as conn:
        assert sources.next_check(conn, watch.now) is None
    watch.check()
    assert (watch.standing().state, len(watch.told)) == ("stopped", 1)
    host.says(rss(FIRST))
    watch.check()
    assert (watch.standing().state, watch.standing().next_check_at) == ("watched", watch.now + HOUR)


def test_a_host_that_is_slow_or_dead_keeps_out_no_other(
    watch: Watch, host: FeedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, recorded, record = threading.Event(), [], sources.keep

    def keep(*args: Any) -> sources.Source:
        recorded.append(args[1].id)
        if args[1].standing.address == host.feed:
            kept.set()
        return record(*args)

    with feed_host("127.0.0.2") as slow:
        with feed_host("127.0.0.3") as dead:
            for one in (slow, dead, host):
                one.says(rss(post(one.port, "An entry", NOW)))
                watch.add(one.feed)
        slow.says(rss(), during=lambda: kept.wait(30))
        monkeypatch.setattr(sources, "keep", keep)
        watch.round(HOUR)
    assert (sorted(recorded), recorded[-1]) == ([1, 2, 3], 1)
    assert watch.standing(2).last_error == f"{dead.feed} takes no connection (Connection refused)."
    assert (watch.standing(1).failures, watch.standing(3).failures) == (0, 0)


def test_who_is_told_to_stop_waits_for_no_host(watch: Watch, host: FeedHost) -> None:
    watch.add(host.feed)
    over = threading.Event()
    host.says(status="500 Oops", during=lambda: over.wait(30))
    watch.now += HOUR
    asked = checking.set_out(watch.home, now=watch.now)
    stopping = iter([False, True])
    assert checking.take_in(
        watch.home, asked, clock=lambda: watch.now, tell=watch.tell, stopping=lambda: next(stopping, True)
    ) == []  # fmt: skip
    over.set()
    assert watch.standing().next_check_at == watch.now + sources.CLAIM


def test_a_fault_of_the_program_counts_as_a_failure_and_does_not_come_every_minute(
    watch: Watch, host: FeedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.add(host.feed)
    host.says(rss(THIRD, SECOND, FIRST))

    def breaks(*args: object, **named: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(checking, "_bring_in", breaks)
        watch.round(HOUR)
    assert watch.standing().last_error == look.FAULT
    assert watch.standing().next_check_at == watch.now + polling.FIRST_WAIT
    watch.round(timedelta(minutes=10))
    assert watch.news() == ["3-a-post"]


# --- adding ----------------------------------------------------------------------------------------------------


def test_what_is_no_feed_is_not_watched(watch: Watch, host: FeedHost) -> None:
    host.says(status="404 Not Found", path="/none")
    with pytest.raises(Refused, match="answers 404"):
        watch.add(f"{host.url}/none")
    with pytest.raises(BadInput, match="not on the public Internet"):
        watch.add("http://10.0.0.1/feed/")
    page = b'<head><link rel="alternate" type="application/rss+xml" title="News" href="/feed/"></head><p>Hello</p>'
    host.says(page, path="/")
    with pytest.raises(BadInput, match=r"It is a page and no feed\. It names a feed: .*/feed/ \(News\)\. Write that\."):
        watch.add(f"{host.url}/")
    assert watch.count(tables.sources) == 0


def test_a_feed_has_the_name_that_staff_give_it_or_its_own(watch: Watch, host: FeedHost) -> None:
    host.says(rss(title="A &lt;b&gt;bold&lt;/b&gt; title"))
    assert watch.add(host.feed).source.name == "A bold title"
    host.says(rss(title=""), path="/other/")
    assert watch.add(f"{host.url}/other/").source.name == f"{host.url}/other/"
    host.says(rss(), path="/third/")
    assert watch.add(f"{host.url}/third/", name="Ours").source.name == "Ours"
