"""The coming edition as staff arrange it: order, subject, opening words, and what is held back; on both databases."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from digest import arrangements, drafting, review, tables
from digest.arrangements import Words
from digest.db import Database
from digest.delivery.transports.base import Answer
from digest.drafting import Coming
from digest.editions import Edition
from digest.errors import Refused
from tests.stage import SETTINGS, TOM, Stage

WORDS = {"en": Words("Who may serve", "Dear readers,", "<p>Dear readers,</p>")}


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """Two readers, and three items that wait: c, b, a in the order that nobody chose."""
    stage = Stage(either_db)
    stage.join("ann")
    stage.join("bob")
    for slug in ("a", "b", "c"):
        stage.publish(slug, "hiring")
        stage.later(minutes=1)
    return stage


def look(stage: Stage) -> Coming:
    with stage.db.reading() as conn:
        return drafting.look(conn, stage.series(conn))


def order(stage: Stage) -> list[str]:
    return [item.slug for _, item in look(stage).entries]


def move(stage: Stage, slug: str, where: str) -> None:
    with stage.db.transaction() as conn:
        drafting.move(conn, stage.series(conn), slug, where, by=TOM, now=stage.now)


def write(stage: Stage, words: dict[str, Words], *, revision: int = 0, mark: int | None = None) -> None:
    with stage.db.transaction() as conn:
        series = stage.series(conn)
        mark = series.mark if mark is None else mark
        drafting.write(conn, series, words, revision=revision, mark=mark, by=TOM, now=stage.now)


def mailed(stage: Stage, edition: Edition) -> list[tuple[str, Sequence[str]]]:
    """Subject and items in order of each variant."""
    v, log, i = tables.variants, tables.publication_log, tables.items
    with stage.db.reading() as conn:
        told = conn.execute(sa.select(log.c.sequence, i.c.slug).join(i, i.c.id == log.c.item_id))
        slugs = {row.sequence: row.slug for row in told}
        rows = conn.execute(sa.select(v.c.subject, v.c.entries).where(v.c.edition_id == edition.id)).all()
    return [(row.subject, [slugs[int(n)] for n in row.entries.strip("[]").split(", ")]) for row in rows]


def test_what_nobody_arranged_is_the_newest_first(stage: Stage) -> None:
    assert order(stage) == ["c", "b", "a"]
    assert mailed(stage, stage.send()) == [("Fact sheet c, and two more", ["c", "b", "a"])]


def test_items_are_moved_one_by_one_and_mails_have_that_order(stage: Stage) -> None:
    move(stage, "a", "up")
    assert order(stage) == ["c", "a", "b"]
    move(stage, "c", "down")
    assert order(stage) == ["a", "c", "b"]
    move(stage, "b", "first")
    assert order(stage) == ["b", "a", "c"]
    for slug, where in (("b", "up"), ("c", "down")):  # at the ends
        move(stage, slug, where)
    stage.publish("late", "hiring")
    assert order(stage) == ["b", "a", "c", "late"]
    assert mailed(stage, stage.send()) == [("Fact sheet b, and three more", ["b", "a", "c", "late"])]


def test_staffs_words_stand_over_one_edition_and_not_over_the_next(stage: Stage) -> None:
    write(stage, WORDS)
    move(stage, "a", "first")
    edition = stage.send()
    assert mailed(stage, edition) == [("Who may serve", ["a", "c", "b"])]
    assert look(stage).arrangement == arrangements.Arrangement()
    stage.publish("d", "hiring")
    assert mailed(stage, stage.send()) == [("Fact sheet d", ["d"])]


def test_they_wait_when_the_edition_is_stopped_before_anybody_is_counted(stage: Stage) -> None:
    write(stage, WORDS)
    edition = stage.freeze()
    with pytest.raises(Refused, match="is locked"):
        move(stage, "a", "first")
    with stage.db.transaction() as conn:
        review.undo(conn, edition.id)
    move(stage, "a", "first")
    assert mailed(stage, stage.send()) == [("Who may serve", ["a", "c", "b"])]


def test_a_mail_of_nothing_but_what_is_owed_has_a_subject_of_its_own(stage: Stage) -> None:
    stage.choose("bob", "hiring=weekly")
    stage.transport.answers = {stage.ids["bob"]: [Answer.UNSURE]}
    first = stage.send()
    stage.later(minutes=20)
    stage.settle(first, arrived=False)
    stage.publish("d", "law")
    write(stage, WORDS)
    told = dict(mailed(stage, stage.send()))
    assert told == {"Who may serve": ["d"], "Fact sheet c, and two more": ["c", "b", "a"]}


@pytest.mark.parametrize("change", ["move", "write", "hold", "release"])
def test_a_change_takes_an_approval_back(stage: Stage, change: str) -> None:
    if change == "release":
        stage.hold("b")
    edition = stage.freeze(ask="Look.")
    seen = edition.content_hash
    if change == "move":
        move(stage, "a", "first")
    elif change == "write":
        write(stage, WORDS)
    elif change == "hold":
        stage.hold("b")
    else:
        stage.release("b")
    assert stage.find(edition).content_hash != seen
    with stage.db.transaction() as conn:
        _, done = review.approve(conn, edition.id, SETTINGS, by="Dana", now=stage.now, seen=seen)
        assert not done
        _, done = review.approve(conn, edition.id, SETTINGS, by="Dana", now=stage.now)
        assert done
    stage.plan(edition)
    assert [sorted(slugs) for _, slugs in mailed(stage, edition)] == [
        ["a", "c"] if change == "hold" else ["a", "b", "c"]
    ]
    assert look(stage).entries == ()


def test_the_last_item_of_an_edition_in_review_is_not_held_back(stage: Stage) -> None:
    edition = stage.freeze(ask="Look.")
    stage.hold("a")
    stage.hold("b")
    with pytest.raises(Refused, match=f"editions cancel {edition.id}"):
        stage.hold("c")
    assert order(stage) == ["c"]
    assert {(one.item.slug, one.by) for one in look(stage).held} == {("a", ""), ("b", "")}


def test_two_who_write_at_once_are_told(stage: Stage) -> None:
    write(stage, WORDS)
    with pytest.raises(arrangements.Overtaken) as told:
        write(stage, {"en": Words("Mine")})
    assert told.value.theirs.words == WORDS
    write(stage, WORDS)  # the same words are no quarrel
    write(stage, {"en": Words("Mine")}, revision=look(stage).arrangement.revision)
    assert look(stage).arrangement.words == {"en": Words("Mine")}


def test_words_for_an_edition_that_has_gone_out_are_refused(stage: Stage) -> None:
    with stage.db.reading() as conn:
        mark = stage.series(conn).mark
    stage.send()
    with pytest.raises(Refused, match="has gone out meanwhile"):
        write(stage, WORDS, mark=mark)
    with pytest.raises(Refused, match="no longer in the coming edition"):
        move(stage, "a", "first")
