"""What is promised before a send is what planning does: compared for many worlds, on both databases."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from digest import publications
from digest.db import Database
from subscribers import reach
from subscribers.reach import Reach
from tests.stage import Stage

TOPICS = ("hiring", "detainers", "profiles", "crime")
CHOICES = ("*=weekly", "*=off;hiring=weekly", "*=daily;crime=weekly", "detainers=off;*=weekly", "*=off", "*=daily")


def counted(stage: Stage, *, owed: bool = False, cadence: str = "weekly") -> Reach:
    with stage.db.reading() as conn:
        series = publications.one_series(conn, stage.digest.id, cadence)
        return reach.count(conn, stage.digest, series, now=stage.now, owed=owed)


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


@pytest.mark.parametrize("seed", range(6))
def test_who_was_promised_it_gets_it_and_nobody_else(either_db: Database, seed: int) -> None:
    stage = Stage(either_db, ("daily", "weekly"))
    some_world(stage, random.Random(seed))
    promised = counted(stage)
    edition = stage.cycle()
    got = {name: entries for name, entries in stage.lists(edition).items() if entries}
    skipped = Counter(code for state, code in stage.rows(edition).values() if state == "skipped")
    assert promised.gets == len(got)
    assert promised.left_out["no topics"] == skipped["no topics"]
    assert promised.by_items == Counter(map(len, got.values()))
    assert promised.total == promised.gets + promised.left_out.total()
    assert sum(promised.by_language.values()) == promised.gets
    names = {number: name for name, number in stage.ids.items()}
    for reader, items in promised.samples:
        assert len(got[names[reader]]) == items


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
