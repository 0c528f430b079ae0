"""Files of people on their way in by the console: kept in the home, tried before anything is written, then brought in.

Promises: a file has a bound, is for the program's eyes alone, has a name by chance that nobody can guess, and is
deleted once its people are in, or after a day; lines that cannot be used are left out, and kept as long with their
reasons. Refuses: a file that `sheets` cannot read, and an import without words that say where consent comes from.
"""

from __future__ import annotations

import csv
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from digest import markup, publications
from digest.errors import BadInput, NotFound, Refused
from digest.home import Home
from subscribers import sheets, transfer
from subscribers.sheets import COLUMNS, Reading, Row
from subscribers.transfer import Report

FOLDER = "arriving"
LEFT_OUT = "left-out.csv"
LARGEST = 16 * 1024 * 1024  # bytes: about 200,000 lines
KEPT = timedelta(days=1)
LONGEST = 1_000  # characters that say where consent comes from
_NAME = re.compile("[0-9a-f]{32}")
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
    arrival = Arrival(secrets.token_hex(16), name)
    path = _path(home, arrival.id, "csv")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        with _open(path) as out:
            size = 0
            while chunk := file.read(1 << 18):
                size += len(chunk)
                if size > LARGEST:
                    why = f"It is larger than {LARGEST >> 20} MB."
                    raise BadInput("file", why, "Divide it, or use `digest people import`.")
                out.write(chunk)
        _reading(home, arrival)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    _date(path, now)
    _note(home, arrival, now)
    return arrival


def forget(home: Home, *, now: datetime) -> None:
    """Deletes what was kept for a day."""
    for path in (home.path / FOLDER).glob("*.*"):
        if path.stat().st_mtime < (now - KEPT).timestamp():
            path.unlink(missing_ok=True)


def find(home: Home, number: str) -> Arrival:
    """The file with this number. Raises NotFound, also when its day is over."""
    if not _NAME.fullmatch(number):
        raise NotFound("There is no such file.")
    try:
        said = json.loads(_path(home, number, "json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound("This file is not kept any more. Bring it again.") from None
    counts = said.pop("counts")
    return Arrival(**said, counts=Counts(**counts) if counts else None)


def columns(home: Home, arrival: Arrival) -> tuple[list[tuple[str, str, str]], tuple[str, ...]]:
    """Each column as the file names it, as we do (or empty: left out), and its first cell; and what else is to be
    said of how the file was read."""
    reading = _reading(home, arrival)
    first = next(iter(reading), Row(0, {}))
    found = [(theirs, ours, first.cells.get(ours, "")) for theirs, ours in reading.columns]
    path = f"{_path(home, arrival.id, 'csv')}: "
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
    _path(home, arrival.id, "csv").unlink(missing_ok=True)
    return done


def unusable(home: Home, arrival: Arrival) -> str:
    """The lines that are left out, as CSV, with what is wrong and what to do about it."""
    path = _path(home, arrival.id, LEFT_OUT)
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
    _note(home, result, now)
    return result


def _keep_unusable(home: Home, arrival: Arrival, reading: Reading, report: Report, now: datetime) -> None:
    wrong: dict[int, tuple[str, str, str]] = {}
    for problem in report.problems:
        if found := _LINE.fullmatch(problem.where):
            wrong[int(found[1])] = (found[2], problem.why, problem.remedy)
    path = _path(home, arrival.id, LEFT_OUT)
    with open(_descriptor(path), "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["line", "where", "why", "what to do", *COLUMNS])
        for row in reading:
            if row.line in wrong:
                cells: Sequence[str] = [row.cells.get(name, "") for name in COLUMNS]
                writer.writerow([sheets.quoted(cell) for cell in (str(row.line), *wrong[row.line], *cells)])
    _date(path, now)


def _reading(home: Home, arrival: Arrival) -> Reading:
    path = _path(home, arrival.id, "csv")
    if not path.exists():
        raise NotFound("This file is not kept any more. Bring it again.")
    try:
        return sheets.read(path)
    except BadInput as error:
        raise BadInput("file", error.problem.why, error.problem.remedy) from error


def _note(home: Home, arrival: Arrival, now: datetime) -> None:
    path = _path(home, arrival.id, "json")
    with open(_descriptor(path), "w", encoding="utf-8") as out:
        json.dump(asdict(arrival), out)
    _date(path, now)


def _date(path: Path, now: datetime) -> None:
    """By the caller's clock, which `forget` goes by."""
    os.utime(path, (now.timestamp(), now.timestamp()))


def _open(path: Path) -> BinaryIO:
    return open(_descriptor(path), "wb")


def _descriptor(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _path(home: Home, number: str, kind: str) -> Path:
    return home.path / FOLDER / f"{number}.{kind}"
