"""Letters on both databases: who gets one, that nobody gets it twice, and what becomes of those it did not reach."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from digest import archive, editions, letters, markup, news, publications, review, tables
from digest.db import Database
from digest.delivery import allotment, ledger, planning, proofs
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.errors import NotFound, Refused
from digest.intake.letter import Manuscript
from digest.letters import Letter, Order, Segment
from subscribers import letter_reach, members, suppression
from subscribers.tables import subscribers, subscriptions
from tests.stage import SETTINGS, Meddling, Stage

TEXT = Manuscript("An hour on hiring", "", markup.markdown_to_html("Dear reader,\n\ncome at nine."))


class Watched(Meddling):
    """An audience that also lets a test act between the reading of a letter's readers and the writing of their rows."""

    def addressees(
        self, conn: Connection, edition: Edition, segment: Segment, low: int, high: int
    ) -> Sequence[tuple[int, str, int, int]]:
        """The readers as they are; then, once, whatever the test wants to happen."""
        rows = super().addressees(conn, edition, segment, low, high)
        waiting, self.after_read = self.after_read, []
        for act in waiting:
            act()
        return rows


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest without readers."""
    return watched(either_db)


@pytest.fixture
def postgres_stage(postgres_url: str) -> Iterator[Stage]:
    """The same on PostgreSQL, for what only two processes at once can show."""
    database = Database(postgres_url)
    yield watched(database)
    database.close()


def watched(db: Database) -> Stage:
    stage = Stage(db)
    stage.people = Watched()
    return stage


def freeze(stage: Stage, text: Manuscript = TEXT, *, again: bool = False, **segment: object) -> Edition:
    """A letter to these people, frozen."""
    order = Order(stage.digest, Letter(text, Segment(**segment)), again)  # type: ignore[arg-type]
    with stage.db.reading() as conn:
        ready = letters.check(conn, SETTINGS, order, now=stage.now)
    return stage.db.run(lambda conn: letters.send(conn, SETTINGS, ready, sender=None, now=stage.now))


def send(stage: Stage, **how: object) -> Edition:
    """A whole letter."""
    edition = freeze(stage, **how)  # type: ignore[arg-type]
    assert stage.plan(edition)
    return stage.see_through(edition)


def got(stage: Stage, edition: Edition) -> set[str]:
    """Those who were handed the letter, each once."""
    names = {number: name for name, number in stage.ids.items()}
    handed = [reader for uid, reader in stage.transport.handed if uid == edition.uid]
    assert len(handed) == len(set(handed))
    return {names[reader] for reader in handed}


def subscription(stage: Stage, name: str) -> sa.Row[object]:
    with stage.db.reading() as conn:
        return conn.execute(sa.select(subscriptions).where(subscriptions.c.subscriber_id == stage.ids[name])).one()


def bar(stage: Stage, name: str) -> None:
    """Puts a reader on the do-not-mail list."""
    with stage.db.transaction() as conn:
        theirs = conn.scalar(sa.select(subscribers.c.email_hash).where(subscribers.c.id == stage.ids[name]))
        suppression.add_hash(conn, theirs, reason="by-staff", now=stage.now, by="test")  # type: ignore[arg-type]


def parts(stage: Stage, edition: Edition) -> list[sa.Row[object]]:
    with stage.db.reading() as conn:
        v = tables.variants
        return list(conn.execute(sa.select(v).where(v.c.edition_id == edition.id).order_by(v.c.n)).all())


# --- who gets it -----------------------------------------------------------------------------------------------


def test_a_letter_goes_to_the_active_readers_and_touches_nothing_else(stage: Stage) -> None:
    for name in ("ann", "bob", "paused", "left", "barred"):
        stage.join(name)
    stage.publish("x", "a")
    stage.pause("paused")
    stage.leave("left")
    bar(stage, "barred")
    mark, before = stage.mark(), subscription(stage, "ann")
    edition = send(stage)
    assert got(stage, edition) == set(stage.rows(edition)) == {"ann", "bob"}
    assert (edition.state, edition.kind, edition.cadence, edition.number) == (editions.SENT, "letter", None, None)
    assert stage.mark() == mark
    assert subscription(stage, "ann") == before
    stage.check_sums()
    assert stage.lists(stage.send())["ann"] == ["x"]  # the digest comes as if there had been no letter


def test_it_is_due_at_once_whatever_the_readers_hour_and_may_be_tried_for_twelve_hours(stage: Stage) -> None:
    stage.join("late-riser", hour=23)
    edition = freeze(stage)
    stage.plan(edition)
    with stage.db.reading() as conn:
        batch = conn.execute(sa.select(tables.batches.c.due_at, tables.batches.c.deadline)).one()
    assert tuple(batch) == (stage.now, stage.now + allotment.DEADLINE)
    stage.later(hours=13)
    stage.expire(edition)
    assert stage.rows(edition) == {"late-riser": ("failed", "deadline")}
    assert stage.see_through(edition).state == editions.SENT


def test_topics_count_at_any_cadence_but_off_and_the_rest_counts_as_they_do(stage: Stage) -> None:
    stage.publish("x", "hiring")
    stage.publish("y", "detainers")
    stage.join("everything")
    stage.join("hiring", "hiring=weekly")
    stage.join("detainers", "detainers=weekly")
    stage.join("but-hiring", "hiring=off;*=weekly")
    stage.join("crime", "crime=weekly")
    assert got(stage, send(stage, topics=("hiring",))) == {"everything", "hiring"}
    both = {"everything", "hiring", "detainers", "but-hiring"}
    assert got(stage, send(stage, topics=("hiring", "detainers"), again=True)) == both
    with pytest.raises(NotFound, match="There is no topic 'hirring'"):
        freeze(stage, topics=("hirring",), again=True)


def test_language_and_the_day_of_joining(stage: Stage) -> None:
    stage.join("ann")
    joined = stage.later(days=1)
    stage.join("bob")
    with stage.db.transaction() as conn:
        members.change(conn, stage.digest.id, stage.ids["ann"], language="es-MX")
    assert got(stage, send(stage, language="es")) == {"ann"}
    assert got(stage, send(stage, language="en", again=True)) == {"bob"}
    assert got(stage, send(stage, joined_since=joined, again=True)) == {"bob"}
    assert got(stage, send(stage, joined_since=joined, language="es", again=True)) == set()


def test_who_received_an_edition_and_whom_it_did_not_surely_reach(stage: Stage) -> None:
    for name in ("ann", "failed", "unsure", "paused", "left", "hard"):
        stage.join(name)
    told = {"failed": Answer.POLICY, "unsure": Answer.UNSURE, "hard": Answer.HARD}
    stage.transport.answers = {stage.ids[name]: [answer] for name, answer in told.items()}
    first = freeze(stage)
    stage.plan(first)
    stage.pause("paused")
    stage.leave("left")
    stage.see_through(first)
    stage.wake("paused")
    assert got(stage, send(stage, received=first.id, again=True)) == {"ann"}
    second = send(stage, not_reached=first.id)  # without --again: it doubles nothing
    assert got(stage, second) == {"failed", "unsure", "paused"}
    stage.settle(first, arrived=True)  # too early to be settled
    stage.later(hours=1)
    stage.settle(first, arrived=True)
    assert got(stage, send(stage, not_reached=first.id)) == {"failed", "paused"}
    stage.check_sums()


def test_an_edition_still_going_out_and_one_of_another_digest_cannot_be_named(stage: Stage) -> None:
    stage.join("ann")
    first = freeze(stage)
    with pytest.raises(Refused, match=f"Edition {first.id} is frozen, so it is not known yet whom it reaches"):
        freeze(stage, not_reached=first.id)
    with pytest.raises(NotFound, match="There is no edition 99"):
        freeze(stage, received=99)
    other = replace(stage.digest, id=99)
    order = Order(other, Letter(TEXT, Segment(received=first.id)))
    with stage.db.reading() as conn, pytest.raises(Refused, match=f"Edition {first.id} is of weekly"):
        letters.check(conn, SETTINGS, order, now=stage.now)


# --- while it is planned ---------------------------------------------------------------------------------------


def test_who_leaves_or_pauses_after_being_read_is_not_planned(stage: Stage) -> None:
    for name in ("ann", "leaver", "pauser"):
        stage.join(name)
    edition = freeze(stage)
    stage.people.after_read = [lambda: stage.leave("leaver"), lambda: stage.pause("pauser")]
    assert stage.plan(edition)
    assert set(stage.rows(edition)) == {"ann"}
    assert got(stage, stage.see_through(edition)) == {"ann"}


def test_who_leaves_after_the_plan_gets_nothing(stage: Stage) -> None:
    for name in ("ann", "leaver", "barred"):
        stage.join(name)
    edition = freeze(stage)
    stage.plan(edition)
    stage.leave("leaver")
    bar(stage, "barred")
    assert stage.see_through(edition).state == editions.SENT
    assert got(stage, edition) == {"ann"}
    assert stage.rows(edition)["leaver"] == ("skipped", "left")
    assert stage.rows(edition)["barred"] == ("skipped", "suppressed")
    stage.check_sums()


def test_planning_ends_although_people_keep_joining(stage: Stage) -> None:
    stage.join("ann")
    edition = freeze(stage)
    stage.people.after_read = [lambda: stage.join("bob")]
    assert stage.plan(edition)
    assert stage.find(edition).plan_done_at is not None
    assert got(stage, stage.see_through(edition)) == {"ann", "bob"}


@pytest.mark.parametrize("after", range(1, 6))
def test_a_plan_that_was_killed_goes_on_and_plans_nobody_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 2)
    monkeypatch.setattr(planning, "BATCH", 2)
    names = {stage.join(f"reader{n}") and f"reader{n}" for n in range(6)}
    edition = freeze(stage)
    run, done = stage.db.run, list[int]()

    def killed(step: Callable[[Connection], object], *, bulk: bool = False) -> object:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(1)
        return run(step, bulk=bulk)

    with monkeypatch.context() as kill:
        kill.setattr(stage.db, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            stage.plan(edition)
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.editions).values(plan_until=0))
    assert stage.plan(edition)
    stage.see_through(edition)
    assert got(stage, edition) == set(stage.rows(edition)) == names
    assert [row.n for row in parts(stage, edition)] == [1]
    stage.check_sums()


def test_an_edition_that_is_being_planned_and_a_letter_do_not_meet(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    first, second = stage.freeze(), freeze(stage)
    third = freeze(stage, replace(TEXT, subject="Another letter"))
    for edition in (second, first, third):
        assert stage.plan(edition)
    for edition in (first, second, third):
        stage.see_through(edition)
        assert got(stage, edition) == {"ann"}
    stage.check_sums()


@pytest.mark.postgres
def test_a_plan_does_not_end_while_somebody_is_joining(postgres_stage: Stage) -> None:
    stage = postgres_stage
    stage.join("ann")
    edition = freeze(stage)
    planner = threading.Thread(target=stage.plan, args=[edition])
    with stage.db.transaction() as conn:
        added = members.add(
            conn,
            stage.people._keyring,
            "bob@example.org",
            digest_id=stage.digest.id,
            now=stage.now,
            mapping={"*": "weekly"},
        )
        assert added.subscriber_id is not None
        stage.ids["bob"] = added.subscriber_id
        planner.start()
        planner.join(0.5)
        assert planner.is_alive()  # waits for the row in which the join is noted
    planner.join(20)
    assert set(stage.rows(edition)) == {"ann", "bob"}


# --- the mail --------------------------------------------------------------------------------------------------


def test_the_mail_says_to_how_many_people_it_goes(stage: Stage) -> None:
    for name in ("ann", "bob", "leaver"):
        stage.join(name)
    edition = freeze(stage)
    stage.people.after_read = [lambda: stage.leave("leaver")]
    stage.plan(edition)
    (row,) = parts(stage, edition)
    assert "It goes to two people. Your digest is not affected." in row.text
    assert "It goes to two people." in row.html
    assert "@@:" not in row.text + row.html


def test_each_language_of_the_digest_that_occurs_has_its_own_shell_around_the_same_text(stage: Stage) -> None:
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.digests).values(languages=["en", "es", "fr"]))
    for name, language in (("ann", "en"), ("ana", "es"), ("jan", "nl")):
        stage.join(name)
        with stage.db.transaction() as conn:
            members.change(conn, stage.digest.id, stage.ids[name], language=language)
    edition = send(stage)
    assert got(stage, edition) == {"ann", "ana", "jan"}
    assert {row.language for row in parts(stage, edition)} == {"en", "es"}
    assert all("come at nine." in row.text for row in parts(stage, edition))
    told = {"en": "It goes to three people.", "es": "Se envía a tres personas."}
    assert all(told[row.language] in row.text for row in parts(stage, edition))


def test_later_changes_of_the_sender_do_not_reach_a_frozen_letter(stage: Stage) -> None:
    edition = freeze(stage)
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.digests).values(from_name="Somebody else", name="Another"))
    stage.join("ann")
    send_on = stage.plan(edition)
    assert send_on
    assert "Somebody else" not in parts(stage, edition)[0].html
    assert "asked for <strong>Weekly digest</strong>" in parts(stage, edition)[0].html


def test_what_must_be_fixed_is_refused_before_anything_is_written(stage: Stage) -> None:
    text = replace(
        TEXT, body=markup.markdown_to_html("Dear {{ name }}, read [it](http://127.0.0.1:8080/items/nosuch).")
    )
    with pytest.raises(Refused) as refused:
        freeze(stage, text)
    assert "a place that was never filled in" in str(refused.value)
    assert "A link leads to a page of our site that does not exist. (it, http://127.0.0.1:8080/items/nosuch)" in str(
        refused.value
    )
    with pytest.raises(Refused, match="so large that Gmail hides its end"):
        freeze(stage, replace(TEXT, body=markup.markdown_to_html("word " * 25_000)))
    nowhere = SETTINGS.model_copy(update={"site": SETTINGS.site.model_copy(update={"address": ""})})
    with pytest.raises(Refused, match="address is empty"), stage.db.reading() as conn:
        letters.check(conn, nowhere, Order(stage.digest, Letter(TEXT, Segment())), now=stage.now)
    with stage.db.reading() as conn:
        assert editions.all_editions(conn) == []


# --- the same letter twice -------------------------------------------------------------------------------------


def test_the_same_text_within_the_hour_is_taken_for_a_slip(stage: Stage) -> None:
    stage.join("ann")
    first = send(stage)
    with pytest.raises(Refused, match=rf"sent as edition {first.id} just now. --not-reached {first.id} .* --again"):
        freeze(stage)
    stage.later(minutes=5)
    with pytest.raises(Refused, match="5 minutes ago"):
        freeze(stage, topics=())
    assert freeze(stage, again=True).id > first.id
    assert freeze(stage, replace(TEXT, subject="Another subject")).id > first.id
    stage.later(minutes=61)
    assert freeze(stage).id > first.id


@pytest.mark.postgres
def test_of_two_at_once_with_the_same_text_the_second_is_refused(postgres_stage: Stage) -> None:
    stage = postgres_stage
    with stage.db.reading() as conn:
        ready = letters.check(conn, SETTINGS, Order(stage.digest, Letter(TEXT, Segment())), now=stage.now)
    refused: list[Exception] = []

    def second() -> None:
        try:
            stage.db.run(lambda conn: letters.send(conn, SETTINGS, ready, sender=None, now=stage.now))
        except Refused as error:
            refused.append(error)

    other = threading.Thread(target=second)
    with stage.db.transaction() as conn:
        letters.send(conn, SETTINGS, ready, sender=None, now=stage.now)
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join(20)
    assert len(refused) == 1


# --- what staff do with it -------------------------------------------------------------------------------------


def test_pause_resume_and_cancel_hold_for_letters(stage: Stage) -> None:
    for name in ("ann", "bob"):
        stage.join(name)
    edition = freeze(stage)
    stage.db.run(lambda conn: review.pause(conn, edition.id, why="A doubt.", now=stage.now))
    assert not stage.plan(edition)
    stage.db.run(lambda conn: review.resume(conn, edition.id))
    assert stage.plan(edition)
    stage.db.run(lambda conn: review.pause(conn, edition.id, why="A doubt.", now=stage.now))
    stage.deliver(edition)
    assert got(stage, edition) == set()
    assert stage.cancel(edition).state == editions.CANCELLED
    assert set(stage.rows(edition).values()) == {("skipped", "cancelled")}
    assert got(stage, send(stage, not_reached=edition.id)) == {"ann", "bob"}
    stage.check_sums()


def test_what_staff_canceled_for_good_is_not_among_those_to_reach_again(stage: Stage) -> None:
    stage.join("ann")
    edition = freeze(stage)
    stage.plan(edition)
    stage.cancel(edition, drop=True)
    assert stage.rows(edition) == {"ann": ("skipped", "dropped")}
    assert got(stage, send(stage, not_reached=edition.id)) == set()


def test_a_letter_cancelled_before_it_was_planned_reaches_nobody(stage: Stage) -> None:
    stage.join("ann")
    edition = freeze(stage)
    assert stage.cancel(edition).state == editions.CANCELLED
    assert not stage.plan(edition)


def test_nothing_is_given_back_when_a_letter_ends_or_is_settled(stage: Stage) -> None:
    stage.join("ann")
    stage.join("bob")
    stage.transport.answers = {stage.ids["ann"]: [Answer.POLICY], stage.ids["bob"]: [Answer.UNSURE]}
    before = subscription(stage, "ann"), subscription(stage, "bob")
    edition = send(stage)
    assert edition.state == editions.SENT
    stage.later(hours=1)
    assert stage.settle(edition, arrived=False).settled == 1
    assert stage.rows(edition) == {
        "ann": ("failed", "550") if False else stage.rows(edition)["ann"],
        "bob": ("failed", "not arrived"),
    }
    assert (subscription(stage, "ann"), subscription(stage, "bob")) == before
    assert stage.carries() == {}
    stage.check_sums()


def test_a_letter_is_not_approved(stage: Stage) -> None:
    edition = freeze(stage)
    with pytest.raises(Refused, match="only an edition in review is approved"):
        stage.db.run(lambda conn: review.approve(conn, edition.id, SETTINGS, by="me", now=stage.now))


def test_a_withdrawn_item_stops_no_letter(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    body = markup.markdown_to_html("Read [x](http://127.0.0.1:8080/items/x).")
    edition = freeze(stage, replace(TEXT, body=body))
    stage.plan(edition)
    assert stage.withdraw("x") == []
    assert got(stage, stage.see_through(edition)) == {"ann"}


def test_a_letter_is_not_in_the_archive(stage: Stage) -> None:
    stage.join("ann")
    stage.publish("x", "a")
    digest, letter = stage.send(), send(stage)
    with stage.db.reading() as conn:
        assert [one.number for one in archive.archive(conn)] == [digest.id]
        with pytest.raises(NotFound):
            archive.published(conn, letter.id)


def test_a_letter_to_nobody_ends_as_skipped(stage: Stage) -> None:
    edition = freeze(stage)
    assert stage.plan(edition)
    assert stage.find(edition).state == editions.SKIPPED
    stage.check_sums()


def test_the_count_before_sending_is_the_number_of_rows(stage: Stage) -> None:
    for n in range(7):
        stage.join(f"reader{n}", "hiring=weekly" if n % 2 else "*=off;crime=weekly")
    stage.publish("x", "hiring")
    for segment in (Segment(), Segment(topics=("hiring",)), Segment(joined_since=stage.now - timedelta(days=1))):
        with stage.db.reading() as conn:
            counted = stage.people.count(conn, stage.digest.id, segment)
        edition = freeze(stage, again=True, **vars(segment))
        stage.plan(edition)
        with stage.db.reading() as conn:
            assert ledger.totals(conn, edition.id).planned == counted > 0
            assert letters.of(conn, edition.id) == Letter(TEXT, segment)
            assert news.counter(conn) == edition.last


# --- what is said of it before it goes -------------------------------------------------------------------------


def test_a_letter_is_counted_and_seen_by_each_as_it_is_planned(stage: Stage) -> None:
    names = ("ann", "bob", "cyd", "dee", "paused", "barred", "left")
    choices = ("*=weekly", "*=off;hiring=weekly", "*=daily;crime=off", "*=off;crime=weekly", *["*=weekly"] * 3)
    stage.set(languages="en, es", cadences="daily, weekly")
    for name, chosen in zip(names, choices, strict=True):
        stage.join(name, chosen)
    stage.publish("x", "hiring", "crime")
    with stage.db.transaction() as conn:
        spoken = sa.update(subscribers).where(subscribers.c.id.in_([stage.ids["bob"], stage.ids["paused"]]))
        conn.execute(spoken.values(language="es-MX"))
    stage.pause("paused")
    bar(stage, "barred")
    stage.leave("left")
    segment = Segment(topics=("hiring",))
    with stage.db.reading() as conn:
        digest = publications.by_id(conn, stage.digest.id)
        found = letter_reach.count(conn, digest, segment)
        letter_reach.add_choices(conn, found, digest, segment)
        samples = letter_reach.samples(conn, digest, segment)
        seen = {
            name: proofs.of_letter(conn, stage.people, digest, segment, stage.ids[name], now=stage.now)
            for name in names
        }
    edition = freeze(stage, topics=("hiring",))
    stage.plan(edition)
    d, v = tables.deliveries, tables.variants
    query = (
        sa.select(d.c.subscriber_id, v.c.language)
        .join(v, sa.and_(v.c.edition_id == d.c.edition_id, v.c.n == d.c.variant_n))
        .where(d.c.edition_id == edition.id)
    )
    with stage.db.reading() as conn:
        planned = {row.subscriber_id: row.language for row in conn.execute(query)}
    assert {stage.ids[name]: proof.language for name, proof in seen.items() if not proof.why} == planned
    assert {name: proof.why for name, proof in seen.items() if proof.why} == {
        "dee": "not meant",
        "paused": "paused",
        "barred": "suppressed",
        "left": "left",
    }
    assert (found.gets, samples) == (len(planned), sorted(planned))
    assert found.by_language == Counter(planned.values())
    assert found.by_often == {"weekly": 2, "daily": 1}
    assert found.by_topic == {"hiring": 3, "crime": 1}
