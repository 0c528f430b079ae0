"""People in and out as CSV: what another system knows of them, with where their consent comes from.

Promises: one bad row never stops the rest, and its line is named; an import can be repeated; nobody on the
do-not-mail list and nobody who left is brought back; what goes out can be read in again and runs no formula in a
spreadsheet. Refuses: a file that `sheets` cannot read, and a digest that does not exist, before anything is written.
"""

from __future__ import annotations

import functools
import itertools
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import publications
from digest.db import Database
from digest.errors import BadInput, Problem
from digest.keys import Keyring
from subscribers import consent as consents
from subscribers import entrants, imports, members, newcomers, records, sheets, suppression
from subscribers.entrants import SUPPRESSED, Entry, Target
from subscribers.imports import Import
from subscribers.sheets import Row
from subscribers.tables import subscribers, suppressions

BATCH = 1_000  # rows a transaction

read = sheets.read  # the rows of a CSV file: one door for the faces


@dataclass(frozen=True)
class Report:
    """What an import did, in rows; `problems` names each row that was not taken as it stands."""

    created: int
    changed: int
    unchanged: int
    refused: int
    suppressed: int
    problems: tuple[Problem, ...]


# --- importing -------------------------------------------------------------------------------------------------


def import_people(
    db: Database,
    keyring: Keyring,
    rows: Iterable[Row],
    *,
    digest: str,
    consent: str,
    now: datetime,
    dry_run: bool = False,
    name: str = "",
) -> Report:
    """Brings people in, 1,000 rows a transaction; rows that name no digest go to `digest`.

    `consent` says in words where their consent comes from. They get mail when all of them are in, and an import that
    was cut off goes on where it was when one of the same `name` begins. With `dry_run` the report is the same and
    nothing is kept.
    """
    with db.reading() as conn:
        publications.find(conn, digest)  # a mistyped digest stops everything, not every row
        known = {one.slug: Target(one.id, newcomers.offered(conn, one.id)) for one in publications.all(conn)}
    job = _Job(db, keyring, known, digest, consent, now)
    return job.rehearse(rows) if dry_run else job.perform(rows, name or secrets.token_hex(16))


Outcome = tuple[Counter[str], list[tuple[int, Problem]]]  # counts, and what was refused by line


class _Job:
    """One import: understands rows, a batch at a time, and writes them."""

    def __init__(
        self,
        db: Database,
        keyring: Keyring,
        known: Mapping[str, Target],
        digest: str,
        consent: str,
        now: datetime,
    ) -> None:
        self._db, self._keyring, self._known, self._now = db, keyring, known, now
        self._digest, self._consent = digest, consent
        self._seen = _Seen()

    def perform(self, rows: Iterable[Row], name: str) -> Report:
        """Writes everything; people are active with the last commit."""
        one = self._db.run(functools.partial(imports.begin, key=name, now=self._now))
        for batch in _batches(rows):
            if batch[-1].line <= one.line:  # a former run has dealt with it
                self._understood(batch)
            else:
                self._db.run(functools.partial(self._write, one, self._understood(batch), batch[-1].line), bulk=True)
        return _report(*self._db.run(functools.partial(imports.finish, one=one), bulk=True))

    def rehearse(self, rows: Iterable[Row]) -> Report:
        """Says what would happen."""
        counts: Counter[str] = Counter()
        problems: list[Problem] = []
        for batch in _batches(rows):
            found, wrong = self._db.run(functools.partial(self._try, self._understood(batch)), bulk=True)
            counts += found
            problems += [problem for _, problem in wrong]
        return _report(counts, problems)

    def _understood(self, batch: Sequence[Row]) -> tuple[list[Entry], list[tuple[int, Problem]]]:
        """The rows that can be taken, and why the others cannot, each with its line."""
        entries, refused = [], []
        for row in batch:
            try:
                entries.append(self._new(entrants.understand(row, self._known, self._digest, self._consent)))
            except BadInput as error:
                refused.append((row.line, error.problem.on(row.line)))
        return entries, refused

    def _new(self, entry: Entry) -> Entry:
        if self._seen.before(f"{entry.digest} {entry.newcomer.address.key}"):
            why = "The same address stands on a line before; only that one was used."
            raise BadInput("email", why, "Remove one of the two.")
        return entry

    def _try(self, understood: tuple[list[Entry], list[tuple[int, Problem]]], conn: Connection) -> Outcome:
        with conn.begin_nested() as trial:
            done = self._taken(conn, *understood, import_id=None)
            trial.rollback()
        return done

    def _write(
        self,
        one: Import,
        understood: tuple[list[Entry], list[tuple[int, Problem]]],
        line: int,
        conn: Connection,
    ) -> None:
        counts, problems = self._taken(conn, *understood, import_id=one.id)
        imports.note(conn, one, line=line, counts=counts, problems=problems)

    def _taken(
        self, conn: Connection, entries: list[Entry], refused: list[tuple[int, Problem]], import_id: int | None
    ) -> Outcome:
        """Writes the entries; what they came to, with what was refused before."""
        counts, problems = Counter({"refused": len(refused)}), list(refused)
        for entry, what in self._outcomes(conn, entries, import_id):
            if what == "left":
                counts["refused"] += 1
                problems.append((entry.line, _LEFT.on(entry.line)))
                continue
            counts[what] += 1
            if what == SUPPRESSED and not entry.suppressed:
                problems.append((entry.line, _BARRED.on(entry.line)))
        return counts, sorted(problems, key=lambda one: one[0])

    def _outcomes(self, conn: Connection, entries: Sequence[Entry], import_id: int | None) -> list[tuple[Entry, str]]:
        """What became of each entry."""
        outcomes = [(entry, SUPPRESSED) for entry in entries if entry.suppressed]
        for entry, _ in outcomes:
            suppression.add(conn, self._keyring, entry.newcomer.address.email, reason="imported", now=self._now)
        for slug in sorted({entry.digest for entry in entries}):
            mine = [entry for entry in entries if entry.digest == slug and not entry.suppressed]
            people = [replace(entry.newcomer, import_id=import_id) for entry in mine]
            added = members.add_all(conn, self._keyring, people, digest_id=self._known[slug].id, now=self._now)
            outcomes += [(entry, one.what) for entry, one in zip(mine, added, strict=True)]
        return outcomes


