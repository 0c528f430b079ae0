"""The database goes away, or is held by somebody else, in the middle of a run: the run waits, and repeats nothing."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults import between, ground, own_postgres, runs, truth
from tests.faults.conftest import Mailbox
from tests.faults.ground import EDITION, FULL, Ground
from tests.faults.own_postgres import OwnServer
from tests.faults.runs import PACE
from tests.standins import postgres

WAITS = "the database cannot be written; sending waits for it"
HELD = 15.0 if FULL else 0.0  # seconds, and until the run has said that it waits


# --- PostgreSQL goes away --------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[OwnServer]:
    """A server that may be stopped."""
    with own_postgres.running() as running:
        yield running


@pytest.mark.postgres
def test_a_run_waits_for_postgresql_to_come_back_and_repeats_nothing(
    tmp_path: Path, server: OwnServer, mailbox: Mailbox
) -> None:
    here = ground.make(tmp_path / "home", url=server.address)
    with runs.start(here, tmp_path, environment=mailbox.environment) as run:
        run.until_under_way(mailbox)
        with run.standing_still():
            server.stop_at_once()
            assert mailbox.total < here.readers
        run.until_it_says(WAITS)
        server.start()
        run.end()
    truth.check_end(truth.look(here.url), mailbox.copies(), here.addresses)


@pytest.mark.postgres
def test_a_run_that_is_ended_while_postgresql_is_away_says_why_and_the_next_one_sends_the_rest(
    tmp_path: Path, server: OwnServer, mailbox: Mailbox
) -> None:
    here = ground.make(tmp_path / "home", url=server.address)
    with runs.start(here, tmp_path, environment=mailbox.environment | {"FAULTS_STOP": "1"}) as run:
        run.until_under_way(mailbox)
        with run.standing_still():
            server.stop_at_once()
        run.until_it_says(WAITS)
        run.terminate()
        run.end(1)
        assert run.last_line.startswith("The database does not answer: ")
        assert run.last_line.endswith("See that it runs and that [database] url is right.")
    server.start()
    truth.check(truth.look(here.url), mailbox.copies(), here.addresses)
    with runs.start(here, tmp_path, environment=mailbox.environment, pace=0) as run:
        run.end()
    truth.check_end(truth.look(here.url), mailbox.copies(), here.addresses, unsure=PACE)


@pytest.mark.postgres
def test_a_run_whose_sessions_are_cut_off_again_and_again_goes_on(
    tmp_path: Path, on_postgres: Ground, mailbox: Mailbox
) -> None:
    cut = 0
    with runs.start(on_postgres, tmp_path, environment=mailbox.environment) as run:
        while (before := mailbox.total) < on_postgres.readers - 10:
            run.until(lambda since=before: mailbox.total >= since + 10, "it goes on")  # type: ignore[misc]
            cut += cut_off(on_postgres.url)
        run.end()
    assert cut >= 3
    truth.check_end(truth.look(on_postgres.url), mailbox.copies(), on_postgres.addresses)


@pytest.mark.postgres
def test_a_commit_whose_answer_is_lost_is_read_back_and_not_repeated(
    tmp_path: Path, server: OwnServer, mailbox: Mailbox
) -> None:
    here = ground.make(tmp_path / "home", url=server.address)
    with between.wire(server.address) as (wire, address):
        through = replace(here, environment={"DIGEST_DATABASE__URL": address})
        with runs.start(through, tmp_path, environment=mailbox.environment) as run:
            run.until_under_way(mailbox)
            wire.to_lose = 2
            run.end()
    assert wire.lost == 2
    truth.check_end(truth.look(here.url), mailbox.copies(), here.addresses)


def cut_off(url: str) -> int:
    """Ends all other sessions of this database; how many there were."""
    name = sa.make_url(url).database
    ending = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
    with postgres.connect(sa.make_url(url)) as conn:
        row = conn.execute(ending, (name, conn.info.backend_pid)).fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


# --- SQLite is held by another process -------------------------------------------------------------------------


@contextmanager
def held_by_another_program(home: Path) -> Iterator[None]:
    """A write transaction that knows nothing of our turnstile, such as a person's with the sqlite3 shell."""
    with closing(sqlite3.connect(home / "digest.db", timeout=30, isolation_level=None)) as conn:
        conn.execute("BEGIN IMMEDIATE")
        yield
        conn.execute("ROLLBACK")


@contextmanager
def held_by_one_of_ours(home: Path) -> Iterator[None]:
    """Another process of ours is in a transaction that does not end."""
    with (home / "digest.db.turnstile").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("held", [held_by_another_program, held_by_one_of_ours], ids=["foreign", "ours"])
def test_a_run_says_that_the_database_is_held_and_goes_on_when_it_is_free(
    tmp_path: Path, on_sqlite: Ground, mailbox: Mailbox, held: type
) -> None:
    waits = {} if FULL else {"FAULTS_BUSY": "0.3"}
    with runs.start(on_sqlite, tmp_path, environment=mailbox.environment | waits) as run:
        run.until_under_way(mailbox)
        with held(on_sqlite.home):
            assert mailbox.total < on_sqlite.readers
            until = time.monotonic() + HELD
            run.until_it_says(WAITS)
            runs.until(lambda: time.monotonic() >= until, "it was held long enough")
            assert "Another process h" in run.last_line
            assert "is sending" in runs.ask(on_sqlite, tmp_path, "editions", "show", str(EDITION))
            assert "Another process h" in runs.ask(on_sqlite, tmp_path, "run", code=1)
        run.end()
    truth.check_end(truth.look(on_sqlite.url), mailbox.copies(), on_sqlite.addresses)
