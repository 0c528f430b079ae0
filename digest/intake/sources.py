"""Watched sources: outside feeds whose new entries become items, as they stand.

Promises: a number is given to one source only; of several that set out to ask a source only the last may write what
it brought (the fence). Refuses: two sources at one address, however it is spelled. How they are asked, and what
becomes of what they bring, is the business of `checking`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from digest.errors import NotFound, Refused, Stale
from digest.intake import polling
from digest.intake.identity import place
from digest.intake.polling import Standing
from digest.tables import sources as t

CLAIM = timedelta(minutes=5)  # longer than a look takes; after it, who set out has died


@dataclass(frozen=True)
class Source:
    """A feed that is watched. Its counts are of items that came through it, but `entries`: in the feed itself."""

    id: int
    name: str
    origin: str  # where it was first read: its entries are known by that
    digest_id: int
    drafts: bool  # whether entries wait for staff
    added_at: datetime
    entries: int
    created: int
    changed: int
    fence: int
    standing: Standing


def all(conn: Connection) -> list[Source]:
    """Every source, the oldest first."""
    return [_source(row) for row in conn.execute(sa.select(t).order_by(t.c.id))]


def find(conn: Connection, number: int) -> Source:
    """The source with this number. Raises NotFound."""
    return _found(conn, number, sa.select(t).where(t.c.id == number))


def at(conn: Connection, address: str) -> Source | None:
    """The source that is asked at this address, however it is spelled."""
    return next((one for one in all(conn) if place(one.standing.address) == place(address)), None)


def refuse_another(conn: Connection, address: str) -> None:
    """Raises Refused when there is a source at this address."""
    if other := at(conn, address):
        raise Refused(f"{address} is watched already, as source {other.id}. `digest sources list` shows it.")


def add(
    conn: Connection, standing: Standing, *, name: str, origin: str, digest_id: int, drafts: bool, now: datetime
) -> Source:
    """A new source. The caller holds the log's counter, so that adders go one at a time. Raises Refused."""
    refuse_another(conn, standing.address)
    values = {"name": name, "origin": origin, "digest_id": digest_id, "drafts": drafts, "added_at": now}
    values |= dataclasses.asdict(standing)
    return _source(conn.execute(sa.insert(t).values(values).returning(t)).one())


def remove(conn: Connection, number: int) -> Source:
    """Watches a source no longer; its items stay. Raises NotFound."""
    source = find(conn, number)
    conn.execute(sa.delete(t).where(t.c.id == number))
    return source


# --- being asked -----------------------------------------------------------------------------------------------


def due(conn: Connection, now: datetime) -> list[Source]:
    """The sources that are to be asked, those that have waited longest first."""
    found = [one for one in all(conn) if polling.is_due(one.standing, now)]
    return sorted(found, key=lambda one: one.standing.next_check_at or now)


def next_check(conn: Connection, now: datetime) -> datetime | None:
    """When the next source is due."""
    standings = [one.standing for one in all(conn) if one.standing.next_check_at is not None]
    return min((now if polling.is_due(one, now) else one.next_check_at or now for one in standings), default=None)


def claim(conn: Connection, number: int, *, now: datetime) -> Source:
    """Sets out to ask a source: whoever did so before may write nothing any more. Raises NotFound."""
    source = _found(conn, number, sa.select(t).where(t.c.id == number).with_for_update())
    waits = source.standing.next_check_at and now + CLAIM
    change = sa.update(t).where(t.c.id == number).values(fence=t.c.fence + 1, next_check_at=waits)
    return _source(conn.execute(change.returning(t)).one())


def claim_due(conn: Connection, number: int, *, now: datetime) -> Source | None:
    """The same, unless another was first."""
    row = conn.execute(sa.select(t).where(t.c.id == number).with_for_update()).one_or_none()
    if row is None or not polling.is_due(_source(row).standing, now):
        return None
    return claim(conn, number, now=now)


def hold(conn: Connection, source: Source) -> None:
    """Keeps others from asking it until this transaction ends. Raises Stale when one has, or when it was removed."""
    fence = conn.scalar(sa.select(t.c.fence).where(t.c.id == source.id).with_for_update())
    if fence != source.fence:
        raise Stale(f"Source {source.id} was asked by another process meanwhile, or removed.")


def keep(conn: Connection, source: Source, standing: Standing, counts: Mapping[str, int] | None = None) -> Source:
    """Writes how it stands now; with counts, what its feed brought: `entries` in it, items `created` and `changed`."""
    values: dict[str, Any] = dataclasses.asdict(standing)
    if counts is not None:
        created, changed = t.c.created + counts["created"], t.c.changed + counts["changed"]
        values |= {"entries": counts["entries"], "created": created, "changed": changed}
    return _source(conn.execute(sa.update(t).where(t.c.id == source.id).values(values).returning(t)).one())


def _found(conn: Connection, number: int, query: sa.Select[Any]) -> Source:
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no source {number}. `digest sources list` shows those there are.")
    return _source(row)


def _source(row: Row[Any]) -> Source:
    fields = dict(row._mapping)
    standing = Standing(**{field.name: fields.pop(field.name) for field in dataclasses.fields(Standing)})
    return Source(standing=standing, **fields)
