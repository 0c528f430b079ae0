"""The shelf: an item as it is and as it was, read whole from its tables and laid back whole.

Promises: every revision is kept with all that rendering it needs, so an edition can show what it froze; the words
that search looks through change in the same transaction. Decides nothing: what may happen to an item, and what of it
is news, is the business of `items`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from digest import folding, markup, tables
from digest.tables import EPOCH, micros

CHUNK = 500  # ids in one IN list
MOST_WORDS = 100_000  # characters of folded words in one field; PostgreSQL's vectors end at a megabyte


@dataclass(frozen=True)
class Author:
    """Who wrote an item, in which role, for whom."""

    name: str
    role: str = ""
    organization: str = ""


@dataclass(frozen=True)
class Attachment:
    """A file that an item carries. `path` is below /media/ ("ab12.pdf"), or an absolute https address."""

    role: str  # pdf, image
    path: str
    name: str
    media_type: str
    size: int  # bytes
    pages: int | None = None
    alt: str = ""
    width: int | None = None  # pixels, of an image that is kept here
    height: int | None = None


@dataclass(frozen=True)
class Note:
    """What an update changed, as readers are told, and its day (or the moment, when no day is given)."""

    text: str
    day: str | datetime


@dataclass(frozen=True)
class Item:
    """An item as it stands, or as it stood at one revision. `body` is clean HTML."""

    id: int
    slug: str
    state: str  # draft, scheduled, published, withdrawn
    kind: str
    title: str
    subtitle: str
    excerpt: str
    body: str
    markdown: str | None
    language: str
    published_on: str | None  # YYYY-MM-DD, or --MM-DD when the year is missing
    date_precision: str  # instant, day, yearless, seen
    published_at: datetime | None
    publish_at: datetime | None
    updated_on: str | None
    update_note: str
    canonical_url: str
    featured: bool
    authors: tuple[Author, ...]
    topics: tuple[str, ...]
    attachments: tuple[Attachment, ...]
    revision: int
    modified_at: datetime
    withdrawn_at: datetime | None = None
    withdrawn_why: str = ""

    @property
    def day(self) -> date | None:
        """The calendar day of publication, when it is complete."""
        return date.fromisoformat(self.published_on) if self.published_on and self.published_on[0] != "-" else None

    @property
    def pdf(self) -> Attachment | None:
        """The PDF, when there is one."""
        return next((a for a in self.attachments if a.role == "pdf"), None)

    @property
    def image(self) -> Attachment | None:
        """The picture, when there is one; it is shown only when its `alt` says what it shows."""
        return next((a for a in self.attachments if a.role == "image"), None)

    @property
    def is_complete(self) -> bool:
        """Whether it is published with a complete date: only then is it in feeds and editions."""
        return self.state == "published" and self.published_at is not None


# What a revision is about; the rest of an Item says where it stands today.
CONTENT = (
    "kind", "title", "subtitle", "excerpt", "body", "markdown", "language", "published_on", "date_precision",
    "published_at", "updated_on", "update_note", "canonical_url", "featured", "authors", "topics", "attachments",
)  # fmt: skip
_PARTS = ("authors", "topics", "attachments")


def read(conn: Connection, query: sa.Select[Any]) -> list[Item]:
    """The items whose rows `query` (a select of `items`) yields, in its order."""
    rows = conn.execute(query).all()
    ids = [row.id for row in rows]
    authors = _parts(conn, tables.item_authors, ids)
    topics = _parts(conn, tables.item_topics, ids)
    files = _parts(conn, tables.attachments, ids)
    return [
        _item(
            row,
            authors=tuple(Author(r.name, r.role, r.organization) for r in authors.get(row.id, ())),
            topics=tuple(r.topic for r in topics.get(row.id, ())),
            attachments=tuple(
                Attachment(r.role, r.path, r.name, r.media_type, r.size, r.pages, r.alt, r.width, r.height)
                for r in files.get(row.id, ())
            ),
        )
        for row in rows
    ]


def add(conn: Connection, item: Item, identity: Mapping[str, Any]) -> Item:
    """Lays a new item down as its first revision; its id is given here. `identity`: source, foreign_id, hash."""
    values = _columns(item) | dict(identity)
    item_id = conn.execute(sa.insert(tables.items).values(values).returning(tables.items.c.id)).scalar_one()
    item = dataclasses.replace(item, id=item_id)
    _lay_parts(conn, item)
    _keep_revision(conn, item)
    return item


def lay(conn: Connection, before: Item, after: Item, identity: Mapping[str, Any] | None = None) -> Item:
    """Lays a changed item back; a change of its content is kept as the next revision, a change of state is not."""
    changed = content(before) != content(after)
    if changed:
        after = dataclasses.replace(after, revision=before.revision + 1)
    values = _columns(after) | dict(identity or {})
    conn.execute(sa.update(tables.items).where(tables.items.c.id == after.id).values(values))
    if changed:
        for table in (tables.item_authors, tables.item_topics, tables.attachments, tables.item_words):
            conn.execute(sa.delete(table).where(table.c.item_id == after.id))
        _lay_parts(conn, after)
        _keep_revision(conn, after)
    return after


def at_revisions(conn: Connection, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Item]:
    """Each (item, revision) with its content as it was then, and its address and state as they are today."""
    wanted = set(pairs)
    ids = sorted({item_id for item_id, _ in wanted})
    today = by_ids(conn, ids)
    log = tables.item_revisions
    return {
        (row.item_id, row.revision): _as_it_was(today[row.item_id], row)
        for chunk in _chunks(ids)
        for row in conn.execute(sa.select(log).where(log.c.item_id.in_(chunk)))
        if (row.item_id, row.revision) in wanted
    }


def by_ids(conn: Connection, ids: Collection[int]) -> dict[int, Item]:
    """The items with these ids, whatever their state; unknown ones are left out."""
    found = (
        read(conn, sa.select(tables.items).where(tables.items.c.id.in_(chunk))) for chunk in _chunks(sorted(set(ids)))
    )
    return {item.id: item for items in found for item in items}


def notes(conn: Connection, item_id: int, *, since: int) -> list[Note]:
    """What each revision from `since` on said had changed, the latest first."""
    log = tables.item_revisions
    said = [log.c.fields[name].as_string() for name in ("update_note", "updated_on")]
    query = sa.select(log.c.at, *(one.label(name) for one, name in zip(said, ("note", "day"), strict=True)))
    rows = conn.execute(query.where(log.c.item_id == item_id, log.c.revision >= since).order_by(log.c.revision))
    found: list[Note] = []
    for row in rows:
        note = Note(row.note, row.day or row.at)
        if row.note and (not found or found[-1].text != row.note):
            found.append(note)
    return found[::-1]


def content(item: Item) -> dict[str, Any]:
    """The content of an item as plain JSON values."""
    fields = {name: getattr(item, name) for name in CONTENT}
    fields["published_at"] = None if item.published_at is None else micros(item.published_at)
    fields["authors"] = [dataclasses.asdict(author) for author in item.authors]
    fields["attachments"] = [dataclasses.asdict(attachment) for attachment in item.attachments]
    fields["topics"] = list(item.topics)
    return fields


def _as_it_was(today: Item, row: Row[Any]) -> Item:
    fields = dict(row.fields)
    moment = fields["published_at"]
    fields["published_at"] = None if moment is None else EPOCH + timedelta(microseconds=moment)
    fields["authors"] = tuple(Author(**author) for author in fields["authors"])
    fields["attachments"] = tuple(Attachment(**attachment) for attachment in fields["attachments"])
    fields["topics"] = tuple(fields["topics"])
    return dataclasses.replace(today, revision=row.revision, modified_at=row.at, **fields)


def _item(row: Row[Any], **parts: Any) -> Item:
    names = [field.name for field in dataclasses.fields(Item) if field.name not in _PARTS]
    return Item(**{name: getattr(row, name) for name in names}, **parts)


def _columns(item: Item) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(Item) if field.name not in (*_PARTS, "id")]
    return {name: getattr(item, name) for name in names}


def _parts(conn: Connection, table: sa.Table, ids: list[int]) -> dict[int, list[Row[Any]]]:
    parts: dict[int, list[Row[Any]]] = {}
    for chunk in _chunks(ids):
        query = sa.select(table).where(table.c.item_id.in_(chunk)).order_by(table.c.item_id, table.c.position)
        for row in conn.execute(query):
            parts.setdefault(row.item_id, []).append(row)
    return parts


def _lay_parts(conn: Connection, item: Item) -> None:
    def rows(values: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"item_id": item.id, "position": n} | value for n, value in enumerate(values)]

    for table, values in (
        (tables.item_authors, rows(dataclasses.asdict(author) for author in item.authors)),
        (tables.item_topics, rows({"topic": topic} for topic in item.topics)),
        (tables.attachments, rows(dataclasses.asdict(attachment) for attachment in item.attachments)),
    ):
        if values:
            conn.execute(sa.insert(table), values)
    conn.execute(sa.insert(tables.item_words).values({"item_id": item.id} | _words(item)))


def _words(item: Item) -> dict[str, str]:
    """What search finds an item by."""
    names = [item.kind, item.slug, *(text for one in item.authors for text in (one.name, one.organization))]
    texts = {
        "title": (item.title, item.subtitle),
        "names": (*names, *item.topics),
        "body": (item.excerpt, markup.words(item.body)),
    }
    return {field: " ".join(folding.words(" ".join(said)))[:MOST_WORDS] for field, said in texts.items()}


def _keep_revision(conn: Connection, item: Item) -> None:
    conn.execute(
        sa.insert(tables.item_revisions).values(
            item_id=item.id, revision=item.revision, at=item.modified_at, fields=content(item)
        )
    )


def _chunks(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
