"""The fast way to the feeds: plain ASGI in front of the framework, answering from memory.

Promises: files that any process has built are shown after `GLANCE` seconds. What is answered shows the store as it was
at most `PATIENCE` seconds before the request came, whichever process changed it; so a withdrawn item is gone a second
later, and its page says so at once. The look at the store is made once for all who ask meanwhile, and not on
their thread. When the store cannot be asked, the files are served as they are. Answers carry the guard's headers.
Refuses: every method but GET, HEAD and OPTIONS; a name that is no file of feeds goes on to the framework.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from litestar.types import ASGIApp, HTTPResponseBodyEvent, Receive, Send

from digest import feeds
from digest.home import Home
from digest.web import conditional, feed_deltas, feed_files, guard
from digest.web.feed_files import FeedFile

log = structlog.get_logger()

Fields = dict[bytes, bytes]
Mark = tuple[int, int, int]  # what tells one state of a file from another

PREFIX = "/feeds/"
PATIENCE = 1.0  # seconds
MOST = 256  # files in memory; archives are many and seldom asked for
GLANCE = 0.02  # seconds
COARSE = 2.0  # seconds; no file system's clock is coarser
CODING, SHOWN, PARTLY = b"accept-encoding", b"sec-fetch-dest", b"a-im"
HEEDED = conditional.FIELDS | {CODING, SHOWN, PARTLY}
ALLOWED = b"GET, HEAD, OPTIONS"
EMPTY: HTTPResponseBodyEvent = {"type": "http.response.body", "body": b"", "more_body": False}
_SHARED = [(name.encode(), value.encode()) for name, value in guard.HEADERS]
_NOTHING = (b"content-length", b"0")
NOT_ALLOWED = feed_files.start(405, [(b"allow", ALLOWED), _NOTHING, *_SHARED])
OPTIONS = feed_files.start(  # and what a script of another site must ask first
    204,
    [
        (b"allow", ALLOWED),
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", ALLOWED),
        (b"access-control-allow-headers", b"If-None-Match, If-Modified-Since"),
        (b"access-control-max-age", b"86400"),
        *_SHARED,
    ],
)


class FeedPath:
    """An ASGI application around another; see the module's promises."""

    def __init__(
        self, app: ASGIApp, home: Home, *, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self.shelf = Shelf(home)
        self.patience = patience
        self.clock = clock
        self._glance_again = self._look_again = float("-inf")
        self._looking: asyncio.Future[None] | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            if (now := self.clock()) >= self._glance_again:
                await self._catch_up(now)
            name = scope["path"][len(PREFIX) :]
            file = self.shelf.find(name)
            if file is not None:
                await self._answer(name, file, scope, send)
                return
        await self.app(scope, receive, send)

    async def _catch_up(self, now: float) -> None:
        """Brings the files up to the store when it is time, or when another process has built them."""
        if now < self._look_again and not self.shelf.is_behind():
            self._glance_again = min(now + GLANCE, self._look_again)
            return
        if self._looking is None:
            self._looking = asyncio.get_running_loop().run_in_executor(None, self.shelf.refresh)
            self._looking.add_done_callback(partial(self._looked, now))
        await asyncio.shield(self._looking)  # whoever comes while somebody looks waits for the same look

    def _looked(self, began: float, _: asyncio.Future[None]) -> None:
        self._look_again = began + self.patience
        self._glance_again = min(began + GLANCE, self._look_again)
        self._looking = None

    async def _answer(self, name: str, file: FeedFile, scope: Any, send: Send) -> None:
        fields = conditional.fields(scope["headers"], HEEDED)
        packed = CODING in fields and conditional.takes_gzip(fields[CODING])
        as_page = fields.get(SHOWN) == b"document"
        method, form = scope["method"], file.forms[packed, as_page]
        if method in ("GET", "HEAD"):
            judged = conditional.judge(fields, etag=form.etag, changed=file.changed) if fields else conditional.GO_ON
            if judged == conditional.GO_ON:
                if PARTLY in fields and method == "GET" and await self._part(name, file, fields, packed, send):
                    return
                await send(form.whole)
                await send(form.body if method == "GET" else EMPTY)
                return
            first = form.not_modified if judged == conditional.NOT_MODIFIED else form.failed
        else:
            first = OPTIONS if method == "OPTIONS" else NOT_ALLOWED
        await send(first)
        await send(EMPTY)

    async def _part(self, name: str, file: FeedFile, fields: Fields, packed: bool, send: Send) -> bool:
        """Answers with what is new since a version that the reader has; False when that one is not known."""
        new = None
        if feed_deltas.wanted(fields[PARTLY]) and fields.get(SHOWN) != b"document":
            new = self.shelf.past.since(name, file, fields.get(b"if-none-match", b""), packed=packed)
        if new is None:
            return False
        await send(file.forms[packed, False].partly(len(new)))
        await send({"type": "http.response.body", "body": new, "more_body": False})
        return True


class Shelf:
    """The feed files of a home, in memory as far as they were asked for."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._ready: dict[str, tuple[Mark, FeedFile]] = {}
        self._stamp = home.feeds / feeds.STAMP
        self._seen: Mark | None = None
        self._changed: tuple[float, ...] | None = None  # the store's files, when they were last asked about
        self._said = home.settings  # what the files were last built with
        self.past = feed_deltas.Past()

    def is_behind(self) -> bool:
        """Whether another process has built the files since; one call to the system."""
        return _mark(self._stamp) != self._seen

    def find(self, name: str) -> FeedFile | None:
        """The file with this name, or None when there is none."""
        if (found := self._ready.get(name)) is not None:
            return found[1]
        if not feeds.FILE_NAME.fullmatch(name):
            return None
        try:
            with (self.home.feeds / name).open("rb") as opened:
                state, content = os.fstat(opened.fileno()), opened.read()
        except OSError:
            return None
        file = feed_files.prepare(self.home.settings, name, content, int(state.st_mtime))
        if len(self._ready) >= MOST:
            self._ready.clear()
        self._ready[name] = (_told(state), file)
        return file

    def refresh(self) -> None:
        """Builds the files anew when the store has changed, and forgets those that another process has built."""
        try:
            self._follow()
        except Exception as error:  # whatever it is, readers get what there is
            log.error("feeds are served as they are", why=type(error).__name__, reason=str(error).partition("\n")[0])
        self._seen = _mark(self._stamp)
        self._forget()

    def _follow(self) -> None:
        """Sees that the files show the store. Where its own files stand untouched, it is not even asked."""
        self.home.follow()
        if self._said is not self.home.settings:
            self._changed, self._said = None, self.home.settings
        changed = self.home.db.files_changed()
        if changed is not None and changed == self._changed and _mark(self._stamp) == self._seen is not None:
            return
        feeds.follow(self.home.settings, self.home.db, self.home.feeds)
        # Files that were written just now may be written again without a sign of it: then the next look asks again.
        settled = changed is not None and 0 < max(changed) < time.time() - COARSE
        self._changed = changed if settled else None

    def _forget(self) -> None:
        for name, (mark, file) in list(self._ready.items()):
            if _mark(self.home.feeds / name) != mark:
                del self._ready[name]
                self.past.keep(name, file)


def _mark(path: Path) -> Mark | None:
    try:
        return _told(os.stat(path))  # noqa: PTH116 - on the way of every request, where Path.stat costs twice that
    except OSError:
        return None


def _told(state: os.stat_result) -> Mark:
    return state.st_ino, state.st_mtime_ns, state.st_size
