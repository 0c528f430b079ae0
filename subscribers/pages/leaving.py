"""Leaving: the page behind an unsubscribe link, what can be kept instead, and what can be said afterwards.

Promises: GET and HEAD change nothing, since programs open links before people do; a POST to an unsubscribe link ends
the subscription at once, whatever its body says, with 200, without redirect or cookie, as often as it is repeated
(RFC 8058). What keeps less mail instead has addresses of its own below it. Refuses: links that are not genuine, with
400, and never claims a success that did not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from litestar import Response, get, post, route
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from digest.errors import BadInput, Busy
from digest.news import Entry
from digest.web import forms, look
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import asking, consent, departures, forecast, links, members, newcomers, preferences
from subscribers.consent import Origin
from subscribers.links import Grant
from subscribers.pages import frame
from subscribers.records import Described

log = structlog.get_logger(__name__)

HOW = "link in a mail"  # as the record of a leave names it
SOME_MONTHS = timedelta(days=91)  # of a pause that is offered instead
WHY = 200  # characters of what a leaver may say


# One handler for both methods: Litestar 2.25 wraps a handler twice when a second one joins its path.
@route("/u/{token:str}", http_method=["GET", "POST"], status_code=200, sync_to_thread=True)
def unsubscribe(request: WebRequest, token: FromPath[str]) -> Response[str]:
    """Asks whether to unsubscribe, with one button; POST does it, and its body is not read."""
    site = look.of(request)
    grant = links.read(site.home.keys, token, links.UNSUBSCRIBE, now=site.clock())
    if grant is None:
        return broken(request)
    if request.method == "POST":
        return leave(request, site, grant, token)
    described = describe(site, grant)
    if described is None or described.state == "left":
        return gone(site, described, token, look.language_of(request))
    return _question(site, grant, described, token)


@post("/u/{token:str}/{step:str}", status_code=200)
async def instead(request: WebRequest, token: FromPath[str], step: FromPath[str]) -> Response[str]:
    """What a button below the main one does: less mail, a pause, all of it gone, a wish to come back, a word why."""
    form = await forms.read(request)
    return await sync_to_thread(_instead, request, token, step, form)


@get("/u", sync_to_thread=True)
def without_token(request: WebRequest) -> Response[str]:
    """A link that was cut off right before its secret part."""
    return broken(request)


def broken(request: WebRequest) -> Response[str]:
    """The page for a link that is not whole or not genuine."""
    return frame.private(look.of(request), "token/broken.html", status=400, language=look.language_of(request))


def gone(site: Site, described: Described | None, token: str, language: str, said: str = "") -> Response[str]:
    """The page for who is out, in the same words for whoever never was in."""
    language = described.language if described else language
    return frame.private(site, "token/unsubscribed.html", language=language, person=described, token=token, said=said)


def origin(request: WebRequest) -> Origin:
    """The evidence of what somebody does behind their link."""
    ip, agent = frame.client(request)
    return Origin(source=HOW, ip=ip, agent=agent)


def describe(site: Site, grant: Grant) -> Described | None:
    """Who holds a link, as far as the pages show them."""
    with site.home.db.reading() as conn:
        return members.describe(conn, grant.digest_id, grant.subscriber_id)


def _question(site: Site, grant: Grant, described: Described, token: str) -> Response[str]:
    say = frame.speaker(site, described.language)
    with site.home.db.reading() as conn:
        offered = newcomers.offered(conn, grant.digest_id)
        recent = forecast.recent(conn, now=site.clock())
    return frame.private(
        site,
        "token/unsubscribe.html",
        language=described.language,
        person=described,
        token=token,
        until=say.month_day((site.clock() + SOME_MONTHS).astimezone(ZoneInfo(described.zone)).date(), site.today),
        **fewer(recent, offered, described),
    )


def fewer(recent: Sequence[Entry], offered: Sequence[str], described: Described) -> dict[str, Any]:
    """How many mails a month they get, how many of the slowest that is offered, and which that is if it is less."""
    slower = preferences.no_oftener(described.preferences, offered[-1])
    return {
        "now": round(forecast.a_month(recent, described.preferences, described.zone)),
        "then": round(forecast.a_month(recent, slower, described.zone)),
        "slowest": offered[-1] if slower != described.preferences else "",
    }


def leave(request: WebRequest, site: Site, grant: Grant, token: str) -> Response[str]:
    """Ends the subscription and says so; or says that it could not be kept."""

    def step() -> object:
        return departures.leave(site.home, grant.digest_id, grant.subscriber_id, how=origin(request), now=site.clock())

    return _stored(site, grant, step) or gone(site, describe(site, grant), token, look.language_of(request))


def _stored(site: Site, grant: Grant, step: Callable[[], object]) -> Response[str] | None:
    """Does the step; the page that says so, when it cannot be kept just now."""
    try:
        step()
    except (Busy, SQLAlchemyError, OSError) as error:
        log.error("leave not stored", digest=grant.digest_id, subscriber=grant.subscriber_id, why=type(error).__name__)
        return frame.private(site, "token/not_stored.html", status=503)
    return None


# --- instead, and afterwards -----------------------------------------------------------------------------------


def _instead(request: WebRequest, token: str, step: str, form: Form) -> Response[str]:
    site = look.of(request)
    grant = links.read(site.home.keys, token, links.UNSUBSCRIBE, now=site.clock())
    if grant is None or step not in _STEPS:
        return broken(request)
    return _STEPS[step](request, site, grant, token, form)


def _less(request: WebRequest, site: Site, grant: Grant, token: str, form: Form) -> Response[str]:
    """At most the slowest that is offered."""

    def step(conn: Connection) -> None:
        described = members.describe(conn, grant.digest_id, grant.subscriber_id)
        if described and described.state != "left":
            slowest = newcomers.offered(conn, grant.digest_id)[-1]
            mapping = preferences.no_oftener(described.preferences, slowest)
            if members.change(conn, grant.digest_id, grant.subscriber_id, mapping=mapping):
                _record(conn, request, grant, "changed", now=site.clock())

    site.home.db.run(step)
    return _kept(request, site, grant, token)


def _pause(request: WebRequest, site: Site, grant: Grant, token: str, form: Form) -> Response[str]:
    """No mail for some months."""

    def step(conn: Connection) -> None:
        described = members.describe(conn, grant.digest_id, grant.subscriber_id)
        if described and described.state in ("active", "paused"):
            until = (site.clock() + SOME_MONTHS).astimezone(ZoneInfo(described.zone)).date()
            if members.pause(conn, grant.digest_id, grant.subscriber_id, now=site.clock(), until=until):
                _record(conn, request, grant, "paused", now=site.clock())

    site.home.db.run(step)
    return _kept(request, site, grant, token)


def _kept(request: WebRequest, site: Site, grant: Grant, token: str) -> Response[str]:
    described = describe(site, grant)
    if described is None or described.state == "left":
        return gone(site, described, token, look.language_of(request))
    return frame.private(site, "token/kept.html", language=described.language, person=described)


def _everything(request: WebRequest, site: Site, grant: Grant, token: str, form: Form) -> Response[str]:
    """No mail of any digest, ever."""

    def step() -> object:
        return departures.leave_everything(site.home, grant.subscriber_id, how=origin(request), now=site.clock())

    said = "everything"
    return _stored(site, grant, step) or gone(site, describe(site, grant), token, look.language_of(request), said)


def _settings(request: WebRequest, site: Site, grant: Grant, token: str, form: Form) -> Response[str]:
    """A link to one's choices, sent to the address: this one may only stop mail."""
    return _mailed(request, site, grant, token, asking.SETTINGS)


