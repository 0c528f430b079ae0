"""The PDFs and pictures that items carry, over HTTP: whole or in parts, under a name that people can read.

Promises: a file has the type that its bytes were found to have, and runs no script: a browser is told not to guess, and
to open a picture as if it came from nowhere; who has it is told so (RFC 9110, 13.2.2); what only withdrawn items
carried is gone. Refuses: any name that is not one plain file name, so nothing outside the folder can be reached.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from litestar import MediaType, Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Stream

from digest import items
from digest import media as kept
from digest.errors import NotFound
from digest.web import conditional, files, guard, look, ranges
from digest.web.look import WebRequest

TYPES = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9]+)")
NOWHERE = "default-src 'none'; sandbox"  # no script, no form, no origin
# Not every browser's viewer of PDFs opens in a sandbox; what a PDF scripts stays inside that viewer.
VIEWER = "default-src 'none'; object-src 'self'; frame-ancestors 'self'"
HEEDED = conditional.FIELDS | {b"range", b"if-range"}
LONGEST = 100  # characters of a readable name
CHUNK = 1 << 18


@get("/media/{name:str}", sync_to_thread=True)
def media(request: WebRequest, name: FromPath[str]) -> Response[bytes] | Stream:
    """A PDF or a picture; its name is made from its content, so it may be kept for ever."""
    plain, home = NAME.fullmatch(name), look.of(request).home
    path = home.media / name
    if not plain or not path.is_file():
        raise NotFound("There is no such file.")
    with home.db.reading() as conn:
        carrier = items.carrier(conn, kept.whole(name))
    title, state = carrier or ("", "")
    if state == "withdrawn":
        raise HTTPException(status_code=410)
    media_type = TYPES.get(plain[1].lower())
    shown = title if state == "published" else ""
    said = {
        "cache-control": files.FOR_EVER,
        "accept-ranges": "bytes",
        "content-security-policy": VIEWER if media_type == TYPES[".pdf"] else NOWHERE,
        "content-disposition": disposition("inline" if media_type else "attachment", shown, name),
    }
    return _answer(request, path, media_type or "application/octet-stream", said)


def disposition(how: str, title: str, name: str) -> str:
    """Content-Disposition (RFC 6266): the title as a file's name, in ASCII and in UTF-8; without a title, `name`."""
    ending = name.rpartition(".")[2]
    stem = " ".join(re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', " ", title).split())[:LONGEST].strip(" .")
    if not stem:
        return f'{how}; filename="{name}"'
    whole = f"{stem}.{ending}"
    plain = unicodedata.normalize("NFKD", whole).encode("ascii", "ignore").decode()
    ascii_only = " ".join(plain.replace("%", "").split())
    if ascii_only == whole:
        return f'{how}; filename="{whole}"'
    usable = ascii_only if len(ascii_only) > len(ending) + 1 else name
    return f"{how}; filename=\"{usable}\"; filename*=UTF-8''{quote(whole, safe='')}"


def _answer(request: WebRequest, path: Path, media_type: str, said: dict[str, str]) -> Response[bytes] | Stream:
    """200, 206, 304, 412 or 416, as the request's fields ask; Range is asked for by GET alone (section 14.2)."""
    known, only_head = path.stat(), guard.ONLY_HEAD in request.scope
    changed, size = int(known.st_mtime), known.st_size
    said |= {
        "etag": f'"{path.stem}-{size:x}-{known.st_mtime_ns:x}"',
        "last-modified": formatdate(changed, usegmt=True),
    }
    fields = conditional.fields(request.scope["headers"], HEEDED)
    verdict = conditional.judge(fields, etag=said["etag"].encode(), changed=changed)
    if verdict == conditional.FAILED:  # is so for who asked alone: no cache may answer others with it
        return Response(b"", status_code=verdict, headers={"cache-control": "no-store"})
    if verdict != conditional.GO_ON:
        return Response(b"", status_code=verdict, headers=said)
    part = None if only_head else _part(fields, size, said)
    if part == 416:
        return Response(b"", status_code=416, media_type=MediaType.TEXT, headers={"content-range": f"bytes */{size}"})
    whole = part or ranges.Part(0, size, size)
    if part:
        said["content-range"] = part.content_range
    said["content-length"] = str(whole.end - whole.start)
    content = iter(()) if only_head else _bytes(path, whole.start, whole.end)
    return Stream(content, status_code=206 if part else 200, media_type=media_type, headers=said)


def _part(fields: Mapping[bytes, bytes], size: int, said: Mapping[str, str]) -> ranges.Part | Literal[416] | None:
    """The part that is asked for of a file of which this is `said`; of another file (If-Range) it is no use."""
    meant = fields.get(b"if-range")
    if meant is not None and meant.decode("latin-1").strip() not in (said["etag"], said["last-modified"]):
        return None
    return ranges.asked(fields.get(b"range", b"").decode("latin-1"), size)


def _bytes(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK, end - start))):
            start += len(chunk)
            yield chunk


HANDLERS = [media]
