"""What may be done with an edition that is only looked at: say that it is seen, have a test sent, see who is behind a
number.

Promises: nothing of it changes what goes out, or to whom; a look counts for what was on the page; a list has as many
people as its number says, a page at a time. Refuses: editions that have gone, since there is nothing to look at before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import publications
from digest.errors import NotFound, Refused
from digest.staff import activity, looks
from digest.staff.accounts import EDITOR, VIEWER
from digest.web import look
from digest.web.console import before, door, editions, frame, people, sending, trials, who
from digest.web.console.before import Place
from digest.web.console.preview import View
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import directory, reach
from subscribers.reach import Part

Find = Callable[[Connection, WebRequest, Site], Place]
NUMBERS = ("by_items", "by_entry")  # parts that are told by a number
PARTS = ("left_out", "by_topic", "by_often", "by_language", *NUMBERS)


def _seen(find: Find) -> frame.Do:
    """The form with which somebody says that they have seen it."""

    def do(request: WebRequest, form: Form) -> Response[Any]:
        return frame.redirect(_back(look.of(request).home.db.run(partial(_note, find, request, form)), "seen"))

    return do


def _note(find: Find, request: WebRequest, form: Form, conn: Connection) -> View:
    site, account = look.of(request), door.of(request).account
    place = find(conn, request, site)
    looks.note(conn, account.id, place.proposal, seen=form.one("contents"), now=site.clock())
    activity.record(conn, account, "looked at", place.thing, now=site.clock())
    return _view(request, place, form)


def _test(find: Find) -> frame.Do:
    """The form with which somebody sends the mail to themselves."""

    def do(request: WebRequest, form: Form) -> Response[Any]:
        site, account = look.of(request), door.of(request).account
        with site.home.db.reading() as conn:
            place = find(conn, request, site)
            view = _view(request, place, form)
            mail = before.mail(conn, site, place.proposal, view)
        if mail is None:
            raise Refused("There is no mail for everybody in it. Choose somebody as whom to see it, then test that.")
        asked = partial(trials.send, site=site, account=account, thing=place.thing, mail=mail, reader=view.reader)
        site.home.db.run(asked)
        return frame.redirect(_back(view, "tested"))

    return do


def _view(request: WebRequest, place: Place, form: Form) -> View:
    """The look that the form was pressed in: its address says it."""
    view = View.of(request, place.path, **place.kept)
    return dataclasses.replace(view, reader=frame.number(form.one("reader"))) if form.one("reader") else view


def _back(view: View, done: str) -> str:
    return view.to(done=done)


# --- who is behind a number ------------------------------------------------------------------------------------


def _listed(find: Find) -> frame.Show:
    """The people of one part of the sum."""

    def show(request: WebRequest) -> Response[Any]:
        site, below = look.of(request), frame.number(request.query_params.get("below", ""))
        part = _part(request)
        with site.home.db.reading() as conn:
            place = find(conn, request, site)
            found = before.count(conn, site, place.proposal)
            limit = directory.PER_PAGE + 1
            numbers = reach.people(conn, place.proposal, part, now=site.clock(), below=below, limit=limit)
            listed = directory.by_number(conn, numbers[: directory.PER_PAGE])
            digests, say = publications.all(conn), people.choices(conn)
            names = publications.topic_names(conn)
        more = numbers[directory.PER_PAGE - 1] if len(numbers) > directory.PER_PAGE else None
        here = {**place.kept, "by": part.name, "value": part.value}
        return frame.page(
            request,
            "who.html",
            here=editions.HERE,
            back=look.address(place.path, **place.kept),
            words=who.words(part, names),
            number=getattr(found, part.name)[part.value],
            rows=[(one, people.gets(one, digests, say)) for one in listed],
            onward=look.address(f"{place.path}/people", **here, below=more) if more else "",
            first=look.address(f"{place.path}/people", **here) if below else "",
            badge=partial(people.badge, site),
            joined=partial(people.joined, site),
            shown=door.shown(request),
        )

    return show


def _part(request: WebRequest) -> Part:
    name, value = (request.query_params.get(key, "")[:200] for key in ("by", "value"))
    number = frame.number(value)
    if name not in PARTS or (name in NUMBERS and number is None):
        raise NotFound("There is no such list of people.")
    return Part(name, number if name in NUMBERS and number is not None else value)


def _routes(path: str, role: str, find: Find) -> list[Any]:
    return [
        frame.deed_at(f"{path}/seen", role, _seen(find)),
        frame.deed_at(f"{path}/test", EDITOR, _test(find)),
        frame.page_at(f"{path}/people", role, _listed(find)),
    ]


HANDLERS = [
    *_routes("/editions/{number:str}", VIEWER, editions.place),
    *_routes("/send/{digest:str}/{cadence:str}", EDITOR, sending.place),
]
