"""What would embarrass us: links, alternative texts, size, leftovers, contrast, the postal address, the text part.

Promises: pure; looks at the finished mail as readers get it, and names each finding in one sentence with its figure.
`fix` blocks a send by rule, `look` asks for a glance, `fine` says what was checked and found good. Refuses: to open
any address: whether a page of our own exists is the caller's answer (`known`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from lxml import etree, html
from lxml.html import HtmlElement

from digest import contrast
from digest.render import budget, quoted
from digest.render.entries import bare_title
from digest.render.shapes import SLOT, EntryView, Rendered, Shell

SUBJECT = 60  # characters
CLIPPED = 102_000  # bytes at which Gmail hides the rest
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Level = Literal["fine", "look", "fix"]
Known = Callable[[str], bool | None]


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: `what` is a sentence, `where` the place, `figure` the number behind it."""

    level: Level
    what: str
    where: str = ""
    figure: str = ""


def check(
    rendered: Rendered, shell: Shell, *, entries: Iterable[EntryView], known: Known = lambda path: None
) -> tuple[Finding, ...]:
    """Everything found, the gravest first. `known` says whether a path of our own site exists (None: cannot say)."""
    page, views = html.document_fromstring(rendered.html), tuple(entries)
    found = [
        *_address(shell),
        *_subject(rendered),
        *_links(page, shell, known),
        *_images(page),
        *_pictures(views),
        *_leftovers(rendered),
        *_size(rendered),
        *_contrast(page),
        *_text(rendered, page, views),
    ]
    order = ("fix", "look", "fine")
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def known_items(slugs: Iterable[str]) -> Known:
    """Answers for the pages of items: there are those with these slugs. Of other pages nothing is said."""
    paths = {f"/items/{slug}" for slug in slugs}
    return lambda path: path in paths if path.startswith("/items/") else None


def passed(findings: Iterable[Finding]) -> bool:
    """Whether nothing must be fixed."""
    return all(finding.level != "fix" for finding in findings)


def _address(shell: Shell) -> Iterator[Finding]:
    if shell.address.strip():
        yield Finding("fine", "The postal address is in the mail.", "footer")
    else:
        yield Finding("fix", "There is no postal address; the law asks for one in every mail.", "footer")
    site = urlsplit(shell.site_url)
    if site.scheme != "https" and site.hostname not in LOOPBACK:
        yield Finding("fix", "The site's address does not start with https://.", "settings", shell.site_url)


def _subject(rendered: Rendered) -> Iterator[Finding]:
    length = len(rendered.subject)
    if not rendered.subject.strip():
        yield Finding("fix", "The mail has no subject.", "subject", "0 characters")
    elif length > SUBJECT:
        yield Finding("look", "The subject is long; phones cut it off.", "subject", f"{length} characters")
    else:
        yield Finding("fine", "The subject is short enough for phones.", "subject", f"{length} characters")


def _links(page: HtmlElement, shell: Shell, known: Known) -> Iterator[Finding]:
    links = [(link.get("href") or "", _words(link)) for link in page.iter("a")]
    faults = [found for address, where in links if (found := _link(address, where, shell, known))]
    yield from dict.fromkeys(faults)
    if not faults:
        yield Finding("fine", "All links are complete.", "links", f"{len(links)} links")


def _link(address: str, where: str, shell: Shell, known: Known) -> Finding | None:
    if SLOT.fullmatch(address):
        return None
    parts = urlsplit(address.strip())
    if parts.scheme == "mailto" and "@" in parts.path:
        return None
    if parts.scheme not in ("http", "https"):
        why = "has no address" if not address.strip() else "is not a whole web address"
        return Finding("fix", f"A link {why}.", where, address)
    if not parts.hostname:
        return Finding("fix", "A link names no host.", where, address)
    own = address == shell.site_url or address.startswith(shell.site_url + "/")
    if own and known(parts.path or "/") is False:
        return Finding("fix", "A link leads to a page of our site that does not exist.", where, address)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return Finding("look", "A link is not encrypted: it starts with http://.", where, address)
    return None


