"""Foreign feeds become drafts: RSS of every version, RDF, Atom and JSON Feed, as they are met in the wild.

Promises: an entry is known by its guid or id, else by its link (see `identity`); an entry without a date gets the day
on which it was first seen, and is marked so; broken markup is read as far as it goes; the reading happens in a
process of its own, with limits, so that no feed can take the memory or the time of this one. Refuses: what is no feed.
"""

from __future__ import annotations

import calendar
import io
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser

from digest import apart, drafts, markup
from digest.drafts import Draft
from digest.errors import BadInput, Problem
from digest.intake import categories
from digest.intake.categories import Rules
from digest.intake.dates import moment
from digest.intake.identity import identity
from digest.intake.markdown import slugify
from digest.shelf import Author

LARGEST = 5_000_000  # bytes of a feed
MOST = 2000  # entries that are read; the rest are older
LIMITS = apart.Limits(seconds=10, answer=40_000_000)  # for reading one feed
_LANGUAGE = re.compile(r"[a-z]{2,3}")
UNTOLD = ("subtitle", "updated_on", "update_note", "featured", "attachments")  # of which no entry tells
JSON_FEED = "https://jsonfeed.org/version/1"


@dataclass(frozen=True)
class Entry:
    """One entry as the feed has it; nothing of it has been cleaned."""

    called: str  # guid, id or link
    link: str = ""
    title: str = ""
    summary: str = ""
    content: str = ""
    published: str = ""  # ISO 8601 in UTC, or empty
    language: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feed:
    """What a feed says of itself, and its entries in its own order."""

    title: str
    link: str
    entries: tuple[Entry, ...]


def read(data: bytes, *, address: str = "", media_type: str = "", where: str = "") -> Feed:
    """The feed in these bytes, read apart. `address` is where it came from, `where` the file. Raises BadInput."""
    where = where or address
    if len(data) > LARGEST:
        raise BadInput(where, f"It has more than {LARGEST:,} bytes.", "Ask its publisher for a shorter one.")
    answer = apart.ask("digest.intake.feed", address, media_type, data=data, limits=LIMITS)
    if answer is None:
        raise BadInput(where, "It is broken, or takes too much time or memory to read.", "Tell its publisher.")
    found = json.loads(answer)
    if found is None:
        raise BadInput(where, "It is no feed.", "Name the address of an RSS, Atom or JSON feed, or its file.")
    entries = tuple(
        Entry(**{**entry, "authors": tuple(entry["authors"]), "categories": tuple(entry["categories"])})
        for entry in found["entries"]
    )
    return Feed(found["title"], found["link"], entries)


def draft(
    entry: Entry, *, address: str, now: datetime, rules: Rules, language: str = "en", origin: str = ""
) -> Draft | Problem:
    """The entry as a draft, in `language` if it says none; or what is wrong with it. `origin` is where its feed was
    first read, when that is not `address`."""
    where = markup.line(f"entry {entry.title or entry.called}")[:120]
    source, foreign_id = identity(origin or address, entry.called)
    link = markup.address(entry.link, schemes=("http", "https")) or ""
    body = markup.clean(entry.content or entry.summary, link or address)
    title = markup.line(markup.to_text(markup.clean(entry.title))) or markup.excerpt(body, 80) or "Untitled"
    excerpt = markup.line(markup.to_text(markup.clean(entry.summary))) if entry.content else ""
    kind, topics = categories.sort(((name, False) for name in entry.categories), rules)
    try:
        at = moment("published", entry.published, "UTC") if entry.published else None
    except BadInput as error:
        return error.problem.within(where)
    return Draft(
        slug=_slug(link, title, foreign_id),
        kind=kind,
        title=title,
        excerpt=markup.shorten(excerpt, drafts.EXCERPT),
        body=body,
        language=entry.language if _LANGUAGE.fullmatch(entry.language) else language,
        published_at=at if at and at <= now else None,  # what a feed says of the future is not known yet
        seen_at=now,
        canonical_url=link,
        authors=tuple(Author(name) for name in map(markup.line, entry.authors) if name),
        topics=topics,
        source=source,
        foreign_id=foreign_id,
        where=where,
        untold=UNTOLD,
    )


