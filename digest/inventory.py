"""What staff have: items in every state, the last changed first, a page at a time, by kind, topic and state.

Promises: a page begins where the one before ended, by the moment of a change and not by a number; what is published
and waits for the year of its date comes first, as long as nothing else is asked for. Reads only; ids come from indexes
alone, since bodies make rows long. Lists for readers are those of `listings`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import shelf, tables
from digest.shelf import Item
from digest.tables import EPOCH, micros

PER_PAGE = 20
FIRST = 10  # of what is incomplete, on the first page
YEARLESS = "yearless"  # not a state of its own: published, and its date waits for its year
STATES = ("draft", "scheduled", "published", "withdrawn", YEARLESS)
_ITEMS, _TAGS = tables.items, tables.item_topics
_PLACE = re.compile(r"([0-9]{1,17})-([0-9]{1,9})")


@dataclass(frozen=True)
class Wanted:
    """Which items; what is empty does not matter."""

    kind: str = ""
    topic: str = ""
    state: str = ""

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.kind or self.topic or self.state)


@dataclass(frozen=True)
class Page:
    """Some items; `incomplete` stand before the others, on the first page of everything; `after` leads on."""

    items: tuple[Item, ...]
    incomplete: tuple[Item, ...] = ()
    after: str = ""


def page(conn: Connection, wanted: Wanted, *, after: str = "", limit: int = PER_PAGE) -> Page:
    """The items that changed last, or those that stand below the place `after`; an odd place is the beginning."""
    conditions = _conditions(wanted)
    place = _PLACE.fullmatch(after)
    if place:
        moment, number = EPOCH + timedelta(microseconds=int(place[1])), int(place[2])
        changed, ids = _ITEMS.c.modified_at, _ITEMS.c.id
        conditions.append((changed <= moment) & sa.or_(changed < moment, ids < number))
    found = _read(conn, conditions, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    first = _read(conn, [standing(YEARLESS)], FIRST) if wanted.is_everything and not place else []
    onward = f"{micros(last.modified_at)}-{last.id}" if last else ""
    return Page(tuple(found[:limit]), tuple(first), onward)


def standing(state: str) -> sa.ColumnElement[bool]:
    """The items in a state, or `YEARLESS`, as SQL."""
    if state == YEARLESS:
        return sa.and_(_ITEMS.c.state == "published", _ITEMS.c.published_at.is_(None))
    return _ITEMS.c.state == state


def kinds(conn: Connection) -> list[str]:
    """Every kind that an item has, in any state, by name."""
    return sorted(conn.scalars(sa.select(_ITEMS.c.kind).distinct()))


def states(conn: Connection) -> dict[str, int]:
    """How many items there are in each state, and how many are `YEARLESS`."""
    counted = conn.execute(sa.select(_ITEMS.c.state, sa.func.count().label("number")).group_by(_ITEMS.c.state))
    yearless = conn.scalar(sa.select(sa.func.count()).where(standing(YEARLESS))) or 0
    return {row.state: row.number for row in counted} | {YEARLESS: yearless}


def lacks(item: Item) -> list[str]:
    """What an item is without, in words for staff. Pure."""
    yearless = item.state == "published" and item.published_at is None
    missing = (
        (yearless, "The year of its date. Until then it is in no feed and no digest."),
        (not item.body and item.pdf is None, "A text, or a PDF."),
        (not item.topics, "A topic: only who takes everything gets it."),
        (item.image is not None and not item.image.alt, "Words for its picture. Until then it is not shown."),
    )
    return [words for is_so, words in missing if is_so]


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    tagged = sa.select(_TAGS.c.item_id).where(_TAGS.c.topic == wanted.topic)
    given: list[tuple[object, sa.ColumnElement[bool]]] = [
        (wanted.kind, _ITEMS.c.kind == wanted.kind),
        (wanted.topic, _ITEMS.c.id.in_(tagged)),
        (wanted.state, standing(wanted.state)),
        (wanted.is_everything, ~standing(YEARLESS)),  # they come first
    ]
    return [condition for value, condition in given if value]


def _read(conn: Connection, conditions: list[sa.ColumnElement[bool]], limit: int) -> list[Item]:
    order = (_ITEMS.c.modified_at.desc(), _ITEMS.c.id.desc())
    ids = conn.scalars(sa.select(_ITEMS.c.id).where(*conditions).order_by(*order).limit(limit)).all()
    found = shelf.by_ids(conn, ids)
    return [found[one] for one in ids]
