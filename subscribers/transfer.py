"""People in and out as CSV: what another system knows of them, with where their consent comes from.

Promises: one bad row never stops the rest, and its line is named; an import can be repeated; nobody on the
do-not-mail list and nobody who left is brought back; what goes out can be read in again and runs no formula in a
spreadsheet. Refuses: a file that `sheets` cannot read, and a digest that does not exist, before anything is written.
"""

from __future__ import annotations

import csv
import functools
import itertools
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import TextIO

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import markup, publications
from digest.db import Database
from digest.errors import BadInput, Problem
from digest.keys import Keyring
from subscribers import consent as consents
from subscribers import imports, members, newcomers, preferences, records, sheets, suppression
from subscribers.consent import Origin
from subscribers.imports import Import
from subscribers.newcomers import Choices, Newcomer
from subscribers.sheets import Row
from subscribers.tables import subscribers, suppressions

BATCH = 1_000  # rows a transaction
SUPPRESSED = "suppressed"

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


@dataclass(frozen=True)
class _Entry:
    """A row that is understood."""

    line: int
    digest: str
    newcomer: Newcomer
    suppressed: bool  # the file says that this address must not be mailed


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
        known = {one.slug: _Target(one.id, newcomers.offered(conn, one.id)) for one in publications.all(conn)}
    job = _Job(db, keyring, known, digest, consent, now)
    return job.rehearse(rows) if dry_run else job.perform(rows, name or secrets.token_hex(16))


@dataclass(frozen=True)
class _Target:
    """A digest that rows may name."""

    id: int
    offered: tuple[str, ...]


Outcome = tuple[Counter[str], list[tuple[int, Problem]]]  # counts, and what was refused by line


class _Job:
    """One import: understands rows, a batch at a time, and writes them."""

    def __init__(
        self,
        db: Database,
        keyring: Keyring,
        known: Mapping[str, _Target],
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

    def _understood(self, batch: Sequence[Row]) -> tuple[list[_Entry], list[tuple[int, Problem]]]:
        """The rows that can be taken, and why the others cannot, each with its line."""
        entries, refused = [], []
        for row in batch:
            try:
                entries.append(self._new(_entry(row, self._known, self._digest, self._consent)))
            except BadInput as error:
                refused.append((row.line, _at(row.line, error.problem)))
        return entries, refused

    def _new(self, entry: _Entry) -> _Entry:
        if self._seen.before(f"{entry.digest} {entry.newcomer.address.key}"):
            why = "The same address stands on a line before; only that one was used."
            raise BadInput("email", why, "Remove one of the two.")
        return entry

    def _try(self, understood: tuple[list[_Entry], list[tuple[int, Problem]]], conn: Connection) -> Outcome:
        with conn.begin_nested() as trial:
            done = self._taken(conn, *understood, import_id=None)
            trial.rollback()
        return done

    def _write(
        self,
        one: Import,
        understood: tuple[list[_Entry], list[tuple[int, Problem]]],
        line: int,
        conn: Connection,
    ) -> None:
        counts, problems = self._taken(conn, *understood, import_id=one.id)
        imports.note(conn, one, line=line, counts=counts, problems=problems)

    def _taken(
        self, conn: Connection, entries: list[_Entry], refused: list[tuple[int, Problem]], import_id: int | None
    ) -> Outcome:
        """Writes the entries; what they came to, with what was refused before."""
        counts, problems = Counter({"refused": len(refused)}), list(refused)
        for entry, what in self._outcomes(conn, entries, import_id):
            if what == "left":
                counts["refused"] += 1
                problems.append((entry.line, _at(entry.line, _LEFT)))
                continue
            counts[what] += 1
            if what == SUPPRESSED and not entry.suppressed:
                problems.append((entry.line, _at(entry.line, _BARRED)))
        return counts, sorted(problems, key=lambda one: one[0])

    def _outcomes(self, conn: Connection, entries: Sequence[_Entry], import_id: int | None) -> list[tuple[_Entry, str]]:
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


def _at(line: int, problem: Problem) -> Problem:
    return Problem(f"line {line}, {problem.where}", problem.why, problem.remedy)


def _entry(row: Row, known: Mapping[str, _Target], digest: str, consent: str) -> _Entry:
    """What a row says. Raises BadInput naming the column."""
    cells = row.cells
    if row.too_long:
        raise BadInput("columns", "It has more cells than the header.", "Put cells with separators in them in quotes.")
    address = suppression.address(cells.get("email", ""))
    slug = cells.get("digest", digest)
    if slug not in known:
        raise BadInput("digest", f"There is no digest {slug[:60]!r}.", f"Known are: {', '.join(sorted(known))}.")
    state = _state(cells.get("state", "active"))
    choices = Choices(
        _choices(cells, known[slug].offered),
        _number("hour", cells.get("hour")),
        cells.get("zone"),
        cells.get("name"),
        cells.get("language"),
    )
    newcomer = Newcomer(
        address,
        newcomers.checked(choices, known[slug].offered),
        "active" if state == SUPPRESSED else state,
        _day("paused_until", cells.get("paused_until")) if state == "paused" else None,
        _moment("subscribed_at", cells.get("subscribed_at")),
        Origin(markup.line(consent), markup.line(cells.get("source", "")), _stated(cells.get("consented_at"))),
    )
    return _Entry(row.line, slug, newcomer, state == SUPPRESSED)


def _choices(cells: Mapping[str, str], offered: Sequence[str]) -> dict[str, str] | None:
    return _chosen(cells.get("topics", ""), cells.get("cadence", "").strip().lower(), tuple(offered))


@functools.lru_cache(maxsize=1024)
def _chosen(topics: str, cadence: str, offered: tuple[str, ...]) -> dict[str, str] | None:
    if "=" in topics:
        return preferences.parse(topics, offered)
    if not topics and not cadence:
        return None
    named = [preferences.checked_topic(part.strip().lower()) for part in topics.split(";") if part.strip()]
    return preferences.of(named, cadence or publications.usual(offered))


def _state(text: str) -> str:
    state = text.strip().lower()
    if state not in (*members.STATES, SUPPRESSED):
        raise BadInput("state", f"{text[:40]!r} is no state.", f"Write {', '.join(members.STATES)} or {SUPPRESSED}.")
    return state


def _number(where: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\s*[0-9]{1,2}\s*", text):
        raise BadInput(where, f"{text[:40]!r} is no hour.", "Write a whole number from 0 to 23.")
    return int(text)


def _day(where: str, text: str | None) -> date | None:
    moment = _moment(where, text)
    return moment.date() if moment else None


def _moment(where: str, text: str | None) -> datetime | None:
    """A day or a moment in ISO 8601; without a zone it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(where, f"{text[:40]!r} is no date.", "Write it as 2026-08-31.") from None


def _stated(text: str | None) -> str:
    moment = _moment("consented_at", text)
    return moment.isoformat() if moment else ""


# --- exporting -------------------------------------------------------------------------------------------------


def export(conn: Connection) -> Iterator[tuple[str, ...]]:
    """Everyone, a row for each subscription after a row of column names; cells that a spreadsheet would run are quoted.

    What comes out can be imported again.
    """
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
        yield tuple(sheets.quoted(cell) for cell in cells)


_SAME_ADDRESS = suppressions.c.email_hash == subscribers.c.email_hash


def write(conn: Connection, file: TextIO) -> int:
    """Writes `export` as CSV (RFC 4180) and says how many people's rows it wrote."""
    rows = list(export(conn))
    csv.writer(file).writerows(rows)
    return len(rows) - 1
