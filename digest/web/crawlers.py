"""For programs that walk the site: which pages there are (sitemap) and which are nobody's business (robots.txt).

Promises: the sitemap (https://www.sitemaps.org/protocol.html) names every public page that is there now and no
other, with the day of its last change; one that is longer than a file may be comes as an index of its parts; a
program that has it gets 304 before it is made. robots.txt (RFC 9309) keeps personal links and the console out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from hashlib import blake2b
from xml.sax.saxutils import escape

from litestar import MediaType, Response, get
from litestar.params import FromQuery
from sqlalchemy import Connection

from digest import archive, listings, publications
from digest.errors import NotFound
from digest.web import look
from digest.web.look import WebRequest

PART = 50_000  # addresses that one file may hold
AN_HOUR = "public, max-age=3600"
PRIVATE = ("/c/", "/p/", "/u/", "/d/", "/settings", "/subscribe/sent", "/staff/", "/api/", "/hooks/")
PLAIN_PAGES = ("/", "/topics/", "/archive/", "/editions/", "/feeds/", "/subscribe", "/ask", "/privacy")
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'

Address = tuple[str, date | None]


@get("/robots.txt", media_type=MediaType.TEXT)
async def robots(request: WebRequest) -> Response[str]:
    """What programs shall leave alone, and where the sitemap is."""
    site = look.of(request).home.settings.site
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in PRIVATE), "", f"Sitemap: {site.url}/sitemap.xml", ""]
    return Response("\n".join(lines), media_type=MediaType.TEXT, headers={"cache-control": AN_HOUR})


@get("/sitemap.xml", sync_to_thread=True)
def sitemap(request: WebRequest, part: FromQuery[int] = 0) -> Response[str]:
    """Every public page, or the index of the parts when they are many, or one of these parts (from 1)."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        count, changed = listings.version(conn)
        topics, past = publications.topics(conn), archive.archive(conn)
        said = repr((count, changed, part, [topic.slug for topic in topics], [one.number for one in past]))
        etag = f'"{blake2b(said.encode(), digest_size=16).hexdigest()}"'
        headers = {"etag": etag, "cache-control": AN_HOUR}
        if etag in (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")):
            return Response("", status_code=304, headers=headers)
        pages = [*_pages(conn, topics, past)]
    xml = written(site.home.settings.site.url, pages, part)
    return Response(xml, media_type=MediaType.XML, headers=headers)


def _pages(conn: Connection, topics: Sequence[publications.Topic], past: Sequence[archive.Past]) -> Iterator[Address]:
    """The public pages there are, with the day on which each last changed where it is known."""
    yield from ((path, None) for path in PLAIN_PAGES)
    yield from ((f"/topics/{topic.slug}", None) for topic in topics)
    yield from ((f"/archive/{year}", None) for year, _ in listings.years(conn))
    yield from ((f"/editions/{one.number}", one.day) for one in past)
    yield from ((f"/items/{slug}", _day(changed)) for slug, changed in listings.addresses(conn))


def _day(moment: datetime) -> date:
    return moment.date()


def written(url: str, pages: Sequence[Address], part: int) -> str:
    """The sitemap as XML. Raises NotFound for a part that is not there."""
    parts = -(-len(pages) // PART)
    if not part and parts > 1:
        named = (f"{escape(url)}/sitemap.xml?part={n}" for n in range(1, parts + 1))
        inner = "".join(f"<sitemap><loc>{address}</loc></sitemap>\n" for address in named)
        return f"{_HEAD}<sitemapindex {_NAMESPACE}>\n{inner}</sitemapindex>\n"
    if not 0 <= part <= parts:
        raise NotFound("There is no such part of the sitemap.")
    shown = pages[(part - 1) * PART : part * PART] if part else pages
    inner = "".join(f"<url><loc>{escape(url + path)}</loc>{_changed(day)}</url>\n" for path, day in shown)
    return f"{_HEAD}<urlset {_NAMESPACE}>\n{inner}</urlset>\n"


def _changed(day: date | None) -> str:
    return f"<lastmod>{day.isoformat()}</lastmod>" if day else ""


HANDLERS = [robots, sitemap]
