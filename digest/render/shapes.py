"""What goes into a mail and what comes out: the shell of an edition, an entry, a rendered variant, and the slots.

Promises: a Shell survives JSON unchanged, since editions keep it; `clean` leaves no control or reordering character
and nothing that reads as a slot; `address` leaves only absolute http(s) links or none.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from digest.items import Item

SLOTS = ("unsubscribe", "preferences", "masked", "asked")
SLOT = re.compile(f"@@({'|'.join(SLOTS)})@@")

# C0 and C1 controls, the line and paragraph separators, and what reorders or hides text (bidirectional controls,
# the byte order mark). Lone surrogates cannot be encoded.
_UNFIT = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SPACE = re.compile("[ \t\n\x0b\x0c\r\x85\u2028\u2029]+")
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"


def slot(name: str) -> str:
    """The marker of slot `name`; foreign text never holds two @ in a row, so it cannot be forged."""
    return f"@@{name}@@"


def clean(text: str) -> str:
    """`text` on one line, without controls, reordering characters and anything that could read as a slot."""
    return re.sub("@@+", "@", _SPACE.sub(" ", _UNFIT.sub("", text))).strip()


def address(link: str, base: str) -> str:
    """`link` made absolute from `base` and safely quoted, or empty when it is no http(s) or mailto address."""
    whole = quote(urljoin(base + "/", _SPACE.sub("", _UNFIT.sub("", link))), safe=_URL_SAFE).replace("@@", "%40%40")
    parts = urlsplit(whole)
    if parts.scheme == "mailto":
        return whole
    return whole if parts.scheme in ("http", "https") and parts.netloc else ""


@dataclass(frozen=True)
class Call:
    """One invitation at the foot of a mail; `link` may be relative to the site."""

    title: str
    text: str
    link: str
    label: str


@dataclass(frozen=True)
class Opening:
    """What staff wrote over an edition in one language; either may be empty."""

    subject: str = ""
    body: str = ""  # clean HTML


@dataclass(frozen=True)
class Shell:
    """Everything of an edition that all its mails share, as it was at freeze. Dates are ISO text in `zone`."""

    site_name: str
    organization: str
    site_url: str
    address: str  # postal, in one line
    digest_slug: str
    digest_name: str
    cadence: str  # instant, daily, weekly, monthly; "letter" for a letter, which has none
    edition: int  # the permanent number
    date: str
    since: str  # of the edition before, or empty
    zone: str
    from_name: str
    from_address: str
    reply_to: str = ""
    calls_to_action: tuple[Call, ...] = field(default=())
    key: int = 1  # the number of the key that made Message-IDs and links
    most: int = 12  # entries beyond it go on as titles
    age_limit: int = 0  # days; older entries come as titles; 0: never
    placed: tuple[int, ...] = ()  # items that staff put in this order, before all others
    openings: Mapping[str, Opening] = field(default_factory=dict)  # by language
    accent: str = ""  # of links and buttons, by day and by night; empty: the design's
    accent_dark: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a JSON column."""
        return asdict(self) | {"calls_to_action": [asdict(call) for call in self.calls_to_action]}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Shell:
        """The shell that `to_json` described."""
        calls = tuple(Call(**call) for call in plain["calls_to_action"])
        openings = {language: Opening(**opening) for language, opening in plain.get("openings", {}).items()}
        placed = tuple(plain.get("placed", ()))
        return cls(**(dict(plain) | {"calls_to_action": calls, "openings": openings, "placed": placed}))

    @property
    def host(self) -> str:
        """The host of the site's address."""
        return urlsplit(self.site_url).hostname or "localhost"

    @property
    def page(self) -> str:
        """Where this edition can be read on the web."""
        return f"{self.site_url}/editions/{self.edition}"

    @property
    def day(self) -> dt.date:
        """The edition's day."""
        return dt.date.fromisoformat(self.date)

    @property
    def before(self) -> dt.date | None:
        """The day of the edition before this one, when there was one."""
        return dt.date.fromisoformat(self.since) if self.since else None


def tidied(shell: Shell) -> Shell:
    """`shell` fit for templates: texts cleaned, links absolute, invitations without a usable link left out."""
    calls = [
        Call(clean(call.title), clean(call.text), address(call.link, shell.site_url), clean(call.label or call.title))
        for call in shell.calls_to_action
    ]
    return replace(
        shell,
        site_name=clean(shell.site_name),
        organization=clean(shell.organization),
        address=clean(shell.address),
        digest_name=clean(shell.digest_name),
        calls_to_action=tuple(call for call in calls if call.link),
    )


@dataclass(frozen=True)
class EntryView:
    """One entry as readers see it: the item at the frozen revision; `first_sent` is the day it was first news."""

    sequence: int
    what: str  # new, update, again
    note: str
    item: Item
    first_sent: dt.date | None = None
    topics: tuple[str, ...] = ()  # names


@dataclass(frozen=True)
class Rendered:
    """One variant: HTML and text hold slots. `shortened` says what the size budget took: excerpts, lines, more."""

    subject: str
    html: str
    text: str
    shortened: str = ""
