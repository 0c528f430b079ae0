"""The compiled bodies of one edition: each made once for all readers with the same entries and language.

Promises: the shell and every entry are inlined once per language, so that thousands of variants are joins; a variant
once stored is never changed. Serves planning, which asks for the variant of a list, and sending, which takes
withdrawn items out of lists that were planned before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import archive, editions, items, news, publications, render, sharing, tables
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
    rendered: render.Rendered | None


class Bodies:
    """The variants of one edition, found or made on demand. `most`: entries beyond it go on as titles."""

    def __init__(self, conn: Connection, edition: Edition) -> None:
        if edition.settings is None:
            raise ValueError("only a frozen edition has bodies")
        self.edition = edition
        self.most = publications.one_series(conn, edition.digest_id, edition.cadence).most
        self._shell = render.Shell.from_json(edition.settings)
        self._presses: dict[str, render.Press] = {}
        self._log: dict[int, Entry] = {}
        self._items: dict[int, Item] = {}
        self._revisions = {story.sequence: story.item for story in archive.stories(conn, edition.id)}
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
        first = news.first_news(conn, set(current))
        names = {topic.slug: topic.name for topic in publications.topics(conn)}
        zone = ZoneInfo(self._shell.zone)
        for sequence, entry in entries.items():
            item = self._revisions.get(sequence, current[entry.item_id])
            self._log[sequence] = entry
            self._items[entry.item_id] = item
            self._views[sequence] = render.EntryView(
                sequence=sequence,
                what=entry.what,
                note=entry.note,
                item=item,
                first_sent=_local_day(first.get(item.id), zone),
                topics=tuple(names.get(slug, slug) for slug in item.topics),
            )

    def number(self, conn: Connection, sequences: Collection[int], language: str) -> int:
        """The variant that holds just these entries in this language; made and stored when there is none."""
        body = self.body(sequences, language)
        return self.remember(body, self.store(conn, body))

    def body(self, sequences: Collection[int], language: str) -> Body:
        """The same, compiled without the database: it takes long enough to keep other writers waiting."""
        order = sharing.reading_order(sequences, self._log, self._items)
        known = (json.dumps(order), language) in self._found
        return Body(language, order, None if known else self.press(language, order).variant(order, most=self.most))

    def store(self, conn: Connection, body: Body) -> int:
        """The number of a body, stored when it is new; to be remembered when that is committed."""
        key = (json.dumps(body.entries), body.language)
        if key in self._found or body.rendered is None:
            return self._found[key]
        n = len(self._found) + 1
        values = {"edition_id": self.edition.id, "n": n, "entries": key[0], "language": key[1]}
        parts = {"subject": body.rendered.subject, "html": body.rendered.html, "text": body.rendered.text}
        conn.execute(sa.insert(t).values(**values, **parts))
        conn.execute(
            sa.insert(variant_entries),
            [{"edition_id": self.edition.id, "variant_n": n, "sequence": sequence} for sequence in body.entries],
        )
        return n

    def remember(self, body: Body, n: int) -> int:
        """From now on this body has this number."""
        self._found[json.dumps(body.entries), body.language] = n
        return n

    def press(self, language: str, sequences: Iterable[int]) -> render.Press:
        """The press of one language, with these entries ready."""
        views = [self._views[sequence] for sequence in sequences]
        if language not in self._presses:
            self._presses[language] = render.Press(self._shell, language, views)
        else:
            self._presses[language].add(views)
        return self._presses[language]


def _local_day(moment: datetime | None, zone: ZoneInfo) -> date | None:
    return moment.astimezone(zone).date() if moment else None


def take_out_withdrawn(conn: Connection, edition: Edition, batch_n: int) -> None:
    """Rows of a batch that are still planned lose what was withdrawn meanwhile; a list that is empty then is skipped.

    Does nothing when staff said that the edition goes on as it is.
    """
    if edition.as_is:
        return
    planned = (
        deliveries.c.edition_id == edition.id,
        deliveries.c.batch_n == batch_n,
        deliveries.c.state == State.PLANNED,
    )
    log, i, ve = tables.publication_log, tables.items, variant_entries
    of_rows = sa.select(deliveries.c.variant_n).where(*planned).distinct()
    rows = conn.execute(
        sa.select(ve.c.variant_n, ve.c.sequence)
        .join(log, log.c.sequence == ve.c.sequence)
        .join(i, i.c.id == log.c.item_id)
        .where(ve.c.edition_id == edition.id, ve.c.variant_n.in_(of_rows), i.c.state != "published")
    ).all()
    gone: dict[int, set[int]] = {}
    for row in rows:
        gone.setdefault(row.variant_n, set()).add(row.sequence)
    if gone:
        _replace(conn, edition, batch_n, gone, planned)


def _replace(
    conn: Connection,
    edition: Edition,
    batch_n: int,
    gone: dict[int, set[int]],
    planned: tuple[sa.ColumnElement[bool], ...],
) -> None:
    editions.find(conn, edition.id, lock=True)
    bodies = Bodies(conn, edition)
    for variant_n, sequences in gone.items():
        row = conn.execute(
            sa.select(t.c.entries, t.c.language).where(t.c.edition_id == edition.id, t.c.n == variant_n)
        ).one()
        left = [sequence for sequence in json.loads(row.entries) if sequence not in sequences]
        change = sa.update(deliveries).where(*planned, deliveries.c.variant_n == variant_n)
        if left:
            bodies.learn(conn, left)
            conn.execute(change.values(variant_n=bodies.number(conn, left, row.language)))
        else:
            skipped = conn.execute(change.values(state=State.SKIPPED, code="withdrawn")).rowcount
            conn.execute(
                sa.update(batches)
                .where(batches.c.edition_id == edition.id, batches.c.n == batch_n)
                .values(skipped=batches.c.skipped + skipped)
            )
