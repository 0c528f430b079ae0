"""The only way into the console: who is signed in, what their role may, and whether a form is one of our own.

Promises: a route without a least role does not exist (`least`); a deed needs the form's token, which is bound to the
session (or, before there is one, to the browser), and comes from our own pages as far as the browser says; the cookie
is out of reach of scripts and of other sites. Refuses: 401 who is not signed in, 403 whose role does not suffice or
whose form is not ours. Serves all files of the console.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope
from sqlalchemy import Connection

from digest import keys
from digest.staff import accounts, activity, sessions
from digest.staff.accounts import Account
from digest.staff.entering import Client
from digest.staff.sessions import Session
from digest.web import forms, look
from digest.web.look import Site, WebRequest
from subscribers import links

ANYONE, HALF = "anyone", "half"  # beside the roles: no session, or one whose second factor is outstanding
RENEWED = "renewed session"  # where the request keeps the cookie that goes with its answer
SAFE = ("GET", "HEAD")
FIELD = "form_token"  # the field that every form carries
ACCOUNT = "/staff/account"
FACTOR = f"{ACCOUNT}/second-step"
AGENT = 200  # characters of a browser's name
_ADDRESS = re.compile(r"""[^\s<>()\[\],;:"']+@[^\s<>()\[\],;:"']+""")


_GROUP = {
    accounts.VIEWER: "the staff",
    accounts.AUTHOR: "authors and above",
    accounts.EDITOR: "editors and owners",
    accounts.OWNER: "owners",
}


class Turned(PermissionDeniedException):
    """Not through this door: what is so, and what to do."""

    def __init__(self, title: str, remedy: str) -> None:
        super().__init__(title)
        self.title, self.remedy = title, remedy


class Elsewhere(Exception):
    """Something else comes first: the page to go to."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True)
class Visitor:
    """Who is signed in."""

    account: Account
    session: Session


def least(role: str) -> dict[str, Any]:
    """The options of a route that is for this role and those above it."""
    if role not in (ANYONE, HALF, *accounts.ROLES):
        raise ValueError(f"{role} is no role")
    return {"least": role}


async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Lets a request through, or raises what it is answered with."""
    request: Any = connection
    role = handler.opt["least"]
    visitor = await sync_to_thread(_visitor, request)
    request.state["visitor"] = visitor
    if visitor is None and role != ANYONE:
        raise NotAuthorizedException("You are not signed in.")
    if visitor is not None and visitor.session.half and role not in (ANYONE, HALF):
        raise NotAuthorizedException("The second step is missing.")
    if visitor is not None and role in accounts.ROLES:  # before the form, which may be a large one
        _check_role(request, visitor, role)
    try:
        if request.method not in SAFE:
            await _check_form(request)
    except Turned:
        await forms.discard(request)
        raise


def _check_role(request: WebRequest, visitor: Visitor, role: str) -> None:
    if not visitor.account.may(role):
        raise Turned(f"This is for {_GROUP[role]}", "Ask an owner to do it, or to give you another role.")
    _send_first(request, visitor)


def _send_first(request: WebRequest, visitor: Visitor) -> None:
    """Whoever has no password yet, or no second factor where it is demanded, does that before anything else."""
    demanded = look.of(request).home.settings.staff.second_factor == "demanded"
    if not visitor.account.has_password:
        first = ACCOUNT
    elif demanded and not visitor.account.has_second_factor:
        first = FACTOR
    else:
        return
    if not request.url.path.startswith(ACCOUNT):
        raise Elsewhere(first)


def of(request: WebRequest) -> Visitor:
    """Who is signed in, on a route that `admit` let through."""
    found: Visitor = request.state["visitor"]
    return found


def known(request: WebRequest) -> Visitor | None:
    """Who is signed in, if anybody, on a route for anyone."""
    found: Visitor | None = request.state["visitor"]
    return found


def shown(request: WebRequest) -> Callable[[str], str]:
    """Texts as whoever looks may see them: from viewers every address in them is hidden."""
    return str if of(request).account.may(accounts.AUTHOR) else without_addresses


def without_addresses(text: str) -> str:
    """The text with every e-mail address in it masked."""
    return _ADDRESS.sub(lambda found: links.mask(found[0]), text)


def client(request: WebRequest) -> Client:
    """Where a request comes from."""
    ip = request.client.host if request.client else ""
    agent = "".join(sign for sign in request.headers.get("user-agent", "") if sign.isprintable())
    return Client(ip, agent[:AGENT])


# --- cookies ---------------------------------------------------------------------------------------------------


def session_cookie(site: Site, token: str) -> Cookie:
    """The cookie of a new session: until the browser closes, or the session ends."""
    return _cookie(site, "staff", token)


async def hand_over(message: Message, scope: Scope) -> None:
    """Gives the browser the new id of its session, whatever the answer is, unless the answer brings one itself."""
    cookie = scope.get("state", {}).get(RENEWED)
    if cookie is None or message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    if not any(one.startswith(f"{cookie.key}=") for one in headers.getall("set-cookie", [])):
        headers.add("set-cookie", cookie.to_header(header=""))


def no_cookie(site: Site) -> Cookie:
    """Takes the session's cookie away."""
    return _cookie(site, "staff", "", max_age=0)


def browser_cookie(site: Site, mark: str) -> Cookie:
    """The cookie that binds forms to a browser as long as nobody is signed in."""
    return _cookie(site, "form", mark)


def _cookie(site: Site, name: str, value: str, *, max_age: int | None = None) -> Cookie:
    secure = _is_secure(site)
    return Cookie(
        key=_name(site, name), value=value, path="/", httponly=True, secure=secure, samesite="lax", max_age=max_age
    )


def _name(site: Site, name: str) -> str:
    """With https a name that no other host and no http page can set (RFC 6265bis, section 4.1.3.2)."""
    return f"__Host-{name}" if _is_secure(site) else f"digest-{name}"


def _is_secure(site: Site) -> bool:
    return site.home.settings.site.url.startswith("https:")


# --- forms -----------------------------------------------------------------------------------------------------


def form_token(request: WebRequest) -> tuple[str, Cookie | None]:
    """What a form on this page carries, and a cookie that must go with the page when nobody is signed in."""
    site = look.of(request)
    mark = _mark(request)
    if mark:
        return _token(site, mark), None
    mark = secrets.token_urlsafe(16)
    return _token(site, mark), browser_cookie(site, mark)


async def _check_form(request: WebRequest) -> None:
    site, mark = look.of(request), _mark(request)
    origin = request.headers.get("origin")
    foreign = origin is not None and origin != site.home.settings.site.url
    told = (await forms.read(request)).fields.get(FIELD, ())
    if foreign or not mark or len(told) != 1 or not _same(told[0], _token(site, mark)):
        here = f"{site.home.settings.site.url}/staff/"
        raise Turned("This form was not accepted", f"It is older than your session, or not from {here}. Open it again.")


def _same(told: str, token: str) -> bool:
    return secrets.compare_digest(told.encode("utf-8", "replace"), token.encode())


def _mark(request: WebRequest) -> str:
    """What forms are bound to: the session, under whichever id; or before there is one the browser's own mark."""
    visitor: Visitor | None = request.state.get("visitor")
    if visitor:
        return f"session {visitor.session.id} {visitor.session.created_at.isoformat()}"
    return request.cookies.get(_name(look.of(request), "form"), "")


def _token(site: Site, mark: str) -> str:
    return keys.mac(site.home.keys.derive_fixed("form"), mark.encode()).hex()


def _visitor(request: WebRequest) -> Visitor | None:
    site = look.of(request)
    token = request.cookies.get(_name(site, "staff"), "")
    if not token:
        return None
    now, db = site.clock(), site.home.db
    with db.reading() as conn:
        session = sessions.find(conn, token, now=now)
        stolen = None if session else sessions.held_twice(conn, token, now=now)
        visitor = Visitor(accounts.by_id(conn, session.staff_id), session) if session else None
    if stolen is not None:
        db.run(partial(_end_copies, token, stolen, now))
    if session is None or visitor is None:
        return None
    if session.renew and (new := db.run(partial(sessions.renew, session=session, token=token, now=now))):
        request.state[RENEWED] = session_cookie(site, new)
    if sessions.is_stale(session, now=now):
        with db.transaction() as conn:
            sessions.note(conn, session, now=now)
    return visitor


def _end_copies(token: str, staff_id: int, now: datetime, conn: Connection) -> None:
    if sessions.end_copies(conn, token):
        account = accounts.by_id(conn, staff_id)
        activity.record(conn, account, "was signed out, since an old id was used again", "session", now=now)
