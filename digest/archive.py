"""What went out, as anyone may read it: past editions with their items as they were frozen.

Promises: no personal link, no reader, no count of people. Refuses: editions that have not gone out, and letters:
they were written to some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

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
class Past:
    """An edition in the list of past ones."""

    number: int
    name: str
    cadence: str
    day: date
    items: int


@dataclass(frozen=True)
class Published(Past):
    """An edition as anyone may read it."""

    stories: tuple[Story, ...]
    openings: Mapping[str, str]  # what staff wrote over it, by language, as clean HTML

    def opening(self, language: str) -> str:
        """The words over it for who reads this language: theirs, or the first there are, or none."""
        return self.openings.get(language) or next(iter(self.openings.values()), "")


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


def archive(conn: Connection, *, limit: int | None = None) -> list[Past]:
    """What went out, newest first (the latest `limit`), without letters and what was for owed entries alone."""
    out = sa.select(t).where(t.c.state.in_((SENDING, SENT, CANCELLED)), t.c.kind == "digest")
    held = sa.select(sa.func.count()).where(edition_entries.c.edition_id == t.c.id).scalar_subquery()
    query = out.where(t.c.plan_done_at.is_not(None)).add_columns(held.label("items"))
    rows = conn.execute(query.order_by(t.c.id.desc()).limit(limit))
    return [_past(row.id, row.cadence, row.settings, row.items) for row in rows]


def published(conn: Connection, number: int) -> Published:
    """One edition for the archive. Raises NotFound for those that did not go out."""
    edition = editions.find(conn, number)
    if edition.plan_done_at is None or edition.kind != "digest" or not edition.settings:
        raise NotFound(f"Edition {number} has not gone out, or it is not for everyone to read.")
    told = stories(conn, number)
    past = _past(number, edition.series, edition.settings, len(told))
    written = edition.settings.get("openings", {})
    openings = {tongue: given["body"] for tongue, given in written.items() if given["body"]}
    return Published(**vars(past), stories=told, openings=openings)


def _past(number: int, cadence: str, settings: Mapping[str, Any], items: int) -> Past:
    """What the list says of an edition, from the settings frozen in it."""
    return Past(number, settings["digest_name"], cadence, date.fromisoformat(settings["date"]), items)
