"""The files that items carry: looked at, named by their content, kept below `media/`.

Promises: a file is what its first bytes say, never what its name says; pictures lose their metadata; a file is
written whole or not at all, and the same bytes are kept once. Refuses: other types than PDF, PNG and JPEG, files
over 20 MB, links, and every path that leads out of the folder it was named in.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from digest import markup, pictures
from digest.errors import BadInput
from digest.shelf import Attachment

LARGEST = 20_000_000  # bytes
TYPES = {  # first bytes: role, media type, ending
    b"%PDF-": ("pdf", "application/pdf", "pdf"),
    pictures.PNG: ("image", "image/png", "png"),
    pictures.JPEG: ("image", "image/jpeg", "jpg"),
}


def store(media: Path | None, folder: Path, name: str, *, alt: str = "", where: str = "file") -> Attachment:
    """Keeps the file that `name` means inside `folder`; without `media` it is only looked at.

    Raises BadInput, naming `where`, when it is not a file that an item can carry.
    """
    data = read(folder, name, LARGEST, where)
    for magic, (role, media_type, ending) in TYPES.items():
        if data.startswith(magic):
            if role == "image":
                data = _stripped(data, name, where)
            path = f"{blake2b(data, digest_size=16).hexdigest()}.{ending}"
            if media is not None:
                _write(media / path, data)
            shown = markup.line(PurePosixPath(name).name)
            pages = pdf_pages(data) if role == "pdf" else None
            return Attachment(role, path, shown, media_type, len(data), pages, markup.line(alt))
    raise BadInput(where, f"{name[:80]!r} is neither a PDF nor a PNG or JPEG image.", "Give one of these.")


def _stripped(data: bytes, name: str, where: str) -> bytes:
    try:
        return pictures.strip(data)
    except ValueError as error:
        raise BadInput(where, f"{name[:80]!r} is a damaged picture: {error}.", "Save it anew.") from error


def read(folder: Path, name: str, largest: int, where: str) -> bytes:
    """The bytes of a file inside `folder`, at most `largest`, reached without following any link."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise BadInput(where, f"{name[:80]!r} leads out of its folder.", "Put the file beside the text and name it so.")
    try:
        descriptor = _open(folder, parts)
    except OSError as error:
        why = f"{name[:80]!r} cannot be read ({os.strerror(error.errno or 0)})."
        raise BadInput(where, why, "Name a file that is there, and not a link.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadInput(where, f"{name[:80]!r} is not a file.", "Name a file.")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise BadInput(where, f"{name[:80]!r} is larger than {largest // 1_000_000} MB.", "Make it smaller.")
    return data


def pdf_pages(data: bytes) -> int | None:
    """How many pages a PDF has, when counting its page objects gives what its page tree says; else None."""
    pages = len(re.findall(rb"/Type\s{0,8}/Page(?![A-Za-z])", data))
    told = {int(count) for count in re.findall(rb"/Count\s{1,8}([0-9]{1,6})", data)}
    return pages if pages in told else None


def _open(folder: Path, parts: tuple[str, ...]) -> int:
    """Each part is opened in the one before it, so no link can be slipped in between a check and its use."""
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for n, part in enumerate(parts, start=1):
        # NONBLOCK: opening a pipe must not wait for its other end.
        kind = os.O_NONBLOCK if n == len(parts) else os.O_DIRECTORY
        try:
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=here)
        finally:
            os.close(here)
        here = inner
    return here


def _write(path: Path, data: bytes) -> None:
    if path.is_file() and path.stat().st_size == len(data):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
