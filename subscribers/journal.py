"""The journal of who must get no more mail: what a restored backup must not forget.

A file of lines in the home's `journal/`, one for each leave, suppression and erasure: when, what, the digest's slug and
the keyed hash of the address. Promises: a line is on the disk before anybody is told that it is done; lines are only
added, whole, by any number of processes. Refuses: to name anybody.
"""

from __future__ import annotations

import errno
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
    file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        data = (text if _ends_whole(file) else f"\n{text}").encode()
        if os.write(file, data) < len(data):  # one call: lines of other processes come before or after it
            raise OSError(errno.ENOSPC, "The disk took only a part of a line", str(folder / FILE))
        os.fsync(file)
    finally:
        os.close(file)
    if made:
        _sync_folder(folder)


def read(home: Path) -> list[dict[str, str]]:
    """Every whole line, oldest first; what a crash or a full disk cut off is left out: nobody was told it is done."""
    try:
        text = (home / FOLDER / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]


def _ends_whole(file: int) -> bool:
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
