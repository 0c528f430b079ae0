"""`digest ...` as it is, in a process that can be struck: what the environment asks for is changed here and only here.

CRASH_POINT names the place of a strike (`tests.crash.points`). CRASH_STEP is the number of rows in one batch and one
transaction of the plan, CRASH_WINDOW the number of rows under way, so that few readers pass many places. CRASH_LEASE
is the length of a lease in seconds. CRASH_MOMENT makes the clock stand still and the names of editions foreseeable,
so that mails of two runs can be compared to the byte. CRASH_PRAGMA is one more command for each SQLite connection.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import premailer  # noqa: F401 - loaded before the fork
import psycopg  # noqa: F401
import sqlalchemy as sa
import uvicorn  # noqa: F401

import scheduler
from digest import cli, db, editions
from digest.cli import desk, sending
from digest.delivery import leases, planning, sender
from digest.home import open_home
from digest.web import app  # noqa: F401
from subscribers import offices
from tests.crash import points, world


def main() -> None:
    """Changes what is asked for, then runs the command."""
    asked = dict(os.environ)
    if step := asked.get("CRASH_STEP"):
        planning.BATCH, planning.CHUNK = int(step), 1
    if window := asked.get("CRASH_WINDOW"):
        sender.WINDOW = int(window)
    if lease := asked.get("CRASH_LEASE"):
        shorten(timedelta(seconds=float(lease)))
    if moment := asked.get("CRASH_MOMENT"):
        stand_still(datetime.fromisoformat(moment))
    if pragma := asked.get("CRASH_PRAGMA"):
        say_to_sqlite(f"PRAGMA {pragma}")
    points.arm(asked)
    cli.main()


def warm() -> None:
    """Sends one edition in a home that is thrown away, so that what is loaded when first needed is loaded."""
    desk.to_stderr()
    with (
        tempfile.TemporaryDirectory(prefix="crash-") as folder,
        world.template(Path(folder) / "home", readers=3) as made,
    ):
        office = offices.open_office(open_home(made.home))
        scheduler.until_idle(office)
        office.close()


def say_to_sqlite(command: str) -> None:
    """Gives each connection one more command, after those of the product."""
    original = db._sqlite_engine

    def engine(url: sa.URL, *, write: bool) -> sa.Engine:
        made = original(url, write=write)
        sa.event.listen(made, "connect", lambda connection, record: connection.execute(command))
        return made

    db._sqlite_engine = engine


def shorten(lease: timedelta) -> None:
    """Leases of this length, in everything that was built with the usual one."""
    leases.LEASE = lease
    sender.SAFE = lease.total_seconds() / 2
    for owner, name, column, end in (
        (leases, "_GATE", "lease_until", leases._lease_end),
        (leases, "_DUE", "lease_until", leases._lease_end),
        (leases, "_LATE", "lease_until", leases._lease_end),
        (leases, "_ANY", "lease_until", leases._lease_end),
        (planning, "_GATE", "plan_until", planning._until),
    ):
        statement: Any = getattr(owner, name)
        setattr(owner, name, statement.values({column: end()}))


def stand_still(moment: datetime) -> None:
    """It is this moment, and the first edition has the name that the first edition always has."""
    sending._rehearsal = lambda at: lambda: moment
    numbers = iter(range(1, 1000))
    names = SimpleNamespace(token_hex=lambda size: f"{next(numbers):0{2 * size}x}")
    editions.secrets = names  # type: ignore[attr-defined, assignment]
