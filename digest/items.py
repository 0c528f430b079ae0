"""The content store: what may happen to an item, and what of it is news.

Promises: putting the same draft again changes nothing, not even what staff changed since; an item becomes news once,
when it is first published with a complete date; every text it ever had is kept as a revision. Writers go one at a
time (they lock the log's counter first). Refuses: to bring back by import what staff withdrew, and to hide what
readers have seen other than by withdrawing it with a reason.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import drafts, markup, news, publications, shelf, tables
from digest.drafts import Draft as Draft
from digest.errors import BadInput, NotFound, Refused
from digest.news import Entry as Entry
from digest.shelf import Attachment as Attachment
from digest.shelf import Author as Author
from digest.shelf import Item as Item
from digest.shelf import Note as Note
from digest.shelf import at_revisions as at_revisions
from digest.shelf import by_ids as by_ids

_ITEMS = tables.items
_COMPLETE = (_ITEMS.c.state == "published", _ITEMS.c.published_at.is_not(None))
# Of the published items the moment, then when they became news; those that never were news come after the others.
ORDER: tuple[sa.ColumnElement[Any], ...] = (
    _ITEMS.c.published_at,
    sa.func.coalesce(tables.publication_log.c.sequence, 0),
    _ITEMS.c.id,
)
_DATE = ("published_on", "published_at", "date_precision")
_REVISABLE = frozenset({*shelf.CONTENT, "image_alt"}) - {"date_precision"}


@dataclass(frozen=True)
class Outcome:
    """What became of an item: created, changed or unchanged, and the number of log entries written."""

    slug: str
    what: str
    news: int


def find(conn: Connection, slug: str) -> Item:
    """The item with this slug, whatever its state. Raises NotFound with those that are near."""
    if (found := lookup(conn, slug)) is None:
        near = get_close_matches(slug, conn.scalars(sa.select(_ITEMS.c.slug)).all())
        hint = f"Near are: {', '.join(near)}." if near else "`digest items list` shows what there is."
        raise NotFound(f"There is no item {slug!r}. {hint}")
    return found


def lookup(conn: Connection, slug: str) -> Item | None:
    """The item with this slug, whatever its state, if there is one: at no cost when there is none."""
    return next(iter(shelf.read(conn, sa.select(_ITEMS).where(_ITEMS.c.slug == slug))), None)


def is_shown(conn: Connection, slug: str) -> bool:
    """Whether the site has a page of an item with this slug: it is published and complete."""
    return conn.scalar(sa.select(_ITEMS.c.id).where(_ITEMS.c.slug == slug, *_COMPLETE)) is not None


def latest(
    conn: Connection, *, topic: str | None = None, kind: str | None = None, limit: int | None = None
) -> list[Item]:
    """The published and complete items, newest first; those of one moment in the reverse order of becoming news,
    those that never were news last, so that the order never changes by itself."""
    conditions = list(_COMPLETE)
    if topic is not None:
        tagged = sa.select(tables.item_topics.c.item_id).where(tables.item_topics.c.topic == topic)
        conditions.append(_ITEMS.c.id.in_(tagged))
    if kind is not None:
        conditions.append(_ITEMS.c.kind == kind)
    return shelf.read(conn, newest_first(*conditions).limit(limit))


def newest_first(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The items that meet the conditions, in the order of all lists: `ORDER` says it, and `latest` what it means."""
    log = tables.publication_log
    first = (log.c.item_id == _ITEMS.c.id) & (log.c.what == "new")
    query = sa.select(_ITEMS).outerjoin(log, first).where(*conditions)
    return query.order_by(*(column.desc() for column in ORDER))


def notes(conn: Connection, item: Item) -> list[Note]:
    """What updates of an item changed, since readers could first see it; the latest first."""
    told = news.of_item(conn, item.id)
    return shelf.notes(conn, item.id, since=told[0].revision if told else item.revision)


def everything(conn: Connection, *, state: str | None = None) -> list[Item]:
    """All items, or those in one state, the last modified first: for staff."""
    query = sa.select(_ITEMS).order_by(_ITEMS.c.modified_at.desc(), _ITEMS.c.id.desc())
    return shelf.read(conn, query if state is None else query.where(_ITEMS.c.state == state))


