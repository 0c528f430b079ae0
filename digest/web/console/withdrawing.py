"""Withdrawing an item: what is recalled and what is not, before it is done, and the reason that readers see.

Refuses: to withdraw without a reason, and what is not published.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import items, journeys, review
from digest.delivery import mailed
from digest.errors import BadInput, Refused
from digest.items import Item
from digest.staff import activity
from digest.staff.accounts import EDITOR
from digest.web import look
from digest.web.console import door, editions, frame, item_looks
from digest.web.console.item import thing
from digest.web.console.items import HERE, path
from digest.web.forms import Form
from digest.web.look import WebRequest


def show(request: WebRequest) -> Response[Any]:
    """What is recalled and what is not, before it is done."""
    return _page(request)


def _page(
    request: WebRequest, *, status: int = 200, why: str = "", wrong: dict[str, str] | None = None
) -> Response[Any]:
    site = look.of(request)
    with site.home.db.reading() as conn:
        item = item_looks.look_up(conn, request)
        steps = journeys.of(conn, item, now=site.clock())
        people = mailed.of_items(conn, [item.id]).get(item.id)
    under_way = [one.edition for one in steps if one.edition and one.edition.edition.state in ("frozen", "sending")]
    return frame.page(
        request,
        "withdraw.html",
        status=status,
        here=HERE,
        item=item,
        path=path(item),
        runs=[one for one in steps if one.run],
        under_way=under_way,
        mailed=people,
        why=why,
        wrong=wrong or {},
        cadences=frame.CADENCES,
        name=partial(editions.name, site),
    )


def withdraw(request: WebRequest, form: Form) -> Response[Any]:
    """Takes an item back."""
    site, account = look.of(request), door.of(request).account

    def both(conn: Connection) -> Item:
        item = item_looks.look_up(conn, request)
        if item.state != "published":
            raise Refused("It is not published, so there is nothing to withdraw.")
        asked = review.withdraw_item(conn, item.slug, why=form.one("why", most=500), now=site.clock())
        after = {"state": "withdrawn", "why": items.find(conn, item.slug).withdrawn_why}
        if asked:
            after["paused"] = ", ".join(f"edition {number}" for number in asked)
        activity.record(
            conn, account, "withdrew", thing(item), now=site.clock(), before={"state": item.state}, after=after
        )
        return item

    try:
        item = site.home.db.run(both)
    except (BadInput, Refused) as error:
        status = 400 if isinstance(error, BadInput) else 409
        return _page(request, status=status, why=form.typed("why")["why"], wrong=frame.wrong(error, "why"))
    return frame.redirect(f"{path(item)}?done=withdrawn")


HANDLERS = [
    frame.page_at("/items/{slug:str}/withdraw", EDITOR, show),
    frame.deed_at("/items/{slug:str}/withdraw", EDITOR, withdraw),
]
