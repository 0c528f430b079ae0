"""A mail before it goes, as somebody looks at it: how wide, in which colors, and as whose.

Promises: each way of looking has an address of its own; the mail stands in a frame that does nothing, under a policy
of its own, with looks that do not depend on the page around it; who may not see addresses sees none. Serves the pages
of an edition, of the next one of a series, and of a letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import previews, render
from digest.render import schemes
from digest.staff.accounts import AUTHOR
from digest.web import look
from digest.web.console import door, frame
from digest.web.look import WebRequest
from subscribers import directory, explaining, records
from subscribers.directory import Wanted

WIDTHS = {"wide": "Wide", "middle": "Middle", "phone": "Phone"}  # 600, 480 and 320 pixels: see console.css
TEXT = "text"
VIEWS = WIDTHS | {TEXT: "Text"}
SCHEMES = {"light": "Light", "dark": "Dark"}
EVERYTHING = "Someone who takes every topic"
FOUND = 5  # people that are named when a part of an address fits several

# Why there is no mail for somebody, after "Nothing for them: ".
_NOTHING = {
    "no topics": "there is nothing new in their topics, or they do not take this digest so often.",
    "paused": "they have paused.",
    "left": "they do not take this digest.",
    "suppressed": "their address is on the do-not-mail list.",
    "erased": "there is no such person any more.",
    "not meant": "they are not among those it is for.",
    "alert cap": "they have had as many alerts as they get in a day. It comes later.",
}


@dataclass(frozen=True)
class Mail:
    """What is looked at; `why` is the code of a reason when there is no mail for a person."""

    shell: render.Shell
    rendered: render.Rendered | None
    slots: Mapping[str, str]
    why: str = ""

    @property
    def html(self) -> str:
        """The HTML with its slots filled."""
        return previews.filled(self.rendered.html, self.slots) if self.rendered else ""

    @property
    def text(self) -> str:
        """The text with its slots filled."""
        return previews.filled(self.rendered.text, self.slots) if self.rendered else ""


@dataclass(frozen=True)
class View:
    """One way of looking, as the address of the page asks for it."""

    path: str  # of the page
    kept: Mapping[str, Any]  # what else its address says
    view: str = "phone"
    colors: str = "light"
    reader: int | None = None
    part: str = ""  # of an address that is looked for

    @classmethod
    def of(cls, request: WebRequest, path: str, **kept: object) -> View:
        """What the address asks for."""
        return cls.read(request, request.query_params, path, **kept)

    @classmethod
    def read(cls, request: WebRequest, asked: Mapping[str, str], path: str, **kept: object) -> View:
        """What is asked for; what makes no sense is left out, and who may not see addresses looks for none."""
        view, colors = asked.get("view", ""), asked.get("colors", "")
        part = asked.get("who", "").strip()[:200] if door.of(request).account.may(AUTHOR) else ""
        return cls(
            path,
            kept,
            view if view in VIEWS else cls.view,
            colors if colors in SCHEMES else cls.colors,
            frame.number(asked.get("reader", "")),
            part,
        )

    @property
    def said(self) -> dict[str, Any]:
        """What a form must say again so that it is this look that is meant."""
        return {**self.kept, "view": self.view, "colors": self.colors, "reader": self.reader or ""}

    def to(self, **other: object) -> str:
        """The address of the page with another look."""
        return look.address(self.path, **{**self.said, **other}) + "#preview"

    def mail(self, **more: object) -> str:
        """The address of the mail itself, for the frame."""
        path = f"{self.path.removesuffix('/check')}/mail"
        return look.address(path, **self.kept, colors=self.colors, reader=self.reader or "", **more)


@dataclass(frozen=True)
class Reader:
    """Somebody as whom the mail can be seen."""

    number: int
    name: str


def readers(
    conn: Connection, request: WebRequest, view: View, samples: Sequence[tuple[int, int]] = ()
) -> dict[str, Any]:
    """Those as whom it can be seen: the samples with their numbers of items, who is chosen, and who is looked for."""
    shown = door.shown(request)
    found = directory.page(conn, Wanted(view.part), limit=FOUND + 1) if view.part else []
    counts = {number: f", {items} {'item' if items == 1 else 'items'}" if items else "" for number, items in samples}
    numbers = [*counts, *([view.reader] if view.reader and view.reader not in counts else [])]
    known = records.addresses(conn, numbers)
    return {
        "samples": [Reader(n, shown(known[n]) + counts.get(n, "")) for n in numbers if n in known],
        "found": [Reader(one.subscriber_id, shown(one.email)) for one in found[:FOUND]],
        "too_many": len(found) > FOUND,
    }


def page(request: WebRequest, view: View, mail: Mail | None, those: Mapping[str, Any]) -> dict[str, Any]:
    """What the part of a page that shows the mail needs; without a mail there is none to look at."""
    return {
        "view": view,
        "views": VIEWS,
        "schemes": SCHEMES,
        "everything": EVERYTHING,
        "mail": mail,
        "nothing": nothing(mail.why) if mail and mail.why else "",
        "may_search": door.of(request).account.may(AUTHOR),
        **(those or {"samples": [], "found": [], "too_many": False}),
    }


def nothing(why: str) -> str:
    """Why somebody would get nothing, in a sentence."""
    return "Nothing for them: " + _NOTHING.get(why, f"{explaining.reason(why)}.")


def answer(request: WebRequest, make: Callable[[View], Mail], **kept: object) -> Response[Any]:
    """The mail as a page that does nothing; `part=text` is its text."""
    asked = request.query_params
    view = View.of(request, request.url.path.removesuffix("/mail"), **kept)
    mail = make(view)
    headers = frame.PRIVATE | {frame.POLICY: frame.INERT}
    if mail.why or asked.get("part") == TEXT:
        said = nothing(mail.why) if mail.why else mail.text
        return Response(said, media_type="text/plain; charset=utf-8", headers=headers)
    return Response(schemes.shown(mail.html, view.colors), media_type="text/html", headers=headers)


def of_whole(whole: previews.Whole) -> Mail:
    """The mail of somebody who takes everything."""
    return Mail(whole.shell, whole.rendered, whole.slots)
