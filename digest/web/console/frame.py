"""What the pages of the console share: the page around them, routes from plain functions, and the line that tells
what was done.

Promises: a page of the console is stored nowhere and found by no search; what a deed did is told once, on the page
that follows it. Serves all files of the console.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect
from markupsafe import Markup

from digest.errors import BadInput
from digest.staff.accounts import OWNER
from digest.web import forms, guard, look
from digest.web.console import door
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

POLICY = "content-security-policy"
PRIVATE = {
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow",
    # The mails that are looked at, and the question how far an edition is.
    POLICY: f"{guard.STRICT}; frame-src 'self'; connect-src 'self'",
}
LANGUAGE = "en"
SIGN_IN = "/staff/sign-in"
KEPT = "\N{NO-BREAK SPACE}"
MENU = (
    ("Today", "/staff/"),
    ("Items", "/staff/items"),
    ("Editions", "/staff/editions"),
    ("Letters", "/staff/letters"),
    ("Schedule", "/staff/schedule"),
    ("People", "/staff/people"),
    ("Mail health", "/staff/health"),
    ("Activity", "/staff/activity"),
)
FOR_OWNERS = (("Settings", "/staff/settings"),)
CADENCES = {"instant": "alert", "daily": "daily digest", "weekly": "weekly digest", "monthly": "monthly digest"}
# Of a mail that is only looked at: its own looks and pictures, and nothing that acts or leads anywhere.
INERT = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https:; sandbox; frame-ancestors 'self'"

R = TypeVar("R", bound=Response[Any])
Show = Callable[[WebRequest], Response[Any]]
Do = Callable[[WebRequest, Form], Response[Any]]


def page_at(path: str, role: str, show: Show) -> HTTPRouteHandler:
    """The route of a page for this role."""

    @get(path, opt=door.least(role), name=f"GET {path}")
    async def handler(request: WebRequest) -> Response[Any]:
        return await sync_to_thread(show, request)

    return handler


def deed_at(
    path: str, role: str, do: Do, *, files: bool = False, large: int = 0, most: int = forms.LARGEST
) -> HTTPRouteHandler:
    """The route of a form for this role, whose body has `most` bytes at most; with `files` far more.

    `large` is the most bytes of one file that goes to the disk as it comes.
    """
    opt = door.least(role) | {forms.TAKES_FILES: files, forms.TAKES_LARGE: bool(large)}
    most = forms.WITH_FILES if files else large + forms.LARGEST if large else most

    @post(path, opt=opt, name=f"POST {path}", status_code=200, request_max_body_size=most)
    async def handler(request: WebRequest) -> Response[Any]:
        try:
            return await sync_to_thread(do, request, await forms.read(request))
        finally:
            await forms.discard(request)

    return handler


def page(
    request: WebRequest, template: str, *, status: int = 200, policy: str = PRIVATE[POLICY], **context: Any
) -> Response[str]:
    """A page of the console, with the token that its forms carry; `policy` is its content security policy."""
    site, visitor = look.of(request), door.known(request)
    token, cookie = door.form_token(request)
    response = site.page(
        f"console/{template}",
        status=status,
        headers=PRIVATE | {POLICY: policy},
        language=LANGUAGE,
        visitor=visitor if visitor and not visitor.session.half else None,
        form_token=Markup('<input type="hidden" name="{}" value="{}">').format(door.FIELD, token),
        menu=MENU + (FOR_OWNERS if visitor and visitor.account.may(OWNER) else ()),
        moment=lambda value: moment(site, value),
        **context,
    )
    return with_cookies(response, cookie)


def wrong(error: Exception, where: str) -> dict[str, str]:
    """What is wrong, by its field; `where` is the field of what names none."""
    return {error.problem.where: error.problem.said} if isinstance(error, BadInput) else {where: str(error)}


def redirect(path: str, *cookies: Cookie | None) -> Redirect:
    """On to another page after a deed."""
    return with_cookies(Redirect(path, status_code=303, headers=PRIVATE), *cookies)


def with_cookies(response: R, *cookies: Cookie | None) -> R:
    """The answer with these cookies."""
    response.cookies.extend(cookie for cookie in cookies if cookie)
    return response


def moment(site: Site, value: datetime) -> str:
    """A moment as staff read it: "Mon, Aug 31, 7:00 a.m. EDT", with the year when it is not this one."""
    there = value.astimezone(site.zone)
    year = "" if there.year == site.today.year else f", {there.year}"
    return f"{there:%a}, {there:%b}{KEPT}{there.day}{year}, {hour(site, value)} {there:%Z}"


def day(site: Site, value: date) -> str:
    """A day in a name: "August 31", with the year when it is not this one."""
    return f"{value:%B}{KEPT}{value.day}" + ("" if value.year == site.today.year else f", {value.year}")


def hour(site: Site, value: datetime) -> str:
    """A time of day where the site is: "7:00 a.m."."""
    there = value.astimezone(site.zone)
    return oclock(there.hour, there.minute)


def oclock(hour: int, minute: int = 0) -> str:
    """A time of day: "7:00 a.m."."""
    return f"{hour % 12 or 12}:{minute:02}{KEPT}{'a.m.' if hour < 12 else 'p.m.'}"


def number(text: str) -> int | None:
    """A number in an address, if it is one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
