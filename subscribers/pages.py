"""Pages behind the links in mails, and how to sign up: what a person can do about their own subscription.

Promises: GET and HEAD change nothing, since programs open links before people do; a POST to an unsubscribe link ends
the subscription at once, whatever its body says, with 200, without redirect or cookie, as often as it is repeated
(RFC 8058). Pages behind a link show a masked address, have no navigation, and are neither stored nor indexed.
Refuses: links that are not genuine, with 400, and never claims a success that did not happen.
"""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Response, get, route
from litestar.params import FromPath
from sqlalchemy.exc import SQLAlchemyError

from digest import publications
from digest.errors import Busy
from digest.web import look
from digest.web.look import Site, WebRequest
from subscribers import links, members, records
from subscribers.links import Grant
from subscribers.preferences import OFF, REST
from subscribers.records import Described

log = structlog.get_logger()

OFTEN = {"instant": "At once", "daily": "Daily", "weekly": "Weekly", "monthly": "Monthly", OFF: "Off"}
HOW = "link in a mail"  # as the record of a leave names it
PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow"}


@get("/subscribe", sync_to_thread=True)
def subscribe(request: WebRequest) -> Response[str]:
    """How to get the mail: for now, through a person."""
    return look.of(request).page("public/subscribe.html")


# One handler for both methods: Litestar 2.25 wraps a handler twice when a second one joins its path.
@route("/u/{token:str}", http_method=["GET", "POST"], status_code=200, sync_to_thread=True)
def unsubscribe(request: WebRequest, token: FromPath[str]) -> Response[str]:
    """Asks whether to unsubscribe, with one button; POST does it, and its body is not read."""
    return _behind(look.of(request), token, links.UNSUBSCRIBE, leave=request.method == "POST")


@route("/p/{token:str}", http_method=["GET", "POST"], status_code=200, sync_to_thread=True)
def preferences(request: WebRequest, token: FromPath[str]) -> Response[str]:
    """Shows what a person gets, and how often; POST ends the subscription."""
    return _behind(look.of(request), token, links.PREFERENCES, leave=request.method == "POST")


@get("/u", sync_to_thread=True)
def without_token(request: WebRequest) -> Response[str]:
    """A link that was cut off right before its secret part."""
    return _broken(look.of(request))


@get("/p", sync_to_thread=True)
def without_preferences_token(request: WebRequest) -> Response[str]:
    """The same, for choices."""
    return _broken(look.of(request))


def how_often(person: Described, topic: str) -> str:
    """How often a person gets a topic, in the words of the page."""
    return OFTEN[person.preferences.get(topic, person.preferences.get(REST, OFF))]


def facts(site: Site, person: Described) -> list[tuple[str, str]]:
    """What holds for the whole subscription: the digest, how it stands, when it comes."""
    until = f" until {site.long_day(person.paused_until)}" if person.paused_until else ""
    stands = {"active": "Gets mail", "pending": "Waits to confirm", "paused": f"Paused{until}"}[person.state]
    half = "a.m." if person.hour < 12 else "p.m."
    city = person.zone.rpartition("/")[2].replace("_", " ")
    return [
        ("Digest", person.digest),
        ("Now", stands),
        ("Time of day", f"{(person.hour + 11) % 12 + 1}:00\N{NO-BREAK SPACE}{half}"),
        ("Time zone", f"{city} ({person.zone})" if city != person.zone else city),
    ]


def _behind(site: Site, token: str, scope: str, *, leave: bool) -> Response[str]:
    grant = links.read(site.home.keys, token, scope, now=site.clock())
    if grant is None:
        return _broken(site)
    if leave:
        return _leave(site, grant)
    described = _described(site, grant)
    if described is None or described.state == "left":
        return _gone(site, described)
    if scope == links.UNSUBSCRIBE:
        return _page(site, "token/unsubscribe.html", person=described)
    return _choices(site, described)


def _described(site: Site, grant: Grant) -> Described | None:
    with site.home.db.reading() as conn:
        return records.describe(conn, grant.digest_id, grant.subscriber_id)


def _leave(site: Site, grant: Grant) -> Response[str]:
    try:
        site.home.db.run(
            lambda conn: members.leave(conn, grant.digest_id, grant.subscriber_id, now=site.clock(), how=HOW)
        )
        return _gone(site, _described(site, grant))
    except (Busy, SQLAlchemyError) as error:
        log.error("leave not stored", digest=grant.digest_id, subscriber=grant.subscriber_id, why=type(error).__name__)
        return _page(site, "token/not_stored.html", status=503)


def _choices(site: Site, described: Described) -> Response[str]:
    with site.home.db.reading() as conn:
        topics = publications.topics(conn)
    choices = [(topic.name, how_often(described, topic.slug)) for topic in topics]
    choices = choices or [("Everything", how_often(described, REST))]
    return _page(site, "token/preferences.html", person=described, facts=facts(site, described), choices=choices)


def _gone(site: Site, described: Described | None) -> Response[str]:
    return _page(site, "token/unsubscribed.html", person=described)


def _broken(site: Site) -> Response[str]:
    return _page(site, "token/broken.html", status=400)


def _page(site: Site, template: str, *, status: int = 200, **context: Any) -> Response[str]:
    return site.page(template, status=status, headers=PRIVATE, **context)


HANDLERS: list[Any] = [subscribe, unsubscribe, preferences, without_token, without_preferences_token]
