"""How many people were mailed what: accepted deliveries by the entry that they hold.

Promises: whatever the number of readers, a list of items costs a few look-ups, since an edition is counted once, when
it closes; one that is under way, or in which somebody was settled afterwards, is counted from its rows. Nobody is
counted twice: a reader gets an entry once, and those of an update are told apart. Reads only, but for `keep`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions
from digest.tables import State, batches, deliveries, publication_log, variant_entries
from digest.tables import editions as t
from digest.tables import mailed as kept


@dataclass(frozen=True)
class Mailed:
    """How many people have an item by mail, and how many of them or others got its last update."""

    people: int = 0
    updated: int = 0


def keep(conn: Connection, edition_id: int) -> None:
    """Notes what an edition that closes has brought to how many: also none, whose reader may be settled later."""
    counted = _count(conn, edition_id)
    accepted = _accepted(conn, [edition_id]).get(edition_id, 0)
    rows = [
        {"edition_id": edition_id, "sequence": sequence, "people": people, "accepted": accepted}
        for sequence, people in counted.items()
    ]
    if rows:
        conn.execute(sa.insert(kept), rows)


def of_items(conn: Connection, item_ids: Collection[int]) -> dict[int, Mailed]:
    """For each of these items what is known; items that nobody got are left out."""
    log = publication_log.c
    entries = {
        row.sequence: row
        for row in conn.execute(
            sa.select(log.sequence, log.item_id, log.what).where(log.item_id.in_(item_ids)).order_by(log.sequence)
        )
    }
    first, updated = defaultdict[int, int](int), dict[int, int]()
    reached = by_entry(conn, entries)
    for sequence, entry in entries.items():
        people = sum(reached.get(sequence, {}).values())
        if entry.what == "update":
            updated[entry.item_id] = people or updated.get(entry.item_id, 0)
        else:
            first[entry.item_id] += people
    found = {one: Mailed(first[one], updated.get(one, 0)) for one in {*first, *updated}}
    return {one: mailed for one, mailed in found.items() if mailed != Mailed()}


def by_entry(conn: Connection, sequences: Collection[int]) -> dict[int, dict[int, int]]:
    """Sequence -> edition -> people, where there are any."""
    found = defaultdict[int, dict[int, int]](dict)
    rows = conn.execute(sa.select(kept).where(kept.c.sequence.in_(sequences))).all()
    sums = _accepted(conn, {row.edition_id for row in rows})
    anew = {row.edition_id for row in rows if sums.get(row.edition_id, 0) != row.accepted}
    for row in rows:
        if row.edition_id not in anew and row.people:
            found[row.sequence][row.edition_id] = row.people
    for edition_id in {*anew, *conn.scalars(sa.select(t.c.id).where(t.c.state == editions.SENDING))}:
        for sequence, people in _count(conn, edition_id, sequences).items():
            if people:
                found[sequence][edition_id] = people
    return found


def _count(conn: Connection, edition_id: int, sequences: Collection[int] | None = None) -> dict[int, int]:
    """Every sequence of the edition -> accepted deliveries that hold it, from the rows themselves."""
    d, ve = deliveries.c, variant_entries.c
    holding = sa.select(ve.variant_n, ve.sequence).where(ve.edition_id == edition_id)
    if sequences is not None:
        holding = holding.where(ve.sequence.in_(sequences))
    held = defaultdict[int, list[int]](list)
    for row in conn.execute(holding):
        held[row.variant_n].append(row.sequence)
    if not held:
        return {}
    accepted = sa.select(d.variant_n, sa.func.count()).where(d.edition_id == edition_id, d.state == State.ACCEPTED)
    found = dict.fromkeys((sequence for sequences in held.values() for sequence in sequences), 0)
    for variant, people in conn.execute(accepted.group_by(d.variant_n)):
        for sequence in held.get(variant, ()):
            found[sequence] += people
    return found


def _accepted(conn: Connection, edition_ids: Collection[int]) -> dict[int, int]:
    query = sa.select(batches.c.edition_id, sa.func.sum(batches.c.accepted))
    rows = conn.execute(query.where(batches.c.edition_id.in_(edition_ids)).group_by(batches.c.edition_id))
    return {edition_id: int(accepted) for edition_id, accepted in rows}
