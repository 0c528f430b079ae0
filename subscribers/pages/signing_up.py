"""Sign-up: the form, and what is said after it.

Promises: the answer to a sign-up is the same for every address, and so is the time it takes; the form works from
another site and without scripts.
Refuses: what is not filled in rightly, keeping what was typed, and too much asking from one place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from litestar import Response, get, post, route
from litestar.concurrency import sync_to_thread
from litestar.params import FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from digest import archive, occurrences, publications
from digest.errors import BadInput, NotFound
from digest.languages import Language
from digest.publications import Digest
from digest.web import forms, look
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import asking, consent, forecast, newcomers, preferences, typos, wording
from subscribers.asking import Ask
from subscribers.consent import Origin
from subscribers.newcomers import Choices
from subscribers.pages import frame

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Typed:
    """The form as somebody filled it in, or as it is before anybody did."""

    email: str = ""
    every: bool = True  # topic, or only the named ones
    topics: tuple[str, ...] = ()
    cadence: str = ""
    zone: str = ""
    sure: str = ""  # the address of which they were asked whether it is meant so


# One handler for both methods: Litestar 2.25 wraps a handler twice when a second one joins its path.
@route("/subscribe", http_method=["GET", "POST"], status_code=200)
async def subscribe(request: WebRequest, digest: FromQuery[str] = "", topic: FromQuery[str] = "") -> Response[Any]:
    """The form, a `topic` chosen where a topic's page leads here; POST writes down what it asks for."""
    if request.method == "POST":
        return await sync_to_thread(_sign_up, request, await forms.read(request))
    typed = Typed(every=not topic, topics=(topic,) if topic else ())
    return await sync_to_thread(_form, look.of(request), look.language_of(request), digest, typed)


@post("/settings", status_code=200)
async def settings(request: WebRequest) -> Response[Any]:
    """Somebody who lost their link types their address; the answer is the same for every one."""
    form = await forms.read(request)
    return await sync_to_thread(_settings, request, form)


def _settings(request: WebRequest, form: Form) -> Response[Any]:
    site, language = look.of(request), look.language_of(request)
    ip, agent = frame.client(request)
    later = None
    try:
        email = form.one("email", most=254)
        asking.checked(email, site.home.settings.sign_up)
        with site.home.db.reading() as conn:
            digests = publications.all(conn)
    except BadInput:
        return _thanks()  # whoever types nonsense learns as much as others
    for digest in digests:
        wanted = Ask(asking.SETTINGS, digest.id, email, Choices(), Origin(source="/settings", ip=ip, agent=agent))
        step = partial(
            asking.ask,
            keyring=site.home.keys,
            settings=site.home.settings.sign_up,
            wanted=wanted,
            now=site.clock(),
        )
        later = site.home.db.run(step) or later
    if later:
        return frame.private(site, "token/mailed.html", status=429, language=language, later=True)
    return _thanks()


@get("/subscribe/sent", sync_to_thread=True)
def sent(request: WebRequest) -> Response[str]:
    """What to look for in the mailbox."""
    site, language = look.of(request), look.language_of(request)
    with site.home.db.reading() as conn:
        found = next(iter(publications.all(conn)), None)
    return site.page("public/sent.html", language=language, headers=frame.NO_STORE, digest=found)


def _sign_up(request: WebRequest, form: Form) -> Response[Any]:
    site, language = look.of(request), look.language_of(request)
    came = form.typed("email", "what", "often", "zone")
    typed = Typed(came["email"], came["what"] != "some", form.every("topic"), came["often"], came["zone"])
    slug = ""
    try:
        slug = form.one("digest")
        typed = _typed(form)
        if form.one(frame.TRAP):
            return _thanks()
        with site.home.db.reading() as conn:
            wanted = _wanted(conn, site, request, slug, typed, form.one("language") or language)
    except BadInput as error:
        return _form(site, language, slug, typed, wrong=frame.faults(error.problem), status=400)
    if typed.sure != typed.email and (meant := typos.meant(typed.email)):
        return _form(site, language, slug, replace(typed, sure=typed.email), meant=meant, status=400)
    later = site.home.db.run(
        partial(
            asking.ask,
            keyring=site.home.keys,
            settings=site.home.settings.sign_up,
            wanted=wanted,
            now=site.clock(),
        )
    )
    return _form(site, language, slug, typed, later=later, status=429) if later else _thanks()


def _thanks() -> Response[Any]:
    return Redirect("/subscribe/sent", status_code=303, headers=frame.NO_STORE)


def _typed(form: Form) -> Typed:
    every, topics = form.one("what") != "some", form.every("topic")
    email, sure = form.one("email", most=254), form.one("sure", most=254)
    return Typed(email, every, topics, form.one("often"), form.one("zone"), sure)


