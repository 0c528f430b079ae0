"""An item as people will see it: on the site, in the mail and in feeds, as it stands or as it is just being typed.

Promises: each is made by the very templates that make the real ones; nothing is saved; links in it lead nowhere.
Refuses nothing: what is wrong with what was typed is said, and the rest is shown.
"""

from __future__ import annotations

import json
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import items, manuscripts, previews, publications
from digest.errors import BadInput, NotFound
from digest.feeds import formats
from digest.items import Item
from digest.staff.accounts import AUTHOR, VIEWER
from digest.web import guard, look
from digest.web.console import frame, item_form
from digest.web.console.items import HERE, OWN_PAGES
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

VIEWS = {"mail": "In mail", "site": "On the site", "feeds": "In feeds"}
# Mails and feeds carry their looks inside; all of them are ours, and nothing in them runs or leads anywhere.
_LOOKS = "style-src 'self' 'unsafe-inline'"
INERT = frame.INERT.replace("style-src 'unsafe-inline'", _LOOKS)
FRAMES = guard.STRICT.replace("style-src 'self'", _LOOKS) + "; frame-src 'self'"  # documents inside inherit it


def look_up(conn: Connection, request: WebRequest) -> Item:
    """The item that an address names; `~` stands before one that is called like a page of its own. Raises NotFound."""
    slug = request.path_params["slug"]
    found = items.lookup(conn, slug.removeprefix("~")) if slug not in OWN_PAGES else None
    if found is None:
        raise NotFound("There is no such item.")
    return found


def show(request: WebRequest) -> Response[Any]:
    """One view of an item as it stands, for the frame on its page."""
    site, view = look.of(request), request.path_params["view"]
    if view not in VIEWS:
        raise NotFound("There is no such view.")
    with site.home.db.reading() as conn:
        html = _document(conn, site, look_up(conn, request), view)
    return Response(html, media_type="text/html", headers=frame.PRIVATE | {frame.POLICY: INERT})


def preview(request: WebRequest, form: Form) -> Response[Any]:
    """All views of what was typed, on a page of its own."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        item = None if request.path_params["slug"] == "new" else look_up(conn, request)
        typed = item_form.read(form, site, item, keep_files=False)
        documents: dict[str, str] = {}
        try:
            shown = manuscripts.preview(item, typed.manuscript, now=site.clock(), zone=site.zone.key)
            documents = {view: _document(conn, site, shown, view, typed.note) for view in VIEWS}
        except BadInput as error:
            typed.blame(error.problem)
    files = [one.name for those in form.files.values() for one in those]
    return frame.page(
        request,
        "item_preview.html",
        policy=FRAMES,
        here=HERE,
        title=typed.manuscript.title or "Without a title",
        views=VIEWS,
        documents=documents,
        faults=typed.wrong,
        files=files,
    )


def _document(conn: Connection, site: Site, item: Item, view: str, note: str = "") -> str:
    if view == "mail":
        return previews.of_item(conn, site.home, item, note=note, now=site.clock())
    names = publications.topic_names(conn)
    names |= {topic: topic for topic in item.topics if topic not in names}
    if view == "feeds":
        return _in_feeds(site, item, names)
    book, beside = site.book(), dict[str, Any](newer=None, older=None, notes=[], card=None)
    return book.templates.get_template("public/item.html").render(item=item, topic_names=names, **beside)


def _in_feeds(site: Site, item: Item, names: dict[str, str]) -> str:
    """What a feed tells of the item, as the program of a reader might show it."""
    said = site.home.settings.site
    feed = formats.Feed("all", said.name, said.lead, f"{said.url}/", (item,), names)
    entry = json.loads(formats.json_feed(site.home.settings, feed))["items"][0]
    return site.book().templates.get_template("console/in_feeds.html").render(entry=entry, item=item)


HANDLERS = [
    frame.page_at("/items/{slug:str}/as/{view:str}", VIEWER, show),
    frame.deed_at("/items/{slug:str}/preview", AUTHOR, preview, files=True),
]
