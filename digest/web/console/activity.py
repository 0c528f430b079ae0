"""Staff and activity: who may do what, and who did what.

Promises: every deed here is recorded with what was before; a link that lets somebody in is shown once, to the owner
who made it. Refuses: to end or demote the last owner, and whatever is not for owners.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest.errors import DigestError, NotFound, Refused
from digest.staff import accounts, activity, links, roster
from digest.staff.accounts import OWNER, VIEWER, Account
from digest.web import look
from digest.web.console import door, frame
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

ROLES = {
    "viewer": "Reads everything here, with addresses hidden, and changes nothing.",
    "author": "Writes items. Somebody else publishes them.",
    "editor": "Publishes items, approves editions, sends and writes letters.",
    "owner": "Does all that an editor does, and decides about staff and settings.",
}
DONE = {"role": "The role is changed, also where they are signed in now.", "ended": "The account has ended."}


def show(request: WebRequest) -> Response[Any]:
    """Staff, and the record of deeds."""
    return _page(request)


def _page(request: WebRequest, *, status: int = 200, **more: Any) -> Response[Any]:
    site, asked = look.of(request), request.query_params
    below, who = frame.number(asked.get("below", "")), frame.number(asked.get("who", ""))
    with site.home.db.reading() as conn:
        staff = accounts.every(conn)
        everybody = accounts.every(conn, ended=True)
        found = activity.lines(conn, below=below, staff_id=who, limit=activity.PER_PAGE + 1)
    given: dict[str, Any] = {
        "wrong": {},
        "typed": {},
        "link": "",
        "done": DONE.get(asked.get("done", "")),
        "staff": staff,
        "everybody": everybody,
        "who": who,
        "lines": found[: activity.PER_PAGE],
        "more": found[activity.PER_PAGE - 1].id if len(found) > activity.PER_PAGE else None,
        "roles": ROLES,
    }
    return frame.page(request, "activity.html", status=status, here="/staff/activity", **(given | more))


def invite(request: WebRequest, form: Form) -> Response[Any]:
    """A new account, and the link for its first sign-in."""
    site, visitor = look.of(request), door.of(request)
    typed = form.typed("name", "email", "role")
    try:
        read = {name: form.one(name, most=254) for name in typed}
        account, token = site.home.db.run(partial(_invite, site, visitor.account, read))
    except DigestError as error:
        return _page(request, status=400, typed=typed, wrong=frame.wrong(error, "email"))
    return _page(request, link=links.address(site.home.settings.site.url, token), invited=account)


def _invite(site: Site, by: Account, typed: dict[str, str], conn: Connection) -> tuple[Account, str]:
    return roster.invite(conn, by, typed["email"], name=typed["name"], role=typed["role"], now=site.clock())


def let_in(request: WebRequest, form: Form) -> Response[Any]:
    """A new link for somebody who lost their password; without their second step too, when that is asked for."""
    site, by, staff_id = look.of(request), door.of(request).account, _staff_id(request)
    step = partial(roster.let_in, by=by, staff_id=staff_id, without_second_step=form.one("without") == "1")
    try:
        account, token = site.home.db.run(partial(step, now=site.clock()))
    except Refused as error:
        return _page(request, status=409, wrong={"staff": str(error)})
    return _page(request, link=links.address(site.home.settings.site.url, token), invited=account)


def set_role(request: WebRequest, form: Form) -> Response[Any]:
    """Another role for somebody."""
    staff_id = _staff_id(request)
    step = partial(roster.set_role, staff_id=staff_id, role=form.one("role"))
    return _decide(request, step, f"role-{staff_id}", "role")


def end(request: WebRequest, form: Form) -> Response[Any]:
    """Ends an account."""
    staff_id = _staff_id(request)
    return _decide(request, partial(roster.end, staff_id=staff_id), f"role-{staff_id}", "ended")


def _decide(request: WebRequest, step: Callable[..., object], field: str, done: str) -> Response[Any]:
    """Does what an owner decides about an account; what is refused is said beside the field."""
    site, by = look.of(request), door.of(request).account
    try:
        site.home.db.run(partial(step, by=by, now=site.clock()))
    except DigestError as error:
        return _page(request, status=400, wrong={field: str(error)})
    return frame.redirect(f"/staff/activity?done={done}")


def end_page(request: WebRequest) -> Response[Any]:
    """Asks before an account ends."""
    with look.of(request).home.db.reading() as conn:
        account = accounts.by_id(conn, _staff_id(request))
    return frame.page(request, "end_account.html", here="/staff/activity", account=account)


def _staff_id(request: WebRequest) -> int:
    number = frame.number(request.path_params["id"])
    if number is None:
        raise NotFound("There is no such account.")
    return number


HANDLERS = [
    frame.page_at("/activity", VIEWER, show),
    frame.deed_at("/activity/staff", OWNER, invite),
    frame.deed_at("/activity/staff/{id:str}/link", OWNER, let_in),
    frame.deed_at("/activity/staff/{id:str}/role", OWNER, set_role),
    frame.page_at("/activity/staff/{id:str}/end", OWNER, end_page),
    frame.deed_at("/activity/staff/{id:str}/end", OWNER, end),
]
