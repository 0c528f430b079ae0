"""What became of deliveries, counted by mail provider: so many people in this state for this reason.

Promises: nothing is counted while mail goes out, so that counting never slows it. What is under way is counted from
its rows (100,000 take about 45 ms); an edition is counted once more when it closes, in the commit that closes it, and
whoever is settled afterwards moves from sum to sum in the commit that settles them. Erasing a person changes nothing.
The sums always equal the rows. Refuses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions
from digest.db import adding
from digest.delivery import ledger
from digest.delivery.ledger import Totals
from digest.editions import Edition
from digest.tables import State, batches, deliveries
from digest.tables import editions as t
from digest.tables import provider_sums as kept

COUNTED = (editions.SENT, editions.CANCELLED)


@dataclass(frozen=True)
class Sum:
    """So many people of one provider whose deliveries stand so."""

    provider: int  # as in `providers`
    state: State
    code: str  # empty where there is none
    people: int


@dataclass(frozen=True)
class Counted:
    """An edition's rows by provider, beside its counters as they were at the same moment."""

    sums: tuple[Sum, ...]
    totals: Totals

    @property
    def adds_up(self) -> bool:
        """Whether the rows are as many, state by state, as the counters say."""
        return of(self.sums) == self.totals


def of(sums: Iterable[Sum]) -> Totals:
    """The same sums without providers and reasons."""
    found = defaultdict[State, int](int)
    for one in sums:
        found[one.state] += one.people
    return Totals(sum(found.values()), *(found[state] for state in ledger.COUNTED))


def count(conn: Connection, edition_id: int) -> Counted:
    """An edition's rows, counted in one statement with its counters: nothing comes between them."""
    rows = conn.execute(_COUNT, {"in_edition": edition_id}).all()
    sums = tuple(Sum(row.provider, State(row.state), row.code, row.people) for row in rows)
    totals = Totals(*rows[0][4:]) if rows else ledger.totals(conn, edition_id)
    return Counted(sums, totals)


def of_edition(conn: Connection, edition: Edition) -> Counted:
    """The same for an edition in any state; one that has ended costs a look at its sums."""
    if edition.state in COUNTED:
        return Counted(tuple(_kept(conn, [edition.id]).get(edition.id, ())), ledger.totals(conn, edition.id))
    return count(conn, edition.id)


def by_stretch(conn: Connection, bounds: Sequence[datetime]) -> list[list[Sum]]:
    """What became of the editions that started from one bound to the next, so far: ended ones from their sums, those
    under way from their rows. As many lists as there are stretches between the ascending bounds."""
    found: list[list[Sum]] = [[] for _ in bounds[1:]]
    stretch = sa.case(*((t.c.starts_at < end, n) for n, end in enumerate(bounds[1:])), else_=len(found))
    within = (t.c.starts_at >= bounds[0], t.c.starts_at < bounds[-1])
    summed = sa.select(stretch.label("n"), kept.c.provider, kept.c.state, kept.c.code, sa.func.sum(kept.c.people))
    summed = summed.join_from(kept, t, t.c.id == kept.c.edition_id).where(*within)
    for n, provider, state, code, people in conn.execute(summed.group_by("n", *list(kept.c)[1:4])):
        found[n].append(Sum(provider, State(state), code, int(people)))
    under_way = sa.select(t.c.id, stretch).where(t.c.state == editions.SENDING, *within)
    for edition_id, n in conn.execute(under_way).all():
        found[n] += count(conn, edition_id).sums
    return found


def any_yet(conn: Connection) -> bool:
    """Whether anything has ever ended."""
    return conn.scalar(sa.select(kept.c.edition_id).limit(1)) is not None


def keep(conn: Connection, edition_id: int) -> None:
    """Notes what became of an edition that closes now."""
    rows = [
        {"edition_id": edition_id, "provider": one.provider, "state": one.state, "code": one.code, "people": one.people}
        for one in count(conn, edition_id).sums
    ]
    if rows:
        conn.execute(sa.insert(kept), rows)


def settle(conn: Connection, edition_id: int, provider: int, new: State, code: str) -> None:
    """Somebody who was unsure when the edition closed is in another state now; does nothing before it has closed."""
    here = (kept.c.edition_id == edition_id, kept.c.provider == provider)
    unsure = (*here, kept.c.state == State.UNSURE, kept.c.code == "")
    if conn.execute(sa.update(kept).where(*unsure).values(people=kept.c.people - 1)).rowcount:
        row = {"edition_id": edition_id, "provider": provider, "state": new, "code": code, "people": 1}
        conn.execute(_ONE_MORE[conn.dialect.name], row)


def _kept(conn: Connection, edition_ids: Collection[int]) -> dict[int, list[Sum]]:
    found = defaultdict[int, list[Sum]](list)
    rows = conn.execute(sa.select(kept).where(kept.c.edition_id.in_(edition_ids), kept.c.people > 0))
    for row in rows:
        found[row.edition_id].append(Sum(row.provider, State(row.state), row.code, row.people))
    return found


# Built once: the first is asked every two seconds while somebody watches an edition.
_CODE = sa.func.coalesce(deliveries.c.code, "")
_COUNTERS = [batches.c.size, *(batches.c[state.name.lower()] for state in ledger.COUNTED)]
_COUNT = (
    sa.select(
        deliveries.c.provider,
        deliveries.c.state,
        _CODE.label("code"),
        sa.func.count().label("people"),
        *(
            sa.select(sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.Integer))
            .where(batches.c.edition_id == sa.bindparam("in_edition"))
            .scalar_subquery()
            .label(f"all_{column.name}")
            for column in _COUNTERS
        ),
    )
    .where(deliveries.c.edition_id == sa.bindparam("in_edition"))
    .group_by(deliveries.c.provider, deliveries.c.state, _CODE)
)
_ONE_MORE = adding(kept, kept.c.people)
