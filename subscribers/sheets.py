"""CSV files of people: their columns, how they are read, and how cells are kept from running in a spreadsheet.

Promises: UTF-8 and UTF-16 with and without a byte order mark, else Latin-1; commas, semicolons, tabs and bars are told
apart; a row is named by the line where it begins; exports of other systems are read by their own column names.
Refuses: a file that is no text or has no header, before the first row is given out.
"""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TextIO

from digest.errors import BadInput
from subscribers import dialects

COLUMNS = (
    "email",
    "name",
    "language",
    "topics",
    "cadence",
    "hour",
    "zone",
    "digest",
    "state",
    "paused_until",
    "subscribed_at",
    "consented_at",
    "source",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Row:
    """One line of a file: its number, and what stands in the known columns (empty cells left out)."""

    line: int
    cells: Mapping[str, str]
    too_long: bool = False  # it has more cells than the header: something stands in the wrong column


class Reading:
    """A CSV file that can be read row by row, more than once; `warnings` tells how it was taken and what is left out.

    `fingerprint` is the same for the same bytes; `columns` are the names that it has, each with ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoding, self.fingerprint = _encoding(path)
        first = _first_line(path, self._encoding)
        self._delimiter = max(",;\t|", key=first.count)
        names = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=self._delimiter), [])]
        self._dialect = dialects.recognize(names)
        self._header = _checked_header(path, [self._dialect.columns.get(name, name) for name in names])
        self._ours = [(at, name) for at, name in enumerate(self._header) if name in COLUMNS]
        ours = (name if name in COLUMNS else "" for name in self._header)
        self.columns = tuple(zip(names, ours, strict=True))
        self.warnings = tuple(self._remarks(names))

    def _remarks(self, names: Sequence[str]) -> Iterator[str]:
        if self._encoding not in ("utf-8-sig", "utf-16"):
            yield f"{self._path}: it is not in UTF-8 and was read as Latin-1; look at a name with an accent."
        if self._dialect.name:
            yield f"{self._path}: read as an export of {self._dialect.name}."
        known = {*COLUMNS, *self._dialect.columns, *self._dialect.unused}
        for name in names:
            if name and name not in known:
                yield f"{self._path}: the column {name!r} is not known and was left out."

    def __iter__(self) -> Iterator[Row]:
        with self._path.open(encoding=self._encoding, newline="") as file:
            lines = csv.reader(file, delimiter=self._delimiter)
            next(lines, None)
            start = lines.line_num + 1
            try:
                for cells in lines:
                    if "".join(cells).strip():
                        beyond = cells[len(self._header) :]
                        yield Row(start, self._named(cells), bool(beyond and "".join(beyond).strip()))
                    start = lines.line_num + 1
            except csv.Error as error:
                why = f"The file cannot be read from here on ({error})."
                raise BadInput(f"{self._path}, line {start}", why, "Close the quotes, and import again.") from error

    def _named(self, cells: Sequence[str]) -> dict[str, str]:
        if self._dialect is dialects.OURS:
            width = len(cells)
            return {
                name: text for at, name in self._ours if at < width and (cell := cells[at]) and (text := _plain(cell))
            }
        found = {name: text for name, cell in zip(self._header, cells, strict=False) if name and (text := _plain(cell))}
        self._dialect.settle(found)
        return {name: cell for name, cell in found.items() if cell and name in COLUMNS}


def read(path: Path) -> Reading:
    """The rows of a CSV file: UTF-8, UTF-16 or Latin-1; comma, semicolon, tab or bar; a header row.

    Raises BadInput for a file that is not that.
    """
    return Reading(path)


def table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Any CSV file with a header row: the line of each row, and its cells by the lower-cased names of their columns.

    Raises BadInput for a file that is no text.
    """
    encoding, _ = _encoding(path)
    delimiter = max(",;\t|", key=_first_line(path, encoding).count)
    with path.open(encoding=encoding, newline="") as file:
        lines = csv.reader(file, delimiter=delimiter)
        header = [cell.strip().lower() for cell in next(lines, [])]
        for cells in lines:
            named = zip(header, (_plain(cell) for cell in cells), strict=False)
            yield lines.line_num, {name: cell for name, cell in named if name and cell}


def _encoding(path: Path) -> tuple[str, str]:
    """How the file is written, and the fingerprint of its bytes; it is read once, a part at a time."""
    remedy = "Save it again as CSV in UTF-8."
    marked, fits, zeros, digest = "", True, False, blake2b(digest_size=16)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 18):
                digest.update(chunk)
                if not marked and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    marked = "utf-16"
                zeros |= b"\0" in chunk
                fits = fits and _decodes(decoder, chunk)
        fits = fits and _decodes(decoder, b"", final=True)
    except OSError as error:
        raise BadInput(
            str(path), f"The file cannot be read: {error.strerror}.", "Check its name and rights."
        ) from error
    if marked:
        return marked, digest.hexdigest()
    if zeros:
        raise BadInput(str(path), "The file is no text: it holds zero bytes.", remedy)
    return ("utf-8-sig" if fits else "latin-1"), digest.hexdigest()


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _first_line(path: Path, encoding: str) -> str:
    try:
        with path.open(encoding=encoding, newline="") as text:
            return text.readline(1 << 20).rstrip("\r\n")
    except UnicodeError as error:
        raise BadInput(
            str(path), f"The file cannot be read as {encoding}.", "Save it again as CSV in UTF-8."
        ) from error


def _checked_header(path: Path, names: list[str]) -> list[str]:
    if "email" not in names:
        raise BadInput(f"{path}, line 1", "There is no column email.", f"Name the columns: {', '.join(COLUMNS)}.")
    if twice := [name for name, count in Counter(filter(None, names)).items() if count > 1]:
        raise BadInput(f"{path}, line 1", f"The column {twice[0]!r} is there twice.", "Keep one of them.")
    return names


def write(rows: Iterable[Sequence[str]], file: TextIO) -> int:
    """Writes rows as CSV (RFC 4180), the first being the names of the columns; says how many came after it."""
    writer, count = csv.writer(file), -1
    for row in rows:
        writer.writerow([quoted(cell) for cell in row])
        count += 1
    return count


def quoted(cell: str) -> str:
    """The cell so that no spreadsheet takes it for a formula; reading takes the mark off again."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell.strip()
