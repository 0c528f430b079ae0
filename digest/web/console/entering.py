"""Signing in and out: password or link, then the second step.

Promises: one answer for every address that does not get in; too many tries, from one network or for one account, are
told until when; a link changes nothing when it is only opened. Refuses: to lead anywhere but into the console.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest.errors import BadInput
from digest.staff import accounts, entering, links
from digest.staff.entering import Entry
from digest.web import look
from digest.web.console import door, frame, tries
from digest.web.console.door import ANYONE, HALF
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

_INSIDE = re.compile(r"/staff/[A-Za-z0-9/_.?=&%-]*")
CODE = "That code does not fit, or it was used already. Wait for the next one."
WRONG = "That address and password do not match."


def sign_in_page(request: WebRequest) -> Response[Any]:
    """The form; whoever is in already goes on."""
    visitor = door.known(request)
    if visitor and not visitor.session.half:
        return frame.redirect("/staff/")
    with look.of(request).home.db.reading() as conn:
        nobody = not accounts.every(conn)
    return frame.page(request, "sign_in.html", nobody=nobody, to=_inside(request.query_params.get("to", "")))


def sign_in(request: WebRequest, form: Form) -> Response[Any]:
    """A try with a password."""
    site, client = look.of(request), door.client(request)
    to = _inside(form.one("to"))
    try:
        email, password = form.one("email", most=254), form.secret("password", most=1000)
    except BadInput:
        return _refused(request, "", to)
    if until := tries.count(site, email, client.ip):
        return _refused(request, email, to, until=until)
    entry = entering.by_password(site.home.db, email, password, client=client, now=site.clock())
    if entry is None:
        return _refused(request, email, to)
    return _in(site, entry, to)


def code_page(request: WebRequest) -> Response[Any]:
    """The form for the second step."""
    return frame.page(request, "code.html", to=_inside(request.query_params.get("to", "")), wrong={})


def code(request: WebRequest, form: Form) -> Response[Any]:
    """A try with a code."""
    site, visitor, to = look.of(request), door.of(request), _inside(form.one("to"))
    client, now = door.client(request), site.clock()
    until = tries.count(site, visitor.account.email, client.ip)
    entry = None
    if not until:
        step = partial(_by_code, site, visitor, form.typed("code")["code"][:40], client, now)
        entry = site.home.db.run(step)
    if entry is None:
        said = tries.locked(site, until) if until else CODE
        return frame.page(request, "code.html", status=429 if until else 403, to=to, wrong={"code": said})
    return _in(site, entry, to)


def _by_code(
    site: Site, visitor: door.Visitor, code: str, client: entering.Client, now: datetime, conn: Connection
) -> Entry | None:
    return entering.by_code(conn, site.home.keys, visitor.session, code, client=client, now=now)


def link_page(request: WebRequest) -> Response[Any]:
    """What a one-time link shows: for whom it is, and the button that uses it."""
    site = look.of(request)
    with site.home.db.reading() as conn:
        staff_id = links.whose(conn, request.path_params["token"], now=site.clock())
        account = accounts.by_id(conn, staff_id) if staff_id else None
    return frame.page(request, "link.html", status=200 if account else 400, account=account)


def link(request: WebRequest, form: Form) -> Response[Any]:
    """Uses a one-time link."""
    site, client, now = look.of(request), door.client(request), look.of(request).clock()
    token = request.path_params["token"]
    entry = site.home.db.run(lambda conn: entering.by_link(conn, token, client=client, now=now))
    if entry is None:
        return frame.page(request, "link.html", status=400, account=None)
    return _in(site, entry, door.ACCOUNT if not entry.account.has_password else "")


def sign_out(request: WebRequest, form: Form) -> Response[Any]:
    """Ends this session."""
    site, visitor = look.of(request), door.of(request)
    site.home.db.run(partial(entering.leave, session=visitor.session, account=visitor.account, now=site.clock()))
    return frame.redirect(frame.SIGN_IN, door.no_cookie(site))


def _in(site: Site, entry: Entry, to: str) -> Response[Any]:
    cookie = door.session_cookie(site, entry.token)
    if entry.half:
        return frame.redirect(f"/staff/code?to={to}" if to else "/staff/code", cookie)
    return frame.redirect(to or "/staff/", cookie)


def _refused(request: WebRequest, email: str, to: str, until: datetime | None = None) -> Response[Any]:
    site = look.of(request)
    said = tries.locked(site, until) if until else WRONG
    status = 429 if until else 403
    return frame.page(request, "sign_in.html", status=status, nobody=False, to=to, email=email, wrong={"email": said})


def _inside(path: str) -> str:
    """The page to go on to, if it is one of the console's."""
    return path if _INSIDE.fullmatch(path) and ".." not in path else ""


HANDLERS = [
    frame.page_at("/sign-in", ANYONE, sign_in_page),
    frame.deed_at("/sign-in", ANYONE, sign_in),
    frame.page_at("/code", HALF, code_page),
    frame.deed_at("/code", HALF, code),
    frame.page_at("/in/{token:str}", ANYONE, link_page),
    frame.deed_at("/in/{token:str}", ANYONE, link),
    frame.deed_at("/sign-out", HALF, sign_out),
]
