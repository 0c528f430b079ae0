"""Files on their way in by the console: kept in the home while somebody looks at them, with what was said of each.

Promises: a file is taken as it comes, never whole in memory, and has a bound; it is for the program's eyes alone, has a
name by chance that nobody can guess, and is deleted after a day, also when the process that took it was killed; what is
said of it is written whole or not at all. Refuses: what is larger than its bound. What a file holds, its own module
knows.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from digest.errors import BadInput, NotFound
from digest.home import Home

FOLDER = "arriving"
KEPT = timedelta(days=1)
CHUNK = 1 << 18
HALF = "part"  # what a file is called while it comes
_NUMBER = re.compile("[0-9a-f]{32}")


def number() -> str:
    """A new name by chance."""
    return secrets.token_hex(16)


def folder(home: Home) -> Path:
    """Where they are kept; it is made when it is not there."""
    found = home.path / FOLDER
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def path(home: Home, name: str, kind: str) -> Path:
    """The file of this kind with this name."""
    return home.path / FOLDER / f"{name}.{kind}"


def begin(home: Home) -> tuple[Path, BinaryIO]:
    """A file to write to while it comes; `take` keeps it."""
    half = folder(home) / f"{number()}.{HALF}"
    return half, open_new(half)


def take(home: Home, half: Path, name: str, kind: str, *, now: datetime) -> Path:
    """Keeps a file that has come whole."""
    kept = path(home, name, kind)
    half.replace(kept)
    date(kept, now)
    return kept


def keep(home: Home, file: BinaryIO, name: str, kind: str, *, most: int, remedy: str, now: datetime) -> Path:
    """Keeps a file that is read from elsewhere. Raises BadInput naming "file" when it has more than `most` bytes."""
    half, out = begin(home)
    try:
        with out:
            size = 0
            while chunk := file.read(CHUNK):
                size += len(chunk)
                if size > most:
                    raise BadInput("file", f"It is larger than {most >> 20} MB.", remedy)
                out.write(chunk)
        return take(home, half, name, kind, now=now)
    finally:
        half.unlink(missing_ok=True)


def note(home: Home, name: str, facts: Mapping[str, Any], *, now: datetime) -> None:
    """Keeps what is said of a file, in the place of what was said before."""
    half, out = begin(home)
    with out:
        out.write(json.dumps(facts).encode())
    take(home, half, name, "json", now=now)


def facts(home: Home, name: str) -> dict[str, Any]:
    """What was said of it last. Raises NotFound, also when its day is over."""
    if not _NUMBER.fullmatch(name):
        raise NotFound("There is no such file.")
    try:
        found: dict[str, Any] = json.loads(path(home, name, "json").read_bytes())
    except FileNotFoundError:
        raise NotFound("This file is not kept any more. Bring it again.") from None
    return found


def drop(home: Home, name: str, *kinds: str) -> None:
    """Deletes what is kept of these kinds."""
    for kind in kinds:
        path(home, name, kind).unlink(missing_ok=True)


def forget(home: Home, *, now: datetime) -> None:
    """Deletes what was kept for a day."""
    for kept in (home.path / FOLDER).glob("*.*"):
        if kept.stat(follow_symlinks=False).st_mtime < (now - KEPT).timestamp():
            shutil.rmtree(kept, ignore_errors=True) if kept.is_dir() else kept.unlink(missing_ok=True)


def date(kept: Path, now: datetime) -> None:
    """Dates it by the caller's clock, which `forget` goes by."""
    os.utime(kept, (now.timestamp(), now.timestamp()))


def open_new(kept: Path) -> BinaryIO:
    """A file for our eyes alone, empty, to write to."""
    return os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")
