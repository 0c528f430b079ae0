"""What would embarrass us: links, files, excerpts, pictures, size, leftovers, colors, the ways out, the text part.

Promises: pure; looks at the finished mail as readers get it, and names each finding in one sentence with its figure.
`fix` blocks a send by rule, `look` asks for a glance, `fine` says what was checked and found good. Refuses: to open
any address or file: whether a page or a file of our own exists is the caller's answer (`known`, `kept`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from lxml import etree, html
from lxml.html import HtmlElement

from digest import contrast
from digest.errors import Refused
from digest.render import budget, quoted
from digest.render.entries import bare_title
from digest.render.shapes import SLOT, EntryView, Rendered, Shell, slot

SUBJECT = 60  # characters
CLIPPED = 102_000  # bytes at which Gmail hides the rest
WAYS_OUT = ("unsubscribe", "preferences")  # the slots of their addresses
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Level = Literal["fine", "look", "fix"]
Known = Callable[[str], bool | None]
Kept = Callable[[str], bool]


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: `what` is a sentence, `where` the place, `figure` the number behind it.

    `item` is the slug of the item that is at fault, when it is one.
    """

    level: Level
    what: str
    where: str = ""
    figure: str = ""
    item: str = ""


def check(
    rendered: Rendered,
    shell: Shell,
    *,
    entries: Iterable[EntryView],
    known: Known = lambda path: None,
    kept: Kept = lambda path: True,
) -> tuple[Finding, ...]:
    """Everything found, the gravest first.

    `known` says whether a path of our own site exists (None: cannot say), `kept` whether a file of an item does.
    """
    page, views = html.document_fromstring(rendered.html), tuple(entries)
    found = [
        *_address(shell),
        *_ways_out(rendered),
        *_subject(rendered),
        *_links(page, shell, known),
        *_files(views, kept),
        *_excerpts(views),
        *_images(page),
        *_pictures(views),
        *_leftovers(rendered),
        *_size(rendered),
        *_contrast(page),
        *_dark(page),
        *_text(rendered, page, views),
    ]
    order = ("fix", "look", "fine")
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def known_items(shown: Callable[[str], bool]) -> Known:
    """Answers for the pages of items, asking about each by its slug. Of other pages nothing is said."""
    return lambda path: shown(path.removeprefix("/items/")) if path.startswith("/items/") else None


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


def refuse_unfit(findings: Iterable[Finding]) -> None:
    """Raises Refused with what must be fixed."""
    grave = [one for one in findings if one.level == "fix"]
    faults = [f"{one.what} ({', '.join(filter(None, (one.where, one.figure)))})" for one in grave]
    if faults:
        raise Refused(" ".join(["It cannot go out like this.", *faults]))


def _ways_out(rendered: Rendered) -> Iterator[Finding]:
    """Of mails of the list: the others have no footer with slots."""
    places = {"HTML": rendered.html, "text": rendered.text}
    missing = [where for where, source in places.items() for name in WAYS_OUT if slot(name) not in source]
    for where in dict.fromkeys(missing):
        yield Finding("fix", f"The {where} lacks a way out of the list or to the choices of its reader.", where)
    if not missing:
        yield Finding("fine", "The reason, the choices and the way out are in the mail.", "footer")


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


def _files(entries: Sequence[EntryView], kept: Kept) -> Iterator[Finding]:
    pdfs = [(view.item, file) for view in entries for file in view.item.attachments if file.role == "pdf"]
    lost = [(item, file) for item, file in pdfs if not _is_elsewhere(file.path) and not kept(file.path)]
    for item, file in lost:
        yield Finding("fix", "The PDF of an item is not there any more.", bare_title(item), file.name, item.slug)
    if pdfs and not lost:
        yield Finding("fine", "All PDFs are there.", "PDFs", f"{len(pdfs)} {'PDF' if len(pdfs) == 1 else 'PDFs'}")


def _is_elsewhere(path: str) -> bool:
    return path.startswith(("https://", "http://"))


def _excerpts(entries: Sequence[EntryView]) -> Iterator[Finding]:
    items = {view.item.slug: view.item for view in entries}.values()
    bare = [item for item in items if not item.excerpt.strip()]
    for item in bare:
        what = "An item has no excerpt: the mail says nothing but its title."
        yield Finding("look", what, bare_title(item), "", item.slug)
    if items and not bare:
        yield Finding("fine", "Every item says in a few words what it is.", "excerpts", f"{len(items)} of {len(items)}")


def _images(page: HtmlElement) -> Iterator[Finding]:
    images = list(page.iter("img"))
    bare = [image for image in images if image.get("alt") is None]
    for image in bare:
        yield Finding("fix", "A picture has no words for those who do not see it.", image.get("src") or "picture")
    if not bare:
        said = "Every picture has its words." if images else "No picture is needed to understand the mail."
        yield Finding("fine", said, "pictures", f"{len(images)} pictures")


def _pictures(entries: Sequence[EntryView]) -> Iterator[Finding]:
    """Of the pages that the mail leads to: there, a picture without words is not shown."""
    for item in (view.item for view in entries):
        if item.image and not item.image.alt:
            what = "The picture of an item is not shown: it has no words for those who do not see it."
            yield Finding("look", what, bare_title(item), "", item.slug)


def _leftovers(rendered: Rendered) -> Iterator[Finding]:
    places = {"subject": rendered.subject, "HTML": rendered.html, "text": rendered.text}
    for where, source in places.items():
        for mark in ("{{", "{%", "@@:"):
            if (at := source.find(mark)) >= 0:
                excerpt = " ".join(source[at : at + 40].split())
                yield Finding("fix", f"The {where} holds a place that was never filled in.", where, excerpt)


def _size(rendered: Rendered) -> Iterator[Finding]:
    size = len(quoted.encode(rendered.html)) + budget.SLOT_ROOM * len(SLOT.findall(rendered.html))
    figure = f"{size / 1000:.0f} of {CLIPPED // 1000} kB"
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


def _dark(page: HtmlElement) -> Iterator[Finding]:
    """As mail programs show it that are dark and heed its rules."""
    css = "".join(style.text or "" for style in page.iter("style"))
    weak = dict.fromkeys(contrast.weak(page, contrast.dark_rules(css)))
    for spot in weak:
        what = f"Text is hard to read in dark mode: {spot.color} on {spot.background}."
        yield Finding("look", what, spot.text[:60], f"{spot.ratio:.1f} of {spot.needed:g}")
    if not weak:
        yield Finding("fine", "It reads well in dark mode too.", "colors")


def _text(rendered: Rendered, page: HtmlElement, entries: Sequence[EntryView]) -> Iterator[Finding]:
    text = " ".join(rendered.text.split())
    shown = " ".join("".join(page.itertext()).split())
    missing = [
        Finding("fix", "The text part leaves out an item that the HTML has.", title, "", item.slug)
        for item in (view.item for view in entries)
        if (title := bare_title(item)) in shown and title not in text
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
        figure = f"{len(entries)} items" if entries else ""
        yield Finding("fine", "The text part says the same as the HTML.", "text", figure)


def _home(address: str, link: HtmlElement) -> bool:
    """The site's name in the masthead links home; the text part needs no line for that."""
    return urlsplit(address).path in ("", "/") and "name" in (link.getparent().get("class") or "").split()


def _words(element: etree._Element) -> str:
    return " ".join("".join(element.itertext()).split())[:80]
