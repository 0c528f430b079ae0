"""The publication log: the order in which items became news.

Promises: sequences rise by one without holes and become visible in that order, since their one counter row stays
locked until the writer commits. Whoever reads `counter` first, and then nothing above it, sees a log that no later
commit can change. Lock order: the counter comes before everything else. Serves editions, feeds and readers' choices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.tables import news_counter, publication_log


@dataclass(frozen=True)
class Entry:
    """One line of the publication log."""

    sequence: int
    item_id: int
    revision: int
    what: str  # new, update, again
    topics: tuple[str, ...]
    note: str
    at: datetime


def counter(conn: Connection) -> int:
    """The last sequence given; on PostgreSQL no further one is given until this transaction ends (FOR SHARE)."""
    value = conn.scalar(sa.select(news_counter.c.value).with_for_update(read=True))
    return 0 if value is None else value


def latest(conn: Connection) -> int:
    """The last sequence given, for whoever only looks: the next may be given at once."""
    return conn.scalar(sa.select(news_counter.c.value)) or 0


def lock(conn: Connection) -> None:
    """Lets writers of items go one at a time: what they read stays true until this transaction ends."""
    if conn.scalar(sa.select(news_counter.c.value).with_for_update()) is None:
        conn.execute(sa.insert(news_counter).values(id=1, value=0))


def write_entry(
    conn: Connection, item_id: int, revision: int, what: str, *, topics: Iterable[str], now: datetime, note: str = ""
) -> Entry:
    """Adds the next line to the log; the number is final only when the caller's transaction commits."""
    lock(conn)
    sequence = conn.execute(
        sa.update(news_counter).values(value=news_counter.c.value + 1).returning(news_counter.c.value)
    ).scalar_one()
    entry = Entry(sequence, item_id, revision, what, tuple(sorted(topics)), note, now)
    conn.execute(
        sa.insert(publication_log).values(
            sequence=sequence,
            item_id=item_id,
            revision=revision,
            what=what,
            topics=list(entry.topics),
            note=note,
            at=now,
        )
    )
    return entry


def entries(conn: Connection, *, above: int, upto: int) -> list[Entry]:
    """The log above one sequence up to and with another, in order."""
    return _read(conn, publication_log.c.sequence > above, publication_log.c.sequence <= upto)


def since(conn: Connection, moment: datetime) -> list[Entry]:
    """What became news from this moment on, in order."""
    return _read(conn, publication_log.c.at >= moment)


def by_sequences(conn: Connection, sequences: Collection[int]) -> dict[int, Entry]:
    """The entries with these sequences, by sequence; unknown ones are left out."""
    found = _read(conn, publication_log.c.sequence.in_(sequences))
    return {entry.sequence: entry for entry in found}


def of_item(conn: Connection, item_id: int) -> list[Entry]:
    """What the log tells of one item, in order."""
    return _read(conn, publication_log.c.item_id == item_id)


def first_news(conn: Connection, item_ids: Collection[int]) -> dict[int, datetime]:
    """When each item first became news; items that never did are left out."""
    found = _read(conn, publication_log.c.item_id.in_(item_ids), publication_log.c.what == "new")
    return {entry.item_id: entry.at for entry in found}


def coming_again(conn: Connection) -> dict[int, int]:
    """For entries of items that came back: the sequence from which on a reader counts as having the item.

    Only entries that tell no update can be left out; what counts is the last told revision before them.
    """
    log = publication_log
    back = sa.select(log.c.item_id).where(log.c.what == "again")
    rows = conn.execute(
        sa.select(log.c.sequence, log.c.item_id, log.c.what).where(log.c.item_id.in_(back)).order_by(log.c.sequence)
    )
    told: dict[int, int] = {}
    updates: dict[int, int] = {}
    for row in rows:
        if row.what == "update":
            updates[row.item_id] = row.sequence
        else:
            told[row.sequence] = updates.get(row.item_id, 0)
    return told


def _read(conn: Connection, *conditions: sa.ColumnElement[bool]) -> list[Entry]:
    rows = conn.execute(sa.select(publication_log).where(*conditions).order_by(publication_log.c.sequence))
    return [Entry(r.sequence, r.item_id, r.revision, r.what, tuple(r.topics), r.note, r.at) for r in rows]
