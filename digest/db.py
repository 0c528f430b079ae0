"""The only place that opens a database connection.

Promises: a write transaction on SQLite begins with BEGIN IMMEDIATE behind a turnstile, so no update is lost and
nobody starves; what is acknowledged is on disk (synchronous FULL); readers never wait for writers. WAL is used only
where the linked SQLite is free of the WAL-reset race (3.7.0 to 3.51.2 can corrupt a database; 3.44.6 and 3.50.7 are
good, see https://sqlite.org/wal.html), else a rollback journal. On PostgreSQL a deadlock is tried again thrice.
An error names the statement and not its parameters, which may be addresses. Refuses: a connection outside
`transaction()` and `reading()`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from digest.errors import Busy

T = TypeVar("T")

WAIT_SECONDS = 10.0  # how long a writer waits for another before it gives up
BULK_PAUSE = 0.001  # a bulk writer steps back this long after each commit, so that others get their turn


def sqlite_module() -> ModuleType:
    """The newer of the SQLite drivers at hand: pysqlite3's wheel, or the standard library's."""
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        return sqlite3
    return dbapi2 if dbapi2.sqlite_version_info > sqlite3.sqlite_version_info else sqlite3


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset race."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


class now_micros(FunctionElement[int]):  # noqa: N801 - reads as an SQL function
    """The database's own clock, in microseconds since 1970: leases are judged by it, on every machine alike."""

    type = sa.BigInteger()
    inherit_cache = True
    name = "now_micros"


@compiles(now_micros, "sqlite")
def _now_sqlite(element: now_micros, compiler: Any, **kw: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"


@compiles(now_micros, "postgresql")
def _now_postgresql(element: now_micros, compiler: Any, **kw: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


def insert_new(conn: Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that leaves alone the rows whose key exists already; RETURNING gives only the new ones."""
    if conn.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def adding(table: sa.Table, column: sa.Column[int]) -> Mapping[str, sa.Insert]:
    """For each dialect an INSERT that adds to the number in `column` where the row's key exists already."""
    keys = list(table.primary_key)
    made: dict[str, sa.Insert] = {}
    for name, insert in (("sqlite", sqlite.insert(table)), ("postgresql", postgresql.insert(table))):
        made[name] = insert.on_conflict_do_update(
            index_elements=keys, set_={column.name: column + insert.excluded[column.name]}
        )
    return made


def tuples(result: sa.CursorResult[Any]) -> list[tuple[Any, ...]]:
    """Every row as the driver gives it: half the cost of `all()`, for columns that need no conversion."""
    found = [] if result.cursor is None else result.cursor.fetchall()
    result.close()
    return cast("list[tuple[Any, ...]]", found)


class Turnstile:
    """A file lock that writers pass before BEGIN IMMEDIATE: SQLite's own busy handler starves the polite."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def enter(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy(
                        f"Another process has held the database for {WAIT_SECONDS:.0f} seconds. "
                        "Nothing was changed; try again."
                    ) from None
                time.sleep(BULK_PAUSE / 4)
            else:
                return

    def leave(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)


class Database:
    """One database: a write engine and a read engine over the same address."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._turnstile: Turnstile | None = None
        if self.is_sqlite:
            self.write, self.read = _sqlite_engine(self.url, write=True), _sqlite_engine(self.url, write=False)
            self._turnstile = Turnstile(Path(f"{self.url.database}.turnstile"))
        else:
            self.write, self.read = _postgres_engine(self.url), _postgres_engine(self.url)

    @contextlib.contextmanager
    def transaction(self, *, bulk: bool = False) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, rolled back when it raises.

        `bulk` says that many more will follow at once: the caller then steps back for a moment after each.
        Raises Busy when another process holds the database for longer than 10 seconds.
        """
        with _waiting(), self.write.connect() as conn:
            if self._turnstile:
                self._turnstile.enter()
            try:
                with conn.begin():
                    yield conn
            finally:
                if self._turnstile:
                    self._turnstile.leave()
        if bulk and self._turnstile:
            time.sleep(BULK_PAUSE)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction with one view of the data; it never waits for writers nor keeps them waiting."""
        with self.read.connect() as conn:
            yield conn

    def files_changed(self) -> tuple[float, ...] | None:
        """When the files of an SQLite database were last written, in seconds since 1970: as long as these stand, and
        are no younger than the file system's clock is coarse, nothing was committed. None where no files tell."""
        if not self.is_sqlite:
            return None
        return tuple(_changed(f"{self.url.database}{suffix}") for suffix in ("", "-wal", "-journal"))

    def run(self, step: Callable[[Connection], T], *, bulk: bool = False) -> T:
        """What `step` returns from one write transaction; a deadlock on PostgreSQL is tried again thrice."""
        for _ in range(3):
            try:
                with self.transaction(bulk=bulk) as conn:
                    return step(conn)
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", None) not in ("40P01", "40001"):
                    raise
        with self.transaction(bulk=bulk) as conn:
            return step(conn)

    def close(self) -> None:
        self.write.dispose()
        self.read.dispose()
        if self._turnstile:
            self._turnstile.close()


def _changed(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except FileNotFoundError:
        return 0.0


@contextlib.contextmanager
def _waiting() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if "database is locked" in str(error.orig):
            raise Busy("Another process holds the database. Nothing was changed; try again.") from error
        raise
    except sa.exc.TimeoutError as error:  # of the pool: another thread of this process holds the connection
        raise Busy("This process is busy with the database. Nothing was changed; try again.") from error


def _sqlite_engine(url: sa.URL, *, write: bool) -> Engine:
    module = sqlite_module()
    engine = sa.create_engine(
        url,
        module=module,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": WAIT_SECONDS},
        poolclass=sa.pool.QueuePool,
        pool_size=1 if write else 5,
        max_overflow=0 if write else 15,
        pool_timeout=WAIT_SECONDS,
        hide_parameters=True,
    )
    journal = "WAL" if wal_is_safe(module.sqlite_version_info) else "TRUNCATE"

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        if write:
            connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-8000")
        if not write:
            connection.execute("PRAGMA query_only=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgres_engine(url: sa.URL) -> Engine:
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=5,
        max_overflow=15,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        # Below the lease: a worker that hangs inside a transaction must not keep its batch row locked.
        connect_args={"options": "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC"},
    )
