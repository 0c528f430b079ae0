"""CSV files of people: their columns, how they are read, and how cells are kept from running in a spreadsheet.

Promises: commas, semicolons and tabs are told apart; a byte order mark does no harm; a row is named by the line where
it begins. Refuses: a file that is not wholly UTF-8 or has no header, before the first row is given out.
"""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from digest.errors import BadInput

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
    """A CSV file that can be read row by row, more than once; `warnings` names the columns that are left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        first = _checked_text(path)
        self._delimiter = max(",;\t", key=first.count)
        self._header = _header(path, next(csv.reader([first], delimiter=self._delimiter), []))
        unknown = [name for name in self._header if name and name not in COLUMNS]
        self.warnings = tuple(f"{path}: the column {name!r} is not known and was left out." for name in unknown)

    def __iter__(self) -> Iterator[Row]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=self._delimiter)
            next(lines, None)
            start = lines.line_num + 1
            try:
                for cells in lines:
                    if any(cell.strip() for cell in cells):
                        yield Row(start, self._named(cells), any(cell.strip() for cell in cells[len(self._header) :]))
                    start = lines.line_num + 1
            except csv.Error as error:
                why = f"The file cannot be read from here on ({error})."
                raise BadInput(f"{self._path}, line {start}", why, "Close the quotes, and import again.") from error

    def _named(self, cells: Sequence[str]) -> dict[str, str]:
        named = zip(self._header, (_plain(cell) for cell in cells), strict=False)
        return {name: cell for name, cell in named if cell and name in COLUMNS}


def read(path: Path) -> Reading:
    """The rows of a CSV file: UTF-8 with or without a byte order mark; comma, semicolon or tab; a header row.

    Raises BadInput for a file that is not that.
    """
    return Reading(path)


def _checked_text(path: Path) -> str:
    """The first line of a file that is UTF-8 throughout."""
    where, remedy = str(path), "Save it again as CSV in UTF-8."
    try:
        with path.open("rb") as file:
            if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise BadInput(where, "The file is in UTF-16, not in UTF-8.", remedy)
        with path.open(encoding="utf-8-sig", newline="") as text:
            chunk = first = text.readline()
            while chunk:
                if "\0" in chunk:
                    raise BadInput(where, "The file is no text: it holds zero bytes.", remedy)
                chunk = text.read(1 << 16)
    except OSError as error:
        raise BadInput(where, f"The file cannot be read: {error.strerror}.", "Check its name and rights.") from error
    except UnicodeDecodeError as error:
        raise BadInput(where, f"The file is not in UTF-8 (from byte {error.start}).", remedy) from error
    return first.rstrip("\r\n")


def _header(path: Path, cells: Sequence[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if "email" not in names:
        raise BadInput(f"{path}, line 1", "There is no column email.", f"Name the columns: {', '.join(COLUMNS)}.")
    if twice := [name for name, count in Counter(filter(None, names)).items() if count > 1]:
        raise BadInput(f"{path}, line 1", f"The column {twice[0]!r} is there twice.", "Keep one of them.")
    return names


def quoted(cell: str) -> str:
    """The cell so that no spreadsheet takes it for a formula; reading takes the mark off again."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell.strip()
