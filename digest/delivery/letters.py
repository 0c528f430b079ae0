"""Addresses a letter: who gets it, in which language; the sibling of `allotment`, which shares out entries.

Promises: everyone in the letter's segment gets the same text at once, in the shell of their language; it may be tried
for twelve hours; the number of people in its foot is that of the finished plan, written in the commit that ends it.
Killed anywhere, planning goes on with the variants that are stored. Writes nothing but variants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import languages, letters, publications, render
from digest.db import Database
from digest.delivery import ledger, variants
from digest.delivery.allotment import DEADLINE, Audience, Fate, Groups, Place, Spot, nobody_yet
from digest.editions import Edition
from digest.letters import Letter
from digest.tables import variants as t


@dataclass
class Addressing:
    """One letter being addressed; everything here can be read again after a kill."""

    db: Database
    audience: Audience
    edition: Edition
    letter: Letter
    languages: tuple[str, ...]
    topics: tuple[str, ...]  # names of those that the letter is for
    gate: Callable[[Connection], None]  # raises Stale when the plan is no longer this process's
    now: datetime  # when planning began
    _variants: dict[str, int]  # by language

    def block(self, low: int, high: int) -> tuple[Groups, dict[int, tuple[int, ...]]]:
        """Readers with low <= id < high that have no row yet; a letter leaves nobody anything owed."""
        with self.db.reading() as conn:
            rows = self.audience.addressees(conn, self.edition, self.letter.segment, low, high)
        readers: dict[Place, Spot] = {}
        for reader, language, rev, provider in rows:
            place = (Fate.PLANNED, self._variant(language))
            ids, revs, providers = readers.setdefault(place, nobody_yet())
            ids.append(reader)
            revs.append(rev)
            providers.append(provider)
        due = max(self.edition.starts_at or self.edition.created_at, self.now)
        return ({(due, due + DEADLINE): readers} if readers else {}), {}

    def put_off(self, conn: Connection, readers: Sequence[tuple[int, int]]) -> None:
        """Nobody gets too many letters."""

    def finish(self, conn: Connection) -> None:
        """Writes into every variant how many people the letter goes to."""
        people = ledger.totals(conn, self.edition.id).remaining
        for row in conn.execute(sa.select(t).where(t.c.edition_id == self.edition.id)).all():
            mail = render.counted(render.Rendered(row.subject, row.html, row.text), people, row.language)
            mine = (t.c.edition_id == self.edition.id, t.c.n == row.n)
            conn.execute(sa.update(t).where(*mine).values(html=mail.html, text=mail.text))

    def _variant(self, language: str) -> int:
        spoken = languages.choose(language, self.languages)
        if spoken not in self._variants:
            shell = render.Shell.from_json(self.edition.settings or {})
            mail = letters.rendered(shell, spoken, self.letter, self.topics)
            self._variants[spoken] = self.db.run(partial(self._store, spoken, mail), bulk=True)
        return self._variants[spoken]

    def _store(self, language: str, mail: render.Rendered, conn: Connection) -> int:
        self.gate(conn)
        n = len(self._variants) + 1
        variants.insert(conn, self.edition.id, n, language, mail)
        return n


def prepare(
    conn: Connection,
    db: Database,
    edition: Edition,
    audience: Audience,
    gate: Callable[[Connection], None],
    *,
    now: datetime,
) -> Addressing:
    """Reads all that addressing needs to know of the letter."""
    letter = letters.of(conn, edition.id)
    stored = conn.execute(sa.select(t.c.language, t.c.n).where(t.c.edition_id == edition.id))
    return Addressing(
        db=db,
        audience=audience,
        edition=edition,
        letter=letter,
        languages=publications.by_id(conn, edition.digest_id).languages,
        topics=tuple(letters.topic_names(conn, letter.segment)),
        gate=gate,
        now=now,
        _variants={row.language: row.n for row in stored},
    )
