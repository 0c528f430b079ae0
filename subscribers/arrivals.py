"""Files of people on their way in by the console: parked, tried before anything is written, then brought in.

Promises: a file is deleted once its people are in, or after a day (see `parking`); lines that cannot be used are left
out, and kept as long with their reasons. Refuses: a file that `sheets` cannot read, and an import without words that
say where consent comes from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from io import TextIOWrapper
from typing import BinaryIO

from digest import markup, parking, publications
from digest.errors import BadInput, NotFound, Refused
from digest.home import Home
from subscribers import sheets, transfer
from subscribers.sheets import COLUMNS, Reading, Row
from subscribers.transfer import Report

LEFT_OUT = "left-out.csv"
LARGEST = 16 * 1024 * 1024  # bytes: about 200,000 lines
LONGEST = 1_000  # characters that say where consent comes from
_LINE = re.compile(r"line (\d+), (.*)")


@dataclass(frozen=True)
class Counts:
    """What becomes of the lines of a file."""

    new: int
    changed: int
    unchanged: int
    barred: int
    unusable: int

    @property
    def coming(self) -> int:
        """Whom the import changes anything for."""
        return self.new + self.changed


@dataclass(frozen=True)
class Arrival:
    """One file: its number by chance, what it was called, and what was said of it so far."""

    id: str
    name: str
    digest: str = ""  # slug
    words: str = ""
    counts: Counts | None = None  # of the trial, or of the import when it is `done`
    done: bool = False


def keep(home: Home, file: BinaryIO, name: str, *, now: datetime) -> Arrival:
    """Keeps a file that came. Raises BadInput naming "file" when it is too large, empty, or no list of people."""
    forget(home, now=now)
    arrival = Arrival(parking.number(), name)
    remedy = "Divide it, or use `digest people import`."
    path = parking.keep(home, file, arrival.id, "csv", most=LARGEST, remedy=remedy, now=now)
    try:
        _reading(home, arrival)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    parking.note(home, arrival.id, asdict(arrival), now=now)
    return arrival


def forget(home: Home, *, now: datetime) -> None:
    """Deletes what was kept for a day."""
    parking.forget(home, now=now)


def find(home: Home, number: str) -> Arrival:
    """The file with this number. Raises NotFound, also when its day is over."""
    said = parking.facts(home, number)
    if set(said) != {one.name for one in fields(Arrival)}:
        raise NotFound("There is no such list.")  # but a file of another kind
    counts = said.pop("counts")
    return Arrival(**said, counts=Counts(**counts) if counts else None)


def columns(home: Home, arrival: Arrival) -> tuple[list[tuple[str, str, str]], tuple[str, ...]]:
    """Each column as the file names it, as we do (or empty: left out), and its first cell; and what else is to be
    said of how the file was read."""
    reading = _reading(home, arrival)
    first = next(iter(reading), Row(0, {}))
    found = [(theirs, ours, first.cells.get(ours, "")) for theirs, ours in reading.columns]
    path = f"{parking.path(home, arrival.id, 'csv')}: "
    return found, tuple(markup.line(said.removeprefix(path)) for said in reading.warnings)


def rehearse(home: Home, arrival: Arrival, *, digest: str, words: str, now: datetime) -> Arrival:
    """Says what would become of each line, and changes nothing. Raises BadInput naming "words"."""
    said = markup.line(words)
    if not said or len(said) > LONGEST:
        why = "It says nothing." if not said else "It is too long."
        raise BadInput("words", why, "Say where and when these people agreed.")
    with home.db.reading() as conn:
        publications.find(conn, digest)
    tried = replace(arrival, digest=digest, words=said)
    return _through(home, tried, now=now, dry_run=True)


def perform(home: Home, arrival: Arrival, *, now: datetime) -> Arrival:
    """Brings everybody in, as the trial said; the file is deleted. Raises Refused without a trial, or after it."""
    if arrival.counts is None or arrival.done:
        raise Refused("These people are in already." if arrival.done else "Look first at what would happen.")
    done = _through(home, arrival, now=now, dry_run=False)
    parking.drop(home, arrival.id, "csv")
    return done


def unusable(home: Home, arrival: Arrival) -> str:
    """The lines that are left out, as CSV, with what is wrong and what to do about it."""
    path = parking.path(home, arrival.id, LEFT_OUT)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _through(home: Home, arrival: Arrival, *, now: datetime, dry_run: bool) -> Arrival:
    reading = _reading(home, arrival)
    report = transfer.import_people(
        home.db,
        home.keys,
        reading,
        digest=arrival.digest,
        consent=arrival.words,
        now=now,
        dry_run=dry_run,
        name=f"{reading.fingerprint} {arrival.digest} {arrival.words}",
    )
    counts = Counts(report.created, report.changed, report.unchanged, report.suppressed, report.refused)
    result = replace(arrival, counts=counts, done=not dry_run)
    _keep_unusable(home, arrival, reading, report, now)
    parking.note(home, result.id, asdict(result), now=now)
    return result


def _keep_unusable(home: Home, arrival: Arrival, reading: Reading, report: Report, now: datetime) -> None:
    wrong: dict[int, tuple[str, str, str]] = {}
    for problem in report.problems:
        if found := _LINE.fullmatch(problem.where):
            wrong[int(found[1])] = (found[2], problem.why, problem.remedy)
    path = parking.path(home, arrival.id, LEFT_OUT)
    with TextIOWrapper(parking.open_new(path), encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["line", "where", "why", "what to do", *COLUMNS])
        for row in reading:
            if row.line in wrong:
                cells: Sequence[str] = [row.cells.get(name, "") for name in COLUMNS]
                writer.writerow([sheets.quoted(cell) for cell in (str(row.line), *wrong[row.line], *cells)])
    parking.date(path, now)


def _reading(home: Home, arrival: Arrival) -> Reading:
    path = parking.path(home, arrival.id, "csv")
    if not path.exists():
        raise NotFound("This file is not kept any more. Bring it again.")
    try:
        return sheets.read(path)
    except BadInput as error:
        raise BadInput("file", error.problem.why, error.problem.remedy) from error
