"""The rule of the second person on both databases: what waits, who lets it go, and what that is bound to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from digest import editions, letter_drafts, letters, publications, review
from digest.config import StaffSection
from digest.db import Database
from digest.editions import Edition, Run
from digest.errors import NotFound, Refused
from digest.letter_drafts import Draft
from digest.letters import Letter, Order, Segment, Twin
from digest.second_person import Colleague
from tests.contracts import test_letter_drafts as drafts
from tests.contracts.test_letters import TEXT
from tests.stage import SETTINGS, Stage

RULE = SETTINGS.model_copy(update={"staff": StaffSection(second_approval=True)})
TOM, DANA = Colleague(1, "Tom"), Colleague(2, "Dana")


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest with a reader and one item that waits."""
    stage = Stage(either_db)
    stage.join("ann")
    stage.publish("x", "a")
    return stage


def send(stage: Stage, sender: Colleague = TOM, *, owed: bool = False) -> Edition:
    def step(conn: Connection) -> Edition:
        series = publications.one_series(conn, stage.digest.id, "weekly")
        carries = stage.people.owed(conn, stage.digest.id, "weekly", now=stage.now)
        starts = stage.now + timedelta(minutes=5)
        run = Run(now=stage.now, starts_at=starts, by_hand=True, owed=owed, carries=carries, ask="Look.", sender=sender)
        return editions.compile(conn, RULE, stage.digest, series, run)

    return stage.db.run(step)


def approve(stage: Stage, edition: Edition, by: Colleague | str, seen: str | None = None) -> bool:
    step = letters.approve if edition.is_letter else review.approve
    seen = edition.content_hash if seen is None else seen
    starts = stage.now + timedelta(minutes=5)
    done = stage.db.run(lambda conn: step(conn, edition.id, RULE, by=by, now=stage.now, seen=seen, starts_at=starts))
    return done[1]


def ask(stage: Stage, draft: Draft, sender: Colleague = TOM, minutes: int = 5) -> Edition:
    return stage.db.run(
        lambda conn: letter_drafts.send(
            conn,
            RULE,
            draft.id,
            revision=draft.revision,
            sender=sender,
            starts_at=stage.now + timedelta(minutes=minutes),
            now=stage.now,
        )
    )


def test_only_a_second_person_lets_a_send_go_and_it_starts_after_that(stage: Stage) -> None:
    edition = send(stage)
    assert (edition.state, edition.sender, edition.approved_by) == (editions.REVIEW, TOM, None)
    for nobody, said in ((Colleague(1, "Tommy"), "The author cannot be"), ("root", "say who does")):
        with pytest.raises(Refused, match=said):
            approve(stage, edition, nobody)
    assert not stage.plan(edition)
    stage.later(hours=3)
    assert approve(stage, edition, DANA)
    done = stage.find(edition)
    assert (done.state, done.approved_by) == (editions.FROZEN, "Dana")
    assert done.starts_at == stage.now + timedelta(minutes=5)
    assert not stage.plan(done)
    stage.later(minutes=5)
    assert stage.plan(done)
    assert stage.lists(done) == {"ann": ["x"]}


def test_the_same_sent_again_is_the_same_and_other_contents_are_another(stage: Stage) -> None:
    edition = send(stage)
    assert send(stage, DANA).id == edition.id
    assert stage.find(edition).sender == TOM
    stage.update("x")
    other = send(stage, DANA)
    assert (other.sender, stage.find(edition).state) == (DANA, editions.SKIPPED)
    assert approve(stage, other, TOM)


def test_what_is_stopped_after_its_approval_needs_another(stage: Stage) -> None:
    edition = send(stage)
    approve(stage, edition, DANA)
    draft = stage.db.run(lambda conn: review.undo(conn, edition.id))
    assert (draft.state, draft.sender, draft.approved_by) == (editions.DRAFT, None, None)
    again = send(stage, DANA)
    assert (again.id, again.state, again.sender, again.approved_by) == (edition.id, editions.REVIEW, DANA, None)


def test_what_is_owed_waits_for_a_second_person_too(stage: Stage) -> None:
    stage.pause("ann")
    stage.send()
    stage.wake("ann")
    edition = send(stage, owed=True)
    assert (edition.state, edition.is_carries) == (editions.REVIEW, True)
    assert send(stage, owed=True).id == edition.id
    assert approve(stage, edition, DANA)


