"""WordPress's export file (WXR 1.0 to 1.2: RSS with names of its own), read apart and in a stream.

Promises: the file's size costs no memory, here or in the process that reads it; posts come in the file's order, with
the texts that we use and no others; what the file cannot be read for is said with its line. Refuses: what is no export,
a document type (and so every entity but XML's own five), and whatever takes more than its share of time or memory.
Stands outside `intake` so that the process that reads has little to load.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from digest import apart
from digest.errors import BadInput, NotFound

SNIFFED = 65_536  # bytes in which an export names itself
LARGEST = 5_000_000  # characters of one post
LONGEST = 20_000  # characters of any other text
MOST_PARTS = 50_000  # elements of one post, its comments apart
MOST_TERMS = 500
ROOM = 50_000_000  # characters, about, for the index of a site's files; what comes later is not in it
SECONDS, SECONDS_PER_MB = 20, 0.3  # ten times what exports take
MEMORY = 700_000_000  # bytes of addresses

_TEXTS = """
    title link creator guid content excerpt post_id post_date post_date_gmt post_name status post_type post_password
    is_sticky post_parent attachment_url
"""
TEXTS = frozenset(_TEXTS.split())
THUMBNAIL, ALT = "_thumbnail_id", "_wp_attachment_image_alt"
_NAMES = {
    "{http://purl.org/rss/1.0/modules/content/}encoded": "content",
    "{http://purl.org/dc/elements/1.1/}creator": "creator",
}
_OURS = re.compile(r"\{http://wordpress\.org/export/1\.[0-9]/(excerpt/)?\}(\w+)")
_CONTROLS = bytes([*range(1, 9), 11, 12, *range(14, 32)])  # XML 1.0 has no place for them, and old posts hold some


@dataclass(frozen=True)
class Post:
    """One item of the export: its texts by name, and (domain, short name, name) of its categories and tags."""

    texts: Mapping[str, str]
    terms: tuple[tuple[str, str, str], ...] = ()
    oversize: str = ""  # the name of a text that is too long, and was left out

    def text(self, name: str) -> str:
        """One of TEXTS, THUMBNAIL or ALT; empty when it has none."""
        return self.texts.get(name, "")


@dataclass(frozen=True)
class File:
    """A file of the site's library: where it is, and what it shows, in words."""

    url: str
    alt: str


@dataclass(frozen=True)
class Site:
    """What an export says of its site: its address, the names of its authors by login, its files by number, and the
    address of the first PDF that was uploaded for a post, by the post's number."""

    home: str = ""
    authors: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)
    papers: Mapping[str, str] = field(default_factory=dict)


def is_export(path: Path) -> bool:
    """Whether the file says near its beginning that it is one; a feed is XML too."""
    with path.open("rb") as file:
        return b"wordpress.org/export/" in file.read(SNIFFED)


def site(path: Path) -> Site:
    """What the whole file says of its site. Raises NotFound without the file, BadInput for what is no export."""
    homes: dict[str, str] = {}
    authors: dict[str, str] = {}
    files: dict[str, File] = {}
    papers: dict[str, str] = {}
    room = ROOM
    for kind, told in _records(path, ("attachment",)):
        room -= 200 + len(str(told))
        if kind in ("base_blog_url", "link"):
            homes[kind] = str(told)
        elif kind == "author" and room > 0:
            authors[told[0]] = told[1]
        elif kind == "post" and room > 0:
            one = _post(told)
            url = one.text("attachment_url").strip()
            files[one.text("post_id")] = File(url, one.text(ALT))
            if url.lower().endswith(".pdf"):
                papers.setdefault(one.text("post_parent"), url)
    return Site(homes.get("base_blog_url") or homes.get("link", ""), authors, files, papers)


def posts(path: Path, types: tuple[str, ...]) -> Iterator[Post]:
    """The posts of these types. Raises as `site` does, in the midst of it for a fault in the midst of the file."""
    return (_post(told) for kind, told in _records(path, types) if kind == "post")


def _post(told: Any) -> Post:
    texts, terms, oversize = told
    return Post(texts, tuple((domain, short, name) for domain, short, name in terms), oversize)


