"""The page behind the button of a confirmation mail.

Promises: GET and HEAD change nothing, since programs open links before people do; POST confirms, once and within
seven days. Refuses: links that have ended, saying how they stand and how to ask again.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from litestar import Response, get, route
from litestar.params import FromPath

from digest import publications
from digest.web import look
from digest.web.look import Site, WebRequest
from subscribers import asking, links, members, notices, sent_links
from subscribers.pages import frame, leaving, signing_up
from subscribers.sent_links import SentLink


# One handler for both methods: Litestar 2.25 wraps a handler twice when a second one joins its path.
@route("/c/{token:str}", http_method=["GET", "POST"], status_code=200, sync_to_thread=True)
def confirm(request: WebRequest, token: FromPath[str]) -> Response[str]:
    """Asks whether the address is theirs, with one button; POST confirms, and its body is not read."""
    site, now = look.of(request), look.of(request).clock()
    if request.method == "POST":
        ip, agent = frame.client(request)
        step = partial(asking.confirm, home=site.home, token=token, ip=ip, agent=agent, now=now)
        link = site.home.db.run(step)
    else:
        with site.home.db.reading() as conn:
            link = asking.link_of(conn, site.home.keys, token)
    if link is None:
        return leaving.broken(request)
    return _confirmed(site, link, now) if request.method == "POST" else _asked(site, link, now)


@get("/c", sync_to_thread=True)
def confirm_without_token(request: WebRequest) -> Response[str]:
    """A link that was cut off right before its secret part."""
    return leaving.broken(request)


def _asked(site: Site, link: SentLink, now: datetime) -> Response[str]:
    """What was asked for and the button; or, when the link has ended, how it stands."""
    if link.stands(now) != sent_links.OPEN:
        return _ended(site, link, now)
    language = _language(link)
    say = frame.speaker(site, language)
    with site.home.db.reading() as conn:
        digest = publications.by_id(conn, link.digest_id)
        what = notices.described(conn, say, link.wish["choices"].get("mapping") or {})
    day = frame.local(site, say, link.created_at, digest.zone)
    return frame.private(site, "token/confirm.html", language=language, digest=digest, what=what, day=day)


def _confirmed(site: Site, link: SentLink, now: datetime) -> Response[str]:
    """What a press of the button came to."""
    if link.stands(now) != sent_links.OPEN:
        return _ended(site, link, now)
    with site.home.db.reading() as conn:
        described = members.describe(conn, link.digest_id, link.subscriber_id)
    if described is None or described.state not in ("active", "paused"):
        return frame.private(site, "token/ask_again.html", status=410, language=_language(link), why="")
    return _in(site, link, now, already=False)


def _language(link: SentLink) -> str:
    return str(link.wish["choices"].get("language") or "")


def _ended(site: Site, link: SentLink, now: datetime) -> Response[str]:
    with site.home.db.reading() as conn:
        described = members.describe(conn, link.digest_id, link.subscriber_id)
    if link.outcome == sent_links.USED and described and described.state in ("active", "paused"):
        return _in(site, link, now, already=True)
    language = _language(link)
    return frame.private(site, "token/ask_again.html", status=410, language=language, why=link.stands(now))


def _in(site: Site, link: SentLink, now: datetime, *, already: bool) -> Response[str]:
    language = _language(link)
    say = frame.speaker(site, language)
    with site.home.db.reading() as conn:
        digest = publications.by_id(conn, link.digest_id)
        described = members.describe(conn, link.digest_id, link.subscriber_id)
        chosen = set(described.preferences.values()) if described else set()
        series = [one for one in publications.series(conn, digest.id) if one.offered and one.cadence in chosen]
        next_day = signing_up.next_day(conn, site, say, digest, series) if series else ""
    own = links.issue(site.home.keys, links.PREFERENCES, link.digest_id, link.subscriber_id, expires=links.expiry(now))
    return frame.private(
        site,
        "token/in.html",
        language=language,
        already=already,
        masked=described.masked if described else "",
        next_day=next_day,
        preferences=f"/p/{own}",
    )


HANDLERS: list[Any] = [confirm, confirm_without_token]
