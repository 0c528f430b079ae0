"""What went out, as anyone may read it: past editions with their items as they were frozen.

Promises: no personal link, no reader, no count of people. Refuses: editions that have not gone out, and letters:
they were written to some.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, items, tables
from digest.editions import CANCELLED, SENDING, SENT
from digest.errors import NotFound
from digest.items import Item
from digest.tables import edition_entries
from digest.tables import editions as t


@dataclass(frozen=True)
class Story:
    """One entry as an edition tells it."""

    sequence: int
    what: str
    note: str
    item: Item  # as it was when the edition was frozen


@dataclass(frozen=True)
class Published:
    """An edition as anyone may read it."""

    number: int
    name: str
    cadence: str
    day: date
    stories: tuple[Story, ...]


def stories(conn: Connection, number: int) -> tuple[Story, ...]:
    """An edition's contents in reading order, each item as frozen."""
    e, log = edition_entries, tables.publication_log
    rows = conn.execute(
        sa.select(e.c.sequence, log.c.what, log.c.note, log.c.item_id, e.c.revision)
        .join(log, log.c.sequence == e.c.sequence)
        .where(e.c.edition_id == number)
        .order_by(e.c.position)
    ).all()
    frozen = items.at_revisions(conn, [(row.item_id, row.revision) for row in rows])
    return tuple(Story(row.sequence, row.what, row.note, frozen[row.item_id, row.revision]) for row in rows)


def archive(conn: Connection, *, limit: int | None = None) -> list[Published]:
    """What went out, newest first (the latest `limit`), without letters and what was for owed entries alone."""
    rows = conn.scalars(
        sa.select(t.c.id)
        .where(t.c.state.in_((SENDING, SENT, CANCELLED)), t.c.kind == "digest", t.c.plan_done_at.is_not(None))
        .order_by(t.c.id.desc())
        .limit(limit)
    ).all()
    return [published(conn, number) for number in rows]


def published(conn: Connection, number: int) -> Published:
    """One edition for the archive. Raises NotFound for those that did not go out."""
    edition = editions.find(conn, number)
    if edition.plan_done_at is None or edition.kind != "digest" or not edition.settings:
        raise NotFound(f"Edition {number} has not gone out, or it is not for everyone to read.")
    return Published(
        number=number,
        name=edition.settings["digest_name"],
        cadence=edition.series,
        day=date.fromisoformat(edition.settings["date"]),
        stories=stories(conn, number),
    )
