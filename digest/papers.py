"""PDF files, looked at apart: how many pages they have, and whether readers can open them.

Promises: the pages are counted as a reader's program would, through compressed and nested page trees; what cannot be
counted for certain, within the limits, is not told. Refuses nothing: a file that only a tolerant program can open is
still a PDF.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from dataclasses import asdict, dataclass

import pypdf

from digest import apart

LIMITS = apart.Limits(seconds=10, memory=700_000_000, answer=1_000)
MOST = 100_000  # pages


@dataclass(frozen=True)
class Paper:
    """What is known of a PDF. `locked`: it opens only with a password."""

    pages: int | None = None
    locked: bool = False


def look(data: bytes) -> Paper:
    """What a process of its own finds in these bytes; nothing, when that is too much for it."""
    try:
        told = json.loads(apart.ask("digest.papers", data=data, limits=LIMITS) or b"{}")
        pages = told.get("pages")
        return Paper(pages if isinstance(pages, int) and 0 < pages <= MOST else None, told.get("locked") is True)
    except (ValueError, AttributeError):
        return Paper()


# --- in the process of its own ---------------------------------------------------------------------------------


def count(data: bytes) -> Paper:
    """Opens the file. Trusts nothing, and limits nothing: see `look`."""
    reader = pypdf.PdfReader(io.BytesIO(data))
    # An owner's password only forbids printing and the like: the empty one opens the file (ISO 32000-2, 7.6.4).
    if reader.is_encrypted and reader.decrypt("") == pypdf.PasswordType.NOT_DECRYPTED:
        return Paper(locked=True)
    return Paper(pages=len(reader.pages))


def _alone() -> None:
    """Looks at the file in the standard input, within limits that end the process."""
    apart.confine(LIMITS)
    logging.disable()
    warnings.simplefilter("ignore")
    try:
        found = count(sys.stdin.buffer.read())
    except Exception:  # whatever a parser of foreign bytes raises: nothing is known
        found = Paper()
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    _alone()
