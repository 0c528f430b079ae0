"""Editions and letters as staff look through them: with their names and their sums, a page at a time.

Promises: a page costs the same however many editions there are; sums are those of the counters. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions
from digest.delivery.ledger import COUNTED, Totals
from digest.editions import Edition
from digest.tables import State, batches, deliveries, digests, letters
from digest.tables import editions as t

PER_PAGE = 20


@dataclass(frozen=True)
class Listed:
    """An edition with what it is called and how far it is; `day` is its own, empty before it is locked."""

    edition: Edition
    digest: str  # its name
    subject: str  # of a letter
    totals: Totals

    @property
    def day(self) -> date | None:
        """The day that stands on it."""
        said = (self.edition.settings or {}).get("date")
        return date.fromisoformat(said) if said else None


@dataclass(frozen=True)
class Reason:
    """So many people for whom an edition ended in this way."""

    state: str
    code: str
    people: int


def page(
    conn: Connection, *, below: int | None = None, limit: int = PER_PAGE, letters_only: bool = False
) -> list[Listed]:
    """The latest editions (or letters alone), or those before one with a number."""
    query = sa.select(*editions.COLUMNS).order_by(t.c.id.desc()).limit(limit)
    query = query.where(t.c.kind == "letter") if letters_only else query
    return _listed(conn, query if below is None else query.where(t.c.id < below))


def one(conn: Connection, number: int) -> Listed:
    """One edition. Raises NotFound."""
    return _listed(conn, sa.select(*editions.COLUMNS).where(t.c.id == editions.find(conn, number).id))[0]


def some(conn: Connection, numbers: Collection[int]) -> list[Listed]:
    """Those with these numbers, the oldest first."""
    return _listed(conn, sa.select(*editions.COLUMNS).where(t.c.id.in_(numbers)).order_by(t.c.id))


def open_ones(conn: Connection) -> list[Listed]:
    """Those that wait for somebody or are under way, the oldest first."""
    states = (editions.REVIEW, editions.FROZEN, editions.SENDING)
    return _listed(conn, sa.select(*editions.COLUMNS).where(t.c.state.in_(states)).order_by(t.c.id))


def unsure(conn: Connection) -> list[Listed]:
    """Those with people of whom nobody knows whether they have it, the oldest first."""
    doubtful = sa.select(batches.c.edition_id).where(batches.c.unsure > 0)
    return _listed(conn, sa.select(*editions.COLUMNS).where(t.c.id.in_(doubtful)).order_by(t.c.id))


def reasons(conn: Connection, number: int) -> list[Reason]:
    """How many people were left out, failed or are unsure, by reason, the most first."""
    d = deliveries.c
    people = sa.func.count()
    query = sa.select(d.state, sa.func.coalesce(d.code, ""), people).where(d.edition_id == number)
    ended = (State.SKIPPED, State.FAILED, State.UNSURE)
    rows = conn.execute(query.where(d.state.in_(ended)).group_by(d.state, d.code).order_by(people.desc(), d.state))
    return [Reason(State(state).name.lower(), code, count) for state, code, count in rows]


def _listed(conn: Connection, query: sa.Select[Any]) -> list[Listed]:
    found = [editions.from_row(row) for row in conn.execute(query)]
    ids = [edition.id for edition in found]
    names = dict(conn.execute(sa.select(digests.c.id, digests.c.name)).all())
    subjects = dict(
        conn.execute(sa.select(letters.c.edition_id, letters.c.subject).where(letters.c.edition_id.in_(ids))).all()
    )
    sums = _sums(conn, ids)
    nothing = Totals(0, 0, 0, 0, 0)
    return [Listed(one, names[one.digest_id], subjects.get(one.id, ""), sums.get(one.id, nothing)) for one in found]


def _sums(conn: Connection, ids: Sequence[int]) -> dict[int, Totals]:
    columns = (batches.c.size, *(batches.c[state.name.lower()] for state in COUNTED))
    query = sa.select(batches.c.edition_id, *map(sa.func.sum, columns)).where(batches.c.edition_id.in_(ids))
    return {number: Totals(*map(int, sums)) for number, *sums in conn.execute(query.group_by(batches.c.edition_id))}
