"""Staff and activity: who may do what, and who did what.

Promises: every deed here is recorded with what was before; a link that lets somebody in is shown once, to the owner
who made it. Refuses: to end or demote the last owner, and whatever is not for owners.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest.errors import BadInput, DigestError, NotFound
from digest.staff import accounts, activity, links, second_factor
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
DONE = {"role": "The role is changed. They sign in anew.", "ended": "The account has ended."}


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
    typed = {name: form.one(name, most=254) for name in ("name", "email", "role")}
    try:
        account, token = site.home.db.run(partial(_invite, site, visitor.account, typed))
    except DigestError as error:
        where = error.problem.where if isinstance(error, BadInput) else "email"
        said = f"{error.problem.why} {error.problem.remedy}" if isinstance(error, BadInput) else str(error)
        return _page(request, status=400, typed=typed, wrong={where: said})
    return _page(request, link=_address(site, token), invited=account)


def _invite(site: Site, by: Account, typed: dict[str, str], conn: Connection) -> tuple[Account, str]:
    now = site.clock()
    account = accounts.add(conn, typed["email"], name=typed["name"], role=typed["role"], now=now)
    activity.record(conn, by, "invited", account.name, now=now, after={"role": account.role})
    return account, links.issue(conn, account.id, now=now)


def let_in(request: WebRequest, form: Form) -> Response[Any]:
    """A new link for somebody who lost their password; without their second step too, when that is asked for."""
    site, visitor = look.of(request), door.of(request)
    whole = form.one("without") == "1"
    account, token = site.home.db.run(partial(_let_in, site, visitor.account, _staff_id(request), whole))
    return _page(request, link=_address(site, token), invited=account)


def _let_in(site: Site, by: Account, staff_id: int, without: bool, conn: Connection) -> tuple[Account, str]:
    account, now = accounts.by_id(conn, staff_id), site.clock()
    token = links.issue(conn, account.id, now=now)
    if without:
        second_factor.switch_off(conn, account)
    deed = "made a link without the second step for" if without else "made a link for"
    activity.record(conn, by, deed, account.name, now=now)
    return account, token


def set_role(request: WebRequest, form: Form) -> Response[Any]:
    """Another role for somebody."""
    site, visitor = look.of(request), door.of(request)
    staff_id, role = _staff_id(request), form.one("role")
    try:
        site.home.db.run(partial(_set_role, site, visitor.account, staff_id, role))
    except DigestError as error:
        return _page(request, status=400, wrong={f"role-{staff_id}": str(error)})
    return frame.redirect("/staff/activity?done=role")


def _set_role(site: Site, by: Account, staff_id: int, role: str, conn: Connection) -> None:
    before = accounts.by_id(conn, staff_id)
    after = accounts.set_role(conn, staff_id, role)
    if after.role != before.role:
        roles = {"before": {"role": before.role}, "after": {"role": after.role}}
        activity.record(conn, by, "changed the role of", before.name, now=site.clock(), **roles)


def end(request: WebRequest, form: Form) -> Response[Any]:
    """Ends an account."""
    site, visitor = look.of(request), door.of(request)
    staff_id = _staff_id(request)
    try:
        site.home.db.run(partial(_end, site, visitor.account, staff_id))
    except DigestError as error:
        return _page(request, status=400, wrong={f"role-{staff_id}": str(error)})
    return frame.redirect("/staff/activity?done=ended")


def _end(site: Site, by: Account, staff_id: int, conn: Connection) -> None:
    account = accounts.end(conn, staff_id, now=site.clock())
    activity.record(conn, by, "ended the account of", account.name, now=site.clock(), before={"role": account.role})


def end_page(request: WebRequest) -> Response[Any]:
    """Asks before an account ends."""
    with look.of(request).home.db.reading() as conn:
        account = accounts.by_id(conn, _staff_id(request))
    return frame.page(request, "end_account.html", here="/staff/activity", account=account)


def _address(site: Site, token: str) -> str:
    return f"{site.home.settings.site.url}/staff/in/{token}"


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
