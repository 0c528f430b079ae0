"""The list of all feeds as OPML 2.0, which readers take to subscribe to several at once. Pure.

Promises: the same feeds give the same bytes; each feed is named once, by its RSS address.
"""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from digest.config import Settings
from digest.feeds import formats
from digest.feeds.formats import Feed

NAME = "all.opml"


def opml(settings: Settings, feeds: Iterable[Feed]) -> bytes:
    """The list of these feeds."""
    site = settings.site
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = formats.carried(site.name)
    etree.SubElement(head, "ownerName").text = formats.carried(site.organization or site.name)
    etree.SubElement(head, "ownerId").text = f"{site.url}/"
    body = etree.SubElement(root, "body")
    for feed in feeds:
        name = formats.carried(feed.title)
        told = {"description": formats.carried(feed.description), "language": site.language, "version": "RSS2"}
        where = {"xmlUrl": formats.address(settings, feed, "rss"), "htmlUrl": feed.page}
        etree.SubElement(body, "outline", {"text": name, "title": name, "type": "rss", **told, **where})
    written: bytes = etree.tostring(root, pretty_print=True, encoding="UTF-8", xml_declaration=True)
    return written
