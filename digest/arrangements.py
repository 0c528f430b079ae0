"""How staff want the coming edition of a series to read: which items come first, its subject, its opening words.

Promises: an arrangement waits with its series until an edition with items of its own is planned by it, and is gone
with that; who changes words that somebody else changed meanwhile is told (`Overtaken`). What becomes news after the
order was chosen comes after what was placed. Refuses: words that no mail can carry, with their field.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db, markup
from digest.errors import BadInput, Refused
from digest.intake import letter
from digest.tables import arrangements as t

SUBJECT = letter.LONGEST  # characters
TEXT = 3000  # characters of opening words, as they are written

UP, DOWN, FIRST = "up", "down", "first"


@dataclass(frozen=True)
class Words:
    """What stands over an edition in one language; either part may be empty."""

    subject: str = ""
    text: str = ""  # Markdown
    body: str = ""  # the same as clean HTML


@dataclass(frozen=True)
class Arrangement:
    """What staff chose for the coming edition of one series."""

    placed: tuple[int, ...] = ()  # item ids
    words: Mapping[str, Words] = field(default_factory=dict)  # by language
    revision: int = 0
    changed_by: str = ""
    changed_at: datetime | None = None

    @property
    def openings(self) -> dict[str, dict[str, str]]:
        """The words as an edition keeps them; a language without any has none."""
        given = self.words.items()
        return {tongue: {"subject": one.subject, "body": one.body} for tongue, one in given if one.subject or one.text}


class Overtaken(Refused):
    """Somebody else changed the words since they were opened; `theirs` is how they stand now."""

    def __init__(self, theirs: Arrangement) -> None:
        super().__init__("Somebody changed these words while you wrote. Compare the two, then keep yours or theirs.")
        self.theirs = theirs


def of(conn: Connection, digest_id: int, cadence: str, *, lock: bool = False) -> Arrangement:
    """The arrangement of a series' coming edition; an empty one when nobody chose anything."""
    query = sa.select(t).where(t.c.digest_id == digest_id, t.c.cadence == cadence)
    row = conn.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return Arrangement()
    words = {language: Words(**given) for language, given in row.openings.items()}
    return Arrangement(tuple(row.placed), words, row.revision, row.changed_by, row.changed_at)


def place(conn: Connection, digest_id: int, cadence: str, order: Sequence[int], *, by: str, now: datetime) -> None:
    """Keeps this order of items, by id."""
    _keep(conn, digest_id, cadence, {"placed": list(order)}, by, now)


def write(
    conn: Connection, digest_id: int, cadence: str, words: Mapping[str, Words], *, revision: int, by: str, now: datetime
) -> None:
    """Keeps these words. Raises Overtaken when they were changed since `revision`."""
    before = of(conn, digest_id, cadence, lock=True)
    if before.revision != revision and dict(before.words) != dict(words):
        raise Overtaken(before)
    plain = {language: vars(given) for language, given in words.items() if given != Words()}
    _keep(conn, digest_id, cadence, {"openings": plain}, by, now)


def forget(conn: Connection, digest_id: int, cadence: str) -> None:
    """The edition it was for has been planned."""
    conn.execute(sa.delete(t).where(t.c.digest_id == digest_id, t.c.cadence == cadence))


def _keep(conn: Connection, digest_id: int, cadence: str, given: dict[str, Any], by: str, now: datetime) -> None:
    told = given | {"changed_by": by, "changed_at": now}
    fresh = {"digest_id": digest_id, "cadence": cadence, "placed": [], "openings": {}, "revision": 0}
    conn.execute(db.insert_new(conn, t).values(fresh | told))
    mine = (t.c.digest_id == digest_id, t.c.cadence == cadence)
    conn.execute(sa.update(t).where(*mine).values(told | {"revision": t.c.revision + 1}))


def written(subject: str, text: str, *, site_url: str) -> Words:
    """The words as they were typed. Raises BadInput, its place being the field: subject or text."""
    subject, text = markup.line(subject), markup.plain(text).replace("\r\n", "\n").strip()
    if len(subject) > SUBJECT:
        raise BadInput("subject", f"It has {len(subject)} characters.", f"Keep it below {SUBJECT}; 60 is better.")
    if len(text) > TEXT:
        raise BadInput("text", f"It has {len(text):,} characters.", f"Keep it below {TEXT:,}: the items are the news.")
    return Words(subject, text, letter.body(text, site_url=site_url) if text else "")


def moved(order: Sequence[int], item: int, where: str, among: Collection[int]) -> tuple[int, ...]:
    """The order with one item moved up or down by one, or to the front; only what is `among` it counts."""
    found = [one for one in order if one in among]
    at = found.index(item)
    to = {UP: max(at - 1, 0), DOWN: at + 1, FIRST: 0}[where]
    found.pop(at)
    found.insert(to, item)
    return tuple(found)
