"""What became of deliveries by mail provider, on both databases: always what the rows say."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest import tables
from digest.db import Database
from digest.delivery import provider_sums, providers
from digest.delivery.provider_sums import Counted, Sum
from digest.delivery.providers import GMAIL, MICROSOFT, NOT_KNOWN, OTHERS
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.home import Home
from digest.tables import State
from subscribers import departures
from subscribers.consent import Origin
from subscribers.tables import subscribers
from tests.stage import KEYS, SETTINGS, Stage

WHERE = {"ann": "gmail.com", "bob": "Hotmail.co.uk", "cyd": "example.org", "dan": "gmail.com", "eve": "gmail.com"}


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A weekly digest with readers at two large providers and elsewhere, and an item for all but one."""
    stage = Stage(either_db)
    for name, domain in WHERE.items():
        stage.join(name, "hiring=weekly" if name != "eve" else "detainers=weekly", domain=domain)
    stage.publish("policy", "hiring")
    return stage


def told(stage: Stage, edition: Edition) -> dict[tuple[int, State, str], int]:
    with stage.db.reading() as conn:
        counted = provider_sums.of_edition(conn, stage.find(edition))
    assert counted.adds_up
    return {(one.provider, one.state, one.code): one.people for one in counted.sums}


def kept(stage: Stage) -> int:
    with stage.db.reading() as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(tables.provider_sums)) or 0


def test_every_outcome_counts_under_its_provider_before_and_after_the_close(stage: Stage) -> None:
    ids = stage.ids
    stage.transport.answers = {ids["bob"]: [Answer.HARD], ids["dan"]: [Answer.UNSURE]}
    edition = stage.cycle()
    skipped = {(GMAIL, State.SKIPPED, "no topics"): 1}
    to_go = {(GMAIL, State.PLANNED, ""): 2, (MICROSOFT, State.PLANNED, ""): 1, (OTHERS, State.PLANNED, ""): 1}
    assert told(stage, edition) == skipped | to_go
    stage.deliver(edition)
    done = {
        (GMAIL, State.ACCEPTED, ""): 1,
        (GMAIL, State.UNSURE, ""): 1,
        (MICROSOFT, State.FAILED, "hard"): 1,
        (OTHERS, State.ACCEPTED, ""): 1,
    }
    assert told(stage, edition) == skipped | done
    assert kept(stage) == 0
    stage.close(edition)
    assert kept(stage) == 5
    assert told(stage, edition) == skipped | done


@pytest.mark.parametrize("arrived", [True, False])
def test_who_is_settled_after_the_close_moves_also_when_they_were_erased(
    stage: Stage, tmp_path: Path, arrived: bool
) -> None:
    stage.transport.answers = {stage.ids["ann"]: [Answer.UNSURE], stage.ids["dan"]: [Answer.UNSURE]}
    edition = stage.send()
    departures.erase(Home(tmp_path, SETTINGS, KEYS, stage.db), stage.ids["dan"], how=Origin(), now=stage.now)
    stage.later(minutes=16)
    assert stage.settle(edition, arrived=arrived).settled == 2
    after = told(stage, edition)
    assert (GMAIL, State.UNSURE, "") not in after
    assert after[(GMAIL, State.ACCEPTED, "") if arrived else (GMAIL, State.FAILED, "not arrived")] == 2
    stage.check_sums()


def test_who_is_settled_before_the_close_counts_once(stage: Stage) -> None:
    stage.transport.answers = {stage.ids["ann"]: [Answer.UNSURE]}
    edition = stage.cycle()
    stage.deliver(edition)
    stage.later(minutes=16)
    stage.settle(edition, arrived=True)
    stage.close(edition)
    assert told(stage, edition)[GMAIL, State.ACCEPTED, ""] == 2
    stage.check_sums()


def test_rows_that_do_not_add_up_are_seen(stage: Stage) -> None:
    edition = stage.cycle()
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.deliveries).where(tables.deliveries.c.pos == 1).values(state=State.ACCEPTED))
        counted = provider_sums.count(conn, edition.id)
    assert not counted.adds_up


def test_a_plan_that_is_empty_adds_up() -> None:
    assert Counted((), provider_sums.of(())).adds_up


def test_what_became_of_editions_is_told_by_when_they_started_with_what_is_under_way(stage: Stage) -> None:
    first = stage.send()
    begun = stage.later(days=7)
    stage.publish("law", "hiring")
    second = stage.cycle()
    with stage.db.reading() as conn:
        before, since, after = provider_sums.by_stretch(
            conn, [first.created_at, begun, begun + timedelta(days=1), begun + timedelta(days=2)]
        )
        early = provider_sums.by_stretch(conn, [first.created_at - timedelta(days=1), first.created_at])
    assert second.starts_at == begun
    assert Sum(GMAIL, State.ACCEPTED, "", 2) in before
    assert set(since) == {
        Sum(GMAIL, State.PLANNED, "", 2),
        Sum(GMAIL, State.SKIPPED, "no topics", 1),
        Sum(MICROSOFT, State.PLANNED, "", 1),
        Sum(OTHERS, State.PLANNED, "", 1),
    }
    assert (after, early) == ([], [[]])


def test_what_there_was_before_is_counted_by_the_migration(stage: Stage) -> None:
    stage.transport.answers = {stage.ids["dan"]: [Answer.UNSURE]}
    edition = stage.send()
    before = told(stage, edition)
    migration = import_module("digest.migrations.versions.0014_keep_outcomes_by_mail_provider")
    with stage.db.transaction() as conn:
        conn.execute(sa.delete(tables.provider_sums))
        conn.execute(sa.update(tables.deliveries).values(provider=NOT_KNOWN))
        conn.execute(sa.update(subscribers).values(provider=OTHERS))
        conn.execute(migration.by_domain())
        for statement in (migration.UNDER_WAY, migration.UNSURE, migration.COUNT):
            conn.execute(sa.text(statement))
    assert told(stage, edition) == before
    assert {one: " ".join(domains) for one, domains in providers.DOMAINS.items()} == migration.DOMAINS
    stage.later(minutes=16)
    stage.settle(edition, arrived=True)
    assert told(stage, edition)[GMAIL, State.ACCEPTED, ""] == 2
