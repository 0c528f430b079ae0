"""One feed written as RSS 2.0, Atom 1.0 or JSON Feed 1.1: pure functions from items to bytes.

Promises: the same items and settings give the same bytes; links are absolute; the PDF is an enclosure with its true
length. `updated` is the youngest change among the items. Refuses nothing: what XML cannot carry is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from feedgen.entry import FeedEntry
from feedgen.ext.base import BaseEntryExtension, BaseExtension
from feedgen.feed import FeedGenerator
from markupsafe import escape

from digest.config import Settings
from digest.items import Attachment, Item
from digest.tables import EPOCH

VERSION = 1  # raise it when the bytes of a feed change for the same items
UNCARRIED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Feed:
    """What one feed shows; `page` is the address of the page that shows the same."""

    slug: str
    title: str
    description: str
    page: str
    items: tuple[Item, ...]
    topic_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def updated(self) -> datetime:
        """The youngest change among the items; the epoch when there are none, since the clock must not show."""
        return max((item.modified_at for item in self.items), default=EPOCH)


def published(item: Item) -> datetime:
    """The moment that sorts an item in a feed."""
    return item.published_at or EPOCH


def item_link(settings: Settings, item: Item) -> str:
    """The permanent address of an item."""
    return f"{settings.site.url}/items/{item.slug}"


def permanent_id(settings: Settings, path: str) -> str:
    """An id that outlives a change of scheme or port (RFC 4151). The year is part of the id: it never changes."""
    return f"tag:{urlsplit(settings.site.url).hostname},2026:{path}"


def rss(settings: Settings, feed: Feed) -> bytes:
    """The feed as RSS 2.0."""
    generator = _generator(settings, feed, "rss")
    content: bytes = generator.rss_str(pretty=True)
    return content


def atom(settings: Settings, feed: Feed) -> bytes:
    """The feed as Atom 1.0 (RFC 4287)."""
    generator = _generator(settings, feed, "atom")
    content: bytes = generator.atom_str(pretty=True)
    return content


def json_feed(settings: Settings, feed: Feed) -> bytes:
    """The feed as JSON Feed 1.1 (jsonfeed.org/version/1.1)."""
    site = settings.site
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.page,
        "feed_url": f"{site.url}/feeds/{feed.slug}.json",
        "description": feed.description,
        "language": site.language,
        "authors": [{"name": site.organization or site.name, "url": f"{site.url}/"}],
        "items": [_json_item(settings, feed, item) for item in feed.items],
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


FORMATS: dict[str, Callable[[Settings, Feed], bytes]] = {"rss": rss, "atom": atom, "json": json_feed}


class _AtomEnclosure(BaseEntryExtension):  # type: ignore[misc]
    """Writes the enclosure of an Atom entry: feedgen 1.0 loses all but the address of an entry's links."""

    def __init__(self) -> None:
        self.link: dict[str, str] = {}

    def extend_atom(self, entry: Any) -> Any:
        if self.link:
            entry.append(entry.makeelement("link", self.link))
        return entry


def _generator(settings: Settings, feed: Feed, ending: str) -> FeedGenerator:
    site = settings.site
    generator = FeedGenerator()
    generator.load_extension("dc", atom=False)  # RSS wants addresses in <author>; names go into dc:creator
    generator.register_extension("atom_enclosure", BaseExtension, _AtomEnclosure, rss=False)
    generator.id(permanent_id(settings, f"/feeds/{feed.slug}"))
    generator.title(_carried(feed.title))
    generator.subtitle(_carried(feed.description))
    generator.description(_carried(feed.description))
    generator.author({"name": _carried(site.organization or site.name), "uri": f"{site.url}/"})
    generator.link(href=f"{site.url}/feeds/{feed.slug}.{ending}", rel="self")
    generator.link(href=feed.page, rel="alternate")
    generator.language(site.language)
    generator.generator("Digest")
    generator.updated(feed.updated)
    for item in feed.items:
        entry = generator.add_entry(order="append")
        _fill(entry, settings, item)
        _name(entry, settings, feed, item)
        if item.pdf:
            _enclose(entry, settings, item.pdf, ending)
    return generator


def _fill(entry: FeedEntry, settings: Settings, item: Item) -> None:
    entry.id(permanent_id(settings, f"/items/{item.slug}"))
    entry.title(_carried(item.title))
    entry.link(href=item_link(settings, item), rel="alternate")
    entry.published(_local(settings, published(item)))
    entry.updated(_local(settings, item.modified_at))
    if summary := _carried(item.excerpt or item.subtitle):
        entry.summary(summary)
    entry.content(_carried(content(item)), type="html")


def _name(entry: FeedEntry, settings: Settings, feed: Feed, item: Item) -> None:
    """Who wrote it, and what it is about."""
    authors = [_carried(author.name) for author in item.authors]
    for author in authors:
        entry.author({"name": author})
    if authors:
        entry.dc.dc_creator(authors)
    for topic in item.topics:
        label = _carried(feed.topic_names.get(topic, topic))
        entry.category(term=topic, label=label, scheme=f"{settings.site.url}/topics/")
    entry.category(term=_carried(item.kind))


def _enclose(entry: FeedEntry, settings: Settings, file: Attachment, ending: str) -> None:
    address, size = media_link(settings, file), str(file.size)
    if ending == "rss":
        entry.enclosure(url=address, type=file.media_type, length=size)
    else:
        attributes = {"href": address, "rel": "enclosure", "type": file.media_type, "length": size}
        entry.atom_enclosure.link = attributes | {"title": _carried(file.name)}


def _json_item(settings: Settings, feed: Feed, item: Item) -> dict[str, Any]:
    image = next((a for a in item.attachments if a.role == "image"), None)
    entry = {
        "id": permanent_id(settings, f"/items/{item.slug}"),
        "url": item_link(settings, item),
        "title": _carried(item.title),
        "summary": _carried(item.excerpt or item.subtitle),
        "content_html": _carried(content(item)),
        "image": media_link(settings, image) if image else None,
        "date_published": _local(settings, published(item)).isoformat(),
        "date_modified": _local(settings, item.modified_at).isoformat(),
        "authors": [{"name": _carried(author.name)} for author in item.authors],
        "tags": [*(feed.topic_names.get(topic, topic) for topic in item.topics), item.kind],
        "language": item.language,
        "attachments": [_json_attachment(settings, item.pdf)] if item.pdf else None,
    }
    return {key: value for key, value in entry.items() if value or key == "content_html"}


def _json_attachment(settings: Settings, file: Attachment) -> dict[str, Any]:
    return {
        "url": media_link(settings, file),
        "mime_type": file.media_type,
        "title": _carried(file.name),
        "size_in_bytes": file.size,
    }


def content(item: Item) -> str:
    """The item's whole clean body (its links are absolute already), after the note that tells what changed."""
    note = f"<p><strong>Updated:</strong> {escape(item.update_note)}</p>\n" if item.update_note else ""
    return note + item.body


def media_link(settings: Settings, file: Attachment) -> str:
    """The absolute address of a file that an item carries."""
    return file.path if "://" in file.path else f"{settings.site.url}/media/{file.path}"


def _local(settings: Settings, moment: datetime) -> datetime:
    """In the site's zone, so that a day reads as the day it was; whole seconds, as the formats have them."""
    return moment.astimezone(ZoneInfo(settings.site.time_zone)).replace(microsecond=0)


def _carried(text: str) -> str:
    return UNCARRIED.sub("", text)
