"""Turns a frozen edition into one row per reader: the plan of who gets it.

Promises: many short transactions, so that other writers never wait long; killed at any point it goes on where it
was, and no reader is planned twice (the key of the table) or left out: the last pass finds nobody without a row, and
nobody changed since, in the commit that moves the mark and starts sending. A reader who changed between being read
and being written waits for the next pass. Refuses: to go on when its fence has passed on or the edition is paused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, publications
from digest.db import Database, now_micros
from digest.delivery import allotment, leases, ledger, letters, owners
from digest.delivery.allotment import Audience, Fate, Groups
from digest.editions import Edition
from digest.errors import Stale
from digest.tables import State, batches
from digest.tables import editions as t

BLOCK = 50_000  # subscriber ids read at a time
CHUNK = 1_000  # rows written in one transaction: other writers wait that long
BATCH = 1_000  # rows of one batch at most

FOR_NOBODY = "There was nothing in it for anyone."
ALL_CAPPED = "Everyone it was for has had as many alerts as they get in a day. They get it later."


class Source(Protocol):
    """Who is in an edition, and in which variant: an `Allotment` of entries, or the addressing of a letter."""

    audience: Audience
    edition: Edition

    @property
    def gate(self) -> Callable[[Connection], None]:
        """Begins each transaction; raises Stale when the plan is no longer this process's."""

    def block(self, low: int, high: int) -> tuple[Groups, dict[int, tuple[int, ...]]]:
        """Readers with low <= id < high that have no row yet, grouped; and what stays owed to some of them."""

    def put_off(self, conn: Connection, readers: Sequence[tuple[int, int]]) -> None:
        """Owes these readers (id and variant) what would be one mail too many today."""

    def finish(self, conn: Connection) -> None:
        """What the complete plan settles besides, in the commit that completes it. Raises Stale."""


@dataclass(frozen=True)
class _Slice:
    """Rows of one due time and fate, sorted by variant and reader, that become one batch."""

    due: datetime
    deadline: datetime
    fate: Fate
    readers: list[tuple[int, int, int, int]]  # id, variant, revision as read, mail provider


def plan(db: Database, edition_id: int, audience: Audience, *, now: datetime, owner: str) -> bool:
    """Plans the edition to the end; False when it is not to be planned now, paused, or taken over by another."""
    fence = db.run(lambda conn: _claim(conn, edition_id, owner, now))
    if fence is None:
        return False
    with db.reading() as conn:
        edition = editions.find(conn, edition_id)
        prepare = letters.prepare if edition.is_letter else allotment.prepare
        source = prepare(conn, db, edition, audience, partial(_gate, edition, fence), now=now)
    try:
        while True:
            with db.reading() as conn:
                seen = publications.by_id(conn, edition.digest_id).people_rev
            if not _one_pass(db, source) and db.run(partial(_complete, source, seen, now)):
                return True
    except Stale:
        db.run(partial(_let_go, edition_id, fence))
        return False


def _let_go(edition_id: int, fence: int, conn: Connection) -> None:
    """Whoever was told to stop keeps nobody waiting: the edition can go on as soon as it may."""
    conn.execute(sa.update(t).where(t.c.id == edition_id, t.c.plan_fence == fence).values(plan_until=0))


def _claim(conn: Connection, edition_id: int, owner: str, now: datetime) -> int | None:
    """A new fence for this planner, when the edition is due and nobody else who lives is at it."""
    held = conn.execute(sa.select(t.c.plan_owner, t.c.plan_fence).where(t.c.id == edition_id)).one_or_none()
    if held is None:
        return None
    free = sa.true() if owners.is_gone(held.plan_owner) else t.c.plan_until < now_micros()
    return conn.execute(
        sa.update(t)
        .where(t.c.id == edition_id, t.c.plan_fence == held.plan_fence, free)
        .where(t.c.state == editions.FROZEN, t.c.paused_at.is_(None), t.c.cancelling.is_(None))
        .where(t.c.starts_at <= now)
        .values(plan_owner=owner, plan_until=_until(), plan_fence=t.c.plan_fence + 1)
        .returning(t.c.plan_fence)
    ).scalar_one_or_none()


def _until() -> sa.ColumnElement[int]:
    return now_micros() + int(leases.LEASE / timedelta(microseconds=1))


def _gate(edition: Edition, fence: int, conn: Connection) -> None:
    """Begins every transaction of the planner: holds what its readers change under, renews the lease, or is Stale."""
    editions.hold(conn, edition)
    if conn.execute(_GATE, {"this_edition": edition.id, "my_fence": fence}).rowcount != 1:
        raise Stale(f"Edition {edition.id} was paused, stopped, or is planned by another process.")


_GATE = (
    sa.update(t)
    .where(t.c.id == sa.bindparam("this_edition"), t.c.plan_fence == sa.bindparam("my_fence"))
    .where(t.c.state == editions.FROZEN, t.c.paused_at.is_(None), t.c.cancelling.is_(None))
    .values(plan_until=_until())
)


