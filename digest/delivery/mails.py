"""The compiled mails of the variants that are being sent, as many kept at hand as fit into a bounded memory.

Promises: a variant is read and compiled once while it is needed; the same bytes come out whenever it is made again.
Refuses nothing.
"""

from __future__ import annotations

from collections import OrderedDict

import sqlalchemy as sa

from digest import render, tables
from digest.db import Database
from digest.delivery import message
from digest.editions import Edition

KEPT = 48 * 1024 * 1024  # bytes; readers of one hour may share a thousand small variants, or a few large ones


class Mails:
    """Compiled variants by edition and number; `key` makes their Message-IDs."""

    def __init__(self, db: Database, key: bytes) -> None:
        self._db, self._key = db, key
        self._kept: OrderedDict[tuple[int, int], message.Compiled] = OrderedDict()
        self._size = 0

    def get(self, edition: Edition, n: int) -> message.Compiled:
        """The compiled variant `n` of a frozen edition."""
        key = (edition.id, n)
        if key not in self._kept:
            self._kept[key] = made = self._compile(edition, n)
            self._size += made.size
            while self._size > KEPT and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1].size
        self._kept.move_to_end(key)
        return self._kept[key]

    def _compile(self, edition: Edition, n: int) -> message.Compiled:
        v = tables.variants
        with self._db.reading() as conn:
            row = conn.execute(
                sa.select(v.c.subject, v.c.html, v.c.text).where(v.c.edition_id == edition.id, v.c.n == n)
            ).one()
        rendered = render.Rendered(row.subject, row.html, row.text)
        shell = render.Shell.from_json(edition.settings or {})
        return message.compile(rendered, shell, uid=edition.uid, variant=n, key=self._key, date=edition.goes_at)
