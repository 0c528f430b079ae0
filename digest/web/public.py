"""Pages for everyone: what is new, one item, topics, the archive by year, past editions, and the list of feeds.

Promises: no cookie, no script, nothing that changes state; an item keeps its address when it is withdrawn; a list
goes on from the item it ended with. Refuses: drafts and items that wait for their hour (404, as if they did not
exist).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from litestar import MediaType, Response, get
from litestar.params import FromPath, FromQuery

from digest import archive, items, listings, publications
from digest.errors import NotFound
from digest.feeds import kind_slug
from digest.listings import Filter
from digest.publications import Topic
from digest.web import cards, look
from digest.web.look import WebRequest

PER_PAGE = 10
PER_TOPIC = 20
PER_YEAR = 100
TOPICS_OFFERED = 8  # in the filter of the home page; the topics page has them all


@get("/", sync_to_thread=True)
def home(
    request: WebRequest, kind: FromQuery[str] = "", topic: FromQuery[str] = "", before: FromQuery[str] = ""
) -> Response[str]:
    """What is new: the latest items, all or of one kind or topic, or those that come after the item `before`."""
    site = look.of(request)
    wanted = Filter(kind=kind[:100], topic=topic[:120])
    with site.home.db.reading() as conn:
        kinds = listings.kinds(conn, wanted)
        topics = listings.topics(conn, wanted)
        page = listings.page(conn, wanted, limit=PER_PAGE, before=before)
        editions = archive.archive(conn, limit=1)
    names = {topic.slug: topic.name for topic in topics}
    return _page(
        request,
        "public/home.html",
        wanted=wanted,
        kinds=kinds,
        topics=offered(topics, wanted.topic),
        topic_names=names,
        chosen=names.get(wanted.topic, wanted.topic),
        page=page,
        before=before,
        edition=editions[0] if editions else None,
        card=None if before else cards.of_home(site, wanted),
    )


def offered(topics: Sequence[Topic], chosen: str) -> list[Topic]:
    """The topics that the filter names: the chosen one, and those with the most items, by name."""
    most = sorted((topic for topic in topics if topic.items), key=lambda topic: -topic.items)[:TOPICS_OFFERED]
    return [topic for topic in topics if topic in most or topic.slug == chosen]


@get("/items/{slug:str}", sync_to_thread=True)
def item(request: WebRequest, slug: FromPath[str]) -> Response[str]:
    """One item; 410 when it was withdrawn, with the reason."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        found = items.lookup(conn, slug)
        if found is None or found.state not in ("published", "withdrawn"):
            raise NotFound("There is nothing at this address.")
        names = publications.topic_names(conn)
        newer, older = listings.beside(conn, found, found.topics[0]) if found.topics else (None, None)
        notes = items.notes(conn, found)
    if found.state == "withdrawn":
        return _page(request, "public/withdrawn.html", status=410, item=found, newer=newer)
    return _page(
        request,
        "public/item.html",
        item=found,
        topic_names=names,
        newer=newer,
        older=older,
        notes=[note for note in notes if note.text != found.update_note],
        card=cards.of_item(site, found, names),
    )


def _page(request: WebRequest, template: str, **context: Any) -> Response[str]:
    """A page for everyone, in the language that the browser asks for."""
    return look.of(request).page(template, language=look.language_of(request), **context)


@get("/topics", sync_to_thread=True)
def topics(request: WebRequest) -> Response[str]:
    """All topics."""
    return _topics(request)


