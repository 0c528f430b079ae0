"""One feed file in memory, with everything that is ever answered about it: each form of it, and each kind of answer.

Promises: nothing is left to be made when a request comes; each form has a tag of its own; 304 says what RFC 9110 asks
of it (section 15.4.5) and what a script of another site needs, and no more, since most answers are that. Who opens an
RSS or Atom feed in a browser gets a page made of it. Refuses nothing.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import blake2b

from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent

from digest.config import Settings
from digest.feeds import formats, friendly
from digest.web import guard

Headers = list[tuple[bytes, bytes]]
Form = tuple[bool, bool]  # packed with gzip, as a page

TYPES = formats.TYPES | {"opml": "text/x-opml", "xsl": "application/xslt+xml", "css": "text/css"}
PAGES = ("rss", "atom")  # of these a browser would show only the source
# A browser fetches the style sheets of a feed and nothing else; XSLT counts as a script.
_CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
OF_FEED = f"default-src 'none'; script-src 'self'; style-src 'self'; {_CLOSED}"
OF_PAGE = f"default-src 'none'; style-src 'self'; {_CLOSED}"
VARY = "Accept-Encoding, Sec-Fetch-Dest"
OF_304 = (b"etag", b"last-modified", b"cache-control", b"vary", b"access-control-allow-origin")


@dataclass(frozen=True)
class Answers:
    """What is answered about one form of a file, as ASGI messages; `etag` is its tag."""

    etag: bytes
    whole: HTTPResponseStartEvent
    body: HTTPResponseBodyEvent
    not_modified: HTTPResponseStartEvent
    failed: HTTPResponseStartEvent

    def partly(self, length: int) -> HTTPResponseStartEvent:
        """The first message of an answer that holds only what is new (RFC 3229); no cache may take it for the whole."""
        mine = {b"content-length": str(length).encode(), b"cache-control": b"no-store, im"}
        headers = [(name, mine.get(name, value)) for name, value in self.whole["headers"]]
        return start(226, [*headers, (b"im", b"feed")])


@dataclass(frozen=True)
class FeedFile:
    """A file and its forms; `changed` is in seconds since 1970."""

    changed: int
    forms: dict[Form, Answers]


def prepare(settings: Settings, name: str, content: bytes, changed: int) -> FeedFile:
    """The file `name` with everything about it."""
    ending = name.rpartition(".")[2]
    page = friendly.page(settings, content) if ending in PAGES else b""
    forms = {}
    for as_page in (False, True):
        body, kind, policy = content, TYPES[ending], OF_FEED
        if as_page and page:
            body, kind, policy = page, "text/html", OF_PAGE
        mark = blake2b(body, digest_size=16).hexdigest()
        said = {
            "content-type": f"{kind}; charset=utf-8",
            "last-modified": formatdate(changed, usegmt=True),
            "cache-control": "public, max-age=300",
            "access-control-allow-origin": "*",  # readers that run in a browser; feeds are public
            "content-security-policy": policy,
            "vary": VARY,
            **_links(settings, name),
        }
        forms[False, as_page] = _answers(f'"{mark}"', said, body)
        packed = gzip.compress(body, 9, mtime=0)
        forms[True, as_page] = _answers(f'"{mark}.gz"', said | {"content-encoding": "gzip"}, packed)
    return FeedFile(changed, forms)


def _links(settings: Settings, name: str) -> dict[str, str]:
    """The hub of a feed that has one, and its address as the hub knows it (WebSub, section 4)."""
    if not (hub := formats.hub_of(settings, name)):
        return {}
    return {"link": f'<{hub}>; rel="hub", <{settings.site.url}/feeds/{name}>; rel="self"'}


def _answers(tag: str, said: Mapping[str, str], body: bytes) -> Answers:
    shared = [pair for pair in guard.HEADERS if pair[0] not in said]
    headers = [(name.encode(), value.encode()) for name, value in [("etag", tag), *said.items(), *shared]]
    kept = [pair for pair in headers if pair[0] not in (b"content-type", b"content-encoding", b"cache-control")]
    no_store = (b"cache-control", b"no-store")  # that another version was meant is so for who asked alone
    return Answers(
        tag.encode(),
        start(200, [*headers, (b"content-length", str(len(body)).encode())]),
        {"type": "http.response.body", "body": body, "more_body": False},
        start(304, [pair for pair in headers if pair[0] in OF_304]),
        start(412, [*kept, no_store, (b"content-length", b"0")]),
    )


def start(status: int, headers: Headers) -> HTTPResponseStartEvent:
    """The first message of an answer."""
    return {"type": "http.response.start", "status": status, "headers": headers}
