"""A form with one large file: its fields, and the file as it comes, part by part, onto the disk of the home.

Promises: no more of it is in memory than one part and the fields, which have a bound together; a file that nobody keeps
is deleted, also when whoever sends it goes away in the midst. Refuses: more than one file, more fields than a form has,
and what is no form in parts (RFC 7578). Serves `forms`, which says of which routes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from litestar.concurrency import sync_to_thread
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from digest import parking
from digest.home import Home

MOST_PARTS = 50


class Unreadable(Exception):
    """The body is no such form."""


class Coming:
    """A form while it comes; `half` is the file, if there was one, and `name` what it was called there."""

    def __init__(self, home: Home, boundary: str, most: int) -> None:
        self._home, self._boundary, self._room = home, boundary.encode("ascii", "replace"), most
        self.fields: dict[str, tuple[str, ...]] = {}
        self.half: Path | None = None
        self.field = self.name = ""
        self._part: MultipartSegment | None = None
        self._text = bytearray()
        self._out: BinaryIO | None = None

    async def read(self, stream: AsyncIterator[bytes]) -> None:
        """Reads it to its end. Raises Unreadable, and whatever the stream raises; then nothing is kept."""
        with self._nothing_left():
            parser = PushMultipartParser(self._boundary, max_segment_count=MOST_PARTS)
            async for chunk in stream:
                await sync_to_thread(self._take, parser, chunk)
                if parser.closed:
                    break
            if not parser.closed:
                raise Unreadable

    def _take(self, parser: PushMultipartParser, chunk: bytes) -> None:
        try:
            for found in parser.parse(chunk):
                if isinstance(found, MultipartSegment):
                    self._begin(found)
                elif found:
                    self._go_on(found)
                else:
                    self._end()
        except (MultipartError, LookupError, UnicodeDecodeError) as error:
            raise Unreadable from error

    def _begin(self, part: MultipartSegment) -> None:
        self._part, self._text = part, bytearray()
        if part.filename:
            if self.half is not None:
                raise Unreadable
            self.field, self.name = part.name, part.filename
            self.half, self._out = parking.begin(self._home)

    def _go_on(self, data: bytes | bytearray) -> None:
        if self._part is not None and self._part.filename and self._out is not None:
            self._out.write(data)
            return
        self._room -= len(data)
        if self._room < 0:
            raise Unreadable
        self._text.extend(data)

    def _end(self) -> None:
        part = self._part
        if part is None:
            raise Unreadable
        if part.filename and self._out is not None:
            self._out.close()
        elif not part.filename:
            text = self._text.decode(part.charset or "utf-8")
            self.fields[part.name] = (*self.fields.get(part.name, ()), text)

    @contextmanager
    def _nothing_left(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self._out is not None:
                self._out.close()
            if self.half is not None:
                self.half.unlink(missing_ok=True)
            raise
