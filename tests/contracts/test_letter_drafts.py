"""Drafts of letters on both databases: nothing is written over unseen, one is one letter, and undo brings it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import editions, letter_drafts, letters, publications, tables
from digest.db import Database
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.errors import BadInput, NotFound, Refused
from digest.letter_drafts import Draft, Overtaken, Text
from digest.letters import Segment, Twin
from subscribers import letter_reach, members
from tests.contracts.test_letters import bar, freeze, got
from tests.stage import SETTINGS, Stage


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest with two readers."""
    stage = Stage(either_db)
    for name in ("ann", "bob"):
        stage.join(name)
    return stage


def text(stage: Stage, **more: object) -> Text:
    given = {"subject": "An hour on hiring", "markdown": "Dear reader,\n\ncome **at nine**."}
    return Text(stage.digest.id, **(given | more))  # type: ignore[arg-type]


def create(stage: Stage, **more: object) -> Draft:
    return stage.db.run(lambda conn: letter_drafts.create(conn, text(stage, **more), by="Tom", now=stage.now))


def find(stage: Stage, draft: Draft) -> Draft:
    with stage.db.reading() as conn:
        return letter_drafts.find(conn, draft.id)


def save(stage: Stage, draft: Draft, by: str = "Tom", **more: object) -> Draft:
    changed = replace(draft.text, **more)  # type: ignore[arg-type]
    return stage.db.run(
        lambda conn: letter_drafts.save(conn, draft.id, changed, revision=draft.revision, by=by, now=stage.now)
    )


def send(stage: Stage, draft: Draft, *, minutes: int = 5, again: bool = False) -> Edition:
    starts = stage.now + timedelta(minutes=minutes)
    return stage.db.run(
        lambda conn: letter_drafts.send(
            conn, SETTINGS, draft.id, revision=draft.revision, starts_at=starts, again=again, now=stage.now
        )
    )


def take_back(stage: Stage, edition: Edition) -> Draft:
    return stage.db.run(lambda conn: letter_drafts.take_back(conn, edition.id, by="Tom", now=stage.now))


def unsent(stage: Stage) -> list[int]:
    with stage.db.reading() as conn:
        return [draft.id for draft in letter_drafts.unsent(conn)]


def test_a_draft_is_kept_as_it_was_written_and_for_whom(stage: Stage) -> None:
    segment = Segment(topics=("hiring",), language="es", joined_since=stage.now, received=7, received_item="x")
    draft = create(stage, preheader="Come.", segment=segment)
    assert find(stage, draft) == draft
    assert draft.text == text(stage, preheader="Come.", segment=segment)
    assert (draft.revision, draft.changed_by, draft.changed_at, draft.edition_id) == (1, "Tom", stage.now, None)


def test_what_somebody_else_saved_is_not_written_over_unseen(stage: Stage) -> None:
    draft = create(stage)
    theirs = save(stage, draft, by="Dana", subject="Two hours on hiring")
    with pytest.raises(Overtaken, match="Dana changed this letter meanwhile") as caught:
        save(stage, draft, subject="Three hours")
    assert caught.value.theirs == theirs == find(stage, draft)
    with pytest.raises(Overtaken):
        send(stage, draft)
    assert save(stage, theirs, subject="Three hours").revision == 3


def test_one_draft_is_one_letter_however_often_it_is_sent_off(stage: Stage) -> None:
    draft = create(stage)
    first = send(stage, draft)
    assert send(stage, draft).id == first.id
    assert find(stage, draft).edition_id == first.id
    assert unsent(stage) == []
    with pytest.raises(Refused, match=f"sent as edition {first.id}"):
        save(stage, draft, subject="Too late")
    with pytest.raises(Refused, match=f"sent as edition {first.id}"):
        stage.db.run(lambda conn: letter_drafts.discard(conn, draft.id))


def test_nothing_goes_before_its_moment_and_all_of_it_then(stage: Stage) -> None:
    edition = send(stage, create(stage), minutes=60 * 24 * 3)
    stage.later(days=2, hours=23)
    assert not stage.plan(edition)
    stage.later(hours=1)
    assert stage.plan(edition)
    assert got(stage, stage.see_through(edition)) == {"ann", "bob"}
    done = stage.find(edition)
    assert done.goes_at == done.starts_at == stage.now
    assert done.settings is not None
    assert done.settings["date"] == "2026-09-10"


def test_a_letter_that_is_stopped_in_time_is_a_draft_again_and_can_be_sent_anew(stage: Stage) -> None:
    draft = create(stage, segment=Segment(language="en"))
    edition = send(stage, draft)
    back = take_back(stage, edition)
    assert (back.id, back.text, back.edition_id) == (draft.id, draft.text, None)
    ended = stage.find(edition)
    assert (ended.state, ended.reason) == (editions.SKIPPED, letter_drafts.STOPPED)
    stage.later(hours=1)
    assert not stage.plan(edition)
    anew = send(stage, back, minutes=0)  # no twin: nobody had the first
    assert anew.id != edition.id
    stage.plan(anew)
    with pytest.raises(Refused, match="can no longer be undone"):
        take_back(stage, anew)
    assert got(stage, stage.see_through(anew)) == {"ann", "bob"}
    stage.check_sums()


