from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from digest import db as database
from digest.db import Database
from digest.errors import Busy
from digest.tables import news_counter, topics

VALUE = sa.select(news_counter.c.value)


@contextlib.contextmanager
def another(db: Database) -> Iterator[Database]:
    """A second `Database` on the same data, as another process has it."""
    other = Database(db.url.render_as_string(hide_password=False))
    try:
        yield other
    finally:
        other.close()


@contextlib.contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[None]:
    """Does the work beside the block, and waits for it."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        yield
        future.result()


def read_then_write(db: Database, times: int) -> None:
    """Counts up in the way that loses updates where writers do not wait before they read."""
    for _ in range(times):
        with db.transaction() as conn:
            value = conn.execute(VALUE if db.is_sqlite else VALUE.with_for_update()).scalar_one()
            conn.execute(news_counter.update().values(value=value + 1))


def count(db: Database) -> int:
    with db.reading() as conn:
        return int(conn.execute(VALUE).scalar_one())


def test_no_update_is_lost_between_two_writers(either_db: Database) -> None:
    with another(either_db) as other, in_thread(lambda: read_then_write(other, 50)):
        read_then_write(either_db, 50)
    assert count(either_db) == 100


def test_no_update_is_lost_between_threads_of_one_process(db: Database) -> None:
    with in_thread(lambda: read_then_write(db, 50)):
        read_then_write(db, 50)
    assert count(db) == 100


def test_a_block_that_raises_changes_nothing_and_leaves_the_way_free(either_db: Database) -> None:
    def fail_halfway() -> None:
        with either_db.transaction() as conn:
            conn.execute(news_counter.update().values(value=7))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert count(either_db) == 0
    with another(either_db) as other:
        read_then_write(other, 1)
    assert count(either_db) == 1


def test_a_reader_keeps_its_view_while_others_write(db: Database) -> None:
    if not database.wal_is_safe(database.sqlite_module().sqlite_version_info):
        pytest.skip("readers wait where this SQLite needs a rollback journal")
    with db.reading() as conn:
        before = conn.execute(VALUE).scalar_one()
        with another(db) as other:
            read_then_write(other, 3)
        assert conn.execute(VALUE).scalar_one() == before
    assert count(db) == 3


def test_a_reading_connection_cannot_write(db: Database) -> None:
    with pytest.raises(OperationalError, match="readonly"), db.reading() as conn:
        conn.execute(news_counter.update().values(value=7))


def test_a_writer_that_waits_too_long_is_told_that_the_database_is_busy(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.1)
    with another(db) as other, other.transaction(), pytest.raises(Busy, match="try again"), db.transaction():
        pass
    read_then_write(db, 1)


def test_a_foreign_program_that_holds_the_file_makes_it_busy_too(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.1)
    # Of the same library: two libraries in one process do not see each other's locks.
    foreign = database.sqlite_module().connect(str(db.url.database), isolation_level=None)
    with another(db) as hasty, contextlib.closing(foreign):
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="try again"), hasty.transaction():
            pass
        foreign.execute("ROLLBACK")
        read_then_write(hasty, 1)


def test_a_second_thread_that_waits_too_long_is_told_so_too(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.1)

    def too_late() -> None:
        with pytest.raises(Busy, match="try again"), hasty.transaction():
            pass

    with another(db) as hasty, hasty.transaction(), in_thread(too_late):
        pass


def test_a_bulk_writer_lets_others_pass_quickly(db: Database) -> None:
    done = threading.Event()

    def write_much() -> None:
        rows = [{"name": f"n{n}"} for n in range(200)]
        with another(db) as bulk:
            while not done.is_set():
                with bulk.transaction(bulk=True) as conn:
                    conn.execute(topics.delete())
                    conn.execute(topics.insert(), [{"slug": row["name"], **row} for row in rows])

    waits = []
    with in_thread(write_much):
        try:
            for _ in range(40):
                done.wait(0.003)  # the pause in which the bulk writer takes the lock again
                began = time.monotonic()
                read_then_write(db, 1)
                waits.append(time.monotonic() - began)
        finally:
            done.set()
    # Without the turnstile one in ten waits for seconds.
    assert sorted(waits)[35] < 0.1
    assert max(waits) < 0.5


def test_a_killed_writer_leaves_the_way_free(db: Database) -> None:
    program = (
        "import sys; from digest.db import Database\n"
        "with Database(sys.argv[1]).transaction(): print('in', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(db.url)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"in\n"
        holder.kill()
    read_then_write(db, 1)
    assert count(db) == 1


@pytest.mark.postgres
def test_a_deadlock_is_tried_again(postgres_url: str) -> None:
    first, second = topics.c.slug == "first", topics.c.slug == "second"
    both_hold_one = threading.Barrier(2)
    tries: list[int] = []

    def step(conn: sa.Connection, order: tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]) -> None:
        tries.append(1)
        conn.execute(topics.update().where(order[0]).values(description=topics.c.description + "x"))
        if len(tries) <= 2:
            both_hold_one.wait(10)
        conn.execute(topics.update().where(order[1]).values(description=topics.c.description + "x"))

    with contextlib.closing(Database(postgres_url)) as db:
        with db.transaction() as conn:
            conn.execute(topics.insert(), [{"slug": slug, "name": slug} for slug in ("first", "second")])
        with in_thread(lambda: db.run(lambda conn: step(conn, (second, first)))):
            db.run(lambda conn: step(conn, (first, second)))
        with db.reading() as conn:
            assert conn.execute(sa.select(topics.c.description)).scalars().all() == ["xx", "xx"]
    assert len(tries) >= 3  # the one that was sent back may meet the other once more


def test_a_fault_of_our_own_is_not_taken_for_a_busy_database(either_db: Database) -> None:
    with pytest.raises(DBAPIError), either_db.transaction() as conn:
        conn.execute(sa.text("SELECT nothing FROM nowhere"))


def test_what_was_committed_is_on_disk(db: Database) -> None:
    with db.transaction() as conn:
        assert conn.execute(sa.text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert conn.execute(sa.text("PRAGMA foreign_keys")).scalar() == 1
        safe = database.wal_is_safe(database.sqlite_module().sqlite_version_info)
        assert conn.execute(sa.text("PRAGMA journal_mode")).scalar() == ("wal" if safe else "truncate")


def test_the_clock_of_the_database_is_the_time_in_microseconds(either_db: Database) -> None:
    with either_db.transaction() as conn:
        told = conn.execute(sa.select(database.now_micros())).scalar_one()
    assert abs(told / 1_000_000 - time.time()) < 5


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 7, 0), False),
        ((3, 34, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 0), True),
    ],
)
def test_wal_is_used_only_where_it_cannot_corrupt(version: tuple[int, ...], safe: bool) -> None:
    assert database.wal_is_safe(version) is safe