def carrier(conn: Connection, path: str) -> tuple[str, str] | None:
    """Title and state of the item that carries this file; of several, a published one, and last a withdrawn one."""
    rank = sa.case({"published": 0, "withdrawn": 2}, value=_ITEMS.c.state, else_=1)
    query = sa.select(_ITEMS.c.title, _ITEMS.c.state).join(tables.attachments).where(tables.attachments.c.path == path)
    row = conn.execute(query.order_by(rank, _ITEMS.c.id).limit(1)).one_or_none()
    return None if row is None else (row.title, row.state)


def kinds(conn: Connection) -> list[tuple[str, int]]:
    """The kinds of published and complete items with their counts, by name."""
    query = sa.select(_ITEMS.c.kind, sa.func.count()).where(*_COMPLETE).group_by(_ITEMS.c.kind)
    return [(kind, count) for kind, count in conn.execute(query.order_by(_ITEMS.c.kind))]


def without_year(conn: Connection) -> int:
    """How many published items have a day without its year, and so are in no feed and no edition."""
    yearless = (_ITEMS.c.state == "published", _ITEMS.c.date_precision == "yearless")
    return conn.scalar(sa.select(sa.func.count()).where(*yearless)) or 0


def put(
    conn: Connection,
    draft: Draft,
    *,
    now: datetime,
    zone: str,
    known: bool = False,
    waiting: bool = False,
    adopt: bool = False,
    tell: str | None = None,
) -> Outcome:
    """Brings a draft in: as a new item, or as the next text of the item with its identity or its slug.

    `known` publishes without telling anybody; `waiting` publishes nothing: what is new waits for staff, and what is
    here stands as it stood; `adopt` leaves alone what is here, and only from the next draft on changes it; `tell` makes
    a change news again, with the draft's update note or else `tell` as its sentence. A withdrawn item stays withdrawn.
    Raises BadInput, or Refused when it would hide an item.
    """
    news.lock(conn)
    wanted = drafts.item(draft, zone=zone, now=now)
    identity = _identity(draft)
    publications.ensure_topics(conn, wanted.topics)
    row = _same(conn, draft)
    if row is None:
        wanted = dataclasses.replace(wanted, state="draft", publish_at=None) if waiting else wanted
        after, told = _add(conn, wanted, identity, now=now, known=known)
        return Outcome(after.slug, "created", told)
    before = shelf.by_ids(conn, [row.id])[row.id]
    if adopt and row.content_hash != identity["content_hash"]:
        shelf.lay(conn, before, before, identity)
    if adopt or row.content_hash == identity["content_hash"]:
        return Outcome(before.slug, "unchanged", 0)
    stays = (*draft.untold, *(("state", "publish_at") if waiting else ()))
    wanted = dataclasses.replace(wanted, **{name: getattr(before, name) for name in stays})
    note = None if tell is None else wanted.update_note or markup.line(tell)
    return _change(conn, before, _standing(before, wanted), now=now, known=known, note=note, identity=identity)


def create(conn: Connection, draft: Draft, *, now: datetime, zone: str) -> Item:
    """A new item, whatever else is called the same: its slug gets a number where it is taken. Raises BadInput."""
    news.lock(conn)
    wanted = drafts.item(draft, zone=zone, now=now)
    publications.ensure_topics(conn, wanted.topics)
    return _add(conn, wanted, _identity(draft), now=now)[0]


def is_known(conn: Connection, source: str, foreign_id: str) -> bool:
    """Whether there is an item of this identity elsewhere."""
    mine = (_ITEMS.c.source == source) & (_ITEMS.c.foreign_id == foreign_id)
    return conn.execute(sa.select(_ITEMS.c.id).where(mine)).first() is not None