def _images(page: HtmlElement) -> Iterator[Finding]:
    images = list(page.iter("img"))
    bare = [image for image in images if image.get("alt") is None]
    for image in bare:
        yield Finding("fix", "A picture has no words for those who do not see it.", image.get("src") or "picture")
    if images and not bare:
        yield Finding("fine", "Every picture has its words.", "pictures", f"{len(images)} pictures")


def _pictures(entries: Sequence[EntryView]) -> Iterator[Finding]:
    """Of the pages that the mail leads to: there, a picture without words is not shown."""
    for item in (view.item for view in entries):
        if item.image and not item.image.alt:
            what = "The picture of an item is not shown: it has no words for those who do not see it."
            yield Finding("look", what, bare_title(item))


def _leftovers(rendered: Rendered) -> Iterator[Finding]:
    places = {"subject": rendered.subject, "HTML": rendered.html, "text": rendered.text}
    for where, source in places.items():
        for mark in ("{{", "{%", "@@:"):
            if (at := source.find(mark)) >= 0:
                excerpt = " ".join(source[at : at + 40].split())
                yield Finding("fix", f"The {where} holds a place that was never filled in.", where, excerpt)


def _size(rendered: Rendered) -> Iterator[Finding]:
    size = len(quoted.encode(rendered.html)) + budget.SLOT_ROOM * len(SLOT.findall(rendered.html))
    figure = f"{size / 1000:.0f} kB of {budget.LIMIT // 1000} kB"
    if size > CLIPPED:
        yield Finding(
            "fix", "The mail is so large that Gmail hides its end, with the way out of the list.", "size", figure
        )
    elif size > budget.LIMIT:
        yield Finding("look", "The mail is larger than it should be.", "size", figure)
    else:
        yield Finding("fine", "The mail is small enough to be shown whole.", "size", figure)
    if rendered.shortened:
        yield Finding("look", "The mail was shortened to keep it small.", "size", _SHORTENED[rendered.shortened])


_SHORTENED = {"excerpts": "excerpts cut", "lines": "one line an item", "more": "the last items only online"}


def _contrast(page: HtmlElement) -> Iterator[Finding]:
    weak = dict.fromkeys(contrast.weak(page))
    for spot in weak:
        what = f"Text is hard to read: {spot.color} on {spot.background}."
        yield Finding("fix", what, spot.text[:60], f"{spot.ratio:.1f} of {spot.needed:g}")
    if not weak:
        yield Finding("fine", "All text stands out from its ground.", "colors")


def _text(rendered: Rendered, page: HtmlElement, entries: Sequence[EntryView]) -> Iterator[Finding]:
    text = " ".join(rendered.text.split())
    shown = " ".join("".join(page.itertext()).split())
    missing = [
        Finding("fix", "The text part leaves out an item that the HTML has.", title)
        for title in map(bare_title, (view.item for view in entries))
        if title in shown and title not in text
    ]
    lines = set(map(str.strip, rendered.text.splitlines()))
    missing += [
        Finding("fix", "The text part leaves out a link that the HTML has.", _words(link), address)
        for link in page.iter("a")
        if (address := link.get("href") or "") and address not in lines and not _home(address, link)
    ]
    yield from dict.fromkeys(missing)
    if not rendered.text.strip():
        yield Finding("fix", "The text part is empty.", "text")
    elif not missing:
        yield Finding("fine", "The text part says the same as the HTML.", "text", f"{len(entries)} items")


def _home(address: str, link: HtmlElement) -> bool:
    """The site's name in the masthead links home; the text part needs no line for that."""
    return urlsplit(address).path in ("", "/") and "name" in (link.getparent().get("class") or "").split()


def _words(element: etree._Element) -> str:
    return " ".join("".join(element.itertext()).split())[:80]