def _back(request: WebRequest, site: Site, grant: Grant, token: str, form: Form) -> Response[str]:
    """Undo: a confirmation is sent, as to anybody who asks."""
    return _mailed(request, site, grant, token, asking.SIGN_UP)


def _mailed(request: WebRequest, site: Site, grant: Grant, token: str, kind: str) -> Response[str]:
    now = site.clock()
    later = site.home.db.run(
        partial(
            asking.ask_again,
            keyring=site.home.keys,
            settings=site.home.settings.sign_up,
            kind=kind,
            digest_id=grant.digest_id,
            subscriber_id=grant.subscriber_id,
            origin=origin(request),
            now=now,
        )
    )
    described = describe(site, grant)
    language = described.language if described else look.language_of(request)
    status = 429 if later else 200
    return frame.private(site, "token/mailed.html", status=status, language=language, later=bool(later))


def _why(request: WebRequest, site: Site, grant: Grant, token: str, form: Form) -> Response[str]:
    """A word why they left."""
    try:
        word = form.one("why", most=WHY)
    except BadInput:
        word = ""
    described = describe(site, grant)
    if word and described and described.state == "left":
        site.home.db.run(partial(_record, request=request, grant=grant, what="said why", now=site.clock(), text=word))
    return gone(site, described, token, look.language_of(request), "why" if word else "")


def _record(conn: Connection, request: WebRequest, grant: Grant, what: str, *, now: Any, text: str = "") -> None:
    ip, agent = frame.client(request)
    told = Origin(text, HOW, ip=ip, agent=agent)
    consent.record(conn, grant.subscriber_id, what, digest_id=grant.digest_id, now=now, origin=told)


_STEPS: dict[str, Callable[[WebRequest, Site, Grant, str, Form], Response[str]]] = {
    "less": _less,
    "pause": _pause,
    "everything": _everything,
    "settings": _settings,
    "back": _back,
    "why": _why,
}

HANDLERS: list[Any] = [unsubscribe, instead, without_token]
