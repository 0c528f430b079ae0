"""The ASGI application of one home: the pages of all faces, and one table from errors to pages.

Promises: an error page needs no database and names no internals; a fault has a reference number that the log holds
too; what the log holds is the kind of page, never the address, since links are secrets. Serves uvicorn and tests.
"""

from __future__ import annotations

import re
import secrets
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote

import structlog
from litestar import Litestar, Response
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.response import Redirect
from litestar.types import ASGIApp, Receive, Send

from digest import errors
from digest.home import Home
from digest.languages import Language
from digest.web import crawlers, feed_path, files, forms, look, media, public, searching
from digest.web.console import CONSOLE, door
from digest.web.feed_path import FeedPath
from digest.web.guard import Guard
from digest.web.look import Site, WebRequest
from subscribers import pages

log = structlog.get_logger()

STATUS: dict[type[errors.DigestError], int] = {
    errors.NotFound: 404,
    errors.BadInput: 400,
    errors.Refused: 409,
    errors.Busy: 503,
}
HANDLERS = [
    *public.HANDLERS,
    *searching.HANDLERS,
    *crawlers.HANDLERS,
    *files.HANDLERS,
    *media.HANDLERS,
    *pages.HANDLERS,
    CONSOLE,
]
KEPT = ("allow", "retry-after")  # headers of an error that its page keeps


def create(
    home: Home, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), patience: float = feed_path.PATIENCE
) -> ASGIApp:
    """The application that serves `home`; its feeds are at most `patience` seconds behind the store."""
    site, pages_of_all = Site(home, clock), _pages()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["state"] = {**scope.get("state", {}), "site": site}
        await pages_of_all(scope, receive, send)

    guarded = Guard(app, trusted_proxies=home.settings.site.trusted_proxies)
    return FeedPath(guarded, home, patience=patience)


@cache
def _pages() -> Litestar:
    """All pages, made once in a process: they ask the request for whose home it is."""
    return Litestar(
        route_handlers=HANDLERS,
        before_request=follow_settings,
        before_send=[door.hand_over],
        exception_handlers={Exception: error_page, door.Elsewhere: elsewhere, NotAuthorizedException: to_sign_in},
        openapi_config=None,
        logging_config=None,
        request_max_body_size=forms.LARGEST,
    )


async def follow_settings(request: WebRequest) -> None:
    """Each page shows the settings that hold when it is asked for."""
    look.of(request).home.follow()


def elsewhere(request: WebRequest, error: door.Elsewhere) -> Redirect:
    """On to what comes first."""
    return Redirect(error.path, status_code=303)


def to_sign_in(request: WebRequest, error: NotAuthorizedException) -> Redirect:
    """Whoever is not signed in is asked to, and comes back to the page that they wanted."""
    to = quote(request.url.path) if request.method == "GET" and request.url.path.rstrip("/") != "/staff" else ""
    return Redirect(f"/staff/sign-in?to={to}" if to else "/staff/sign-in", status_code=303)


def error_page(request: WebRequest, error: Exception) -> Response[str]:
    """The page that says what went wrong: one sentence, and one way on."""
    status, headers = _status(error)
    reference = ""
    if status == 500:
        reference = secrets.token_hex(4).upper()
        kind_of_page = request.url.path.split("/")[1]
        trace = "".join(traceback.format_tb(error.__traceback__))  # no message, no values: they may hold a link
        log.error("page failed", page=f"/{kind_of_page}", reference=reference, why=type(error).__name__, trace=trace)
    site, language = look.of(request), look.language_of(request)
    say = site.book(language).words
    title, why = said(say, status, until(site, say, headers))
    if isinstance(error, door.Turned):
        title, why = f"{error.title}.", error.remedy
    return site.page(
        "errors/error.html",
        status=status,
        headers=headers,
        language=language,
        title=title,
        why=why,
        reference=reference,
    )


def _status(error: Exception) -> tuple[int, dict[str, Any]]:
    if isinstance(error, HTTPException):
        kept = {name.lower(): value for name, value in (error.headers or {}).items() if name.lower() in KEPT}
        if "GET" in kept.get("allow", ""):
            kept["allow"] += ", HEAD"  # the guard answers it
        return error.status_code, kept
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    return status, {"retry-after": "60"} if status == 503 else {}


def until(site: Site, say: Language, headers: dict[str, Any]) -> str:
    """The sentence that says when to try again, for an answer that names the seconds (RFC 9110, section 10.2.3)."""
    seconds = str(headers.get("retry-after", ""))
    if not re.fullmatch("[0-9]{1,6}", seconds):
        return ""
    moment = (site.clock() + timedelta(seconds=int(seconds) + 59)).astimezone(site.zone)  # the minute after it is over
    place = site.zone.key.rpartition("/")[2].replace("_", " ")
    return say.gettext("Try again after {time} ({place}).", time=say.hour(moment), place=place)


def said(say: Language, status: int, then: str = "") -> tuple[str, str]:
    """What a page says of an error: what is so, and what it means; `then` says until when it is so."""
    known = {
        400: (
            say.gettext("This request is not complete"),
            say.gettext("Part of the address is missing or was changed on its way."),
        ),
        404: (
            say.gettext("There is nothing at this address"),
            say.gettext("It may have been mistyped, or the link was cut off in a mail."),
        ),
        405: (say.gettext("This page cannot do that"), say.gettext("It can be read, and nothing else.")),
        409: (say.gettext("That cannot be done now"), say.gettext("Nothing was changed.")),
        410: (say.gettext("This is gone"), say.gettext("It was here once, and was taken down for good.")),
        413: (say.gettext("That was too much to send"), say.gettext("Nothing was stored. Send less at once.")),
        429: (
            say.gettext("Many requests came from here"),
            then or say.gettext("Wait a few minutes, then try again."),
        ),
        500: (
            say.gettext("Something is wrong on our side"),
            say.gettext("Nothing that you did caused it, and nothing was lost."),
        ),
        503: (
            say.gettext("This takes longer than it should"),
            say.gettext("Nothing was changed.") + f" {then or say.gettext('Wait a few minutes, then try again.')}",
        ),
    }
    return known.get(status) or known[500 if status >= 500 else 400]
