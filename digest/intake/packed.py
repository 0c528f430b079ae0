"""A zip of Markdown files and the pictures and PDFs beside them, unpacked into a folder for one reading.

Promises: what is unpacked is counted as it comes out, and never believed: so many entries, so many bytes, and no more;
every entry lands inside the folder, as a plain file. Other files than items, pictures and PDFs stay in the zip. Refuses
the whole zip, naming the entry, when one leads out of the folder, is a link, is locked, comes twice, is broken, or is
larger than such a file may be.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from digest import markup, media
from digest.errors import BadInput
from digest.intake import front

MOST = 5_000  # entries of a zip
ROOM = 500_000_000  # bytes of all files that come out of it
DIRECTORY = 4_000_000  # bytes of its list of entries, which is read at once
DEEPEST, LONGEST = 20, 200  # folders within folders, and characters of one name
TEXTS = (".md", ".markdown")
FILES = (".pdf", ".png", ".jpg", ".jpeg", ".webp", ".gif")
WHERE = "file"
_WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# APPNOTE.TXT 6.3.10, sections 4.3.15 and 4.3.16: the end of a zip, and what stands before it in one of the large kind.
_END, _LARGE, _TAIL = b"PK\x05\x06", b"PK\x06\x07", 22 + 65_535


def unpack(packed: Path, folder: Path) -> int:
    """Unpacks it into an empty folder; how many Markdown files there are. Raises BadInput naming "file"."""
    try:
        _check_size(packed)
        with zipfile.ZipFile(packed) as archive:
            room, texts = ROOM, 0
            for entry in _wanted(archive):
                room -= _write(archive, entry, folder / entry.filename, room)
                texts += entry.filename.lower().endswith(TEXTS)
            return texts
    except (zipfile.BadZipFile, EOFError, NotImplementedError, struct.error, UnicodeDecodeError, OSError) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        why = f"The zip is broken ({markup.line(told or 'it ends too early')[:80]})."
        raise BadInput(WHERE, why, "Pack it anew.") from error


def _check_size(packed: Path) -> None:
    """Looks at the end of the zip before its list of entries is read, as `zipfile` finds it."""
    size = packed.stat().st_size
    with packed.open("rb") as file:
        file.seek(max(0, size - _TAIL - 64))
        tail = file.read()
    at = len(tail) - 22 if tail[-22:].startswith(_END) and tail.endswith(b"\0\0") else tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise BadInput(WHERE, "It is no zip.", "Pack the folder of Markdown files as a zip, or give one .md file.")
    count, listed = struct.unpack("<10xHI", tail[at : at + 16])
    if count > MOST or listed > DIRECTORY or tail[max(0, at - 20) : at].startswith(_LARGE):
        raise BadInput(WHERE, f"It has more than {MOST:,} entries.", "Divide it.")


def _wanted(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """The entries that are items or files beside them, each looked at."""
    seen: set[str] = set()
    entries = archive.infolist()
    if len(entries) > MOST:
        raise BadInput(WHERE, f"It has more than {MOST:,} entries.", "Divide it.")
    for entry in entries:
        name = entry.filename
        if why := _unfit(entry):
            raise BadInput(WHERE, f"{_shown(name)} {why}.", "Take it out, and pack it anew.")
        if name.casefold() in seen:
            raise BadInput(WHERE, f"{_shown(name)} comes twice.", "Take one out, and pack it anew.")
        seen.add(name.casefold())
        hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
        if not entry.is_dir() and not hidden and name.lower().endswith((*TEXTS, *FILES)):
            if entry.flag_bits & 0x1:
                raise BadInput(WHERE, f"{_shown(name)} is locked by a password.", "Pack it without one.")
            yield entry


def _unfit(entry: zipfile.ZipInfo) -> str:
    """Why no zip with this entry is taken, if none is."""
    name, mode = entry.orig_filename, entry.external_attr >> 16
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or (parts and ":" in parts[0]):
        return "leads out of its folder"
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST for part in parts):
        return "lies too deep, or has too long a name"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link, or no plain file"
    return ""


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, to: Path, room: int) -> int:
    """Writes one file; how many bytes it has."""
    most = front.LARGEST_FILE if to.name.lower().endswith(TEXTS) else media.LARGEST
    if entry.compress_type not in _WAYS:
        raise BadInput(WHERE, f"{_shown(entry.filename)} is packed in an unusual way.", "Pack it as a usual zip.")
    to.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out, archive.open(entry) as packed:
            return _copy(packed, out, entry.filename, most, room)  # type: ignore[arg-type]
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadInput(WHERE, f"{_shown(entry.filename)} is broken in the zip.", "Pack it anew.") from error


def _copy(packed: BinaryIO, out: BinaryIO, name: str, most: int, room: int) -> int:
    size = 0
    while chunk := packed.read(1 << 16):
        size += len(chunk)
        if size > most:
            raise BadInput(WHERE, f"{_shown(name)} is larger than {most // 1_000_000} MB.", "Make it smaller.")
        if size > room:
            raise BadInput(WHERE, f"It holds more than {ROOM // 1_000_000} MB.", "Divide it.")
        out.write(chunk)
    return size


def _shown(name: str) -> str:
    return repr(markup.line(name)[:80])
