"""How pages are made: one template environment, dates and sizes in words, and the answer around a page.

Promises: every text is escaped unless it is the clean body of an item; links come from the settings, never from the
request; a page needs no script, and is in one language, that of its reader where it is known, else the browser's. The
addresses of static files hold the hash of their content, so they may be kept for ever.
Serves all faces that show HTML.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import jinja2
from babel.dates import format_date, format_skeleton
from litestar import MediaType, Request, Response
from markupsafe import Markup, escape

from digest import accents, languages, media, pictures
from digest.config import CallToAction, LooksSection
from digest.home import Home
from digest.items import Attachment, Item
from digest.render import words
from digest.render.words import Words

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "web"
ACCENTS = "accents.css"  # made of the settings, beside the files of the folder
STATIC_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.(css|js|svg)")

WebRequest = Request[Any, Any, Any]


class Site:
    """One home as its pages see it: the settings, the clock, and the templates."""

    def __init__(self, home: Home, clock: Callable[[], datetime]) -> None:
        self.home = home
        self.clock = clock
        self._books: dict[str, Book] = {}
        self._said = home.settings  # what the books were made of

    @property
    def zone(self) -> ZoneInfo:
        """Where the site is."""
        return ZoneInfo(self.home.settings.site.time_zone)

    @property
    def today(self) -> date:
        """The calendar day where the site is."""
        return self.clock().astimezone(self.zone).date()

    def book(self, language: str = "") -> Book:
        """The pages in a language, by default the site's."""
        if self._said is not self.home.settings:
            self._books, self._said = {}, self.home.settings
        site = self.home.settings.site
        tag = languages.choose(language, site.languages) if language else site.language
        if tag not in self._books:
            self._books[tag] = Book(self, words.of(tag))
        return self._books[tag]

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        language: str = "",
        **context: Any,
    ) -> Response[str]:
        """The page `template` as an answer; browsers ask again each time, since news must show at once."""
        html = self.book(language).templates.get_template(template).render(**context)
        vary = {"vary": "accept-language"} if len(self.home.settings.site.languages) > 1 else {}
        said: dict[str, str] = {"cache-control": "no-cache", **vary, **(headers or {})}
        return Response(html, status_code=status, media_type=MediaType.HTML, headers=said)


class Book:
    """All pages of a site in one language."""

    def __init__(self, site: Site, words: Words) -> None:
        self.site = site
        self.words = words

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
            file_widths=file_widths,
            day=self.day,
            long_day=self.long_day,
            filesize=self.words.size,
            label=self.label,
            plural=self.plural,
            short_title=short_title,
            month=self.month,
            month_day=self.month_day,
            digits=self.words.digits,
        )
        env.globals.update(site=self.site.home.settings.site, style=static("site.css"), static=static)
        looks = self.site.home.settings.looks
        env.globals.update(accents=accent_sheet(looks), looks=looks)
        env.globals.update(calls=self.calls, body=lambda item: Markup(item.body), clean=Markup)  # noqa: S704 - markup cleaned it
        env.globals.update(words=self.words, _=self.say, ngettext=self.count, strong=strong, link=link)
        env.globals.update(address=address)
        return env

    @property
    def calls(self) -> tuple[CallToAction, ...]:
        """The invitations at the foot of the home page: as set, else the two that every site can keep."""
        words = self.words
        return self.site.home.settings.site.calls_to_action or (
            CallToAction(
                title=words.gettext("Share a question"),
                text=words.gettext("A person answers it."),
                link="/ask",
                label=words.gettext("Ask us"),
            ),
            CallToAction(
                title=words.gettext("Contact us"),
                text=words.gettext("For press and partners."),
                link="/ask",
                label=words.gettext("Write to us"),
            ),
        )

    # --- what templates say

    def say(self, message: str, **values: object) -> Markup:
        """`message` in this language as markup; the {values} are escaped, unless they are markup."""
        return _filled(self.words.gettext(message), values)

    def count(self, one: str, many: str, number: int, **values: object) -> Markup:
        """The form that this language has for `number`, with {n} as it writes it."""
        return _filled(self.words.catalog.ngettext(one, many, number), {"n": self.words.digits(number)} | values)

    def label(self, kind: str) -> str:
        """A kind of item with a capital first letter, as it is said in this language."""
        return label(self.words.kind(kind))

    def plural(self, kind: str) -> str:
        """A kind for lists of kinds; only of English we know how it is counted."""
        return plural(kind) if self.words.base == languages.SOURCE else self.label(kind)

    def day(self, value: date | str | None) -> str:
        """A day in a margin: "Aug 17", with the year when it is not this one."""
        return self._written(value, lambda day: self.words.short(day, self.site.today), "MMMd")

    def long_day(self, value: date | str | None) -> str:
        """A day in a sentence: "August 17, 2023"."""
        return self._written(value, self.words.long, "MMMMd")

    def month_day(self, value: str) -> str:
        """A day under the head of its year: "August 17"."""
        return self._written(f"-{value[4:]}", self.words.long, "MMMMd")

    def month(self, value: str) -> str:
        """The name of a month such as 2026-08: "August"."""
        return str(format_date(date.fromisoformat(f"{value}-01"), "LLLL", locale=self.words.locale)).capitalize()

    def _written(self, value: date | str | None, write: Callable[[date], str], yearless: str) -> str:
        """The day as `write` has it; one whose year nobody knows keeps its month and day, other text stays as it is."""
        if isinstance(value, datetime):
            value = value.astimezone(self.site.zone).date()
        try:
            if isinstance(value, str) and value.startswith("--"):  # 2000 is a leap year: every day exists
                day = date.fromisoformat(f"2000{value[1:]}")
                return _kept(str(format_skeleton(yearless, day, locale=self.words.locale)))
            return _kept(write(date.fromisoformat(value) if isinstance(value, str) else value)) if value else ""
        except ValueError:
            return str(value)


