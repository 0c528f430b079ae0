"""Files over HTTP: feeds from the built folder, the style sheet and script.

Promises: a feed shows the store as it is now (it is built when it does not); its ETag is the hash of its bytes, and a
reader that has them gets 304, by ETag or, without one, by date (RFC 9110, 13.2.2). Refuses: any name that is not one
plain file name, so nothing outside the folders can be reached.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import blake2b
from pathlib import Path

from litestar import MediaType, Response, get
from litestar.params import FromPath, FromQuery

from digest import feeds
from digest.errors import NotFound
from digest.home import Home
from digest.web import look
from digest.web.look import WebRequest

FEED_TYPES = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "json": "application/feed+json; charset=utf-8",
}
STATIC_TYPES = {".css": MediaType.CSS, ".js": "text/javascript; charset=utf-8"}
FOR_EVER = "public, max-age=31536000, immutable"


def has_it(request_headers: dict[str, str], *, etag: str, changed: datetime) -> bool:
    """Whether the reader has this very content: If-None-Match decides, and only without it If-Modified-Since."""
    if (known := request_headers.get("if-none-match")) is not None:
        tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
        return etag in tags or "*" in tags
    try:
        since = parsedate_to_datetime(request_headers.get("if-modified-since", ""))
    except ValueError:
        return False
    return changed <= (since if since.tzinfo else since.replace(tzinfo=UTC))


@get("/feeds/{name:str}", sync_to_thread=True)
def feed(request: WebRequest, name: FromPath[str]) -> Response[bytes]:
    """One feed file, or 304 when the reader has it."""
    home = look.of(request).home
    _refresh(home)
    path = home.feeds / name
    if not feeds.FILE_NAME.fullmatch(name) or not path.is_file():
        raise NotFound("There is no such feed. The feeds page lists all there are.")
    changed = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    content = path.read_bytes()
    etag = f'"{blake2b(content, digest_size=16).hexdigest()}"'
    headers = {
        "etag": etag,
        "last-modified": format_datetime(changed, usegmt=True),
        "cache-control": "public, max-age=300",
        "access-control-allow-origin": "*",  # readers that run in a browser; feeds are public
    }
    if has_it({key.lower(): value for key, value in request.headers.items()}, etag=etag, changed=changed):
        return Response(b"", status_code=304, headers=headers)
    return Response(content, media_type=FEED_TYPES[name.rpartition(".")[2]], headers=headers)


def _refresh(home: Home) -> None:
    with home.db.reading() as conn:
        current = feeds.is_current(home.settings, conn, home.feeds)
    if not current:
        with home.db.reading() as conn:
            feeds.build(home.settings, conn, home.feeds)


@get("/static/{name:str}", sync_to_thread=True)
def static(name: FromPath[str], v: FromQuery[str] = "") -> Response[bytes]:
    """The style sheet, and a small script; kept for ever under the address that holds its hash."""
    path: Path = look.TEMPLATES / "static" / name
    if not look.STATIC_NAME.fullmatch(name) or not path.is_file():
        raise NotFound("There is no such file.")
    fresh = FOR_EVER if v == look.static_hash(name) else "no-cache"
    return Response(path.read_bytes(), media_type=STATIC_TYPES[path.suffix], headers={"cache-control": fresh})


HANDLERS = [feed, static]