@get("/topics/{slug:str}", sync_to_thread=True)
def topic(request: WebRequest, slug: FromPath[str], before: FromQuery[str] = "") -> Response[str]:
    """What there is on one subject; an unknown one shows all topics, as 404."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        found = next((topic for topic in publications.topics(conn) if topic.slug == slug), None)
        page = listings.page(conn, Filter(topic=slug), limit=PER_TOPIC, before=before) if found else None
    if not found:
        return _topics(request, unknown=slug[:100], status=404)
    card = None if before else cards.of_topic(site, found)
    return _page(request, "public/topic.html", topic=found, page=page, before=before, card=card)


def _topics(request: WebRequest, *, unknown: str = "", status: int = 200) -> Response[str]:
    site = look.of(request)
    with site.home.db.reading() as conn:
        shown = publications.topics(conn)
    card = None if unknown else cards.of_page(site, "/topics/")
    return _page(request, "public/topics.html", status=status, unknown=unknown, topics=shown, card=card)


@get("/archive", sync_to_thread=True)
def years(request: WebRequest) -> Response[str]:
    """The years from which there are items."""
    return _years(request)


@get("/archive/{year:int}", sync_to_thread=True)
def year(request: WebRequest, year: FromPath[int], before: FromQuery[str] = "") -> Response[str]:
    """The items of one year by month; a year without any shows those there are, as 404."""
    site = look.of(request)
    if not 1000 <= year <= 9999:
        return _years(request, unknown=str(year)[:20], status=404)
    with site.home.db.reading() as conn:
        page = listings.page(conn, Filter(year=year), limit=PER_YEAR, before=before)
    if not page.items:
        return _years(request, unknown=str(year), status=404)
    months = [(month, list(shown)) for month, shown in groupby(page.items, lambda item: (item.published_on or "")[:7])]
    card = None if before else cards.of_year(site, year)
    return _page(request, "public/year.html", year=year, months=months, page=page, before=before, card=card)


def _years(request: WebRequest, *, unknown: str = "", status: int = 200) -> Response[str]:
    site = look.of(request)
    with site.home.db.reading() as conn:
        found = listings.years(conn)
    card = None if unknown else cards.of_page(site, "/archive/")
    return _page(request, "public/years.html", status=status, unknown=unknown, years=found, card=card)


@get("/feeds", sync_to_thread=True)
def feeds(request: WebRequest) -> Response[str]:
    """The address of every feed."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        kinds = [(kind_slug(kind), kind, count) for kind, count in items.kinds(conn)]
        shown = publications.topics(conn)
    total = sum(count for _, _, count in kinds)
    card = cards.of_page(site, "/feeds/")
    return _page(request, "public/feeds.html", topics=shown, kinds=kinds, total=total, card=card)


@get("/editions", sync_to_thread=True)
def editions(request: WebRequest) -> Response[str]:
    """What was sent before, by year."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        past = archive.archive(conn)
    years = [(year, list(group)) for year, group in groupby(past, key=lambda edition: edition.day.year)]
    return _page(request, "public/editions.html", years=years, card=cards.of_page(site, "/editions/"))


@get("/editions/{number:int}", sync_to_thread=True)
def edition(request: WebRequest, number: FromPath[int]) -> Response[str]:
    """One edition as a page, without anybody's personal links."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        found = archive.published(conn, number)
    return _page(request, "public/edition.html", edition=found, card=cards.of_edition(site, found))


@get("/privacy", sync_to_thread=True)
def privacy(request: WebRequest) -> Response[str]:
    """What is kept of whom, for how long, and what people can do about it."""
    site = look.of(request)
    settings = site.home.settings
    carrier = {"sendgrid": "SendGrid"}.get(settings.transport.kind, "")
    days = settings.sign_up.keep_network_days
    return _page(request, "public/privacy.html", carrier=carrier, days=days, card=cards.of_page(site, "/privacy"))


@get("/healthz")
async def healthz() -> Response[str]:
    """This process answers; nothing else is asked."""
    return Response("ok\n", media_type=MediaType.TEXT, headers={"cache-control": "no-store"})


@get("/readyz", sync_to_thread=True)
def readyz(request: WebRequest) -> Response[str]:
    """The database answers too, with the tables that pages need."""
    status, said = 200, "ready\n"
    try:
        with look.of(request).home.db.reading() as conn:
            publications.topics(conn)
    except Exception:
        status, said = 503, "not ready: the database does not answer\n"
    headers = {"cache-control": "no-store"}
    return Response(said, status_code=status, media_type=MediaType.TEXT, headers=headers)


HANDLERS: list[Any] = [
    home, item, topics, topic, years, year, feeds, editions, edition, privacy, healthz, readyz
]  # fmt: skip
