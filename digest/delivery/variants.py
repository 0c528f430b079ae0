"""The compiled bodies of one edition: each made once for all readers with the same entries and language.

Promises: the shell and every entry are inlined once per language, so that thousands of variants are joins; a variant
once stored is never changed. Serves planning, which asks for the variant of a list, and sending, which takes
withdrawn items out of lists that were planned before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import archive, editions, entry_views, items, news, render, sharing, tables
from digest.archive import Story
from digest.delivery import ledger
from digest.editions import Edition
from digest.items import Item
from digest.news import Entry
from digest.tables import State, batches, deliveries, variant_entries
from digest.tables import variants as t


@dataclass(frozen=True)
class Body:
    """What readers of one language with the same entries get; `rendered` is None when it is stored already."""

    language: str
    entries: tuple[int, ...]  # in reading order
    titles: frozenset[int]  # those that come as a title only
    rendered: render.Rendered | None


class Bodies:
    """The variants of one edition, found or made on demand."""

    def __init__(self, conn: Connection, edition: Edition, stories: Sequence[Story] | None = None) -> None:
        """Reads what the edition holds, unless the caller knows its stories: of one that is not written down yet."""
        if edition.settings is None:
            raise ValueError("only a frozen edition has bodies")
        self.edition = edition
        self._shell = render.Shell.from_json(edition.settings)
        limit = timedelta(days=self._shell.age_limit)
        self.stale_before = (edition.starts_at or edition.created_at) - limit if limit else None
        self._presses: dict[str, render.Press] = {}
        self.reserved: dict[int, Body] = {}  # numbered, and not stored yet
        self._log: dict[int, Entry] = {}
        self._items: dict[int, Item] = {}
        told = archive.stories(conn, edition.id) if stories is None else stories
        self._revisions = {story.sequence: story.item for story in told}
        self._views: dict[int, render.EntryView] = {}
        self._found: dict[tuple[str, str], int] = {
            (row.entries, row.language): row.n
            for row in conn.execute(sa.select(t.c.n, t.c.entries, t.c.language).where(t.c.edition_id == edition.id))
        }
        self.learn(conn, self._revisions)

    @property
    def log(self) -> dict[int, Entry]:
        """Every log entry met so far, by sequence."""
        return self._log

    def learn(self, conn: Connection, sequences: Iterable[int]) -> None:
        """Reads entries that were not in the contents (somebody is owed them), with their items as they are now."""
        new = set(sequences) - set(self._log)
        if not new:
            return
        entries = news.by_sequences(conn, new)
        current = items.by_ids(conn, {entry.item_id for entry in entries.values()})
        shown = {sequence: self._revisions.get(sequence, current[e.item_id]) for sequence, e in entries.items()}
        self._log.update(entries)
        self._items.update({item.id: item for item in shown.values()})
        told = [(entry, shown[sequence]) for sequence, entry in entries.items()]
        self._views.update({view.sequence: view for view in entry_views.of(conn, told, self._shell.zone)})

    def number(self, conn: Connection, sequences: Collection[int], language: str, titles: Collection[int] = ()) -> int:
        """The variant that holds just these entries in this language; made and stored when there is none."""
        n = self.reserve(self.body(sequences, language, titles))
        self.store(conn)
        self.reserved.clear()
        return n

    def body(self, sequences: Collection[int], language: str, titles: Collection[int] = ()) -> Body:
        """The same, compiled without the database: it takes long enough to keep other writers waiting."""
        order = sharing.reading_order(sequences, self._log, self._items, titles, self._shell.placed)
        short = frozenset(titles)
        if (_written(order, short), language) in self._found:
            return Body(language, order, short, None)
        whole = len(order) - len(short)  # titles stand last
        own = not self._revisions.keys().isdisjoint(order)  # staff's words are over the edition, not over what is owed
        rendered = self.press(language, order).variant(order, most=min(self._shell.most, whole), opened=own)
        return Body(language, order, short, rendered)

    def reserve(self, body: Body) -> int:
        """The number of a body; a new one is among the `reserved` then, to be stored before a row names it."""
        key = (_written(body.entries, body.titles), body.language)
        if key not in self._found:
            self._found[key] = len(self._found) + 1
            self.reserved[self._found[key]] = body
        return self._found[key]

    def store(self, conn: Connection) -> None:
        """Writes the variants that are reserved; they are to be cleared when that is committed."""
        for n, body in self.reserved.items():
            if body.rendered is not None:
                written = _written(body.entries, body.titles)
                insert(conn, self.edition.id, n, body.language, body.rendered, written)
        entries = [
            {"edition_id": self.edition.id, "variant_n": n, "sequence": sequence}
            for n, body in self.reserved.items()
            for sequence in body.entries
        ]
        if entries:
            conn.execute(sa.insert(variant_entries), entries)

    def press(self, language: str, sequences: Iterable[int]) -> render.Press:
        """The press of one language, with these entries ready."""
        views = [self._views[sequence] for sequence in sequences]
        if language not in self._presses:
            self._presses[language] = render.Press(self._shell, language, views)
        else:
            self._presses[language].add(views)
        return self._presses[language]


def _written(order: Iterable[int], titles: Collection[int]) -> str:
    """The canonical list of what a variant holds: in reading order, what comes as a title only as a negative number."""
    return json.dumps([-sequence if sequence in titles else sequence for sequence in order])


def read(entries: str) -> tuple[tuple[int, ...], frozenset[int]]:
    """What a variant holds, in reading order, and which of it comes as a title only."""
    numbers = json.loads(entries)
    return tuple(abs(n) for n in numbers), frozenset(-n for n in numbers if n < 0)


def insert(
    conn: Connection, edition_id: int, n: int, language: str, rendered: render.Rendered, entries: str = "[]"
) -> None:
    """Writes one variant; `entries` is the canonical list of what it holds."""
    values = {"edition_id": edition_id, "n": n, "entries": entries, "language": language}
    parts = {"subject": rendered.subject, "html": rendered.html, "text": rendered.text}
    conn.execute(sa.insert(t).values(**values, **parts))


def take_out_withdrawn(conn: Connection, edition: Edition, batch_n: int) -> None:
    """Rows of a batch that are still planned lose what was withdrawn meanwhile; a list that is empty then is skipped.

    Does nothing when staff said that the edition goes on as it is.
    """
    if edition.as_is:
        return
    gone: dict[int, set[int]] = {}
    for row in conn.execute(_WITHDRAWN, {"edition": edition.id, "batch": batch_n}):
        gone.setdefault(row.variant_n, set()).add(row.sequence)
    if gone:
        _replace(conn, edition, batch_n, gone)


def _replace(conn: Connection, edition: Edition, batch_n: int, gone: dict[int, set[int]]) -> None:
    editions.find(conn, edition.id, lock=True)
    planned = (*ledger.of_batch(edition.id, batch_n), deliveries.c.state == State.PLANNED)
    bodies = Bodies(conn, edition)
    for variant_n, sequences in gone.items():
        row = conn.execute(
            sa.select(t.c.entries, t.c.language).where(t.c.edition_id == edition.id, t.c.n == variant_n)
        ).one()
        entries, titles = read(row.entries)
        left = [sequence for sequence in entries if sequence not in sequences]
        change = sa.update(deliveries).where(*planned, deliveries.c.variant_n == variant_n)
        if left:
            bodies.learn(conn, left)
            conn.execute(change.values(variant_n=bodies.number(conn, left, row.language, titles & {*left})))
        else:
            skipped = conn.execute(change.values(state=State.SKIPPED, code="withdrawn")).rowcount
            conn.execute(
                sa.update(batches)
                .where(batches.c.edition_id == edition.id, batches.c.n == batch_n)
                .values(skipped=batches.c.skipped + skipped)
            )


_log, _item, _ve = tables.publication_log, tables.items, variant_entries

# Built once: it runs for every batch.
_WITHDRAWN = (
    sa.select(_ve.c.variant_n, _ve.c.sequence)
    .join(_log, _log.c.sequence == _ve.c.sequence)
    .join(_item, _item.c.id == _log.c.item_id)
    .where(_ve.c.edition_id == sa.bindparam("edition"), _item.c.state != "published")
    .where(
        _ve.c.variant_n.in_(
            sa.select(deliveries.c.variant_n)
            .where(deliveries.c.edition_id == sa.bindparam("edition"), deliveries.c.batch_n == sa.bindparam("batch"))
            .where(deliveries.c.state == State.PLANNED)
            .distinct()
        )
    )
)