def _one_pass(db: Database, source: Source) -> int:
    """Plans every eligible reader that has no row yet; returns how many there were."""
    with db.reading() as conn:
        highest = source.audience.highest(conn)
    met = 0
    for low in range(0, highest + 1, BLOCK):
        groups, keeps = source.block(low, low + BLOCK)
        for chunk in _chunks(groups):
            met += sum(len(part.readers) for part in chunk)
            db.run(partial(_write, source, chunk, keeps), bulk=True)
    return met


def _chunks(groups: Groups) -> Iterator[list[_Slice]]:
    """Slices of at most one batch each, gathered to about one transaction's worth."""
    chunk: list[_Slice] = []
    size = 0
    for part in _slices(groups):
        chunk.append(part)
        size += len(part.readers)
        if size >= CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _slices(groups: Groups) -> Iterator[_Slice]:
    for (due, deadline), by_place in sorted(groups.items(), key=lambda group: group[0]):
        for fate in Fate:
            places = sorted(place for place in by_place if place[0] is fate)
            readers = [
                (reader, place[1], rev, provider)
                for place in places
                for reader, rev, provider in zip(*by_place[place], strict=True)
            ]
            for start in range(0, len(readers), BATCH):
                yield _Slice(due, deadline, fate, readers[start : start + BATCH])


def _write(source: Source, chunk: list[_Slice], keeps: Mapping[int, tuple[int, ...]], conn: Connection) -> None:
    """One transaction: the readers who did not change since they were read get their rows, in whole batches."""
    source.gate(conn)
    edition = source.edition
    revs = {reader: rev for part in chunk for reader, _, rev, _ in part.readers}
    same = source.audience.take(conn, edition, revs, {i: keeps[i] for i in revs.keys() & keeps.keys()})
    n = ledger.next_batch(conn, edition.id)
    for part in chunk:
        readers = [(i, variant, provider) for i, variant, _, provider in part.readers if i in same]
        if not readers or part.fate is Fate.NO_ROW:
            continue
        _insert(conn, edition.id, n, part, readers)
        n += 1
        if part.fate is Fate.CAPPED:
            source.put_off(conn, [(i, variant) for i, variant, _ in readers])


_SKIPPED = {Fate.NOTHING: "no topics", Fate.CAPPED: "alert cap"}


def _insert(conn: Connection, edition_id: int, n: int, part: _Slice, readers: list[tuple[int, int, int]]) -> None:
    """One batch with its rows; those that get nothing of this edition are skipped as soon as they are written."""
    size = len(readers)
    code = _SKIPPED.get(part.fate)
    state = State.SKIPPED if code else State.PLANNED
    carried = part.fate is Fate.CAPPED
    conn.execute(
        _INSERT_BATCH,
        {
            "edition_id": edition_id,
            "n": n,
            "due_at": part.due,
            "deadline": part.deadline,
            "size": size,
            "skipped": size if code else 0,
            "state": ledger.CLOSED if code else ledger.OPEN,
        },
    )
    if conn.dialect.name == "sqlite":
        last = (int(state), code, carried)
        rows = [(edition_id, n, pos, *reader, *last) for pos, reader in enumerate(readers, 1)]
        written = conn.exec_driver_sql(_INSERT_SQLITE, rows).rowcount
    else:
        values = {"e": edition_id, "n": n, "state": int(state), "code": code, "carried": carried}
        ids, variants, providers = map(list, zip(*readers, strict=True))
        columns = {"ids": ids, "variants": variants, "providers": providers}
        written = conn.execute(_INSERT_POSTGRES, values | columns).rowcount
    if written != size:
        raise Stale(f"Edition {edition_id} is planned by two processes; this one stops.")


_INSERT_BATCH = sa.insert(batches)
_INSERT_SQLITE = (
    "INSERT OR IGNORE INTO deliveries "
    "(edition_id, batch_n, pos, subscriber_id, variant_n, provider, state, code, carried) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_POSTGRES = sa.text(
    "INSERT INTO deliveries (edition_id, batch_n, pos, subscriber_id, variant_n, provider, state, code, carried) "
    "SELECT :e, :n, r.pos, r.id, r.variant, r.provider, :state, :code, :carried "
    "FROM unnest(CAST(:ids AS integer[]), CAST(:variants AS integer[]), CAST(:providers AS smallint[])) "
    "WITH ORDINALITY AS r(id, variant, provider, pos) "
    "ON CONFLICT DO NOTHING"
)


def _complete(source: Source, seen: int, now: datetime, conn: Connection) -> bool:
    """The commit that ends planning; False when somebody joined or changed since the last, empty pass was read."""
    source.gate(conn)
    edition = source.edition
    if publications.by_id(conn, edition.digest_id).people_rev != seen:
        return False
    source.finish(conn)
    planned = conn.scalar(
        sa.select(sa.func.count()).select_from(batches).where(batches.c.edition_id == edition.id, batches.c.state < 2)
    )
    any_row = conn.scalar(sa.select(batches.c.n).where(batches.c.edition_id == edition.id).limit(1)) is not None
    capped = edition.cadence == "instant" and any_row
    ended = {"state": editions.SKIPPED, "reason": ALL_CAPPED if capped else FOR_NOBODY, "closed_at": now}
    conn.execute(
        sa.update(t)
        .where(t.c.id == edition.id)
        .values(plan_done_at=now, plan_owner=None, **({"state": editions.SENDING} if planned else ended))
    )
    return True
