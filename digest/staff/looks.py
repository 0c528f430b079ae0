"""What each of the staff has seen of the coming edition of a series, and what changed in it since.

Promises: only somebody's own word that they have seen it counts as a look, and it counts for what was before them:
opening a page notes nothing. What went out meanwhile is no change. Refuses to note a look at what is not so any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db, editions, items, news
from digest.errors import Refused
from digest.items import Item
from digest.proposals import Proposal
from digest.tables import staff_looks as t

# What staff call the parts of an item that a revision may change.
_PARTS = {
    "kind": "kind",
    "title": "title",
    "subtitle": "subtitle",
    "published_on": "day",
    "language": "language",
    "topics": "topics",
    "authors": "authors",
    "excerpt": "excerpt",
    "attachments": "files",
    "body": "text",
    "canonical_url": "address elsewhere",
    "featured": "place at the top",
}


@dataclass(frozen=True)
class Look:
    """When somebody looked, and the entries with their revisions that they saw."""

    at: datetime
    contents: dict[int, int]  # sequence -> revision


@dataclass(frozen=True)
class Change:
    """One entry that is not as it was: added, edited, held back or withdrawn."""

    what: str
    item: Item
    place: int = 0  # of what was added, from 1
    parts: tuple[str, ...] = ()  # of what was edited


def last(conn: Connection, staff_id: int, proposal: Proposal) -> Look | None:
    """The last look of somebody at the coming edition of this series."""
    row = conn.execute(sa.select(t.c.looked_at, t.c.contents).where(*_theirs(staff_id, proposal))).one_or_none()
    return None if row is None else Look(row.looked_at, dict(row.contents))


def note(conn: Connection, staff_id: int, proposal: Proposal, *, seen: str, now: datetime) -> None:
    """Somebody has seen it as it is, by the hash of its contents. Raises Refused when they saw something else."""
    if seen != proposal.edition.content_hash:
        raise Refused("It has changed since this page was shown. Look at it again.")
    contents = [[story.sequence, story.item.revision] for story in proposal.stories]
    key = {"staff_id": staff_id, "digest_id": proposal.digest.id, "cadence": proposal.series.cadence}
    said = {"looked_at": now, "contents": contents}
    conn.execute(db.insert_new(conn, t).values(**key, **said))
    conn.execute(sa.update(t).where(*_theirs(staff_id, proposal)).values(**said))


def changes(conn: Connection, proposal: Proposal, look: Look) -> list[Change]:
    """What is added, edited, and taken out since a look, in this order."""
    now = {story.sequence: (place, story.item) for place, story in enumerate(proposal.stories, 1)}
    added = [Change("added", item, place) for sequence, (place, item) in now.items() if sequence not in look.contents]
    return [*added, *_edited(conn, {s: item for s, (_, item) in now.items()}, look), *_gone(conn, proposal, look)]


def _edited(conn: Connection, now: dict[int, Item], look: Look) -> list[Change]:
    others = {s: item for s, item in now.items() if look.contents.get(s, item.revision) != item.revision}
    seen = items.at_revisions(conn, [(item.id, look.contents[s]) for s, item in others.items()])
    told = [(item, parts(seen[item.id, look.contents[s]], item)) for s, item in others.items()]
    return [Change("edited", item, parts=changed) for item, changed in told if changed]


def parts(before: Item, after: Item) -> tuple[str, ...]:
    """What staff call that in which two revisions of an item differ. Pure."""
    return tuple(name for part, name in _PARTS.items() if getattr(before, part) != getattr(after, part))


def _gone(conn: Connection, proposal: Proposal, look: Look) -> list[Change]:
    """What was seen and is not in it now, though its turn has not passed."""
    left = {story.sequence for story in proposal.stories}
    missing = [s for s in look.contents if s not in left and s > proposal.edition.mark_from]
    log = news.by_sequences(conn, missing)
    by_id = items.by_ids(conn, {entry.item_id for entry in log.values()})
    held = editions.held_back(conn, proposal.digest.id, proposal.series.cadence)
    return [Change("held" if s in held else "withdrawn", by_id[log[s].item_id]) for s in missing if s in log]


def _theirs(staff_id: int, proposal: Proposal) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        t.c.staff_id == staff_id,
        t.c.digest_id == proposal.digest.id,
        t.c.cadence == proposal.series.cadence,
    )
