"""Pages for everyone: what is new, one item, topics, past editions, and the list of feeds.

Promises: no cookie, no script, nothing that changes state; an item keeps its address when it is withdrawn. Refuses:
drafts and items that wait for their hour (404, as if they did not exist).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from litestar import MediaType, Response, get
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from digest import archive, items, publications
from digest.errors import NotFound
from digest.items import Item
from digest.web import look
from digest.web.look import WebRequest

PER_PAGE = 10


@get("/", sync_to_thread=True)
def home(request: WebRequest, kind: FromQuery[str] = "", page: FromQuery[int] = 1) -> Response[str]:
    """What is new: the latest items, all or of one kind."""
    site = look.of(request)
    last = max(1, min(page, 1000)) * PER_PAGE
    with site.home.db.reading() as conn:
        kinds = items.kinds(conn)
        names = topic_names(conn)
        shown = items.latest(conn, kind=kind or None, limit=last)
        editions = archive.archive(conn, limit=1)
    counted = dict(kinds)
    total = counted.get(kind, 0) if kind else sum(counted.values())
    return _page(
        request,
        "public/home.html",
        kinds=kinds,
        kind=kind,
        topic_names=names,
        shown=shown[last - PER_PAGE :],
        page=page,
        earlier=max(0, total - last),
        edition=editions[0] if editions else None,
    )


@get("/items/{slug:str}", sync_to_thread=True)
def item(request: WebRequest, slug: FromPath[str]) -> Response[str]:
    """One item; 410 when it was withdrawn, with the reason."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        found = items.find(conn, slug)
        names = topic_names(conn)
        beside = items.latest(conn, topic=found.topics[0]) if found.topics else []
    if found.state == "withdrawn":
        return _page(request, "public/withdrawn.html", status=410, item=found)
    if found.state != "published":
        raise NotFound("There is nothing at this address.")
    newer, older = neighbors(beside, found)
    return _page(request, "public/item.html", item=found, topic_names=names, newer=newer, older=older)


def _page(request: WebRequest, template: str, **context: Any) -> Response[str]:
    """A page for everyone, in the language that the browser asks for."""
    return look.of(request).page(template, language=look.language_of(request), **context)


def topic_names(conn: Connection) -> dict[str, str]:
    """What readers call each topic."""
    return {topic.slug: topic.name for topic in publications.topics(conn)}


def neighbors(shown: Sequence[Item], item: Item) -> tuple[Item | None, Item | None]:
    """The items just before and just after `item` in a list that is newest first."""
    place = next((n for n, other in enumerate(shown) if other.id == item.id), None)
    if place is None:
        return None, None
    return (shown[place - 1] if place else None), (shown[place + 1] if place + 1 < len(shown) else None)


@get("/topics", sync_to_thread=True)
def topics(request: WebRequest) -> Response[str]:
    """All topics."""
    return _topics(request)


@get("/topics/{slug:str}", sync_to_thread=True)
def topic(request: WebRequest, slug: FromPath[str]) -> Response[str]:
    """What there is on one subject; an unknown one shows all topics, as 404."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        found = next((topic for topic in publications.topics(conn) if topic.slug == slug), None)
        shown = items.latest(conn, topic=slug) if found else []
    if not found:
        return _topics(request, unknown=slug, status=404)
    return _page(request, "public/topic.html", topic=found, shown=shown)


def _topics(request: WebRequest, *, unknown: str = "", status: int = 200) -> Response[str]:
    site = look.of(request)
    with site.home.db.reading() as conn:
        return _page(request, "public/topics.html", status=status, unknown=unknown, topics=publications.topics(conn))


@get("/feeds", sync_to_thread=True)
def feeds(request: WebRequest) -> Response[str]:
    """The address of every feed."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        total = sum(count for _, count in items.kinds(conn))
        return _page(request, "public/feeds.html", topics=publications.topics(conn), total=total)


@get("/editions", sync_to_thread=True)
def editions(request: WebRequest) -> Response[str]:
    """What was sent before, by year."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        past = archive.archive(conn)
    years = [(year, list(group)) for year, group in groupby(past, key=lambda edition: edition.day.year)]
    return _page(request, "public/editions.html", years=years)


@get("/editions/{number:int}", sync_to_thread=True)
def edition(request: WebRequest, number: FromPath[int]) -> Response[str]:
    """One edition as a page, without anybody's personal links."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        found = archive.published(conn, number)
    return _page(request, "public/edition.html", edition=found)


@get("/privacy", sync_to_thread=True)
def privacy(request: WebRequest) -> Response[str]:
    """What is kept of whom, for how long, and what people can do about it."""
    settings = look.of(request).home.settings
    carrier = {"sendgrid": "SendGrid"}.get(settings.transport.kind, "")
    return _page(request, "public/privacy.html", carrier=carrier, days=settings.sign_up.keep_network_days)


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


HANDLERS: list[Any] = [home, item, topics, topic, feeds, editions, edition, privacy, healthz, readyz]