# --- letters ---------------------------------------------------------------------------------------------------


def test_a_letter_is_bound_to_its_text_and_to_whom_it_is_for(stage: Stage) -> None:
    edition = ask(stage, drafts.create(stage))
    assert (edition.state, edition.sender, edition.settings) == (editions.REVIEW, TOM, None)
    assert not approve(stage, edition, DANA, seen="")
    with pytest.raises(Refused, match="The author cannot be the second person: Tom sent it"):
        approve(stage, edition, TOM)
    stage.publish("y", "a")
    stage.later(hours=3)
    assert approve(stage, edition, DANA)
    done = stage.find(edition)
    assert (done.state, done.approved_by, done.starts_at) == (
        editions.FROZEN,
        "Dana",
        stage.now + timedelta(minutes=5),
    )
    assert done.settings
    stage.later(minutes=5)
    assert stage.plan(done)
    assert set(stage.rows(stage.see_through(done))) == {"ann"}
    others = Letter(TEXT, Segment(language="es"))
    assert letters._hash(others) != letters._hash(replace(others, segment=Segment(language="en")))


def test_a_change_takes_it_back_and_saving_the_same_does_not(stage: Stage) -> None:
    draft = drafts.create(stage)
    edition = ask(stage, draft)
    asked = drafts.find(stage, draft)
    assert drafts.save(stage, asked).edition_id == edition.id
    changed = drafts.save(stage, asked, by="Dana", segment=Segment(topics=("a",)))
    assert (changed.edition_id, changed.revision) == (None, 2)
    ended = stage.find(edition)
    assert (ended.state, ended.reason) == (editions.SKIPPED, letter_drafts.CHANGED.format("Dana"))
    with pytest.raises(Refused, match="only an edition in review is approved"):
        approve(stage, edition, DANA)
    assert ask(stage, changed).id != edition.id  # what nobody had is no twin


def test_what_is_approved_is_changed_only_after_it_was_stopped(stage: Stage) -> None:
    draft = drafts.create(stage)
    edition = ask(stage, draft)
    approve(stage, edition, DANA)
    with pytest.raises(Refused, match="Stop it there"):
        drafts.save(stage, drafts.find(stage, draft), subject="Other")
    back = drafts.take_back(stage, edition)
    assert ask(stage, back).state == editions.REVIEW


def test_a_letter_in_review_is_taken_back_as_a_draft(stage: Stage) -> None:
    draft = drafts.create(stage)
    edition = ask(stage, draft)
    assert drafts.take_back(stage, edition).edition_id is None
    assert stage.find(edition).state == editions.SKIPPED
    ended = stage.cancel(ask(stage, drafts.create(stage)))  # for good, it can be used for a new one
    assert (ended.state, ended.reason) == (editions.SKIPPED, "Canceled by staff.")


def test_the_same_words_that_wait_for_approval_are_a_twin_however_long(stage: Stage) -> None:
    first = ask(stage, drafts.create(stage))
    stage.later(hours=5)
    with pytest.raises(Twin, match="and waits for approval") as caught:
        ask(stage, drafts.create(stage, segment=Segment(language="en")))
    assert caught.value.edition == first.id


def test_what_a_letter_needs_is_looked_for_again_when_it_is_approved(stage: Stage) -> None:
    edition = ask(stage, drafts.create(stage, markdown="Read [it](/items/x)."))
    stage.withdraw("x")
    with pytest.raises(Refused, match="a page of our site that does not exist"):
        approve(stage, edition, DANA)
    assert stage.find(edition).state == editions.REVIEW


def test_in_nobodys_name_nothing_is_sent(stage: Stage) -> None:
    with stage.db.reading() as conn:
        ready = letters.check(conn, RULE, Order(stage.digest, Letter(TEXT, Segment())), now=stage.now)
    with pytest.raises(Refused, match="say who sends it: --by ADDRESS"):
        stage.db.run(lambda conn: letters.send(conn, RULE, ready, sender=None, now=stage.now))
    with stage.db.reading() as conn, pytest.raises(NotFound):
        editions.find(conn, 1)