def _slug(link: str, title: str, called: str) -> str:
    """The last word of its address, as a person would name it; else its title."""
    last = urlsplit(link).path.rstrip("/").rpartition("/")[2].rpartition(".")
    return slugify(last[0] or last[2]) or slugify(title) or slugify(called) or "entry"


# --- in the process of its own ---------------------------------------------------------------------------------


def parse(data: bytes, address: str, media_type: str) -> Feed | None:
    """The feed in these bytes, or None when they are no feed. Trusts nothing, and limits nothing: see `read`."""
    if not data.strip():
        return None
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _json(data, address)
    fields = {"content-type": media_type or "application/xml", "content-location": address}
    found = feedparser.parse(io.BytesIO(data), response_headers=fields, sanitize_html=False)
    if not found.version and not found.entries:
        return None
    language = found.feed.get("language") or ""
    entries = tuple(one for entry in found.entries[:MOST] if (one := _entry(entry, language)))
    return Feed(found.feed.get("title") or "", found.feed.get("link") or "", entries)


def _entry(found: Any, language: str) -> Entry | None:
    link = found.get("link") or ""
    summary = found.get("summary") or ""
    content = next((one.value for one in found.get("content", ()) if one.get("value")), "")
    called = found.get("id") or link or f"{found.get('title') or ''} {summary}".strip()[:200]
    if not called:
        return None
    stamp = found.get("published_parsed") or found.get("created_parsed") or found.get("updated_parsed")
    authors = [one.get("name") for one in found.get("authors", ())] or [found.get("author")]
    return Entry(
        called=called,
        link=link or (called if called.startswith(("http://", "https://")) else ""),
        title=found.get("title") or "",
        summary=summary if summary != content else "",
        content=content,
        published=_iso(calendar.timegm(stamp)) if stamp else "",
        language=(found.get("language") or language or "").split("-")[0].lower(),
        authors=tuple(name for name in authors if name),
        categories=tuple(tag.term for tag in found.get("tags", ()) if tag.get("term")),
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _json(data: bytes, address: str) -> Feed | None:
    """JSON Feed 1.0 and 1.1 (https://jsonfeed.org/version/1.1); what has another shape than said is left out."""
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not _text(found, "version").startswith(JSON_FEED):
        return None
    items = found.get("items")
    listed = [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    entries = tuple(one for item in listed[:MOST] if (one := _json_entry(item, found, address)))
    return Feed(_text(found, "title"), urljoin(address, _text(found, "home_page_url")), entries)


def _json_entry(item: dict[str, Any], feed: dict[str, Any], address: str) -> Entry | None:
    link = urljoin(address, _text(item, "url") or _text(item, "external_url"))
    called = _text(item, "id") or link
    if not called:
        return None
    html = _text(item, "content_html") or str(markup.text_to_html(_text(item, "content_text")))
    try:
        published = moment("date", _text(item, "date_published"), "UTC").isoformat()
    except BadInput:
        published = ""
    people = item.get("authors") or feed.get("authors") or [item.get("author") or feed.get("author")]
    tags = item.get("tags")
    return Entry(
        called=called,
        link=link,
        title=_text(item, "title"),
        summary=_text(item, "summary"),
        content=html,
        published=published,
        language=(_text(item, "language") or _text(feed, "language")).split("-")[0].lower(),
        authors=tuple(
            name for one in (people if isinstance(people, list) else []) if isinstance(one, dict)
            if (name := _text(one, "name"))
        ),
        categories=tuple(tag for tag in (tags if isinstance(tags, list) else []) if isinstance(tag, str)),
    )  # fmt: skip


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _alone() -> None:
    """Reads a feed from the standard input and writes it as JSON, within limits that end the process."""
    apart.confine(LIMITS)
    found = parse(sys.stdin.buffer.read(), sys.argv[1], sys.argv[2])
    json.dump(found and asdict(found), sys.stdout)


if __name__ == "__main__":
    _alone()
