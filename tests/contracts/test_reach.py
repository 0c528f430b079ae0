"""What is promised before a send is what planning does: compared for many worlds, on both databases."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from digest import proposals, publications, review, tables
from digest.db import Database
from digest.delivery import proofs
from digest.editions import Edition
from digest.proposals import Proposal
from subscribers import reach
from subscribers.reach import Part, Reach
from subscribers.tables import subscribers
from tests.stage import SETTINGS, Stage

TOPICS = ("hiring", "detainers", "profiles", "crime")
CHOICES = ("*=weekly", "*=off;hiring=weekly", "*=daily;crime=weekly", "detainers=off;*=weekly", "*=off", "*=daily")


def coming(stage: Stage, *, owed: bool = False, cadence: str = "weekly") -> Proposal:
    """The next edition."""
    with stage.db.reading() as conn:
        series = publications.one_series(conn, stage.digest.id, cadence)
        return proposals.of_series(conn, SETTINGS, stage.digest, series, now=stage.now, owed=owed)


def counted(stage: Stage, **how: Any) -> Reach:
    with stage.db.reading() as conn:
        return reach.count(conn, coming(stage, **how), now=stage.now)


def some_world(stage: Stage, dice: random.Random) -> None:
    """Readers who came, changed, paused and left at different times, and items on one or two topics."""
    names, gone = [f"r{n}" for n in range(16)], set[str]()
    for number in range(3):
        for name in names[number * 5 : number * 5 + 6]:
            if name not in stage.ids:
                stage.join(name, dice.choice(CHOICES))
        stage.publish(f"item-{number}", *dice.sample(TOPICS, dice.choice((1, 2))))
        if number == 1:
            stage.send()
            stage.withdraw("item-0")
            stage.republish("item-0")
        for name in dice.sample(sorted(set(stage.ids) - gone), 4):
            act = dice.choice(("choose", "pause", "leave", "nothing"))
            if act == "choose":
                stage.choose(name, dice.choice(CHOICES))
            elif act == "pause":
                stage.pause(name)
            elif act == "leave":
                stage.leave(name)
                gone.add(name)
        stage.later(hours=1)
    stage.update("item-1")


def some_read_spanish(stage: Stage) -> None:
    stage.set(languages="en, es")
    stage.digest = replace(stage.digest, languages=("en", "es"))
    with stage.db.transaction() as conn:
        every_third = subscribers.c.id.in_(list(stage.ids.values())[::3])
        conn.execute(sa.update(subscribers).where(every_third).values(language="es-MX"))


@pytest.mark.parametrize("seed", range(5))
def test_who_was_promised_it_gets_it_and_nobody_else(either_db: Database, seed: int) -> None:
    stage = Stage(either_db, ("daily", "weekly"))
    some_world(stage, random.Random(seed))
    if seed % 2:
        some_read_spanish(stage)
    proposal, promised = coming(stage), counted(stage)
    listed = {part: people_of(stage, proposal, part) for part in parts_of(promised)}
    some = random.Random(seed).sample(sorted(stage.ids), 5)  # a proof takes as long as a planner's start
    made = {name: proof_of(stage, proposal, name) for name in some}
    edition = stage.cycle()
    got = {name: entries for name, entries in stage.lists(edition).items() if entries}
    skipped = Counter(code for state, code in stage.rows(edition).values() if state == "skipped")
    assert promised.gets == len(got)
    assert promised.left_out["no topics"] == skipped["no topics"]
    assert promised.by_items == Counter(map(len, got.values()))
    assert promised.total == promised.gets + promised.left_out.total()
    assert promised.by_language == Counter(languages_of(stage, edition).values())
    names = {number: name for name, number in stage.ids.items()}
    for reader, items in promised.samples:
        assert len(got[names[reader]]) == items
    check_lists(promised, {part: {names[one] for one in people} for part, people in listed.items()}, got)
    check_proofs(stage, edition, made)


def test_so_it_is_of_one_that_waits_for_approval(either_db: Database) -> None:
    stage = Stage(either_db, ("daily", "weekly"))
    some_world(stage, random.Random(1))
    edition = stage.freeze(ask="Look at it first.")
    stage.publish("too-late", "hiring")
    with stage.db.reading() as conn:
        proposal = proposals.of_edition(conn, SETTINGS, edition, now=stage.now)
        promised = reach.count(conn, proposal, now=stage.now)
    made = {name: proof_of(stage, proposal, name) for name in list(stage.ids)[:5]}
    with stage.db.transaction() as conn:
        review.approve(conn, edition.id, SETTINGS, by="test", now=stage.now)
    stage.plan(edition)
    got = {name: entries for name, entries in stage.lists(edition).items() if entries}
    assert (promised.gets, promised.by_items) == (len(got), Counter(map(len, got.values())))
    check_proofs(stage, edition, made)


def test_who_has_had_the_alerts_of_the_day_is_told_apart(either_db: Database) -> None:
    stage = Stage(either_db, ("instant", "weekly"))
    stage.set(instant__daily_cap="1")
    stage.join("ann", "*=instant")
    stage.publish("one", "hiring")
    stage.send("instant")
    stage.join("bob", "*=instant")
    stage.publish("two", "hiring")
    proposal = coming(stage, cadence="instant")
    found = counted(stage, cadence="instant")
    assert (found.gets, dict(found.left_out)) == (1, {"alert cap": 1})
    assert people_of(stage, proposal, Part("left_out", "alert cap")) == [stage.ids["ann"]]
    assert [proof_of(stage, proposal, name).why for name in ("ann", "bob")] == ["alert cap", ""]


# --- the parts, one by one -------------------------------------------------------------------------------------


def parts_of(promised: Reach) -> list[Part]:
    names = ("left_out", "by_items", "by_topic", "by_often", "by_language", "by_entry")
    return [Part(name, value) for name in names for value in getattr(promised, name)]


def people_of(stage: Stage, proposal: Proposal, part: Part) -> list[int]:
    """Those of a part, read in pages of two."""
    found: list[int] = []
    with stage.db.reading() as conn:
        while True:
            below = found[-1] if found else None
            page = reach.people(conn, proposal, part, now=stage.now, below=below, limit=2)
            if not page.numbers:
                assert page.total == len(found)
                return found
            found += page.numbers


def check_lists(promised: Reach, listed: dict[Part, set[str]], got: dict[str, list[str]]) -> None:
    """Each number is that of the people behind it, and they are those who get it."""
    for part, people in listed.items():
        assert len(people) == getattr(promised, part.name)[part.value], part
    for name in ("by_items", "by_often", "by_language"):
        together = [people for part, people in listed.items() if part.name == name]
        assert sum(map(len, together)) == promised.gets, name
        assert set().union(*together) == set(got), name
    for part, people in listed.items():
        if part.name == "by_items":
            assert {name for name, entries in got.items() if len(entries) == part.value} == people


def proof_of(stage: Stage, proposal: Proposal, name: str) -> proofs.Proof:
    return proofs.of(stage.db, stage.people, proposal, stage.ids[name], now=stage.now)


def languages_of(stage: Stage, edition: Edition) -> dict[int, str]:
    """Reader -> the language of their variant."""
    d, v = tables.deliveries, tables.variants
    query = (
        sa.select(d.c.subscriber_id, v.c.language)
        .join(v, sa.and_(v.c.edition_id == d.c.edition_id, v.c.n == d.c.variant_n))
        .where(d.c.edition_id == edition.id)
    )
    with stage.db.reading() as conn:
        return {row.subscriber_id: row.language for row in conn.execute(query)}


def check_proofs(stage: Stage, edition: Edition, made: dict[str, proofs.Proof]) -> None:
    """What was shown as a reader's mail is the variant that the plan gave them, but for the number in its links."""
    d, v = tables.deliveries, tables.variants
    query = (
        sa.select(d.c.subscriber_id, v)
        .join(v, sa.and_(v.c.edition_id == d.c.edition_id, v.c.n == d.c.variant_n))
        .where(d.c.edition_id == edition.id)
    )
    with stage.db.reading() as conn:
        planned = {row.subscriber_id: row for row in conn.execute(query)}
    for name, proof in made.items():
        row = planned.get(stage.ids[name])
        assert (row is None) == bool(proof.why), name
        if row is not None:
            assert proof.rendered is not None
            assert list(proof.entries) == [abs(sequence) for sequence in json.loads(row.entries)]
            shown = [part.replace("/editions/0", f"/editions/{edition.id}") for part in vars(proof.rendered).values()]
            assert (proof.language, *shown[:3]) == (row.language, row.subject, row.html, row.text), name


def test_what_is_owed_alone_is_counted_alone(either_db: Database) -> None:
    stage = Stage(either_db)
    for name in ("ann", "bob"):
        stage.join(name)
    stage.publish("policy", "hiring")
    stage.pause("ann")
    stage.send()
    stage.wake("ann")
    stage.publish("other", "hiring")
    assert (counted(stage, owed=True).gets, counted(stage).gets) == (1, 2)
    assert counted(stage).by_items == {2: 1, 1: 1}


def test_nothing_new_leaves_everybody_out(either_db: Database) -> None:
    stage = Stage(either_db)
    stage.join("ann")
    found = counted(stage)
    assert (found.gets, dict(found.left_out), found.samples) == (0, {"no topics": 1}, [])