def of(request: WebRequest) -> Site:
    """The site that serves this request."""
    site: Site = request.state["site"]
    return site


def language_of(request: WebRequest) -> str:
    """The language that the browser asks for first (RFC 9110, section 12.5.4) and we speak; else empty."""
    wanted = []
    for part in request.headers.get("accept-language", "")[:200].split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            wanted.append((float(weight or 1), tag.strip()))
        except ValueError:
            continue
    offered = of(request).home.settings.site.languages
    spoken = {tag.lower().split("-")[0] for tag in offered}
    found = (tag for _, tag in sorted(wanted, key=lambda one: -one[0]) if tag.lower().split("-")[0] in spoken)
    return languages.choose(next(found, ""), offered) if wanted else ""


def static(name: str) -> str:
    """The address of a static file."""
    return f"/static/{name}?v={static_hash(name)}"


def accent_sheet(looks: LooksSection) -> str:
    """The address of the style sheet with the site's own colors; empty when it has none."""
    pair = accents.of(looks)
    return f"/static/{ACCENTS}?v={_hash(accents.style_sheet(pair).encode())}" if pair.is_own else ""


def static_hash(name: str) -> str:
    """The hash of a static file's content, as its address holds it."""
    return _hash((TEMPLATES / "static" / name).read_bytes())


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def file_link(file: Attachment) -> str:
    """The address of a file that an item carries, as pages of this site link to it."""
    return file.path if "://" in file.path else f"/media/{file.path}"


def file_widths(picture: Attachment) -> str:
    """The widths in which a picture is kept, as `srcset` says it; empty when there is only one."""
    if not picture.width or picture.width <= pictures.NARROW:
        return ""
    narrow = dataclasses.replace(picture, path=media.narrow(picture.path))
    return f"{file_link(narrow)} {pictures.NARROW}w, {file_link(picture)} {picture.width}w"


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


def address(path: str, **asked: object) -> str:
    """The address of a page of ours with what is asked of it; what is empty is left out."""
    query = urlencode([(key, value) for key, value in asked.items() if value])
    return f"{path}?{query}" if query else path


def strong(text: str) -> Markup:
    """A part of a sentence that stands out."""
    return Markup('<strong class="strong">{}</strong>').format(text)


def link(address: str, text: str) -> Markup:
    """A link inside a sentence."""
    return Markup('<a href="{}">{}</a>').format(address, text)


def _filled(text: str, values: Mapping[str, object]) -> Markup:
    escaped = Markup(escape(text))  # noqa: S704 - escaped just here
    return escaped.format(**values) if values else escaped


def _kept(day: str) -> str:
    return day.replace(" ", "\N{NO-BREAK SPACE}", 1)
