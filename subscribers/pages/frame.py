"""What the pages of people share: headers that keep a link secret, days and hours in words, the page around them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response

from digest import languages
from digest.errors import Problem
from digest.languages import Language
from digest.web import look
from digest.web.look import Site, WebRequest
from subscribers.preferences import OFF

# A page behind a signed link is stored nowhere, tells no other site where it is, and is found by no search.
PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow"}
NO_STORE = {"cache-control": "no-store"}
TRAP = "website"  # a field that people do not see, and programs fill in
AGENT = 200  # characters of a browser's name that the evidence keeps


def private(site: Site, template: str, *, status: int = 200, language: str = "", **context: Any) -> Response[str]:
    """A page behind a signed link, in the language of its reader."""
    return site.page(template, status=status, headers=PRIVATE, language=language, **context)


def client(request: WebRequest) -> tuple[str, str]:
    """The network address of whoever asks, and their browser as it calls itself."""
    ip = request.client.host if request.client else ""
    agent = "".join(sign for sign in request.headers.get("user-agent", "") if sign.isprintable())
    return ip, agent[:AGENT]


def form(request: WebRequest, path: str) -> str:
    """Where a form stood, as the evidence has it: our own page, or that of another site."""
    site = look.of(request).home.settings.site.url
    origin = request.headers.get("origin", "")[:100]
    foreign = re.fullmatch(r"https?://[A-Za-z0-9.:-]+", origin) and origin != site
    return f"{path}, from a form at {origin}" if foreign else path


def speaker(site: Site, language: str) -> Language:
    """The language of pages for whoever reads `language`."""
    return languages.of(languages.choose(language, site.home.settings.site.languages))


def often(say: Language) -> dict[str, str]:
    """How often a topic can come, as a table's head has it."""
    return {
        "instant": say.pgettext("how often", "At once"),
        "daily": say.pgettext("how often", "Daily"),
        "weekly": say.pgettext("how often", "Weekly"),
        "monthly": say.pgettext("how often", "Monthly"),
        OFF: say.pgettext("how often", "Off"),
    }


def hours(say: Language) -> list[tuple[int, str]]:
    """The hours of a day in words."""
    midnight = datetime(2000, 1, 1, tzinfo=UTC)
    return [(hour, say.hour(midnight.replace(hour=hour))) for hour in range(24)]


def city(zone: str) -> str:
    """The city that a zone is named after."""
    return zone.rpartition("/")[2].replace("_", " ")


def local(site: Site, say: Language, moment: datetime, zone: str) -> str:
    """A day in words, by the calendar of a zone."""
    return say.month_day(moment.astimezone(ZoneInfo(zone)).date(), site.today)


def faults(*problems: Problem) -> dict[str, str]:
    """What is wrong by the name of its field, as a form's page shows it."""
    return {problem.where: f"{problem.why} {problem.remedy}" for problem in problems}