def test_a_letter_that_came_from_a_file_becomes_a_draft_too(stage: Stage) -> None:
    edition = freeze(stage, topics=())
    draft = take_back(stage, edition)
    assert (draft.text.subject, draft.text.markdown) == ("An hour on hiring", "Dear reader,\n\ncome at nine.")
    assert unsent(stage) == [draft.id]


def test_what_cannot_go_out_stays_a_draft(stage: Stage) -> None:
    given = {"subject": ("subject", " "), "text": ("markdown", "\n"), "preheader": ("preheader", "x" * 151)}
    for place, (name, value) in given.items():
        draft = create(stage, **{name: value})
        with pytest.raises(BadInput) as caught:
            send(stage, draft)
        assert caught.value.problem.where == place
        assert find(stage, draft) == draft
    with pytest.raises(BadInput, match=r"text: Line 3: A letter holds no pictures"):
        send(stage, create(stage, markdown="Dear\n\n![a](https://example.org/a.png)"))
    with pytest.raises(Refused, match="a page of our site that does not exist"):
        send(stage, create(stage, markdown="[x](/items/nosuch)"))


def test_the_same_text_is_a_twin_within_the_hour_and_before_its_moment(stage: Stage) -> None:
    first = send(stage, create(stage), minutes=600)
    with pytest.raises(Twin, match="and waits for its moment") as caught:
        send(stage, create(stage))
    assert caught.value.edition == first.id
    assert send(stage, create(stage), again=True).id != first.id


def test_a_letter_is_written_again_for_the_same_or_for_those_it_did_not_surely_reach(stage: Stage) -> None:
    edition = send(stage, create(stage, segment=Segment(language="en")))

    def again(*, not_reached: bool) -> Draft:
        return stage.db.run(
            lambda conn: letter_drafts.again(conn, edition.id, not_reached=not_reached, by="Dana", now=stage.now)
        )

    same, others = again(not_reached=False), again(not_reached=True)
    assert same.text == text(stage, segment=Segment(language="en"))
    assert others.text == text(stage, segment=Segment(not_reached=edition.id))
    assert unsent(stage) == [others.id, same.id]
    with stage.db.reading() as conn:
        assert [one.id for one in letter_drafts.unsent(conn, below=others.id)] == [same.id]
    stage.db.run(lambda conn: letter_drafts.discard(conn, same.id))
    with pytest.raises(NotFound, match="There is no such draft"):
        find(stage, same)


def test_a_correction_goes_to_those_who_received_the_item_and_not_while_it_still_goes_out(stage: Stage) -> None:
    stage.join("refused")
    stage.join("off", "crime=weekly")
    stage.publish("x", "a")
    stage.transport.answers = {stage.ids["refused"]: [Answer.POLICY]}
    edition = stage.cycle()
    with pytest.raises(Refused, match=f"Edition {edition.id} still goes out with x"):
        freeze(stage, received_item="x")
    stage.see_through(edition)
    stage.join("later")
    correction = freeze(stage, received_item="x")
    stage.plan(correction)
    assert got(stage, stage.see_through(correction)) == {"ann", "bob"}
    with pytest.raises(NotFound, match="nosuch"):
        freeze(stage, received_item="nosuch", again=True)


def test_the_count_is_that_of_the_plan_and_the_parts_add_up(stage: Stage) -> None:
    for name in ("paused", "barred", "left"):
        stage.join(name)
    stage.join("off", "hiring=off;*=weekly")
    stage.publish("x", "hiring")
    stage.pause("paused")
    stage.leave("left")
    bar(stage, "barred")
    segment = Segment(topics=("hiring",))
    with stage.db.reading() as conn:
        found = letter_reach.count(conn, publications.find(conn, "weekly"), segment)
    assert (found.gets, found.total) == (2, 5)
    assert found.left_out == {"not meant": 1, "paused": 1, "suppressed": 1}
    assert found.by_language == {"en": 2}
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.digests).values(languages=["en", "es"]))
        for name, language in (("ann", "es-MX"), ("barred", "es"), ("off", "es")):
            members.change(conn, stage.digest.id, stage.ids[name], language=language)
        in_two = letter_reach.count(conn, publications.find(conn, "weekly"), segment)
        in_spanish = letter_reach.count(conn, publications.find(conn, "weekly"), Segment(language="es"))
    assert (in_two.gets, in_two.left_out, in_two.by_language) == (2, found.left_out, {"en": 1, "es": 1})
    assert (in_spanish.gets, in_spanish.left_out) == (2, {"not meant": 2, "suppressed": 1})
    edition = freeze(stage, topics=("hiring",))
    stage.plan(edition)
    assert len(stage.rows(edition)) == found.gets


def test_what_was_written_stays_with_the_letter(stage: Stage) -> None:
    edition = send(stage, create(stage))
    with stage.db.reading() as conn:
        assert letters.of(conn, edition.id).manuscript.markdown == "Dear reader,\n\ncome **at nine**."
