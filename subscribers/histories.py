"""What happened with one person: the mails they were sent or kept from, mails about their own affair, and the evidence.

Promises: a page holds so many mails of editions and letters, and everything else that fell between them, nothing twice
and nothing left out; of who was erased there are counts and no more. It reads a row for each edition that there is, and
never the rows of others. Reads only. Refuses nothing: an unknown number has no history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.delivery import runs
from digest.delivery.runs import Listed
from digest.tables import (
    State,
    batches,
    deliveries,
    edition_entries,
    editions,
    items,
    notices,
    publication_log,
    replies,
    variant_entries,
)
from subscribers import consent
from subscribers.consent import Event

PER_PAGE = 40


@dataclass(frozen=True)
class Mail:
    """An edition or a letter as it concerned one person. `titles` are of its items those for them; `items`: in all."""

    listed: Listed
    state: str  # planned, trying, accepted, skipped, failed, unsure
    code: str | None
    attempts: int
    reply: str  # what the mail server said
    at: datetime
    titles: tuple[str, ...]
    items: int


@dataclass(frozen=True)
class Note:
    """A mail about their own affair."""

    kind: str  # confirm, settings, link, moved, welcome
    subject: str
    state: str
    code: str | None
    at: datetime


@dataclass(frozen=True)
class History:
    """One page of it, the latest first; `older` is the edition below which the next page begins."""

    mails: tuple[Mail, ...]
    notes: tuple[Note, ...]
    events: tuple[Event, ...]
    older: int | None


def page(conn: Connection, subscriber_id: int, *, below: int | None = None, limit: int = PER_PAGE) -> History:
    """The latest, or what lies before the edition with the number `below`."""
    rows = _rows(conn, subscriber_id, below, limit + 1)
    shown, older = rows[:limit], rows[limit - 1].edition_id if len(rows) > limit else None
    upto, since = _made(conn, below), _made(conn, older)

    def within(at: datetime) -> bool:
        return (upto is None or at < upto) and (since is None or at >= since)

    events = [one for one in reversed(consent.of_subscriber(conn, subscriber_id)) if within(one.at)]
    notes = [one for one in _notes(conn, subscriber_id) if within(one.at)]
    return History(tuple(_mails(conn, subscriber_id, shown)), tuple(notes), tuple(events), older)


def outcomes(conn: Connection, subscriber_id: int) -> Counter[str]:
    """How many mails of editions and letters ended in each state; also of who was erased."""
    d = deliveries.c
    query = sa.select(d.state, sa.func.count()).where(*_theirs(subscriber_id)).group_by(d.state)
    return Counter({State(state).name.lower(): count for state, count in conn.execute(query)})


def _theirs(subscriber_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    """By edition and person, which is how the index has them: by the person alone every row would be read."""
    d = deliveries.c
    return d.edition_id.in_(sa.select(editions.c.id)), d.subscriber_id == subscriber_id


def _rows(conn: Connection, subscriber_id: int, below: int | None, limit: int) -> Sequence[sa.Row[tuple[int, ...]]]:
    d = deliveries
    query = sa.select(d).where(*_theirs(subscriber_id)).order_by(d.c.edition_id.desc()).limit(limit)
    return conn.execute(query if below is None else query.where(d.c.edition_id < below)).all()


def _made(conn: Connection, number: int | None) -> datetime | None:
    """When an edition was made: its place among what happened."""
    if number is None:
        return None
    made: datetime | None = conn.scalar(sa.select(editions.c.created_at).where(editions.c.id == number))
    return made


def _mails(conn: Connection, subscriber_id: int, rows: Sequence[sa.Row[tuple[int, ...]]]) -> list[Mail]:
    numbers = [row.edition_id for row in rows]
    listed = {one.edition.id: one for one in runs.some(conn, numbers)}
    said = dict(
        conn.execute(
            sa.select(replies.c.edition_id, replies.c.text).where(
                replies.c.edition_id.in_(numbers), replies.c.subscriber_id == subscriber_id
            )
        ).all()
    )
    titles = _titles(conn, {(row.edition_id, row.variant_n) for row in rows if row.variant_n})
    whole = _entries(conn, numbers)
    due = _due(conn, {(row.edition_id, row.batch_n) for row in rows if row.updated_at is None})
    return [
        Mail(
            listed[row.edition_id],
            State(row.state).name.lower(),
            row.code,
            row.attempts,
            said.get(row.edition_id, ""),
            row.updated_at or due[row.edition_id],
            tuple(titles.get(row.edition_id, ())),
            whole.get(row.edition_id, 0),
        )
        for row in rows
    ]


def _titles(conn: Connection, variants: Collection[tuple[int, int]]) -> Mapping[int, list[str]]:
    v, found = variant_entries.c, dict[int, list[str]]()
    rows = conn.execute(
        sa.select(v.edition_id, items.c.title)
        .join(publication_log, publication_log.c.sequence == v.sequence)
        .join(items, items.c.id == publication_log.c.item_id)
        .where(sa.tuple_(v.edition_id, v.variant_n).in_(variants))
        .order_by(v.edition_id, v.sequence)
    )
    for edition_id, title in rows:
        found.setdefault(edition_id, []).append(title)
    return found


def _entries(conn: Connection, numbers: Collection[int]) -> Mapping[int, int]:
    e = edition_entries.c
    query = sa.select(e.edition_id, sa.func.count()).where(e.edition_id.in_(numbers)).group_by(e.edition_id)
    return dict(conn.execute(query).all())


def _due(conn: Connection, of: Collection[tuple[int, int]]) -> Mapping[int, datetime]:
    """When mails that have not gone yet are due."""
    query = sa.select(batches.c.edition_id, batches.c.due_at)
    return dict(conn.execute(query.where(sa.tuple_(batches.c.edition_id, batches.c.n).in_(of))).all())


def _notes(conn: Connection, subscriber_id: int) -> list[Note]:
    t = notices.c
    query = sa.select(t.kind, t.subject, t.state, t.code, t.created_at).where(t.subscriber_id == subscriber_id)
    rows = conn.execute(query.order_by(t.id.desc()))
    return [Note(kind, subject, State(state).name.lower(), code, at) for kind, subject, state, code, at in rows]
