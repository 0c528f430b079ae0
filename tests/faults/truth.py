"""What the ledger says and what the receiver has, held against each other.

Promises: the receiver's record is the truth; the program's own counters are never asked alone.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from digest import editions, tables
from digest.db import Database
from digest.delivery import ledger
from digest.delivery.ledger import Totals
from digest.tables import State
from subscribers.tables import subscribers
from tests.faults.ground import EDITION
from tests.standins import smtp_server


@dataclass(frozen=True)
class Seen:
    """One edition as the tables have it."""

    state: str
    paused_why: str
    counted: Totals
    recounted: Totals
    rows: dict[str, tuple[State, str]]  # address -> state and code
    unsound: str = ""  # what SQLite finds wrong with its own file

    def who(self, *states: State) -> set[str]:
        """The addresses whose row is in one of the states."""
        return {address for address, (state, _) in self.rows.items() if state in states}


def look(url: str, edition: int = EDITION) -> Seen:
    """The edition now."""
    db = Database(url)
    d, s = tables.deliveries, subscribers
    rows = (
        sa.select(s.c.email, d.c.state, d.c.code).join(s, s.c.id == d.c.subscriber_id).where(d.c.edition_id == edition)
    )
    try:
        with db.reading() as conn:
            found = editions.find(conn, edition)
            unsound = conn.exec_driver_sql("PRAGMA integrity_check").scalar_one() if db.is_sqlite else "ok"
            return Seen(
                found.shown_state,
                found.paused_why or "",
                ledger.totals(conn, edition),
                ledger.recount(conn, edition),
                {row.email: (State(row.state), row.code or "") for row in conn.execute(rows)},
                "" if unsound == "ok" else str(unsound),
            )
    finally:
        db.close()


def look_at_copy(database: Path) -> Seen:
    """The edition in an SQLite database on a disk that can be read and perhaps not written."""
    with tempfile.TemporaryDirectory(prefix="digest-look-") as folder:
        for file in database.parent.glob(f"{database.name}*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder)
        return look(f"sqlite:///{folder}/{database.name}")


def copies(record: Path) -> Counter[str]:
    """How many mails the stand-in server kept, by address."""
    return Counter(kept.address for kept in smtp_server.read(record))


def check(seen: Seen, kept: Counter[str], addresses: Collection[str]) -> None:
    """What must hold at every moment; the record is read when the run stands still or has ended."""
    assert not seen.unsound, seen.unsound
    assert not {address for address, number in kept.items() if number > 1}, "somebody has it twice"
    assert set(kept) <= set(addresses)
    assert set(seen.rows) == set(addresses)
    assert seen.counted == seen.recounted
    assert not seen.who(State.ACCEPTED) - set(kept), "accepted, and nobody has it"
    begun = seen.who(State.ACCEPTED, State.TRYING, State.UNSURE)
    assert not set(kept) - begun, "a mail without a row that says so"


def check_end(seen: Seen, kept: Counter[str], addresses: Collection[str], *, unsure: int = 0) -> None:
    """Everybody has it, once, and at most so many are unsure."""
    check(seen, kept, addresses)
    assert seen.state == "sent"
    assert len(seen.who(State.UNSURE)) <= unsure
    assert seen.who(State.ACCEPTED, State.UNSURE) == set(addresses)
    if not unsure:
        assert set(kept) == set(addresses)
