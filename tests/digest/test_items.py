"""The content store: identity, states, revisions, what becomes news, and the order of the log."""

from __future__ import annotations

import dataclasses
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from digest import items, news, publications, tables
from digest.db import Database
from digest.errors import BadInput, NotFound, Refused
from digest.items import Attachment, Author, Draft
from tests.conftest import NOW

ZONE = "America/New_York"


def draft(slug: str = "wso", **fields: Any) -> Draft:
    given = {
        "kind": "fact sheet",
        "title": "Fact Sheet: Warrant Service Officer (WSO) Program",
        "body": "<p>What the program lets officers do.</p>",
        "published_on": "2019-06-04",
        "topics": ("287g",),
    }
    return Draft(slug=slug, **{**given, **fields})


def put(conn: sa.Connection, given: Draft, **how: Any) -> items.Outcome:
    return items.put(conn, given, now=how.pop("now", NOW), zone=ZONE, **how)


def log(conn: sa.Connection) -> list[tuple[int, str, int]]:
    return [(e.sequence, e.what, e.revision) for e in news.entries(conn, above=0, upto=news.counter(conn))]


class TestPut:
    def test_a_published_item_is_kept_whole_and_becomes_news(self, db: Database) -> None:
        author = Author("Laurence Benenson", "Assistant Director for Policy & Advocacy", "National Immigration Forum")
        pdf = items.Attachment("pdf", "ab12.pdf", "wso.pdf", "application/pdf", 1200, 2)
        with db.transaction() as conn:
            outcome = put(conn, draft(authors=(author,), attachments=(pdf,), topics=("287g", "crime")))
            item = items.find(conn, "wso")
            assert outcome == items.Outcome("wso", "created", 1)
            assert log(conn) == [(1, "new", 1)]
        assert (item.authors, item.attachments, item.topics) == ((author,), (pdf,), ("287g", "crime"))
        assert (item.state, item.revision, item.pdf) == ("published", 1, pdf)
        assert item.excerpt == "What the program lets officers do."

    def test_a_date_without_a_time_is_midnight_in_the_sites_zone(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            item = items.find(conn, "wso")
        assert item.published_at == datetime(2019, 6, 4, 4, 0, tzinfo=UTC)
        assert (item.published_on, item.date_precision) == ("2019-06-04", "day")

    def test_an_exact_moment_gives_the_day_in_the_sites_zone(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft(published_on=None, published_at=datetime(2019, 6, 5, 1, 0, tzinfo=UTC)))
            item = items.find(conn, "wso")
        assert (item.published_on, item.date_precision) == ("2019-06-04", "instant")

    def test_the_same_draft_again_changes_nothing(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            before = items.find(conn, "wso")
            assert put(conn, draft(), now=NOW + timedelta(days=1)) == items.Outcome("wso", "unchanged", 0)
            assert items.find(conn, "wso") == before
            assert news.counter(conn) == 1

    def test_the_same_draft_again_leaves_alone_what_staff_changed_since(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            items.revise(conn, "wso", now=NOW, title="A better title")
            assert put(conn, draft()).what == "unchanged"
            assert items.find(conn, "wso").title == "A better title"

    def test_words_for_a_picture_can_be_given_later_and_stay(self, db: Database) -> None:
        picture = Attachment("image", "ab12.png", "badge.png", "image/png", 9, width=9, height=8)
        with db.transaction() as conn:
            put(conn, draft(attachments=(picture,)))
            items.revise(conn, "wso", now=NOW, image_alt="  A badge ")
            put(conn, draft(attachments=(picture,)))
            assert items.find(conn, "wso").image == dataclasses.replace(picture, alt="A badge")
            put(conn, draft("other"))
            with pytest.raises(BadInput, match="has no picture"):
                items.revise(conn, "other", now=NOW, image_alt="A badge")

    def test_a_change_is_a_new_revision_and_the_old_text_is_kept(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            first = items.find(conn, "wso")
            later = NOW + timedelta(days=1)
            assert put(conn, draft(title="New title", topics=("crime",)), now=later).what == "changed"
            item = items.find(conn, "wso")
            kept = items.at_revisions(conn, [(item.id, 1), (item.id, 2), (item.id, 9)])
            assert (item.revision, item.title, item.topics) == (2, "New title", ("crime",))
            assert kept == {(item.id, 1): first, (item.id, 2): item}
            assert log(conn) == [(1, "new", 1)]

    def test_readers_are_told_of_a_change_when_it_is_asked(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            outcome = put(conn, draft(body="<p>New.</p>", update_note="New guidelines of September 30."), tell="note")
            assert outcome == items.Outcome("wso", "changed", 1)
            entry = news.entries(conn, above=1, upto=2)[0]
        assert (entry.what, entry.revision, entry.note) == ("update", 2, "New guidelines of September 30.")

    def test_a_draft_or_a_scheduled_item_is_no_news(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft("a", state="draft"))
            put(conn, draft("b", state="scheduled", publish_at=NOW + timedelta(hours=1)))
            assert log(conn) == []
            assert put(conn, draft("a"), now=NOW).news == 1

    def test_what_waits_for_staff_stands_where_they_put_it_and_their_words_stay(self, db: Database) -> None:
        with db.transaction() as conn:
            assert put(conn, draft(), waiting=True) == items.Outcome("wso", "created", 0)
            assert items.find(conn, "wso").state == "draft"
            assert put(conn, draft(title="Changed"), waiting=True).what == "changed"
            items.revise(conn, "wso", now=NOW, title="A better title")
            items.publish(conn, "wso", now=NOW)
            assert put(conn, draft(title="Changed"), waiting=True).what == "unchanged"
            assert put(conn, draft(title="Changed")).what == "unchanged"
            assert (items.find(conn, "wso").state, items.find(conn, "wso").title) == ("published", "A better title")
            put(conn, draft(title="Changed again"), waiting=True)
            assert (items.find(conn, "wso").state, items.find(conn, "wso").title) == ("published", "Changed again")
            assert log(conn) == [(1, "new", 3)]

    def test_a_scheduled_item_whose_moment_has_passed_is_published_at_once(self, db: Database) -> None:
        with db.transaction() as conn:
            assert put(conn, draft(state="scheduled", publish_at=NOW)).news == 1
            assert items.find(conn, "wso").state == "published"

    def test_a_date_without_a_year_is_kept_and_is_news_only_when_completed(self, db: Database) -> None:
        with db.transaction() as conn:
            assert put(conn, draft(published_on="--06-04")).news == 0
            item = items.find(conn, "wso")
            assert (item.state, item.published_on, item.date_precision) == ("published", "--06-04", "yearless")
            assert item.published_at is None
            assert item.day is None
            assert items.latest(conn) == []
            assert put(conn, draft(published_on="2019-06-04")).news == 1
            assert log(conn) == [(1, "new", 2)]
            assert [one.slug for one in items.latest(conn)] == ["wso"]

    def test_a_year_that_is_lost_and_found_again_does_not_make_an_item_new_twice(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            items.revise(conn, "wso", now=NOW, published_on="--06-04")
            assert items.latest(conn) == []
            assert items.revise(conn, "wso", now=NOW, published_on="2019-06-04").news == 0
            assert log(conn) == [(1, "new", 1)]

    def test_a_changed_draft_leaves_the_moment_that_staff_chose(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft(state="draft"))
            items.publish(conn, "wso", now=NOW, at=NOW + timedelta(hours=2))
            put(conn, draft(state="draft", title="Other"))
            item = items.find(conn, "wso")
        assert (item.state, item.publish_at, item.title) == ("scheduled", NOW + timedelta(hours=2), "Other")

    def test_an_old_library_is_published_without_news_and_never_becomes_news_later(self, db: Database) -> None:
        with db.transaction() as conn:
            assert put(conn, draft(), known=True).news == 0
            assert put(conn, draft(title="Changed")).news == 0
            assert items.find(conn, "wso").state == "published"
            assert log(conn) == []

    def test_a_withdrawn_item_stays_withdrawn_when_it_is_put_again(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            items.withdraw(conn, "wso", now=NOW, why="A number was wrong.")
            assert put(conn, draft(title="Mended")) == items.Outcome("wso", "changed", 0)
            item = items.find(conn, "wso")
        assert (item.state, item.title, item.withdrawn_why) == ("withdrawn", "Mended", "A number was wrong.")

    def test_a_published_item_is_not_hidden_by_a_changed_file_that_says_draft(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft(state="draft"))
            items.publish(conn, "wso", now=NOW)
            assert put(conn, draft(state="draft")).what == "unchanged"
            with pytest.raises(Refused, match="Withdraw it"):
                put(conn, draft(state="draft", title="Other"))

    def test_an_item_is_known_by_its_foreign_identity_and_keeps_its_address(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft("old", source="feed", foreign_id="tag:1"))
            outcome = put(conn, draft("new", source="feed", foreign_id="tag:1", title="Other"))
            assert outcome == items.Outcome("old", "changed", 0)
            with pytest.raises(BadInput, match="belongs to another item"):
                put(conn, draft("old"))

    @pytest.mark.parametrize("theirs", [{"source": "feed", "foreign_id": "tag:1"}, {}])
    def test_what_comes_from_elsewhere_never_takes_the_place_of_another_item(
        self, db: Database, theirs: dict[str, str]
    ) -> None:
        with db.transaction() as conn:
            put(conn, draft("old", title="Ours", **theirs))
            outcomes = [put(conn, draft("old", title=n, source="other", foreign_id=f"tag:{n}")) for n in "12"]
            assert [(one.slug, one.what) for one in outcomes] == [("old-2", "created"), ("old-3", "created")]
            assert put(conn, draft("old", title="1", source="other", foreign_id="tag:1")).what == "unchanged"
            assert items.find(conn, "old").title == "Ours"

    def test_a_body_passes_the_border_again(self, db: Database) -> None:
        with db.transaction() as conn:
            put(
                conn,
                draft(
                    body='<p onclick="x()">Hi<script>alert(1)</script></p>',
                    title="A\u202e\nB\x00",
                    markdown="a\x00\ud800\nb",
                ),
            )
            item = items.find(conn, "wso")
        assert (item.body, item.title, item.markdown) == ("<p>Hi</p>", "A B", "a\nb")

    @pytest.mark.parametrize(
        ("fields", "where"),
        [
            ({"title": " \n"}, "title"),
            ({"kind": ""}, "kind"),
            ({"published_on": "2019-02-30"}, "date"),
            ({"published_on": "--02-30"}, "date"),
            ({"published_on": "2019-6-4"}, "date"),
            ({"updated_on": "soon"}, "updated"),
            ({"slug": "../x"}, "slug"),
            ({"slug": "Ä"}, "slug"),
            ({"topics": ("all",)}, "topics"),
            ({"topics": ("No Slug",)}, "topics"),
            ({"state": "gone"}, "state"),
            ({"state": "scheduled"}, "publish_at"),
            ({"language": "xx-nowhere"}, "language"),
            ({"canonical_url": "javascript:alert(1)"}, "canonical_url"),
            ({"authors": (Author(""),)}, "author"),
            ({"attachments": (items.Attachment("pdf", "../a.pdf", "a", "application/pdf", 1),)}, "pdf"),
        ],
    )
    def test_what_cannot_be_kept_is_refused_with_its_field(
        self, db: Database, fields: dict[str, Any], where: str
    ) -> None:
        with db.transaction() as conn, pytest.raises(BadInput) as caught:
            put(conn, dataclasses.replace(draft(), **fields))
        assert caught.value.problem.where == where


class TestPublishing:
    def test_a_draft_is_published_once(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft(state="draft"))
            assert items.publish(conn, "wso", now=NOW) == 1
            assert items.publish(conn, "wso", now=NOW) == 0
            assert log(conn) == [(1, "new", 1)]

    def test_a_draft_without_a_date_gets_the_moment_it_is_published(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft(state="draft", published_on=None))
            assert items.publish(conn, "wso", now=datetime(2026, 9, 8, 1, 0, tzinfo=UTC), zone=ZONE) == 1
            item = items.find(conn, "wso")
        assert (item.published_on, item.date_precision) == ("2026-09-07", "instant")

    def test_a_draft_without_a_year_is_published_and_marked_but_is_no_news(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft(state="draft", published_on="--06-04"))
            assert items.publish(conn, "wso", now=NOW) == 0
            assert items.find(conn, "wso").state == "published"
            assert items.revise(conn, "wso", now=NOW, zone=ZONE, published_on="2019-06-04").news == 1

    def test_what_comes_back_is_news_again(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            items.withdraw(conn, "wso", now=NOW, why="Wrong.")
            assert items.latest(conn) == []
            assert items.publish(conn, "wso", now=NOW) == 1
            item = items.find(conn, "wso")
            assert (item.withdrawn_at, item.withdrawn_why) == (None, "")
            assert log(conn) == [(1, "new", 1), (2, "again", 1)]

    def test_scheduled_items_are_published_when_due_in_their_order(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft("late", state="draft"))
            put(conn, draft("never", state="draft"))
            put(conn, draft("early", state="scheduled", publish_at=NOW + timedelta(hours=1), published_on=None))
            assert items.publish(conn, "late", now=NOW, at=NOW + timedelta(hours=2)) == 0
            assert items.find(conn, "late").state == "scheduled"
            assert items.publish_due(conn, NOW + timedelta(minutes=59)) == []
            assert items.publish_due(conn, NOW + timedelta(hours=3)) == ["early", "late"]
            assert items.publish_due(conn, NOW + timedelta(hours=3)) == []
            assert items.find(conn, "early").published_at == NOW + timedelta(hours=1)
            assert [e.at for e in news.entries(conn, above=0, upto=2)] == [NOW + timedelta(hours=3)] * 2

    def test_an_undated_item_that_is_scheduled_anew_moves_its_date_along(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft(state="scheduled", publish_at=NOW + timedelta(hours=1), published_on=None))
            items.publish(conn, "wso", now=NOW, at=NOW + timedelta(days=2), zone=ZONE)
            item = items.find(conn, "wso")
            assert (item.publish_at, item.published_at) == (NOW + timedelta(days=2),) * 2
            assert item.published_on == "2026-09-09"

    def test_what_was_withdrawn_can_be_scheduled_to_come_back(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            items.withdraw(conn, "wso", now=NOW, why="Wrong.")
            items.publish(conn, "wso", now=NOW, at=NOW + timedelta(hours=1))
            put(conn, draft(title="Mended"))
            assert items.find(conn, "wso").state == "scheduled"
            items.publish_due(conn, NOW + timedelta(hours=1))
            assert log(conn) == [(1, "new", 1), (2, "again", 2)]

    def test_withdrawing_needs_a_published_item_and_a_reason(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft(state="draft"))
            with pytest.raises(Refused, match="nothing to withdraw"):
                items.withdraw(conn, "wso", now=NOW, why="x")
            items.publish(conn, "wso", now=NOW, at=NOW + timedelta(hours=1))
            assert items.withdraw(conn, "wso", now=NOW, why="").state == "draft"
            items.publish(conn, "wso", now=NOW)
            with pytest.raises(BadInput, match="no reason"):
                items.withdraw(conn, "wso", now=NOW, why=" ")
            with pytest.raises(Refused, match="published already"):
                items.publish(conn, "wso", now=NOW, at=NOW + timedelta(hours=1))


class TestRevising:
    def test_a_silent_revision_is_no_news(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            at = items.find(conn, "wso").published_at
            assert items.revise(conn, "wso", now=NOW, title="Other") == items.Outcome("wso", "changed", 0)
            assert items.revise(conn, "wso", now=NOW, title="Other").what == "unchanged"
            item = items.find(conn, "wso")
            assert (item.revision, item.published_at) == (2, at)

    def test_a_told_revision_is_news_with_its_sentence(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            assert items.revise(conn, "wso", now=NOW, tell="New guidelines.", updated_on="2021-10-27").news == 1
            assert items.find(conn, "wso").update_note == "New guidelines."
            assert news.entries(conn, above=1, upto=2)[0].note == "New guidelines."

    def test_markdown_brings_its_body_and_its_excerpt(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            items.revise(conn, "wso", now=NOW, markdown="**New** <script>x</script>text")
            item = items.find(conn, "wso")
        assert (item.body.strip(), item.excerpt) == ("<p><strong>New</strong> text</p>", "New text")

    def test_a_revision_of_a_draft_or_a_withdrawn_item_tells_nobody(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft("a", state="draft"))
            put(conn, draft("b"))
            items.withdraw(conn, "b", now=NOW, why="Wrong.")
            assert items.revise(conn, "a", now=NOW, tell="x").news == 0
            assert items.revise(conn, "b", now=NOW, tell="x").news == 0
            assert (items.find(conn, "a").state, items.find(conn, "b").state) == ("draft", "withdrawn")

    def test_values_may_come_as_text(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            items.revise(conn, "wso", now=NOW, topics="crime, hiring", featured="yes", authors="Dana Ruiz; A. B, C")
            item = items.find(conn, "wso")
            assert (item.topics, item.featured) == (("crime", "hiring"), True)
            assert item.authors == (Author("Dana Ruiz"), Author("A. B, C"))
            for name, value in (("featured", "perhaps"), ("attachments", "a.pdf"), ("published_at", "now")):
                with pytest.raises(BadInput) as caught:
                    items.revise(conn, "wso", now=NOW, **{name: value})
                assert caught.value.problem.where == name

    def test_an_unknown_field_is_refused_by_name(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft())
            with pytest.raises(BadInput, match="state: It cannot be revised"):
                items.revise(conn, "wso", now=NOW, state="draft")


class TestFinding:
    def test_an_unknown_slug_names_those_that_are_near(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft("immigrants-and-crime"))
            with pytest.raises(NotFound, match="Near are: immigrants-and-crime"):
                items.find(conn, "imigrants-and-crime")

    def test_the_latest_come_first_and_the_order_within_a_day_is_stable(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft("known", published_on="2017-09-08"), known=True)
            put(conn, draft("first", published_on="2017-09-08"))
            put(conn, draft("second", published_on="2017-09-08", kind="backgrounder", topics=("sanctuary",)))
            put(conn, draft("newest", published_on="2019-06-04"))
            put(conn, draft("hidden", state="draft"))
            for slug in ("first", "known"):
                items.revise(conn, slug, now=NOW, tell="A word changed.")

            def slugs(**what: Any) -> list[str]:
                return [item.slug for item in items.latest(conn, **what)]

            assert slugs() == ["newest", "second", "first", "known"]
            assert slugs(limit=2) == ["newest", "second"]
            assert slugs(topic="287g") == ["newest", "first", "known"]
            assert slugs(kind="backgrounder") == ["second"]
            assert items.kinds(conn) == [("backgrounder", 1), ("fact sheet", 3)]
            assert {topic.slug: topic.items for topic in publications.topics(conn)} == {"287g": 3, "sanctuary": 1}

    def test_the_first_news_of_an_item_stays_its_first(self, db: Database) -> None:
        with db.transaction() as conn:
            put(conn, draft("a"))
            put(conn, draft("b"), known=True)
            ids = [items.find(conn, slug).id for slug in ("a", "b")]
            items.withdraw(conn, "a", now=NOW, why="Wrong.")
            items.publish(conn, "a", now=NOW + timedelta(days=3))
            items.withdraw(conn, "b", now=NOW, why="Wrong.")
            items.publish(conn, "b", now=NOW)
            assert news.first_news(conn, ids) == {ids[0]: NOW}
            assert [entry.what for entry in news.of_item(conn, ids[0])] == ["new", "again"]
            assert list(news.by_sequences(conn, [2, 7])) == [2]


class TestTheLog:
    """Two connections, on both databases."""

    def test_a_second_writer_gets_no_number_until_the_first_commits(self, either_db: Database) -> None:
        got: list[str] = []

        def second() -> None:
            with either_db.transaction() as conn:
                put(conn, draft("second"))
                got.append("second")

        thread = threading.Thread(target=second)
        with either_db.transaction() as conn:
            put(conn, draft("first"))
            thread.start()
            thread.join(timeout=0.3)
            assert got == []
            got.append("first")
        thread.join(timeout=10)
        assert got == ["first", "second"]
        with either_db.reading() as conn:
            log = tables.publication_log
            query = sa.select(tables.items.c.slug, log.c.sequence).join(log, log.c.item_id == tables.items.c.id)
            assert {tuple(row) for row in conn.execute(query)} == {("first", 1), ("second", 2)}

    def test_a_rollback_leaves_no_hole(self, either_db: Database) -> None:
        def fail(conn: sa.Connection) -> None:
            put(conn, draft("lost"))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            either_db.run(fail)
        with either_db.transaction() as conn:
            put(conn, draft("kept"))
            assert log(conn) == [(1, "new", 1)]

    def test_nothing_appears_below_what_a_reader_read(self, either_db: Database) -> None:
        """A freezer reads the counter, writers go on: what it may read never changes after."""
        stop = threading.Event()
        seen: dict[int, int] = {}

        def write(name: str) -> None:
            for n in range(20):
                with either_db.transaction() as conn:
                    put(conn, draft(f"{name}-{n}"))
            stop.set()

        writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
        for writer in writers:
            writer.start()
        while not stop.is_set():
            with either_db.transaction() as conn:
                upto = news.counter(conn)
                seen[upto] = len(news.entries(conn, above=0, upto=upto))
        for writer in writers:
            writer.join(timeout=30)
        assert all(count == upto for upto, count in seen.items())
        with either_db.transaction() as conn:
            assert [entry.sequence for entry in news.entries(conn, above=0, upto=99)] == list(range(1, 41))

    def test_no_number_is_given_while_a_reader_holds_the_counter(self, either_db: Database) -> None:
        done = threading.Event()

        def write() -> None:
            with either_db.transaction() as conn:
                put(conn, draft())
            done.set()

        thread = threading.Thread(target=write)
        with either_db.transaction() as conn:
            assert news.counter(conn) == 0
            thread.start()
            assert not done.wait(timeout=0.3)
            assert news.counter(conn) == 0
        thread.join(timeout=10)
        assert done.is_set()
