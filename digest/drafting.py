"""The coming edition of a series while it can still change: what it would hold, and what staff do about it.

Promises: what is shown is what a run now would hold; a change to an edition in review proposes it anew, so that
whoever approves approves what stands there. Refuses: changes to what is locked or on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import arrangements, db, editions, items, news, sharing, tables
from digest.arrangements import Arrangement, Words
from digest.editions import DRAFT, FROZEN, REVIEW, Edition
from digest.errors import NotFound, Refused
from digest.items import Item
from digest.news import Entry
from digest.publications import Series
from digest.second_person import Colleague
from digest.tables import held_back as h


@dataclass(frozen=True)
class Held:
    """An item that staff keep out of a series."""

    item: Item
    by: str
    why: str


@dataclass(frozen=True)
class Coming:
    """The coming edition of a series: its entries in reading order, what is kept out, and what staff chose for it."""

    edition: Edition | None  # one that is proposed or locked already
    entries: tuple[tuple[Entry, Item], ...]
    held: tuple[Held, ...]
    arrangement: Arrangement

    @property
    def is_locked(self) -> bool:
        """Whether nothing in it can be changed any more."""
        return self.edition is not None and self.edition.state == FROZEN


def look(conn: Connection, series: Series) -> Coming:
    """What a run of the series would hold now."""
    arrangement = arrangements.of(conn, series.digest_id, series.cadence)
    log = {entry.sequence: entry for entry in editions.waiting(conn, series)}
    by_id = items.by_ids(conn, {entry.item_id for entry in log.values()})
    order = sharing.reading_order(log, log, by_id, placed=arrangement.placed)
    return Coming(
        editions.open_edition(conn, series.digest_id, series.cadence, lock=False),
        tuple((log[sequence], by_id[log[sequence].item_id]) for sequence in order),
        _held(conn, series),
        arrangement,
    )


def move(conn: Connection, series: Series, slug: str, where: str, *, by: Colleague, now: datetime) -> None:
    """Moves one item up, down or to the front. Raises Refused when it is not in the edition, or that is locked."""
    open_, series, last = _hold(conn, series)
    order = [item.id for _, item in look(conn, series).entries]
    item = items.find(conn, slug)
    if item.id not in order:
        raise Refused(f"{item.title} is no longer in the coming edition. It went out, or it is held back.")
    if where not in (arrangements.UP, arrangements.DOWN, arrangements.FIRST):
        raise NotFound("There is no such move.")
    order = list(dict.fromkeys(order))
    placed = arrangements.moved(order, item.id, where, order)
    arrangements.place(conn, series.digest_id, series.cadence, placed, by=by.name, now=now)
    _propose_anew(conn, open_, series, last, now, by)


def write(
    conn: Connection,
    series: Series,
    words: Mapping[str, Words],
    *,
    revision: int,
    mark: int,
    by: Colleague,
    now: datetime,
) -> None:
    """Keeps subject and opening words by language, of the edition above this mark.

    Raises Overtaken when somebody changed them since `revision`, Refused when that edition has gone out or is locked.
    """
    open_, series, last = _hold(conn, series)
    if series.mark != mark:
        raise Refused("That edition has gone out meanwhile. These words would stand over the one after it.")
    arrangements.write(conn, series.digest_id, series.cadence, words, revision=revision, by=by.name, now=now)
    _propose_anew(conn, open_, series, last, now, by)


def hold_back(
    conn: Connection, series: Series, slug: str, *, why: str = "", by: Colleague | None = None, now: datetime
) -> list[int]:
    """Keeps an item out of the coming editions of a series; the sequences held, none when they have gone already.

    Raises Refused when an edition in review would hold nothing more, or one is locked.
    """
    item = items.find(conn, slug)
    open_, series, last = _hold(conn, series)
    ahead = [entry.sequence for entry in news.of_item(conn, item.id) if entry.sequence > series.mark]
    for sequence in ahead:
        row = {"digest_id": series.digest_id, "cadence": series.cadence, "sequence": sequence}
        conn.execute(db.insert_new(conn, h).values(row | {"why": why, "held_by": by.name if by else ""}))
    if open_ and not editions.collect(conn, series.digest_id, series, last):
        raise Refused(
            f"Edition {open_.id} holds nothing else. `digest editions cancel {open_.id}` stops it; then hold it back."
        )
    _propose_anew(conn, open_, series, last, now, by)
    return ahead


def release(conn: Connection, series: Series, slug: str, *, by: Colleague | None = None, now: datetime) -> None:
    """Lets an item go that was held back; when its turn has passed meanwhile it becomes news again, once."""
    news.lock(conn)  # not the counter first and this later: two who share it would wait for each other
    item = items.find(conn, slug)
    series = editions.lock_series(conn, series.digest_id, series.cadence)
    found = editions.open_edition(conn, series.digest_id, series.cadence)
    held = editions.held_back(conn, series.digest_id, series.cadence)
    told = news.of_item(conn, item.id)
    mine = [entry.sequence for entry in told if entry.sequence in held]
    if not mine or item.state != "published":
        raise Refused(f"{slug} is not held back from this series, or it is not published.")
    if any(entry.what == "again" and entry.sequence > max(mine) for entry in told):
        raise Refused(f"{slug} was let go already, and goes with the next edition.")
    if any(sequence <= series.mark for sequence in mine) or (found and found.state not in (DRAFT, REVIEW)):
        news.write_entry(conn, item.id, item.revision, "again", topics=item.topics, now=now)
    else:
        in_series = (h.c.digest_id == series.digest_id, h.c.cadence == series.cadence)
        conn.execute(sa.delete(h).where(*in_series, h.c.sequence.in_(mine)))
    _propose_anew(conn, found if found and found.state == REVIEW else None, series, news.counter(conn), now, by)


def _hold(conn: Connection, series: Series) -> tuple[Edition | None, Series, int]:
    """The edition in review, the series and the end of the log, none of which changes before the commit."""
    last = news.counter(conn)
    series = editions.lock_series(conn, series.digest_id, series.cadence)
    found = editions.open_edition(conn, series.digest_id, series.cadence)
    if found and found.state == FROZEN:
        raise Refused(f"Edition {found.id} is locked. Stop it first, then change it.")
    return (found if found and found.state == REVIEW else None), series, last


def _propose_anew(
    conn: Connection, found: Edition | None, series: Series, last: int, now: datetime, by: Colleague | None
) -> None:
    if found is not None:
        editions.propose_anew(conn, found, series, last, now, by=by)


def _held(conn: Connection, series: Series) -> tuple[Held, ...]:
    log = tables.publication_log
    rows = conn.execute(
        sa.select(h.c.held_by, h.c.why, log.c.item_id)
        .join(log, log.c.sequence == h.c.sequence)
        .where(h.c.digest_id == series.digest_id, h.c.cadence == series.cadence)
        .order_by(h.c.sequence.desc())
    ).all()
    by_id = items.by_ids(conn, {row.item_id for row in rows})
    latest = {row.item_id: row for row in reversed(rows)}
    return tuple(
        Held(by_id[item], row.held_by, row.why) for item, row in latest.items() if by_id[item].state == "published"
    )
