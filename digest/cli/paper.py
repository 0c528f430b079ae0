"""How lists are printed: aligned columns, or blocks where the terminal is too narrow for them.

Promises: nothing is ever cut off; output that is no terminal has one line for each row; what came from outside can
neither colour nor move the terminal. Refuses nothing.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.cells import cell_len

GAP = "  "
NARROWEST = 24  # cells that the last column needs to be worth wrapping


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "") -> None:
    """Prints rows under their heads; `empty` instead, when there are none."""
    for line in listed(head, rows, empty=empty):
        print(line)


def listed(head: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "") -> Iterator[str]:
    """The same as lines, for the terminal that is there."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells and empty:
        yield empty
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    yield from lines(head, cells, width)


def lines(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The lines of a table in `width` cells; 0 means as wide as it is."""
    widths = [max(cell_len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    left = sum(widths[:-1]) + len(GAP) * (len(head) - 1)
    if not width or left + widths[-1] <= width:
        yield from (_aligned(row, widths) for row in (head, *rows))
    elif width - left >= NARROWEST:
        for row in (head, *rows):
            yield from _wrapped(row, widths, left, width)
    else:
        for row in rows:
            yield from _block(head, row, width)


def _cell(value: Any) -> str:
    """One line of printable characters."""
    text = {None: "", True: "yes", False: "no"}.get(value) if value is None or isinstance(value, bool) else str(value)
    return "".join(sign if sign.isprintable() else " " for sign in text or "")


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
    return GAP.join(padded).rstrip()


def _wrapped(row: Sequence[str], widths: Sequence[int], left: int, width: int) -> Iterator[str]:
    first, *others = textwrap.wrap(row[-1], width - left, break_on_hyphens=False) or [""]
    yield _aligned([*row[:-1], first], widths)
    yield from (" " * left + other for other in others)


def _block(head: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """The row's first cell on a line of its own, the others with their names below it."""
    yield row[0]
    named = "; ".join(f"{name}: {cell}" for name, cell in zip(head[1:], row[1:], strict=True) if cell)
    yield from textwrap.wrap(
        named, width, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
