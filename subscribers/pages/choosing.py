"""Preferences: the page behind the link that each mail holds, where people choose what they get.

Promises: GET and HEAD change nothing; each button says what it does and does just that, and what was typed is kept
when something is wrong; the address is shown masked, since mails are forwarded. What reaches deeper (another address,
a copy of the data, erasure) needs a fresh link, which goes to the address itself. Refuses: links that are not genuine
or too old, in the same words for whoever is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from litestar import Response, get, route
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from sqlalchemy import Connection

from digest import languages, publications
from digest.errors import BadInput
from digest.languages import Language
from digest.web import forms, look
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import consent, forecast, links, members, newcomers, own_data, preferences, records
from subscribers.links import Grant
from subscribers.pages import frame, leaving
from subscribers.preferences import OFF, REST
from subscribers.records import Described

FARTHEST = timedelta(days=366)  # of a pause
FIELD = "often-"  # before a topic, in the form


@dataclass(frozen=True)
class Topic:
    """One row of the table: what is chosen for it."""

    slug: str
    name: str
    often: str


# One handler for both methods: Litestar 2.25 wraps a handler twice when a second one joins its path.
@route("/p/{token:str}", http_method=["GET", "POST"], status_code=200)
async def preferences_page(request: WebRequest, token: FromPath[str]) -> Response[str]:
    """Shows what a person gets, and how often; POST does what the pressed button says."""
    if request.method == "POST":
        return await sync_to_thread(_change, request, token, await forms.read(request))
    return await sync_to_thread(_look, request, token)


@get("/p", sync_to_thread=True)
def without_token(request: WebRequest) -> Response[str]:
    """A link that was cut off right before its secret part."""
    return leaving.broken(request)


def _look(request: WebRequest, token: str) -> Response[str]:
    site = look.of(request)
    grant = links.read(site.home.keys, token, links.PREFERENCES, now=site.clock())
    return _show(request, site, grant, token) if grant else leaving.broken(request)


def _change(request: WebRequest, token: str, form: Form) -> Response[str]:
    site = look.of(request)
    grant = links.read(site.home.keys, token, links.PREFERENCES, now=site.clock())
    if grant is None:
        return leaving.broken(request)
    try:
        button = form.one("do")
        if button == "leave":
            return leaving.leave(request, site, grant, _leaver(site, grant))
        if button in own_data.KINDS:
            return _fresh(site, grant, button)
        if button not in _BUTTONS:
            raise BadInput("do", "", "")
        done = site.home.db.run(partial(_press, request=request, site=site, grant=grant, form=form, button=button))
    except BadInput as error:
        return _show(request, site, grant, token, wrong=error.problem.where, status=400)
    return _show(request, site, grant, token, done=done)


def _fresh(site: Site, grant: Grant, kind: str) -> Response[str]:
    """Sends the link that reaches deeper; in the same words whether there were too many of them already."""
    described = leaving.describe(site, grant)
    step = partial(
        own_data.ask,
        home=site.home,
        kind=kind,
        digest_id=grant.digest_id,
        subscriber_id=grant.subscriber_id,
        now=site.clock(),
    )
    site.home.db.run(step)
    language = described.language if described else ""
    return frame.private(site, "token/mailed.html", language=language, later=False)


# --- what the buttons do ---------------------------------------------------------------------------------------


def _press(conn: Connection, request: WebRequest, site: Site, grant: Grant, form: Form, button: str) -> str:
    """Does it and says what was done; empty when nothing was to be done."""
    described = members.describe(conn, grant.digest_id, grant.subscriber_id)
    if described is None or described.state == "left":
        return ""
    what = _BUTTONS[button](conn, site, grant, described, form)
    if what:
        ip, agent = frame.client(request)
        origin = consent.Origin(_told(conn, grant), leaving.HOW, ip=ip, agent=agent)
        event = what if what in ("paused", "woke") else "changed"
        consent.record(conn, grant.subscriber_id, event, digest_id=grant.digest_id, now=site.clock(), origin=origin)
    return what


def _told(conn: Connection, grant: Grant) -> str:
    """The choices as the evidence keeps them."""
    one = records.of_digest(conn, grant.digest_id, [grant.subscriber_id])[grant.subscriber_id]
    return ";".join(f"{topic}={often}" for topic, often in sorted(one.preferences.items()))


def _save(conn: Connection, site: Site, grant: Grant, described: Described, form: Form) -> str:
    offered = newcomers.offered(conn, grant.digest_id)
    mapping = {
        topic: preferences.checked_cadence(chosen, offered)
        for topic in [REST, *(topic.slug for topic in publications.topics(conn))]
        if (chosen := form.one(FIELD + topic))
    }
    hour, zone, language = form.one("hour"), form.one("zone"), form.one("language")
    if hour and not (hour.isascii() and hour.isdigit() and int(hour[:3]) < 24):
        raise BadInput("hour", "", "")
    changed = members.change(
        conn,
        grant.digest_id,
        grant.subscriber_id,
        mapping={**described.preferences, **mapping} if mapping else None,
        hour=int(hour) if hour else None,
        zone=zone or None,
        language=language if language in site.home.settings.site.languages else None,
    )
    return "saved" if changed else ""


def _slower(conn: Connection, site: Site, grant: Grant, described: Described, form: Form) -> str:
    slowest = newcomers.offered(conn, grant.digest_id)[-1]
    mapping = preferences.no_oftener(described.preferences, slowest)
    return "saved" if members.change(conn, grant.digest_id, grant.subscriber_id, mapping=mapping) else ""


def _drop(conn: Connection, site: Site, grant: Grant, described: Described, form: Form) -> str:
    topic = preferences.checked_topic(form.one("topic"))
    mapping = {**described.preferences, topic: OFF}
    return "saved" if members.change(conn, grant.digest_id, grant.subscriber_id, mapping=mapping) else ""


def _pause(conn: Connection, site: Site, grant: Grant, described: Described, form: Form) -> str:
    today = site.clock().astimezone(ZoneInfo(described.zone)).date()
    try:
        until = date.fromisoformat(form.one("until"))
    except ValueError:
        raise BadInput("until", "", "") from None
    if not today < until <= today + FARTHEST or described.state not in ("active", "paused"):
        raise BadInput("until", "", "")
    paused = members.pause(conn, grant.digest_id, grant.subscriber_id, now=site.clock(), until=until)
    return "paused" if paused else ""


def _wake(conn: Connection, site: Site, grant: Grant, described: Described, form: Form) -> str:
    return "woke" if members.wake(conn, grant.digest_id, grant.subscriber_id) else ""


_BUTTONS: dict[str, Callable[[Connection, Site, Grant, Described, Form], str]] = {
    "save": _save,
    "slower": _slower,
    "drop": _drop,
    "pause": _pause,
    "wake": _wake,
}


# --- the page --------------------------------------------------------------------------------------------------


def _show(
    request: WebRequest,
    site: Site,
    grant: Grant,
    token: str,
    *,
    done: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response[str]:
    described = leaving.describe(site, grant)
    if described is None or described.state == "left":
        return leaving.gone(site, described, _leaver(site, grant), look.language_of(request))
    say = frame.speaker(site, described.language)
    return frame.private(
        site,
        "token/preferences.html",
        status=status,
        language=described.language,
        person=described,
        token=token,
        done=done,
        wrong=wrong,
        **_facts(site, say, grant, described),
    )


def _leaver(site: Site, grant: Grant) -> str:
    """The token of the page on which they are out."""
    return links.issue(site.home.keys, links.UNSUBSCRIBE, grant.digest_id, grant.subscriber_id)


def _facts(site: Site, say: Language, grant: Grant, described: Described) -> dict[str, Any]:
    """Everything that the page says of their choices."""
    today = site.clock().astimezone(ZoneInfo(described.zone)).date()
    with site.home.db.reading() as conn:
        offered = newcomers.offered(conn, grant.digest_id)
        digest = publications.by_id(conn, grant.digest_id)
        topics = _topics(conn, described)
        recent = forecast.recent(conn, now=site.clock())
        made = records.is_under_way(conn, grant.digest_id, grant.subscriber_id)
    names = frame.often(say)
    return {
        "columns": [(cadence, names[cadence]) for cadence in (*offered, OFF)],
        "topics": topics,
        "rest": described.preferences.get(REST, OFF),
        "all_off": all(often == OFF for often in described.preferences.values()),
        **leaving.fewer(recent, offered, described),
        "made": made,
        "until": say.month_day(date.fromisoformat(described.paused_until), today) if described.paused_until else "",
        "suggested": (today + leaving.SOME_MONTHS).isoformat(),
        "earliest": (today + timedelta(days=1)).isoformat(),
        "hours": frame.hours(say),
        "zones": zones(described.zone),
        "spoken": _spoken(site, digest, described),
    }


def _topics(conn: Connection, described: Described) -> list[Topic]:
    """The topics that there are, and those that they chose before there was anything in them."""
    chosen = described.preferences
    known = publications.topics(conn)
    names = {topic.slug: topic.name for topic in known} | {
        slug: slug for slug in chosen if slug != REST and slug not in {topic.slug for topic in known}
    }
    return [Topic(slug, name, chosen.get(slug, chosen.get(REST, OFF))) for slug, name in names.items()]


def zones(own: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Time zones by part of the world, each with the city it is named after; one's own among them."""
    names = sorted({own, *(name for name in available_timezones() if name.partition("/")[0] in _PARTS)})
    grouped: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        grouped.setdefault(name.partition("/")[0], []).append((name, frame.city(name)))
    return list(grouped.items())


_PARTS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def _spoken(site: Site, digest: publications.Digest, described: Described) -> list[tuple[str, str, bool]]:
    """The languages to choose from, each by its own name; the last value tells which is theirs."""
    offered = [tag for tag in site.home.settings.site.languages if tag in digest.languages] or list(digest.languages)
    theirs = languages.choose(described.language, offered)
    return [(tag, languages.of(tag).own_name, tag == theirs) for tag in offered]


HANDLERS: list[Any] = [preferences_page, without_token]
