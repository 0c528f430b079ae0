"""One item: its editor, how people see it, and its journey.

Promises: what was typed stands in the form again when something was wrong with it; when somebody else saved meanwhile
both texts are shown, and one's own stays until one chooses.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import inventory, items, journeys, manuscripts, publications
from digest.delivery import mailed
from digest.items import Item
from digest.manuscripts import Overtaken
from digest.staff import activity
from digest.staff.accounts import AUTHOR, EDITOR, VIEWER, Account
from digest.web import look
from digest.web.console import badges, door, frame, item_form, item_journey, item_looks
from digest.web.console.item_form import Typed
from digest.web.console.items import HERE, path
from digest.web.look import Site, WebRequest
from subscribers import tally

EXCERPT = 240  # characters that read well in a mail
LANGUAGES = {"en": "English", "es": "Spanish"}
DONE = {
    "created": "Saved as a draft. Only staff see it.",
    "changed": "Saved.",
    "unchanged": "Nothing was different, so nothing was changed.",
    "told": "Saved. Readers are told with the next edition.",
    "published": "Published. It is on the site and in the feeds, and goes with the next editions.",
    "yearless": "Published. It is on the site, and stays out of feeds and digests until its date is complete.",
    "scheduled": "Saved. It appears by itself at its time.",
    "unscheduled": "Saved. It does not appear by itself any more.",
    "withdrawn": "Withdrawn. Its address says why.",
}


def show(request: WebRequest) -> Response[Any]:
    """The editor of an item."""
    return filled(request, None)


def new(request: WebRequest) -> Response[Any]:
    """The editor, empty."""
    return blank(request, None)


def blank(request: WebRequest, typed: Typed | None) -> Response[Any]:
    """The editor of a new item, with what was typed."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        offered = _offered(conn, site, None)
    if typed is None:
        return _editor(request, None, item_form.opened(None, site.home.settings.site.language), **offered)
    return _editor(request, None, typed, status=400, **offered)


def filled(request: WebRequest, typed: Typed | None, *, status: int = 200, fault: str = "") -> Response[Any]:
    """The editor of the item that is named, as it stands or with what was typed."""
    site, theirs = look.of(request), False
    with site.home.db.reading() as conn:
        item = item_looks.look_up(conn, request)
        offered = _offered(conn, site, item)
        steps = journeys.of(conn, item, now=site.clock())
        people = mailed.of_items(conn, [item.id]).get(item.id)
        takers = {
            id(one.run): tally.takers(conn, one.run.digest.id, one.run.series.cadence) for one in steps if one.run
        }
        last = activity.lines(conn, thing=thing(item), limit=1)
    if typed is not None and typed.opened_at != item.revision:
        theirs, typed.opened_at = True, item.revision  # whoever saves now has seen both
        fault = str(Overtaken(item))
    return _editor(
        request,
        item,
        typed or item_form.opened(item, item.language),
        status=status,
        fault=fault,
        theirs=_differences(item, typed) if theirs and typed else [],
        steps=steps,
        mailed=people,
        takers=lambda step: takers[id(step.run)],
        last=last[0] if last else None,
        tell_step=partial(item_journey.words, site, item),
        **offered,
    )


def _offered(conn: Connection, site: Site, item: Item | None) -> dict[str, Any]:
    spoken = {*site.home.settings.site.languages, *([item.language] if item else [])}
    return {
        "kinds": inventory.kinds(conn),
        "topics": publications.topics(conn),
        "languages": {tag: LANGUAGES.get(tag, tag) for tag in sorted(spoken)},
    }


def _editor(request: WebRequest, item: Item | None, typed: Typed, *, status: int = 200, **more: Any) -> Response[Any]:
    site, account = look.of(request), door.of(request).account
    given: dict[str, Any] = {"fault": "", "theirs": [], "steps": [], "mailed": None, "last": None}
    return frame.page(
        request,
        "item.html",
        status=status,
        here=HERE,
        item=item,
        path=path(item) if item else f"{HERE}/new",
        typed=typed,
        it=typed.manuscript,
        wrong=typed.wrong,
        author_lines=item_form.author_lines(typed.manuscript.authors),
        may_write=may_write(account, item),
        may_publish=account.may(EDITOR),
        views=item_looks.VIEWS,
        most=EXCERPT,
        badge=badges.of_item,
        lacks=inventory.lacks(item) if item else [],
        done=DONE.get(request.query_params.get("done", "")) if status == 200 else "",
        place=site.zone.key.rpartition("/")[2].replace("_", " "),
        badge_of=badges.badge,
        **(given | more),
    )


def may_write(account: Account, item: Item | None) -> bool:
    """Whether they may change this item: what readers see, or are about to see, is for editors."""
    return account.may(EDITOR) or (account.may(AUTHOR) and (item is None or item.state == "draft"))


def thing(item: Item) -> str:
    """What the record of deeds calls an item."""
    return f"item {item.slug}"


def _differences(item: Item, typed: Typed) -> list[tuple[str, str, str]]:
    """Field, theirs and yours, where the two differ."""
    theirs, yours = manuscripts.of(item), typed.manuscript
    names = {
        "title": "Title", "subtitle": "Line under the title", "kind": "Kind", "day": "Date", "topics": "Topics",
        "authors": "Authors", "excerpt": "Excerpt", "text": "Text", "language": "Language", "featured": "First in mail",
        "pdf": "PDF", "image": "Picture",
    }  # fmt: skip
    found = ((label, _said(getattr(theirs, name)), _said(getattr(yours, name))) for name, label in names.items())
    return [one for one in found if one[1] != one[2]]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, tuple):
        return "; ".join(_said(one) for one in value)
    if isinstance(value, items.Author):
        return ", ".join(filter(None, (value.name, value.role, value.organization)))
    if isinstance(value, items.Attachment):
        return f"{value.name} ({value.alt})" if value.alt else value.name
    return str(value or "")


HANDLERS = [frame.page_at("/items/new", AUTHOR, new), frame.page_at("/items/{slug:str}", VIEWER, show)]
