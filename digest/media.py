"""The files that items carry: looked at, made ready, named by what they were made from, kept below `media/`.

Promises: a file is what its first bytes say, never what its name says; pictures come out as `pictures` makes them, a
PDF byte for byte; a file is written whole or not at all. A file is named by what it held when it came, whichever
version of a library makes it ready, and is made ready once: what came of it is noted beside it. Refuses: other types
than PDF, PNG, JPEG, WebP and GIF, files over 20 MB, PDFs that open only with a password, links, and every path that
leads out of the folder it was named in.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
import stat
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from digest import markup, papers, pictures
from digest.errors import BadInput
from digest.shelf import Attachment

LARGEST = 20_000_000  # bytes
NOTES = ".notes"  # the folder below media/ that says what came of which file; no name in it can be asked for
_NAME = re.compile(r"([0-9a-f]{32})(?:r[0-9]+)?\.[a-z]{3,4}")
PDF = b"%PDF-"
PICTURES = (pictures.MAGIC["PNG"], pictures.MAGIC["JPEG"], b"GIF87a", b"GIF89a")


def store(media: Path | None, folder: Path, name: str, *, alt: str = "", where: str = "file") -> Attachment:
    """Keeps the file that `name` means inside `folder`; without `media` it is only looked at.

    Raises BadInput, naming `where`, when it is not a file that an item can carry.
    """
    return keep(media, read(folder, name, LARGEST, where), name, alt=alt, where=where)


def keep(
    media: Path | None, data: bytes, name: str, *, alt: str = "", where: str = "file", origin: str = ""
) -> Attachment:
    """Keeps a file that was called `name` where it came from; otherwise as `store`.

    `origin` is its address there: `brought` knows it by that from then on.
    """
    shown = markup.line(PurePosixPath(name).name)
    if len(data) > LARGEST:
        raise _too_large(where, shown)
    called = _called(data)
    found = _noted(media, called) if media is not None else None
    if found is None:
        files, found = _looked_at(data, called, shown, where)
        if media is not None:
            for file, content in files.items():
                if not _is_there(media / file, len(content)):
                    _write(media / file, content)
            _note(media, called, found)
    found = dataclasses.replace(found, name=shown)
    if media is not None and origin:
        _note(media, _from(origin), found)
    return dataclasses.replace(found, alt=markup.line(alt) if found.role == "image" else "")


def brought(media: Path, origin: str) -> Attachment | None:
    """The file that came from this address before, without words, when it is still kept."""
    return _noted(media, _from(origin))


def known(media: Path, path: str) -> Attachment | None:
    """The file that is kept under this name ("ab12.pdf"), without words."""
    return _noted(media, path.partition(".")[0]) if _NAME.fullmatch(path) else None


def given(path: str) -> str:
    """What the file at this path was when it came, in few words: the same, whatever recipe it was made ready by."""
    kept = _NAME.fullmatch(path)
    return kept[1] if kept else path


def narrow(path: str) -> str:
    """The name of the same picture, `pictures.NARROW` pixels wide; there is one when it is wider itself."""
    stem, _, ending = path.rpartition(".")
    return f"{stem}-{pictures.NARROW}.{ending}"


def whole(name: str) -> str:
    """The name under which an item carries the file whose name, narrow or not, this is."""
    stem, _, ending = name.rpartition(".")
    return f"{stem.removesuffix(f'-{pictures.NARROW}')}.{ending}"


def _called(data: bytes) -> str:
    """The name of a file without its ending: by its content, and of a picture by the recipe too.

    A name stands for the same bytes for ever, since browsers never ask for them again; another recipe makes others.
    """
    content = blake2b(data, digest_size=16, person=b"media").hexdigest()
    return content if data.startswith(PDF) else f"{content}r{pictures.RECIPE}"


def _looked_at(data: bytes, called: str, shown: str, where: str) -> tuple[dict[str, bytes], Attachment]:
    """The files to keep, by name, and what is known of them. Raises BadInput."""
    if data.startswith(PDF):
        paper = papers.look(data)
        if paper.locked:
            raise BadInput(where, f"{shown[:80]!r} opens only with a password.", "Save it without one.")
        path = f"{called}.pdf"
        return {path: data}, Attachment("pdf", path, shown, "application/pdf", len(data), paper.pages)
    if not data.startswith(PICTURES) and not (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        why = f"{shown[:80]!r} is neither a PDF nor a PNG, JPEG, WebP or GIF image."
        raise BadInput(where, why, "Give one of these.")
    try:
        made = pictures.ready(data)
    except ValueError as error:
        raise BadInput(where, f"{shown[:80]!r} is no good picture: {error}", "Save it anew.") from error
    path = f"{called}.{pictures.ENDINGS[made.format]}"
    files = {path: made.data} | ({narrow(path): made.narrow} if made.narrow else {})
    kind = f"image/{made.format.lower()}"
    return files, Attachment("image", path, shown, kind, len(made.data), width=made.width, height=made.height)


def _from(origin: str) -> str:
    return "from-" + blake2b(origin.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _note(media: Path, called: str, found: Attachment) -> None:
    _write(media / NOTES / f"{called}.json", json.dumps(dataclasses.asdict(found)).encode())


def _noted(media: Path, called: str) -> Attachment | None:
    """What came of this file before, when all that was kept of it is still there."""
    try:
        found = Attachment(**json.loads((media / NOTES / f"{called}.json").read_bytes()))
        whole = _is_there(media / found.path, found.size)
        both = (found.width or 0) <= pictures.NARROW or (media / narrow(found.path)).is_file()
    except (OSError, ValueError, TypeError):
        return None
    return found if whole and both else None


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
        raise _too_large(where, name, largest)
    return data


def _too_large(where: str, name: str, largest: int = LARGEST) -> BadInput:
    return BadInput(where, f"{name[:80]!r} is larger than {largest // 1_000_000} MB.", "Make it smaller.")


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


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _write(path: Path, data: bytes) -> None:
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
