"""What may be done with an edition that is only looked at: say that it is seen, have a test sent, see who is behind a
number.

Promises: nothing of it changes what goes out, or to whom; a look counts for what was on the page; a list has as many
people as its number says, a page at a time. Refuses: editions that have gone, since there is nothing to look at before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import publications
from digest.errors import NotFound, Refused
from digest.staff import activity, looks
from digest.staff.accounts import EDITOR, VIEWER
from digest.web import look
from digest.web.console import before, door, edition_looks, editions, frame, people, sending, trials, who
from digest.web.console.before import Place
from digest.web.console.preview import View
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import directory, reach
from subscribers.reach import Part

Find = Callable[[Connection, WebRequest, Site], Place]
LOOK = ("view", "colors", "reader")  # what the forms say of how one looks
NUMBERS = ("by_items", "by_entry")  # parts that are told by a number
PARTS = ("left_out", "by_topic", "by_often", "by_language", *NUMBERS)


@dataclass(frozen=True)
class Kind:
    """A kind of page on which an edition is looked at: where it lies, for whom, and what it shows."""

    path: str
    role: str
    find: Find
    refused: Callable[[WebRequest, str], Response[Any]]  # the page again, with why something was not done


def _seen(kind: Kind) -> frame.Do:
    """The form with which somebody says that they have seen it."""

    def do(request: WebRequest, form: Form) -> Response[Any]:
        try:
            view = look.of(request).home.db.run(partial(_note, kind.find, request, form))
        except Refused as error:
            return kind.refused(request, str(error))
        return frame.redirect(view.to(done="seen"))

    return do


def _note(find: Find, request: WebRequest, form: Form, conn: Connection) -> View:
    site, account = look.of(request), door.of(request).account
    place = find(conn, request, site)
    looks.note(conn, account.id, place.proposal, seen=form.one("contents"), now=site.clock())
    activity.record(conn, account, "looked at", place.thing, now=site.clock())
    return _view(request, place, form)


def _test(kind: Kind) -> frame.Do:
    """The form with which somebody sends the mail to themselves."""

    def do(request: WebRequest, form: Form) -> Response[Any]:
        try:
            view = _try(kind.find, request, form)
        except Refused as error:
            return kind.refused(request, str(error))
        return frame.redirect(view.to(done="tested"))

    return do


def _try(find: Find, request: WebRequest, form: Form) -> View:
    site, account = look.of(request), door.of(request).account
    with site.home.db.reading() as conn:
        place = find(conn, request, site)
        view = _view(request, place, form)
        mail = before.mail(conn, site, place.proposal, view)
    if mail is None:
        raise Refused("There is no mail for everybody in it. Choose somebody as whom to see it, then test that.")
    asked = partial(trials.send, site=site, account=account, thing=place.thing, mail=mail, reader=view.reader)
    site.home.db.run(asked)
    return view


def _view(request: WebRequest, place: Place, form: Form) -> View:
    """The look in which the form was pressed."""
    return View.read(request, {name: form.one(name) for name in LOOK}, place.path, **place.kept)


# --- who is behind a number ------------------------------------------------------------------------------------


def _listed(find: Find) -> frame.Show:
    """The people of one part of the sum."""

    def show(request: WebRequest) -> Response[Any]:
        site, below = look.of(request), frame.number(request.query_params.get("below", ""))
        part = _part(request)
        with site.home.db.reading() as conn:
            place = find(conn, request, site)
            limit = directory.PER_PAGE + 1
            numbers, total = reach.people(conn, place.proposal, part, now=site.clock(), below=below, limit=limit)
            rows = _rows(conn, numbers[: directory.PER_PAGE])
            words = who.words(part, publications.topic_names(conn))
        more = numbers[directory.PER_PAGE - 1] if len(numbers) > directory.PER_PAGE else None
        here = {**place.kept, "by": part.name, "value": part.value}
        return frame.page(
            request,
            "who.html",
            here=editions.HERE,
            back=look.address(place.path, **place.kept),
            words=words,
            number=total,
            rows=rows,
            onward=look.address(f"{place.path}/people", **here, below=more) if more else "",
            first=look.address(f"{place.path}/people", **here) if below else "",
            badge=partial(people.badge, site),
            joined=partial(people.joined, site),
            shown=door.shown(request),
        )

    return show


def _rows(conn: Connection, numbers: list[int]) -> list[tuple[directory.Listed, list[str]]]:
    """These people with what they get."""
    digests, say = publications.all(conn), people.choices(conn)
    return [(one, people.gets(one, digests, say)) for one in directory.by_number(conn, numbers)]


def _part(request: WebRequest) -> Part:
    name, value = (request.query_params.get(key, "")[:200] for key in ("by", "value"))
    number = frame.number(value)
    if name not in PARTS or (name in NUMBERS and number is None):
        raise NotFound("There is no such list of people.")
    return Part(name, number if name in NUMBERS and number is not None else value)


KINDS = (
    Kind("/editions/{number:str}", VIEWER, edition_looks.place, editions.refused),
    Kind("/send/{digest:str}/{cadence:str}", EDITOR, sending.place, sending.refused),
)
HANDLERS = [
    route
    for kind in KINDS
    for route in (
        frame.deed_at(f"{kind.path}/seen", kind.role, _seen(kind)),
        frame.deed_at(f"{kind.path}/test", EDITOR, _test(kind)),
        frame.page_at(f"{kind.path}/people", kind.role, _listed(kind.find)),
    )
]