def _records(path: Path, types: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not path.is_file():
        raise NotFound(f"There is no file {path}. Name the export that WordPress wrote (Tools, Export).")
    limits = _limits(path.stat().st_size)
    try:
        for line in apart.lines("digest.wxr", str(path.resolve()), ",".join(types), limits=limits):
            kind, told = json.loads(line)
            if kind == "fault":
                raise BadInput(f"{path}{told[0]}", told[1], told[2])
            yield kind, told
    except EOFError as error:
        why = "It takes too much time or memory to read."
        raise BadInput(str(path), why, "Export it anew, in parts (Tools, Export, Posts).") from error


def _limits(size: int) -> apart.Limits:
    return apart.Limits(SECONDS + int(SECONDS_PER_MB * size / 1_000_000), MEMORY, 8 * LARGEST)


# --- in the process of its own ---------------------------------------------------------------------------------


_TYPED = ("", "It declares a document type, which no export of WordPress does.", "Export it anew.")


class Unreadable(Exception):
    """The file cannot be read: the place in it, why, and the remedy."""


def records(path: Path, types: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """What the file holds, one thing at a time. Trusts nothing; what limits it is `confine`. Raises Unreadable."""
    version = False
    for element in _elements(path):
        name = _name(element.tag)
        if name == "wxr_version":
            version = True
        elif name in ("base_blog_url", "link"):
            yield name, (element.text or "").strip()[:LONGEST]
        elif name == "author":
            texts = {_name(child.tag): "".join(child.itertext())[:LONGEST] for child in element}
            yield "author", [texts.get("author_login", ""), texts.get("author_display_name", "")]
        elif name == "item":
            if not version:
                break
            if element.findtext("{*}post_type") in types:
                yield "post", _told(element)
    if not version:
        why = "It is no export of WordPress: it has no wxr_version."
        raise Unreadable("", why, "Take the file that Tools, Export writes there.")


def _elements(path: Path) -> Iterator[Any]:
    """The elements below the channel, one at a time; each is forgotten when the next one comes."""
    reading = etree.XMLPullParser(("start", "end"), resolve_entities=False, no_network=True, load_dtd=False,
                                  huge_tree=True, remove_comments=True, remove_pis=True)  # fmt: skip
    parts = depth = 0
    with path.open("rb") as file:
        if b"<!DOCTYPE" in file.read(SNIFFED).partition(b"<rss")[0]:
            raise Unreadable(*_TYPED)
    try:
        for chunk in _chunks(path):
            reading.feed(chunk)
            for event, element in reading.read_events():
                depth += 1 if event == "start" else -1
                parts += event == "start"
                if depth == 1 and element.getroottree().docinfo.internalDTD is not None:
                    raise Unreadable(*_TYPED)
                if parts > MOST_PARTS:
                    why = f"A post has more than {MOST_PARTS:,} parts."
                    raise Unreadable(f", line {element.sourceline}", why, "Delete it there, and export anew.")
                if event == "end" and depth == 2:  # below rss and channel
                    yield element
                    parts = 0
                    _forget(element)
                elif event == "end" and depth == 3 and _name(element.tag) == "comment":  # a reader's, of a post
                    parts -= _forget_comment(element)
        reading.close()
    except etree.XMLSyntaxError as error:
        first = next(iter(reading.feed_error_log), None)
        line, said = (first.line, first.message) if first else (error.lineno, error.msg or "")
        why = f"The XML is broken ({' '.join(said.split())[:120]})."
        raise Unreadable(f", line {line}", why, "Export it anew.") from error


def _forget(element: Any) -> None:
    """Lets go of an element, and of what stands before it."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _forget_comment(element: Any) -> int:
    """Lets go of what a comment holds, and of the comment before it; says how many elements that were."""
    held = sum(1 for _ in element.iterdescendants())
    element.clear()
    before = element.getprevious()  # the element itself must stay while the parser is at it
    if before is not None and before.tag == element.tag:
        element.getparent().remove(before)
        held += 1
    return held


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, without the control characters that some posts hold; wider characters stay as they are."""
    with path.open("rb") as file:
        wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
        file.seek(0)
        while chunk := file.read(SNIFFED):
            yield chunk if wide else chunk.translate(None, _CONTROLS)


def _name(tag: object) -> str:
    """The name without its namespace; `excerpt` for WordPress's own excerpt, empty for what is no element."""
    if not isinstance(tag, str):
        return ""
    if ours := _OURS.fullmatch(tag):
        return "excerpt" if ours[1] else ours[2]
    return _NAMES.get(tag, "" if tag.startswith("{") else tag)


def _told(element: Any) -> list[Any]:
    """A post as `_post` takes it."""
    texts: dict[str, str] = {}
    oversize = ""
    for child in element:
        name = _name(child.tag)
        if name == "postmeta":
            key = child.findtext("{*}meta_key")
            name, child = (key, child.find("{*}meta_value")) if key in (THUMBNAIL, ALT) else ("", child)
        if (name in TEXTS or name in (THUMBNAIL, ALT)) and child is not None:
            text = "".join(child.itertext())
            if len(text) > (LARGEST if name == "content" else LONGEST):
                text, oversize = "", oversize or name
            texts[name] = text
    terms = element.findall("category")[:MOST_TERMS]
    named = [(one.get("domain", ""), one.get("nicename", ""), (one.text or "").strip()) for one in terms]
    return [texts, [[part[:LONGEST] for part in one] for one in named], oversize]


def _alone(path: Path, types: frozenset[str]) -> None:
    """Writes what the file holds as lines of JSON, within limits that end the process."""
    apart.confine(_limits(path.stat().st_size))
    try:
        for record in records(path, types):
            _say(*record)
    except Unreadable as fault:
        _say("fault", fault.args)


def _say(kind: str, told: Any) -> None:
    sys.stdout.buffer.write(json.dumps([kind, told], ensure_ascii=False).encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    _alone(Path(sys.argv[1]), frozenset(sys.argv[2].split(",")))
