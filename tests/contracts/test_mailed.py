"""How many people were mailed what, on both databases: always what the rows say."""

from __future__ import annotations

from importlib import import_module

import pytest
import sqlalchemy as sa

from digest import items, tables
from digest.db import Database
from digest.delivery import mailed
from digest.delivery.mailed import Mailed
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from tests.stage import Stage


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A weekly digest with three readers, one of whom takes detainers alone."""
    stage = Stage(either_db)
    stage.join("ann")
    stage.join("bob")
    stage.join("cyd", "detainers=weekly")
    return stage


def counted(stage: Stage, *slugs: str) -> dict[str, Mailed]:
    with stage.db.reading() as conn:
        ids = {items.find(conn, slug).id: slug for slug in slugs}
        return {ids[one]: found for one, found in mailed.of_items(conn, list(ids)).items()}


def kept(stage: Stage) -> list[int]:
    with stage.db.reading() as conn:
        return list(conn.scalars(sa.select(tables.mailed.c.people).order_by(tables.mailed.c.sequence)))


def test_each_item_counts_who_has_it(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.publish("law", "detainers")
    stage.publish("late", "hiring")
    stage.withdraw("late")
    stage.transport.answers = {stage.ids["bob"]: [Answer.HARD]}
    stage.send()
    assert kept(stage) == [1, 2]
    assert counted(stage, "policy", "law", "late") == {"policy": Mailed(1), "law": Mailed(2)}


def test_those_of_an_update_are_told_apart_and_nobody_counts_twice(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.send()
    stage.join("dan")
    stage.update("policy")
    stage.send()
    assert counted(stage, "policy") == {"policy": Mailed(people=2, updated=3)}


def test_an_edition_under_way_is_counted_from_its_rows(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    edition = stage.cycle()
    assert counted(stage, "policy") == {}
    stage.deliver(edition)
    assert kept(stage) == []
    assert counted(stage, "policy") == {"policy": Mailed(2)}


def test_who_is_settled_after_the_close_counts_too(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.transport.answers = {stage.ids["bob"]: [Answer.UNSURE]}
    edition = stage.send()
    assert counted(stage, "policy") == {"policy": Mailed(1)}
    stage.later(minutes=16)
    stage.settle(edition, arrived=True)
    assert kept(stage) == [1]
    assert counted(stage, "policy") == {"policy": Mailed(2)}


def test_what_nobody_surely_had_at_the_close_counts_once_it_is_settled(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.publish("law", "detainers")
    stage.transport.answers = {stage.ids["ann"]: [Answer.UNSURE], stage.ids["bob"]: [Answer.UNSURE]}
    edition = stage.send()
    assert counted(stage, "policy", "law") == {"law": Mailed(1)}
    stage.later(minutes=16)
    stage.settle(edition, arrived=True)
    assert kept(stage) == [0, 1]
    assert counted(stage, "policy", "law") == {"policy": Mailed(2), "law": Mailed(3)}


def test_what_closed_before_there_were_counts_is_counted_likewise(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.publish("law", "detainers")
    stage.transport.answers = {stage.ids["ann"]: [Answer.UNSURE], stage.ids["bob"]: [Answer.UNSURE]}
    stage.send()
    every = sa.select(tables.mailed).order_by(tables.mailed.c.sequence)
    migration = import_module("digest.migrations.versions.0009_count_who_was_mailed_what")
    with stage.db.transaction() as conn:
        before = conn.execute(every).all()
        conn.execute(sa.delete(tables.mailed))
        conn.execute(sa.text(migration.COUNT))
        assert conn.execute(every).all() == before


def test_who_gets_it_late_as_owed_counts_once(stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.transport.answers = {stage.ids["bob"]: [Answer.UNSURE]}
    edition = stage.send()
    stage.later(minutes=16)
    stage.settle(edition, arrived=False)
    stage.see_through(_owed(stage))
    assert counted(stage, "policy") == {"policy": Mailed(2)}


def _owed(stage: Stage) -> Edition:
    edition = stage.freeze(owed=True)
    stage.plan(edition)
    return stage.find(edition)
