"""One document of a feed written as RSS 2.0, Atom 1.0 or JSON Feed 1.1: pure functions from items to bytes.

Promises: the same items and settings give the same bytes; links are absolute; a PDF is an enclosure with its true
length, a picture says what it shows; an archive says so and leads on (RFC 5005, section 4). `updated` is the youngest
change among the items. Refuses nothing: what XML cannot carry is dropped.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml import etree
from markupsafe import escape

from digest.config import Settings
from digest.feeds import extensions
from digest.items import Attachment, Item
from digest.tables import EPOCH

VERSION = 2  # raise it when the bytes of a feed change for the same items
TYPES = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
UNCARRIED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# Browsers make a page of it with the first, and with the second when they know no XSLT any more.
HEAD = b"""<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="feed.xsl"?>
<?xml-stylesheet type="text/css" href="feed.css"?>
"""


@dataclass(frozen=True)
class Feed:
    """One document of a feed; `page` is the address of the page that shows the same.

    `archive` is its name when it is an archive, and `older` that of the archive before it (see `pages`).
    """

    slug: str
    title: str
    description: str
    page: str
    items: tuple[Item, ...] = ()
    topic_names: Mapping[str, str] = field(default_factory=dict)
    archive: str = ""
    older: str = ""

    @property
    def updated(self) -> datetime:
        """The youngest change among the items; a day before all when there are none, since the clock must not show."""
        return max((item.modified_at for item in self.items), default=BEGUN)


def published(item: Item) -> datetime:
    """The moment that sorts an item in a feed."""
    return item.published_at or EPOCH


def item_link(settings: Settings, item: Item) -> str:
    """The permanent address of an item."""
    return f"{settings.site.url}/items/{item.slug}"


def permanent_id(settings: Settings, path: str) -> str:
    """An id that outlives a change of scheme or port (RFC 4151). The year is part of the id: it never changes."""
    return f"tag:{urlsplit(settings.site.url).hostname},2026:{path}"


def file_name(slug: str, archive: str, ending: str) -> str:
    """The file of a document. No slug of a topic holds a dot, so none is taken for an archive."""
    return f"{slug}.{archive}.{ending}" if archive else f"{slug}.{ending}"


def address(settings: Settings, feed: Feed, ending: str) -> str:
    """Where a document is; see `archive_address` for those that it leads to."""
    return archive_address(settings, feed, feed.archive, ending)


def archive_address(settings: Settings, feed: Feed, archive: str, ending: str) -> str:
    """Where an archive of this feed is; the document that readers poll has an empty name."""
    return f"{settings.site.url}/feeds/{file_name(feed.slug, archive, ending)}"


def rss(settings: Settings, feed: Feed) -> bytes:
    """The feed as RSS 2.0."""
    content: bytes = _generator(settings, feed, "rss").rss_str(pretty=True, xml_declaration=False)
    return HEAD + _TITLE.sub(_spelt, content)


_TITLE = re.compile(rb"<title>[^<]*</title>")


def _spelt(title: re.Match[bytes]) -> bytes:
    """A title of RSS may be text or HTML: spelt so, both kinds of readers show the same (RSS Best Practices)."""
    return title[0].replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;")


def atom(settings: Settings, feed: Feed) -> bytes:
    """The feed as Atom 1.0 (RFC 4287)."""
    content: bytes = _generator(settings, feed, "atom").atom_str(pretty=True, xml_declaration=False)
    return HEAD + content


def json_feed(settings: Settings, feed: Feed) -> bytes:
    """The feed as JSON Feed 1.1 (jsonfeed.org/version/1.1)."""
    site = settings.site
    older = {"next_url": archive_address(settings, feed, feed.older, "json")} if feed.older else {}
    hub = hub_of(settings, file_name(feed.slug, feed.archive, "json"))
    hubs = {"hubs": [{"type": "WebSub", "url": hub}]} if hub else {}
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": carried(feed.title),
        "home_page_url": feed.page,
        "feed_url": address(settings, feed, "json"),
        **older,
        **hubs,
        "description": carried(feed.description),
        "language": site.language,
        "authors": [{"name": site.organization or site.name, "url": f"{site.url}/"}],
        "items": [_json_item(settings, feed, item) for item in feed.items],
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def parsed(written: bytes) -> Any:
    """The root of an RSS or Atom document of ours, however long one text in it is."""
    return etree.fromstring(written, etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True))


FORMATS: dict[str, Callable[[Settings, Feed], bytes]] = {"rss": rss, "atom": atom, "json": json_feed}


def is_polled(name: str) -> bool:
    """Whether this file is a feed that readers poll: an archive does not change, so it is none."""
    stem, _, ending = name.rpartition(".")
    return ending in TYPES and "." not in stem


def hub_of(settings: Settings, name: str) -> str:
    """The hub that tells of changes of this file; empty when nothing tells of them."""
    return settings.feeds.hub if is_polled(name) else ""


def _generator(settings: Settings, feed: Feed, ending: str) -> FeedGenerator:
    site = settings.site
    generator = FeedGenerator()
    generator.load_extension("dc", atom=False)  # RSS wants addresses in <author>; names go into dc:creator
    generator.register_extension("more", extensions.Elements, extensions.EntryElements)
    generator.id(permanent_id(settings, f"/feeds/{feed.slug}"))
    generator.title(carried(feed.title))
    generator.subtitle(carried(feed.description))
    generator.description(carried(feed.description))
    generator.author({"name": carried(site.organization or site.name), "uri": f"{site.url}/"})
    generator.link(href=address(settings, feed, ending), rel="self", type=TYPES[ending])
    generator.link(href=feed.page, rel="alternate")
    generator.language(site.language)
    generator.generator("Digest")
    generator.updated(feed.updated)
    _lead_on(generator, settings, feed, ending)
    for item in feed.items:
        entry = generator.add_entry(order="append")
        _fill(entry, settings, item, ending)
        _name(entry, settings, feed, item)
        _attach(entry, settings, item, ending)
    return generator


def _lead_on(generator: FeedGenerator, settings: Settings, feed: Feed, ending: str) -> None:
    """To the archives (RFC 5005, section 4) and to the hub (WebSub, section 4)."""
    more: extensions.Elements = generator.more
    pictured = any(file.role == "image" for item in feed.items for file in item.attachments)
    more.declared = (*(("fh",) if feed.archive else ()), *(("media",) if pictured else ()))
    if hub := hub_of(settings, file_name(feed.slug, feed.archive, ending)):
        more.add("link", rel="hub", href=hub)
    if feed.archive:
        more.add("fh:archive")
        more.add("link", rel="current", href=archive_address(settings, feed, "", ending))
    if feed.older:
        more.add("link", rel="prev-archive", href=archive_address(settings, feed, feed.older, ending))


def _fill(entry: FeedEntry, settings: Settings, item: Item, ending: str) -> None:
    entry.id(permanent_id(settings, f"/items/{item.slug}"))
    entry.title(carried(item.title))
    entry.link(href=item_link(settings, item), rel="alternate")
    entry.published(_local(settings, published(item)))
    entry.updated(_local(settings, item.modified_at))
    if summary := carried(item.excerpt or item.subtitle):
        if ending == "rss":  # an item's description is HTML
            summary = html.escape(summary, quote=False)
        entry.summary(summary)
    entry.content(carried(content(item)), type="html")


def _name(entry: FeedEntry, settings: Settings, feed: Feed, item: Item) -> None:
    """Who wrote it, and what it is about."""
    authors = [carried(author.name) for author in item.authors]
    for author in authors:
        entry.author({"name": author})
    if authors:
        entry.dc.dc_creator(authors)
    for topic in item.topics:
        label = carried(feed.topic_names.get(topic, topic))
        entry.category(term=topic, label=label, scheme=f"{settings.site.url}/topics/")
    entry.category(term=carried(item.kind))


def _attach(entry: FeedEntry, settings: Settings, item: Item, ending: str) -> None:
    """Its files: the PDF as enclosure, pictures as media; and its language where it has one of its own."""
    more: extensions.EntryElements = entry.more
    if item.language != settings.site.language:
        more.language(item.language)
    if (pdf := item.pdf) and ending == "rss":
        entry.enclosure(url=media_link(settings, pdf), type=pdf.media_type, length=str(pdf.size))
    elif pdf:
        link = {"href": media_link(settings, pdf), "rel": "enclosure", "type": pdf.media_type}
        more.link({**link, **({"length": str(pdf.size)} if pdf.size else {}), "title": carried(pdf.name)})
    for image in item.attachments:
        if image.role == "image":
            known = {"url": media_link(settings, image), "type": image.media_type, "medium": "image"}
            more.picture(known | ({"fileSize": str(image.size)} if image.size else {}), carried(image.alt))


def _json_item(settings: Settings, feed: Feed, item: Item) -> dict[str, Any]:
    image = next((a for a in item.attachments if a.role == "image"), None)
    entry = {
        "id": permanent_id(settings, f"/items/{item.slug}"),
        "url": item_link(settings, item),
        "title": carried(item.title),
        "summary": carried(item.excerpt or item.subtitle),
        "content_html": carried(content(item)),
        "image": media_link(settings, image) if image else None,
        "date_published": _local(settings, published(item)).isoformat(),
        "date_modified": _local(settings, item.modified_at).isoformat(),
        "authors": [{"name": carried(author.name)} for author in item.authors],
        "tags": [*(feed.topic_names.get(topic, topic) for topic in item.topics), item.kind],
        "language": item.language,
        "attachments": [_json_attachment(settings, item.pdf)] if item.pdf else None,
    }
    return {key: value for key, value in entry.items() if value or key == "content_html"}


def _json_attachment(settings: Settings, file: Attachment) -> dict[str, Any]:
    return {
        "url": media_link(settings, file),
        "mime_type": file.media_type,
        "title": carried(file.name),
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


def carried(text: str) -> str:
    """The text without what XML cannot carry."""
    return UNCARRIED.sub("", text)