def _wanted(conn: Connection, site: Site, request: WebRequest, slug: str, typed: Typed, language: str) -> Ask:
    """What the form asks for. Raises BadInput naming its field."""
    say = frame.speaker(site, language)
    digest = _digest(conn, slug)
    offered = newcomers.offered(conn, digest.id)
    _address(say, site, typed.email)
    if not typed.every and not typed.topics:
        raise BadInput("topic", say.gettext("No topic is chosen."), say.gettext("Choose at least one, or everything."))
    cadence = typed.cadence or publications.usual(offered)
    if cadence not in offered:
        raise BadInput("often", say.gettext("It cannot be had that often."), say.gettext("Choose one of these."))
    mapping = {preferences.REST: cadence if typed.every else preferences.OFF}
    mapping |= {} if typed.every else {preferences.checked_topic(topic): cadence for topic in typed.topics}
    text = sentence(say, site)
    ip, agent = frame.client(request)
    origin = Origin(text, frame.form(request, "/subscribe"), version=consent.version(text), ip=ip, agent=agent)
    choices = newcomers.checked(Choices(mapping, None, _zone(typed.zone), None, say.tag), offered)
    return Ask(asking.SIGN_UP, digest.id, typed.email, choices, origin)


def _address(say: Language, site: Site, email: str) -> None:
    """Raises BadInput in the reader's language for what can be no address of theirs."""
    remedy = say.gettext("Write it as in name@example.org.")
    if not email:
        raise BadInput("email", say.gettext("There is no address."), remedy)
    if "@" in email and "." not in email.rpartition("@")[2]:
        raise BadInput("email", say.gettext("Add the part after the dot, as in name@example.org."), "")
    try:
        asking.checked(email, site.home.settings.sign_up)
    except BadInput as error:
        unwelcome = {
            asking.DOMAIN: say.gettext("Addresses of this domain cannot sign up. Give another address of yours."),
            asking.ROLE: say.gettext("Several people may read this address. Give an address of your own."),
        }
        why = unwelcome.get(error.problem.where)
        if why is None:
            raise BadInput("email", say.gettext("No mail can be sent to this address."), remedy) from error
        raise BadInput("email", why, "") from error


def _zone(text: str) -> str | None:
    """What a script guessed, when it is a zone at all."""
    try:
        return newcomers.checked(Choices(zone=text or None), ()).zone
    except BadInput:
        return None


def sentence(say: Language, site: Site) -> str:
    """What somebody agrees to who presses the button: shown beside it, and kept as proof."""
    return wording.sentence(say, site.home.settings)


# --- the form --------------------------------------------------------------------------------------------------


def _digest(conn: Connection, slug: str) -> Digest:
    """The digest of this name, by default the first. Raises NotFound."""
    if slug:
        return publications.find(conn, slug)
    found = next(iter(publications.all(conn)), None)
    if found is None:
        raise NotFound("There is no digest yet.")
    return found


def _form(
    site: Site,
    language: str,
    slug: str,
    typed: Typed,
    *,
    wrong: dict[str, str] | None = None,
    meant: str = "",
    later: datetime | None = None,
    status: int = 200,
) -> Response[str]:
    """The page with the form, `wrong` beside its fields; `meant` is the address that was probably meant."""
    say = frame.speaker(site, language)
    with site.home.db.reading() as conn:
        digest = _digest(conn, slug)
        series = [one for one in publications.series(conn, digest.id) if one.offered]
        topics = publications.topics(conn)
        recent = forecast.recent(conn, now=site.clock())
        past = archive.archive(conn, limit=1)
        day = next_day(conn, site, say, digest, series)
    offered = tuple(one.cadence for one in series)
    return site.page(
        "public/subscribe.html",
        status=status,
        language=language,
        headers=frame.NO_STORE,
        digest=digest,
        topics=topics,
        cadences=[(one.cadence, *_rhythm(say, one)) for one in series],
        typed=replace(typed, cadence=typed.cadence if typed.cadence in offered else publications.usual(offered)),
        wrong=wrong or {},
        meant=meant,
        later=say.hour(later.astimezone(site.zone)) if later else "",
        sentence=sentence(say, site),
        items_a_month=round(len({entry.item_id for entry in recent}) / forecast.MONTHS),
        next_day=day,
        past=past[0] if past else None,
        spoken=say.tag,
    )


def _rhythm(say: Language, series: publications.Series) -> tuple[str, str]:
    """How often, and when that is."""
    clock = dict(frame.hours(say))[series.hour]
    if series.cadence == "instant":
        return say.gettext("As soon as it comes out"), say.gettext("One e-mail for what comes out together")
    if series.cadence == "daily":
        return say.gettext("Once a day"), say.gettext("At {hour} where you are, on days with something new", hour=clock)
    if series.cadence == "weekly":
        day = say.weekday(series.weekday or 0)
        when = say.gettext("On {weekdays}, and only in weeks with something new", weekdays=day)
        return say.gettext("Once a week"), when
    if series.month_day == 31:
        return say.gettext("Once a month"), say.gettext("On the last day, at {hour} where you are", hour=clock)
    day = say.digits(series.month_day or 1)
    return say.gettext("Once a month"), say.gettext("On day {day}, at {hour} where you are", day=day, hour=clock)


def next_day(conn: Connection, site: Site, say: Language, digest: Digest, series: list[publications.Series]) -> str:
    """The day on which the usual digest comes next; empty when it has no calendar."""
    usual = publications.usual([one.cadence for one in series])
    mine = next((one for one in series if one.cadence == usual and usual != "instant"), None)
    if mine is None:
        return ""
    return frame.local(site, say, occurrences.coming(conn, digest, mine, site.clock()).at, digest.zone)


HANDLERS: list[Any] = [subscribe, settings, sent]
