"""The search page: what readers ask in a plain form, and what is found, the best first.

Promises: a page for every question, however odd; what was found is told apart and stays text. It is shown to no
search engine, since it has as many addresses as there are questions. Refuses: to find what is not published.
"""

from __future__ import annotations

from litestar import Response, get
from litestar.params import FromQuery

from digest import listings, markup, search, snippets
from digest.listings import Filter
from digest.web import look
from digest.web.look import WebRequest

PER_PAGE = 10
LAST_PAGE = 50
LONGEST = 200  # characters of a question that are shown again


@get("/search", sync_to_thread=True)
def find(
    request: WebRequest,
    q: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    topic: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> Response[str]:
    """The form, and below it what the question finds."""
    site = look.of(request)
    question = markup.line(q[: 10 * LONGEST])[:LONGEST]
    wanted = Filter(kind=kind[:100], topic=topic[:120])
    page = max(1, min(page, LAST_PAGE))
    with site.home.db.reading() as conn:
        found = search.find(
            conn, question, kind=wanted.kind, topic=wanted.topic, limit=PER_PAGE, offset=(page - 1) * PER_PAGE
        )
        kinds = listings.kinds(conn, Filter())
        topics = listings.topics(conn, Filter())
    more = page < LAST_PAGE and found.total > page * PER_PAGE
    return site.page(
        "public/search.html",
        language=look.language_of(request),
        question=question,
        wanted=wanted,
        kinds=[name for name, _ in kinds],
        topics=[topic for topic in topics if topic.items],
        found=found,
        titles=[snippets.marked(look.short_title(hit.item), found.phrases) for hit in found.hits],
        page=page,
        more=more,
    )


HANDLERS = [find]