def publish(
    conn: Connection, slug: str, *, now: datetime, at: datetime | None = None, known: bool = False, zone: str = "UTC"
) -> int:
    """Publishes an item now, or at a later moment, and says how many log entries that wrote (0 or 1).

    A draft without any date gets that moment as its date. An item whose date lacks its year is published and marked,
    but is no news until the year is known. What comes back after being withdrawn is news again.
    """
    news.lock(conn)
    before = find(conn, slug)
    later = at is not None and at > now
    if before.state == "published":
        if later:
            raise Refused(f"{slug!r} is published already. Withdraw it first if it shall appear later.")
        return 0
    moment = at if at is not None and later else now
    after = dataclasses.replace(before, **_dated(before, moment, zone))
    if later:
        after = dataclasses.replace(after, state="scheduled", publish_at=moment)
        return _change(conn, before, after, now=now).news
    return _change(conn, before, _published(after), now=now, known=known).news


def publish_due(conn: Connection, now: datetime) -> list[str]:
    """Publishes the scheduled items whose moment has come, in the order of their moments; their slugs."""
    due = sa.select(_ITEMS).where(_ITEMS.c.state == "scheduled", _ITEMS.c.publish_at <= now)
    if not shelf.read(conn, due.limit(1)):
        return []
    news.lock(conn)
    items = shelf.read(conn, due.order_by(_ITEMS.c.publish_at, _ITEMS.c.id))
    return [_change(conn, item, _published(item), now=now).slug for item in items]


def next_publication(conn: Connection) -> datetime | None:
    """When the next scheduled item becomes news."""
    soonest: datetime | None = conn.scalar(
        sa.select(sa.func.min(_ITEMS.c.publish_at)).where(_ITEMS.c.state == "scheduled")
    )
    return soonest


def withdraw(conn: Connection, slug: str, *, now: datetime, why: str) -> Item:
    """Takes a published item back, with the reason that readers see at its address; a scheduled one waits again."""
    news.lock(conn)
    before = find(conn, slug)
    if before.state == "scheduled":
        waiting = "draft" if before.withdrawn_at is None else "withdrawn"
        return shelf.lay(conn, before, dataclasses.replace(before, state=waiting, publish_at=None, modified_at=now))
    if before.state != "published":
        raise Refused(f"{slug!r} is not published ({before.state}), so there is nothing to withdraw.")
    if not (reason := markup.line(why)):
        raise BadInput("why", "There is no reason.", "Write one sentence; readers see it where the item was.")
    after = dataclasses.replace(before, state="withdrawn", withdrawn_at=now, withdrawn_why=reason, modified_at=now)
    return shelf.lay(conn, before, after)


def revise(
    conn: Connection, slug: str, *, now: datetime, tell: str | None = None, zone: str = "UTC", **changes: Any
) -> Outcome:
    """Changes fields of an item by name; with `tell`, readers of the older text are told, in that sentence.

    `markdown` brings its body with it. Raises BadInput for a field that cannot be revised or a value that is wrong.
    """
    news.lock(conn)
    before = find(conn, slug)
    if strange := sorted(set(changes) - _REVISABLE):
        raise BadInput(strange[0], "It cannot be revised.", f"These can: {', '.join(sorted(_REVISABLE))}.")
    if tell and not changes.get("update_note"):
        changes["update_note"] = tell
    wanted = drafts.item(drafts.revised(before, changes), zone=zone, now=now)
    if not changes.keys() & {"published_on", "published_at"}:
        wanted = dataclasses.replace(wanted, **{name: getattr(before, name) for name in _DATE})
    publications.ensure_topics(conn, wanted.topics)
    after = dataclasses.replace(_standing(before, wanted), state=before.state, publish_at=before.publish_at)
    return _change(conn, before, after, now=now, note=None if tell is None else after.update_note)


def _identity(draft: Draft) -> dict[str, Any]:
    """Where a draft is from, who it is there, and what it says: by these its next text finds it."""
    return {"source": draft.source, "foreign_id": draft.foreign_id, "content_hash": drafts.fingerprint(draft)}


