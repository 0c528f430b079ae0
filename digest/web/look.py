"""How pages are made: one template environment, dates and sizes in words, and the answer around a page.

Promises: every text is escaped unless it is the clean body of an item; links come from the settings, never from the
request; a page needs no script. The style sheet's address holds the hash of its content, so it may be kept for ever.
Serves all faces that show HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from babel.dates import format_skeleton
from litestar import MediaType, Request, Response
from markupsafe import Markup

from digest.config import CallToAction
from digest.home import Home
from digest.items import Attachment, Item
from digest.render import words
from digest.render.words import Words

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "web"
STATIC_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.css")

WebRequest = Request[Any, Any, Any]


class Site:
    """One home as its pages see it: the settings, the clock, and the templates."""

    def __init__(self, home: Home, clock: Callable[[], datetime]) -> None:
        self.home = home
        self.clock = clock

    @property
    def today(self) -> date:
        """The calendar day where the site is."""
        return self.clock().astimezone(ZoneInfo(self.home.settings.site.time_zone)).date()

    @property
    def words(self) -> Words:
        """How dates and sizes are written in the site's language."""
        return words.of(self.home.settings.site.language)

    @cached_property
    def templates(self) -> jinja2.Environment:
        """The environment of all pages: escaping is on, an unknown name is an error."""
        env = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        env.filters.update(
            file_link=file_link,
            day=self.day,
            long_day=self.long_day,
            filesize=self.words.size,
            label=label,
            plural=plural,
            short_title=short_title,
        )
        env.globals.update(site=self.home.settings.site, style=f"/static/site.css?v={static_hash('site.css')}")
        env.globals.update(calls=self.calls, body=lambda item: Markup(item.body))  # noqa: S704 - markup cleaned it
        return env

    @property
    def calls(self) -> tuple[CallToAction, ...]:
        """The invitations at the foot of the home page: as set, else the two that every site can keep."""
        return self.home.settings.site.calls_to_action or (
            CallToAction(title="Share a question", text="A person answers it.", link="/ask", label="Ask us"),
            CallToAction(title="Contact us", text="For press and partners.", link="/ask", label="Write to us"),
        )

    def day(self, value: date | str | None) -> str:
        """A day in a margin: "Aug 17", with the year when it is not this one."""
        return self._written(value, lambda day: self.words.short(day, self.today), "MMMd")

    def long_day(self, value: date | str | None) -> str:
        """A day in a sentence: "August 17, 2023"."""
        return self._written(value, self.words.long, "MMMMd")

    def _written(self, value: date | str | None, write: Callable[[date], str], yearless: str) -> str:
        """The day as `write` has it; one whose year nobody knows keeps its month and day, other text stays as it is."""
        if isinstance(value, datetime):
            value = value.astimezone(ZoneInfo(self.home.settings.site.time_zone)).date()
        try:
            if isinstance(value, str) and value.startswith("--"):  # 2000 is a leap year: every day exists
                day = date.fromisoformat(f"2000{value[1:]}")
                return _kept(str(format_skeleton(yearless, day, locale=self.words.locale)))
            return _kept(write(date.fromisoformat(value) if isinstance(value, str) else value)) if value else ""
        except ValueError:
            return str(value)

    def page(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
    ) -> Response[str]:
        """The page `template` as an answer; browsers ask again each time, since news must show at once."""
        html = self.templates.get_template(template).render(**context)
        said: dict[str, str] = {"cache-control": "no-cache", **(headers or {})}
        return Response(html, status_code=status, media_type=MediaType.HTML, headers=said)


def of(request: WebRequest) -> Site:
    """The site that serves this request."""
    site: Site = request.app.state["site"]
    return site


def static_hash(name: str) -> str:
    """The hash of a static file's content, as its address holds it."""
    return blake2b((TEMPLATES / "static" / name).read_bytes(), digest_size=8).hexdigest()


def file_link(file: Attachment) -> str:
    """The address of a file that an item carries, as pages of this site link to it."""
    return file.path if "://" in file.path else f"/media/{file.path}"


def label(kind: str) -> str:
    """A kind with a capital first letter; the rest stays as it is written."""
    return kind[:1].upper() + kind[1:]


def plural(kind: str) -> str:
    """An English kind in the plural, for lists of kinds."""
    if kind.endswith("s"):
        return label(kind)
    if re.search("[^aeiou]y$", kind):
        return label(kind[:-1]) + "ies"
    return label(kind) + "s"


def short_title(item: Item) -> str:
    """The title without its kind in front ("Fact sheet: ..."), since the label beside it says the kind."""
    head, colon, rest = item.title.partition(":")
    said = head.strip().casefold()
    named = {item.kind.casefold(), plural(item.kind).casefold()}
    return rest.strip() if colon and rest.strip() and said in named else item.title


def _kept(day: str) -> str:
    return day.replace(" ", "\N{NO-BREAK SPACE}", 1)
