"""A WordPress export file (WXR 1.0 to 1.2) becomes drafts.

Promises: the file is read in a stream, so that its size costs no memory; posts and pages come in the file's order,
each with its author, topics, kind, excerpt and day; private, protected and unfinished ones come as drafts; what only
WordPress understands (shortcodes, comments of blocks) is taken out, and its words stay. Refuses: files that are no such
export, entities and whatever leads out of the file, and single posts of more than 5 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from lxml import etree

from digest import markup
from digest.drafts import Draft
from digest.errors import BadInput, NotFound, Problem
from digest.intake import categories
from digest.intake.categories import Rules
from digest.intake.identity import identity
from digest.intake.markdown import slugify
from digest.shelf import Author

SNIFFED = 65_536  # bytes in which an export names itself
LARGEST = 5_000_000  # characters of one post
KINDS = ("post", "page")
STATES = {"publish": "published", "future": "scheduled", "draft": "draft", "pending": "draft", "private": "draft"}
UNDATED = "0000-00-00 00:00:00"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_OURS = re.compile(r"\{http://wordpress\.org/export/1\.[0-9]/(excerpt/)?\}(\w+)")


def read(path: Path, *, rules: Rules) -> Iterator[Draft | Problem]:
    """The drafts of an export, and a problem in the place of each post that cannot be read.

    Raises NotFound without the file, BadInput for what is no export.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}. Name the export that WordPress wrote (Tools, Export).")
    authors: dict[str, str] = {}
    version = home = ""
    for name, element in _elements(path):
        if name == "wxr_version":
            version = element.text or ""
        elif name == "base_blog_url" or (name == "link" and not home):
            home = element.text or ""
        elif name == "author":
            fields = _fields(element)
            authors[fields.get("author_login", "")] = fields.get("author_display_name", "")
        elif name == "item":
            if not version:
                raise _no_export(path)
            post = _Post(_fields(element), _categories(element))
            if post.type in KINDS and post.status in STATES:
                yield _draft(post, authors, home, rules)
    if not version:
        raise _no_export(path)


def is_export(path: Path) -> bool:
    """Whether the file says near its beginning that it is one; a feed is XML too."""
    with path.open("rb") as file:
        return b"wordpress.org/export/" in file.read(SNIFFED)


def _no_export(path: Path) -> BadInput:
    why = "It is no export of WordPress: it has no wxr_version."
    return BadInput(str(path), why, "Take the file that Tools, Export writes there.")


def _elements(path: Path) -> Iterator[tuple[str, Any]]:
    """The elements below the channel, one at a time; each is forgotten when the next one comes."""
    try:
        with path.open("rb") as file:
            reading = etree.iterparse(
                file, events=("end",), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
            )
            for _, element in reading:
                parent = element.getparent()
                if parent is None or parent.tag != "channel":
                    continue
                yield _name(element.tag), element
                element.clear()
                while element.getprevious() is not None:
                    del parent[0]
    except etree.XMLSyntaxError as error:
        where = f"{path}, line {error.lineno}"
        raise BadInput(
            where, f"The XML is broken ({markup.line(error.msg or '')[:120]}).", "Export it anew."
        ) from error


def _name(tag: object) -> str:
    """The name without its namespace; `excerpt` for WordPress's own excerpt, empty for comments."""
    if not isinstance(tag, str):
        return ""
    if tag == CONTENT:
        return "content"
    if tag == CREATOR:
        return "creator"
    ours = _OURS.fullmatch(tag)
    return ("excerpt" if ours[1] else ours[2]) if ours else tag


@dataclass(frozen=True)
class _Post:
    """One item of the export: its fields by name, and (domain, short name, name) of its categories and tags."""

    fields: Mapping[str, str]
    terms: tuple[tuple[str, str, str], ...]

    @property
    def type(self) -> str:
        return self.fields.get("post_type", "")

    @property
    def status(self) -> str:
        return self.fields.get("status", "")

    def text(self, name: str) -> str:
        return self.fields.get(name, "")


def _fields(element: Any) -> dict[str, str]:
    return {_name(child.tag): "".join(child.itertext()) for child in element if len(child) == 0}


def _categories(element: Any) -> tuple[tuple[str, str, str], ...]:
    found = element.findall("category")
    return tuple((one.get("domain", ""), one.get("nicename", ""), (one.text or "").strip()) for one in found)


# --- one post --------------------------------------------------------------------------------------------------


def _draft(post: _Post, authors: Mapping[str, str], home: str, rules: Rules) -> Draft | Problem:
    where = markup.line(f"post {post.text('post_id')}, {post.text('title') or post.text('post_name')}")[:120]
    try:
        return _from(post, authors, home, rules, where)
    except BadInput as error:
        return error.problem.within(where)


