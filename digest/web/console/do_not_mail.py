"""The do-not-mail list: whom we must not write to, and why; one more goes on, and with a reason one comes off.

Promises: an address is shown only where somebody with it is known, and never to viewers; whoever comes off gets no
mail before they have confirmed anew. Refuses: to take an address off without a reason, or without a name; the name is
that of whoever is signed in.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest.errors import BadInput, DigestError
from digest.staff import activity
from digest.staff.accounts import AUTHOR, EDITOR, VIEWER, Account
from digest.tables import EPOCH, micros
from digest.web import look
from digest.web.console import door, frame
from digest.web.console.people import HERE as PEOPLE
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import directory, explaining, on_behalf, suppression
from subscribers.suppression import Entry

HERE = f"{PEOPLE}/do-not-mail"
PER_PAGE = 50
DONE = {
    "added": "It is on the list. Nothing more goes out to this address.",
    "there": "It was on the list already. Nothing was changed.",
    "allowed": "It is off the list. Nobody with this address is known here: they can sign up, and confirm it.",
}


def show(request: WebRequest) -> Response[Any]:
    """The list, the latest first; and whether an address is on it."""
    return _page(request)


def _page(request: WebRequest, *, status: int = 200, **more: Any) -> Response[Any]:
    site, asked = look.of(request), request.query_params
    visitor = door.of(request)
    part = asked.get("q", "").strip()[:254] if visitor.account.may(AUTHOR) else ""
    with site.home.db.reading() as conn:
        found = suppression.page(conn, before=_before(asked.get("before", "")), limit=PER_PAGE + 1)
        looked_up = _look_up(conn, site, part)
    given: dict[str, Any] = {"wrong": {}, "typed": part if "@" in part else ""}
    shown = found[:PER_PAGE]
    return frame.page(
        request,
        "do_not_mail.html",
        status=status,
        here=PEOPLE,
        path=HERE,
        part=part,
        looked_up=looked_up,
        entries=shown,
        more=_place(shown[-1]) if len(found) > PER_PAGE else "",
        later=bool(asked.get("before")),
        shown=door.shown(request),
        may_search=visitor.account.may(AUTHOR),
        why=explaining.listed,
        done=DONE.get(asked.get("done", "")),
        **(given | more),
    )


def _look_up(conn: Connection, site: Site, address: str) -> tuple[str, Entry | None]:
    """What is said of an address that is looked for: its entry, or why there is none."""
    if not address:
        return "", None
    try:
        entry = suppression.find(conn, site.home.keys, address)
    except BadInput:
        return "Type the whole address: the list holds marks of addresses, so a part of one finds nothing.", None
    return ("", entry) if entry else (f"{address} is not on the list.", None)


def _place(entry: Entry) -> str:
    """Where the next page goes on."""
    return f"{micros(entry.at)}-{entry.mark.hex()}"


def _before(text: str) -> Any:
    moment, _, mark = text.partition("-")
    try:
        return EPOCH + timedelta(microseconds=int(moment)), bytes.fromhex(mark)
    except (ValueError, OverflowError):
        return None


def add(request: WebRequest, form: Form) -> Response[Any]:
    """Puts an address on the list."""
    site, account = look.of(request), door.of(request).account
    try:
        added = site.home.db.run(partial(_add, site, account, form.one("email", most=254)))
    except BadInput as error:
        return _page(request, status=400, typed=form.typed("email")["email"], wrong={"email": error.problem.said})
    return frame.redirect(f"{HERE}?done={'added' if added else 'there'}")


def _add(site: Site, account: Account, email: str, conn: Connection) -> bool:
    now = site.clock()
    added = on_behalf.bar(conn, site.home, email, by=account.name, now=now)
    if added:
        known = directory.at(conn, email)
        thing = f"person {known.subscriber_id}" if known else "somebody"
        activity.record(conn, account, "put on the do-not-mail list", thing, now=now)
    return added


def allow_page(request: WebRequest) -> Response[Any]:
    """Asks why an address comes off the list."""
    return _allow(request)


def _allow(request: WebRequest, *, status: int = 200, **more: Any) -> Response[Any]:
    site, number = look.of(request), frame.number(request.query_params.get("person", ""))
    with site.home.db.reading() as conn:
        person = directory.one(conn, number) if number is not None else None
    typed = {"email": person.email if person else request.query_params.get("q", "")[:254], "why": ""}
    given: dict[str, Any] = {"wrong": {}, "typed": typed}
    return frame.page(request, "allow.html", status=status, here=PEOPLE, path=HERE, person=person, **(given | more))


def allow(request: WebRequest, form: Form) -> Response[Any]:
    """Takes an address off the list; somebody who is known is asked to confirm."""
    site, account = look.of(request), door.of(request).account
    typed = form.typed("email", "why")
    try:
        email, why = form.one("email", most=254), form.one("why", most=1_000)
        to = site.home.db.run(partial(_take_off, site, account, email, why))
    except DigestError as error:
        status = 400 if isinstance(error, BadInput) else 409
        return _allow(request, status=status, typed=typed, wrong=frame.wrong(error, "email"))
    return frame.redirect(to)


def _take_off(site: Site, account: Account, email: str, why: str, conn: Connection) -> str:
    now = site.clock()
    before = suppression.find(conn, site.home.keys, email)
    asked = on_behalf.allow(conn, site.home, email, by=account.name, why=why, now=now)
    known = directory.at(conn, email)
    said = {"before": {"listed because": before.reason if before else ""}}
    because = {"after": {"reason to take it off": door.without_addresses(why)}}
    thing = f"person {known.subscriber_id}" if known else "somebody"
    activity.record(conn, account, "took off the do-not-mail list", thing, now=now, **said, **because)
    if known is None:
        return f"{HERE}?done=allowed"
    return f"{PEOPLE}/{known.subscriber_id}?done={'asked' if asked else 'allowed'}"


HANDLERS = [
    frame.page_at("/people/do-not-mail", VIEWER, show),
    frame.deed_at("/people/do-not-mail", EDITOR, add),
    frame.page_at("/people/do-not-mail/allow", EDITOR, allow_page),
    frame.deed_at("/people/do-not-mail/allow", EDITOR, allow),
]