class _Seen:
    """Which texts came before, by eight bytes of their hashes: a million of them take 15 MB, and a set 100."""

    SIZE = 6  # bytes of a hash that are kept; two more say in which of the lists

    def __init__(self) -> None:
        self._lists = [bytearray() for _ in range(1 << 16)]

    def before(self, text: str) -> bool:
        """Whether it came before; from now on it has."""
        digest = blake2b(text.encode(), digest_size=self.SIZE + 2).digest()
        listed, rest = self._lists[int.from_bytes(digest[:2])], digest[2:]
        at = listed.find(rest)
        while at > 0 and at % self.SIZE:
            at = listed.find(rest, at + 1)
        if at < 0:
            listed += rest
        return at >= 0


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    coming = iter(rows)
    while batch := list(itertools.islice(coming, BATCH)):
        yield batch


def _report(counts: Counter[str], problems: Sequence[Problem]) -> Report:
    counted = {what: counts[what] for what in ("created", "changed", "unchanged", "refused", SUPPRESSED)}
    return Report(**counted, problems=tuple(problems))


_LEFT = Problem("email", "This person has left, and an import brings nobody back.", "Only they can sign up again.")
_BARRED = Problem("email", "The address is on the do-not-mail list and was not added.", "Leave it out of the file.")


# --- exporting -------------------------------------------------------------------------------------------------


def export(conn: Connection) -> Iterator[tuple[str, ...]]:
    """Everyone, a row for each subscription after a row of column names; what comes out can be imported again."""
    barred = set(conn.scalars(sa.select(subscribers.c.id).join(suppressions, _SAME_ADDRESS)))
    origins = consents.latest(conn)
    yield sheets.COLUMNS
    for one in records.standing(conn):
        origin = origins.get((one.subscriber_id, one.digest_id), consents.NOTHING_STATED)
        state = SUPPRESSED if one.subscriber_id in barred else one.state
        choices = ";".join(f"{topic}={how_often}" for topic, how_often in sorted(one.preferences.items()))
        person = (one.email, one.name, one.language, choices, "", str(one.hour), one.zone, one.digest, state)
        since = one.joined_at.isoformat()
        cells = (*person, one.paused_until or "", since, origin.consented_at, origin.source)
        yield cells


_SAME_ADDRESS = suppressions.c.email_hash == subscribers.c.email_hash