def _from(post: _Post, authors: Mapping[str, str], home: str, rules: Rules, where: str) -> Draft:
    content = post.text("content")
    if len(content) > LARGEST:
        raise BadInput("content", f"It has more than {LARGEST:,} characters.", "Shorten it there, and export anew.")
    at, link = _moment(post), post.text("link").strip()
    protected = bool(post.text("post_password").strip())
    state = "draft" if protected else STATES[post.status]
    kind, topics = _classified(post, rules)
    called = post.text("guid").strip() or f"post {post.text('post_id')}"
    source, foreign_id = identity(f"{home.rstrip('/')}/feed/", called)  # as the site's own feed calls it
    author = markup.line(authors.get(post.text("creator"), "") or post.text("creator"))
    return Draft(
        slug=slugify(post.text("post_name")) or slugify(post.text("title")) or f"post-{post.text('post_id')}",
        kind=kind,
        title=markup.line(markup.to_text(markup.clean(post.text("title")))) or "Untitled",
        excerpt=markup.line(markup.to_text(markup.clean(without_shortcodes(post.text("excerpt"))))),
        body=markup.clean(paragraphs(without_shortcodes(content)), link),
        published_at=at if state == "published" else None,
        publish_at=at if state == "scheduled" else None,
        canonical_url=link if state == "published" and markup.address(link, schemes=("http", "https")) else "",
        featured=post.text("is_sticky") == "1",
        authors=(Author(author),) if author else (),
        topics=topics,
        source=source,
        foreign_id=foreign_id,
        state=state,
        where=where,
    )


def _moment(post: _Post) -> datetime | None:
    """When it was published, or is to be; WordPress writes zeros for what never was."""
    for name in ("post_date_gmt", "post_date"):
        text = post.text(name).strip()
        if text and text != UNDATED:
            try:
                return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            except ValueError:
                raise BadInput(name, f"{text[:40]!r} is no moment.", "Set its date anew there.") from None
    return None


def _classified(post: _Post, rules: Rules) -> tuple[str, tuple[str, ...]]:
    """A category is a topic of its own name, a tag is none, unless a rule says otherwise."""
    named = ((short or name, domain == "category") for domain, short, name in post.terms)
    return categories.sort(named, rules, "page" if post.type == "page" else "")


# --- what only WordPress understands ---------------------------------------------------------------------------

_CODE = re.compile(r"\[(\[?)(/?)([a-z][a-z0-9_-]*)((?:\s[^\]\[<>]*)?)\](\]?)", re.IGNORECASE)
_KNOWN = frozenset(("caption", "wp_caption", "gallery", "embed", "audio", "video", "playlist"))
_EMBED = re.compile(r"\[embed[^\]]*\]\s*(https?://[^\s\[\]<>\"]+)\s*\[/embed\]", re.IGNORECASE)
_ADDRESS = re.compile(r"""\b(?:url|src|href|mp3|mp4)\s*=\s*["'](https?://[^"'\s<>]+)["']""", re.IGNORECASE)
_BLOCKS = re.compile(r"<(p|div|table|ul|ol|h[1-6]|blockquote|figure|section|article|pre|hr|dl)\b", re.IGNORECASE)
_COMMENTS = re.compile(r"<!--.*?-->", re.DOTALL)


def without_shortcodes(text: str) -> str:
    """Shortcodes taken out: what they stand around stays, one that names an address becomes a link.

    What is in brackets and no shortcode stays: a known name, attributes, or a closing partner make one.
    """
    text = _EMBED.sub(lambda found: _link(found[1]), text)
    closed = {found[3].lower() for found in _CODE.finditer(text) if found[2]}

    def plain(found: re.Match[str]) -> str:
        name, attributes = found[3].lower(), found[4]
        if found[1] and found[5]:  # [[escaped]]
            return found[0][1:-1]
        if name not in _KNOWN and name not in closed and "=" not in attributes:
            return found[0]
        address = _ADDRESS.search(attributes)
        return f"{found[1]}{_link(address[1]) if address and not found[2] else ''}{found[5]}"

    return _CODE.sub(plain, text)


def _link(address: str) -> str:
    return f'<a href="{escape(address)}">{escape(address)}</a>'


def paragraphs(html: str) -> str:
    """Text of the old editor, whose paragraphs are empty lines, as HTML; what has blocks already is left alone."""
    html = _COMMENTS.sub("", html).replace("\r\n", "\n")
    if _BLOCKS.search(html):
        return html
    parts = [part.strip() for part in re.split(r"\n\s*\n", html) if part.strip()]
    return "\n".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in parts)
