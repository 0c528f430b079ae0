"""Items: what there is, in every state, and where each of it went.

Promises: what is incomplete stands first, with what is missing; how many people have an item by mail is counted, never
guessed. Shows the same list whether it is leafed through or searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import inventory, journeys, markup, publications, search
from digest.delivery import mailed
from digest.inventory import Wanted
from digest.items import Item
from digest.staff.accounts import VIEWER
from digest.web import look
from digest.web.console import badges, frame
from digest.web.look import WebRequest

HERE = "/staff/items"
OWN_PAGES = ("new", "import")  # addresses below it that are no items
LAST_PAGE = 50  # of what a search finds
STATES = {
    "draft": "Draft",
    "scheduled": "Scheduled",
    "published": "Published",
    "withdrawn": "Withdrawn",
    inventory.YEARLESS: "No year",
}


@dataclass(frozen=True)
class Asked:
    """What the list is asked for."""

    question: str
    wanted: Wanted
    after: str
    page: int


def show(request: WebRequest) -> Response[Any]:
    """The list."""
    site, asked = look.of(request), _asked(request)
    with site.home.db.reading() as conn:
        shown, total = _shown(conn, asked)
        everything = [*shown.incomplete, *shown.items]
        people = mailed.of_items(conn, [item.id for item in everything])
        ahead = journeys.next_runs(conn, now=site.clock())
        states = inventory.states(conn)
        kinds = inventory.kinds(conn)
        topics = publications.topics(conn)
    return frame.page(
        request,
        "items.html",
        here=HERE,
        asked=asked,
        shown=shown,
        total=total,
        mailed=people,
        ahead=ahead,
        states=states,
        state_names=STATES,
        kinds=kinds,
        topics=topics,
        cadences=frame.CADENCES,
        badge=badges.of_item,
        lacks=inventory.lacks,
        path=path,
        onward=look.address(
            HERE, kind=asked.wanted.kind, topic=asked.wanted.topic, state=asked.wanted.state, after=shown.after
        ),
    )


def path(item: Item) -> str:
    """The address of an item's page here; `~` stands before what would be a page of its own."""
    return f"{HERE}/{'~' if item.slug in OWN_PAGES else ''}{item.slug}"


def _asked(request: WebRequest) -> Asked:
    given = request.query_params
    state = given.get("state", "")
    wanted = Wanted(
        kind=markup.line(given.get("kind", ""))[:100],
        topic=markup.line(given.get("topic", ""))[:120],
        state=state if state in inventory.STATES else "",
    )
    page = frame.number(given.get("page", "")) or 1
    return Asked(markup.line(given.get("q", ""))[:200], wanted, given.get("after", "")[:40], min(page, LAST_PAGE))


def _shown(conn: Connection, asked: Asked) -> tuple[inventory.Page, int | None]:
    """A page of the list; of a search also how many it found."""
    wanted, most = asked.wanted, inventory.PER_PAGE
    if not asked.question:
        return inventory.page(conn, wanted, after=asked.after), None
    found = search.find(
        conn,
        asked.question,
        kind=wanted.kind,
        topic=wanted.topic,
        state=wanted.state,
        drafts=True,
        limit=most,
        offset=(asked.page - 1) * most,
    )
    return inventory.Page(tuple(hit.item for hit in found.hits)), found.total


HANDLERS = [frame.page_at("/items", VIEWER, show)]
