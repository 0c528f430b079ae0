"""What readers leaf through: published items newest first, a page at a time, by kind, topic and year.

Promises: a page begins where the one before ended, by the item and not by a number, so nothing is shown twice or
left out when something new appears meanwhile; counts are of exactly what the pages hold. Only what is published and
has a complete date is listed. Reads only, and counts in indexes, since a library may hold tens of thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import items, publications, shelf, tables
from digest.publications import Topic
from digest.shelf import Item

_ITEMS, _TAGS = tables.items, tables.item_topics
_SHOWN = (_ITEMS.c.state == "published", _ITEMS.c.published_at.is_not(None))


@dataclass(frozen=True)
class Filter:
    """Which items are wanted; what is empty does not matter."""

    kind: str = ""
    topic: str = ""
    year: int = 0

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The filter as SQL."""
        tagged = sa.select(_TAGS.c.item_id).where(_TAGS.c.topic == self.topic)
        given: list[tuple[object, sa.ColumnElement[bool]]] = [
            (self.kind, _ITEMS.c.kind == self.kind),
            (self.topic, _ITEMS.c.id.in_(tagged)),
            (self.year, _ITEMS.c.published_on.between(f"{self.year:04}-01-01", f"{self.year:04}-12-31")),
        ]
        return [*_SHOWN, *(condition for value, condition in given if value)]


@dataclass(frozen=True)
class Page:
    """Some items, newest first, and how many come after them."""

    items: tuple[Item, ...]
    earlier: int


def page(conn: Connection, wanted: Filter, *, limit: int, before: str = "") -> Page:
    """The newest items, or those that come after the item with the slug `before`, whether or not it is shown itself."""
    conditions = wanted.conditions
    if before:
        place = _place(conn, _ITEMS.c.slug == before)
        conditions.append(place.after if place else sa.false())
    query = items.newest_first(*conditions)
    shown = shelf.read(conn, query.limit(limit))
    if len(shown) < limit:
        return Page(tuple(shown), 0)
    total = conn.scalar(query.with_only_columns(sa.func.count()).order_by(None)) or 0
    return Page(tuple(shown), total - len(shown))


def kinds(conn: Connection, wanted: Filter) -> list[tuple[str, int]]:
    """The kinds of the wanted items, with how many there are of each, by name; whatever kind is wanted now."""
    conditions = replace(wanted, kind="").conditions
    query = sa.select(_ITEMS.c.kind, sa.func.count()).where(*conditions).group_by(_ITEMS.c.kind)
    return [(kind, count) for kind, count in conn.execute(query.order_by(_ITEMS.c.kind))]


def topics(conn: Connection, wanted: Filter) -> list[Topic]:
    """Every topic with how many of the wanted items it has, by name; whatever topic is wanted now."""
    return publications.topics(conn, *replace(wanted, topic="").conditions)


def years(conn: Connection) -> list[tuple[int, int]]:
    """The years with the number of their items, the latest first."""
    year = sa.func.substr(_ITEMS.c.published_on, 1, 4)
    complete = (_ITEMS.c.state == "published", _ITEMS.c.published_on >= "0")  # one without its year begins with "--"
    rows = conn.execute(sa.select(year, sa.func.count()).where(*complete).group_by(year).order_by(year.desc()))
    return [(int(name), count) for name, count in rows]


def beside(conn: Connection, item: Item, topic: str) -> tuple[Item | None, Item | None]:
    """The newer and the older neighbor of an item in a topic, as the lists have them."""
    place = _place(conn, _ITEMS.c.id == item.id)
    if place is None:
        return None, None
    conditions = Filter(topic=topic).conditions
    older = items.newest_first(*conditions, place.after)
    newer = items.newest_first(*conditions, place.above).order_by(None).order_by(*items.ORDER)
    above, below = (next(iter(shelf.read(conn, query.limit(1))), None) for query in (newer, older))
    return above, below


def addresses(conn: Connection) -> Iterator[tuple[str, datetime]]:
    """The slug of everything that is published, and when it last changed, by slug."""
    query = sa.select(_ITEMS.c.slug, _ITEMS.c.modified_at).where(_ITEMS.c.state == "published")
    return ((slug, changed) for slug, changed in conn.execute(query.order_by(_ITEMS.c.slug)))


def version(conn: Connection) -> tuple[int, datetime | None]:
    """What changes whenever `addresses` does: how many there are, and when one last changed."""
    query = sa.select(sa.func.count(), sa.func.max(_ITEMS.c.modified_at)).where(_ITEMS.c.state == "published")
    count, changed = conn.execute(query).one()
    return count, changed


@dataclass(frozen=True)
class _Place:
    """Where an item stands in the lists: its values of `items.ORDER`."""

    at: datetime
    sequence: int
    item_id: int

    @property
    def after(self) -> sa.ColumnElement[bool]:
        """What comes after it; the first half is what an index can seek."""
        at, sequence, item_id = items.ORDER
        same = (sequence == self.sequence) & (item_id < self.item_id)
        return (at <= self.at) & sa.or_(at < self.at, sequence < self.sequence, same)

    @property
    def above(self) -> sa.ColumnElement[bool]:
        """What stands above it."""
        at, sequence, item_id = items.ORDER
        same = (sequence == self.sequence) & (item_id > self.item_id)
        return (at >= self.at) & sa.or_(at > self.at, sequence > self.sequence, same)


def _place(conn: Connection, which: sa.ColumnElement[bool]) -> _Place | None:
    """Where an item stands, or would stand were it shown; None for one that is not there or has no complete date."""
    query = items.newest_first(which, _ITEMS.c.published_at.is_not(None)).with_only_columns(*items.ORDER)
    row = conn.execute(query).one_or_none()
    return None if row is None else _Place(*row)
