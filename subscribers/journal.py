"""The journal of who must get no more mail: what a restored backup must not forget.

A file of lines in the home's `journal/`, one for each leave, suppression and erasure: when, what, the digest's slug and
the keyed hash of the address. Promises: a line is on the disk before anybody is told that it is done; lines are only
added, whole, by any number of processes. Refuses: to name anybody.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

FOLDER = "journal"
FILE = "people.jsonl"
LEFT, SUPPRESSED, LIFTED, ERASED = "left", "suppressed", "lifted", "erased"


def write(home: Path, what: str, email_hash: bytes, *, now: datetime, digest: str = "", reason: str = "") -> None:
    """Adds one line and waits for the disk. Raises OSError when it cannot be kept."""
    folder = home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    line = {"at": now.isoformat(), "what": what, "hash": email_hash.hex(), "digest": digest, "reason": reason}
    text = json.dumps({name: value for name, value in line.items() if value}, separators=(",", ":")) + "\n"
    made = not (folder / FILE).exists()
    file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, text.encode())  # one call: lines of other processes come before or after it
        os.fsync(file)
    finally:
        os.close(file)
    if made:
        _sync_folder(folder)


def read(home: Path) -> list[dict[str, str]]:
    """Every whole line, oldest first; a last line that a crash cut off is left out."""
    try:
        text = (home / FOLDER / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
