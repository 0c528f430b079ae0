"""The record of deeds: who did what to which thing, what it was before and after, and when.

Promises: a line is written in the transaction of the deed itself, so there is none without the other; lines are only
ever added; the name stands as it was then. Refuses: to hold secrets or addresses of readers; callers give neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.staff.accounts import Account
from digest.tables import activity as t

PER_PAGE = 50


@dataclass(frozen=True)
class Line:
    """One deed. `staff_id` is empty when it was done on the command line; `name` is that of the person."""

    id: int
    at: datetime
    staff_id: int | None
    name: str
    deed: str
    thing: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


_COLUMNS = [t.c[name] for name in Line.__dataclass_fields__]


def record(
    conn: Connection,
    by: Account | str,
    deed: str,
    thing: str,
    *,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Writes down a deed: by one of the staff, or by whoever has this name on the machine."""
    who = {"staff_id": None, "name": by} if isinstance(by, str) else {"staff_id": by.id, "name": by.name}
    conn.execute(sa.insert(t).values(at=now, deed=deed, thing=thing, before=before, after=after, **who))


def lines(
    conn: Connection,
    *,
    below: int | None = None,
    staff_id: int | None = None,
    deed: str = "",
    thing: str = "",
    limit: int = PER_PAGE,
) -> list[Line]:
    """The record, the latest first; `below` a line's number is the next page."""
    query = sa.select(*_COLUMNS).order_by(t.c.id.desc()).limit(limit)
    if below is not None:
        query = query.where(t.c.id < below)
    if staff_id is not None:
        query = query.where(t.c.staff_id == staff_id)
    if deed:
        query = query.where(t.c.deed == deed)
    if thing:
        query = query.where(t.c.thing == thing)
    return [Line(*row) for row in conn.execute(query)]
