"""What the buttons of an item's form do: save, publish now or later, take the time back.

Promises: every button keeps first what stands in the form, in the same transaction and with its line in the record.
Authors write drafts; only editors change what readers see. Refuses: what is wrong with what was typed, by field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import items, manuscripts, review
from digest.errors import BadInput, DigestError, Refused
from digest.items import Item
from digest.staff import activity
from digest.staff.accounts import AUTHOR, EDITOR, Account
from digest.web import look
from digest.web.console import door, frame, item_form, item_looks
from digest.web.console import item as page
from digest.web.console.item import may_write, thing
from digest.web.console.item_form import Typed
from digest.web.console.items import path
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

Do = Callable[[Connection, Site, Account, Item, Typed], str]  # answers which line tells what was done


def create(request: WebRequest, form: Form) -> Response[Any]:
    """A new draft."""
    return _create(request, form, publish=False)


def create_and_publish(request: WebRequest, form: Form) -> Response[Any]:
    """A new item, published at once or at its time."""
    return _create(request, form, publish=True)


def _create(request: WebRequest, form: Form, *, publish: bool) -> Response[Any]:
    site, account = look.of(request), door.of(request).account
    typed = item_form.read(form, site, None)
    at = item_form.moment(typed, site.zone, now=site.clock()) if publish else None

    def both(conn: Connection) -> tuple[Item, str]:
        now, zone = site.clock(), site.zone.key
        item = manuscripts.create(conn, typed.manuscript, now=now, zone=zone)
        activity.record(conn, account, "wrote", thing(item), now=now, after={"title": item.title})
        return item, _publish(conn, site, account, item, at) if publish else "created"

    try:
        if typed.wrong:
            return page.blank(request, typed)
        item, told = site.home.db.run(both)
    except BadInput as error:
        typed.blame(error.problem)
        return page.blank(request, typed)
    return frame.redirect(f"{path(item)}?done={told}")


def _deed(step: Do, *, publish: bool = False) -> frame.Do:
    """A button of the form: what was typed is kept, then the step is done, both or neither."""

    def do(request: WebRequest, form: Form) -> Response[Any]:
        site, account = look.of(request), door.of(request).account
        with site.home.db.reading() as conn:
            opened = item_looks.look_up(conn, request)
        typed = item_form.read(form, site, opened)
        if publish:
            item_form.moment(typed, site.zone, now=site.clock())
        if typed.wrong:
            return page.filled(request, typed, status=400)

        def both(conn: Connection) -> tuple[Item, str]:
            item = item_looks.look_up(conn, request)
            return item, step(conn, site, account, item, typed)

        try:
            item, told = site.home.db.run(both)
        except BadInput as error:
            typed.blame(error.problem)
            return page.filled(request, typed, status=400)
        except (Refused, DigestError) as error:
            return page.filled(request, typed, status=409, fault=str(error))
        return frame.redirect(f"{path(item)}?done={told}")

    return do


def _save(conn: Connection, site: Site, account: Account, item: Item, typed: Typed) -> str:
    if not may_write(account, item):
        raise Refused("It is not a draft any more: only an editor can change it. What you wrote stands below.")
    tell = typed.note if typed.tell and item.is_complete else None
    outcome = manuscripts.save(
        conn,
        item.slug,
        typed.manuscript,
        opened_at=typed.opened_at,
        now=site.clock(),
        zone=site.zone.key,
        tell=tell,
    )
    if outcome.what == "changed":
        after = items.find(conn, item.slug)
        facts = {"before": _facts(item), "after": _facts(after) | ({"told": tell} if tell else {})}
        activity.record(conn, account, "changed", thing(item), now=site.clock(), **facts)
    return "told" if outcome.what == "changed" and outcome.news and tell else outcome.what


def _facts(item: Item) -> dict[str, Any]:
    return {"title": item.title, "date": item.published_on or "", "version": item.revision}


def _save_and_publish(conn: Connection, site: Site, account: Account, item: Item, typed: Typed) -> str:
    _save(conn, site, account, item, typed)
    at = item_form.moment(typed, site.zone, now=site.clock())
    return _publish(conn, site, account, items.find(conn, item.slug), at)


def _publish(conn: Connection, site: Site, account: Account, item: Item, at: Any) -> str:
    if item.published_on and item.day is None:
        raise BadInput("date", "The year is missing.", "Complete the date before you publish it.")
    review.publish_item(conn, item.slug, now=site.clock(), zone=site.zone.key, at=at)
    after = items.find(conn, item.slug)
    facts = {"state": after.state} | ({"appears": frame.moment(site, after.publish_at)} if after.publish_at else {})
    activity.record(
        conn, account, "published", thing(item), now=site.clock(), before={"state": item.state}, after=facts
    )
    return after.state


def _save_and_unschedule(conn: Connection, site: Site, account: Account, item: Item, typed: Typed) -> str:
    _save(conn, site, account, item, typed)
    if item.state != "scheduled":
        raise Refused("It does not wait for its time any more.")
    items.withdraw(conn, item.slug, now=site.clock(), why="")
    activity.record(conn, account, "took back the time of", thing(item), now=site.clock())
    return "unscheduled"


HANDLERS = [
    frame.deed_at("/items/new", AUTHOR, create, files=True),
    frame.deed_at("/items/new/publish", EDITOR, create_and_publish, files=True),
    frame.deed_at("/items/{slug:str}", AUTHOR, _deed(_save), files=True),
    frame.deed_at("/items/{slug:str}/publish", EDITOR, _deed(_save_and_publish, publish=True), files=True),
    frame.deed_at("/items/{slug:str}/unschedule", EDITOR, _deed(_save_and_unschedule), files=True),
]