def _same(conn: Connection, draft: Draft) -> sa.Row[Any] | None:
    """The item that a draft is about: what came from elsewhere is known by its identity there, never by its slug."""
    if draft.foreign_id is not None:
        mine = (_ITEMS.c.source == draft.source) & (_ITEMS.c.foreign_id == draft.foreign_id)
        return conn.execute(sa.select(_ITEMS).where(mine)).one_or_none()
    row = conn.execute(sa.select(_ITEMS).where(_ITEMS.c.slug == draft.slug)).one_or_none()
    if row is not None and row.foreign_id is not None:
        raise BadInput("slug", f"{draft.slug!r} belongs to another item, from {row.source}.", "Choose another slug.")
    return row


def _add(
    conn: Connection, wanted: Item, identity: dict[str, Any], *, now: datetime, known: bool = False
) -> tuple[Item, int]:
    after = shelf.add(conn, dataclasses.replace(wanted, slug=_free(conn, wanted.slug)), identity)
    return after, _log(conn, None, after, now=now, known=known)


def _free(conn: Connection, slug: str) -> str:
    """The slug, with a number behind it when it belongs to another item."""
    taken = sa.select(_ITEMS.c.id).where(_ITEMS.c.slug == sa.bindparam("slug"))
    numbered = (slug if n == 1 else f"{slug}-{n}" for n in itertools.count(1))
    return next(one for one in numbered if conn.execute(taken, {"slug": one}).first() is None)


def _standing(before: Item, wanted: Item) -> Item:
    """The wanted text, standing where the item stands: a state only moves forward by import."""
    state, publish_at = wanted.state, wanted.publish_at
    if before.withdrawn_at is not None or (before.state == "scheduled" and state == "draft"):
        state, publish_at = before.state, before.publish_at
    elif before.state == "published" and state != "published":
        raise Refused(f"{before.slug!r} is published and cannot become a {state} item. Withdraw it if it must go.")
    if wanted.date_precision == "seen" and before.published_on is not None:  # it was seen before, or had a date
        wanted = dataclasses.replace(wanted, **{name: getattr(before, name) for name in _DATE})
    return dataclasses.replace(
        wanted,
        id=before.id,
        slug=before.slug,
        revision=before.revision,
        state=state,
        publish_at=publish_at,
        withdrawn_at=before.withdrawn_at,
        withdrawn_why=before.withdrawn_why,
    )


def _published(item: Item) -> Item:
    return dataclasses.replace(item, state="published", publish_at=None, withdrawn_at=None, withdrawn_why="")


def _dated(item: Item, moment: datetime, zone: str) -> dict[str, Any]:
    """The date of an item that is published at `moment`: its own, or that moment when it has none of its own."""
    follows = item.publish_at is not None and item.published_at == item.publish_at
    if (item.published_on is None or follows) and item.withdrawn_at is None:
        return drafts.dating(None, moment, zone)
    return {name: getattr(item, name) for name in _DATE}


def _change(
    conn: Connection,
    before: Item,
    after: Item,
    *,
    now: datetime,
    known: bool = False,
    note: str | None = None,
    identity: dict[str, Any] | None = None,
) -> Outcome:
    if dataclasses.replace(after, modified_at=before.modified_at) == before:
        shelf.lay(conn, before, before, identity)
        return Outcome(before.slug, "unchanged", 0)
    after = shelf.lay(conn, before, dataclasses.replace(after, modified_at=now), identity)
    return Outcome(after.slug, "changed", _log(conn, before, after, now=now, known=known, note=note))


def _log(
    conn: Connection, before: Item | None, after: Item, *, now: datetime, known: bool, note: str | None = None
) -> int:
    what = _news(before, after, known=known, told=note is not None)
    # A date that lost its year and got it back does not make an item new twice.
    if what is None or (what == "new" and news.of_item(conn, after.id)):
        return 0
    news.write_entry(conn, after.id, after.revision, what, topics=after.topics, now=now, note=note or "")
    return 1


def _news(before: Item | None, after: Item, *, known: bool, told: bool) -> str | None:
    """What kind of news a change is, if any: pure."""
    if not after.is_complete or known:
        return None
    if before is None or not before.is_complete:
        return "again" if before is not None and before.withdrawn_at is not None else "new"
    return "update" if told else None
