"""Which feeds a page names (`<link rel="alternate">`), for whom the address of a site is all they have.

Promises: only addresses that a reader may be sent to; the page is neither shown nor kept. Refuses nothing: what cannot
be read names no feed.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from digest import markup

READ = 500_000  # bytes of a page; its head comes first
MOST = 3  # feeds that are told
TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json")


@dataclass(frozen=True)
class Named:
    """A feed as a page names it."""

    title: str
    address: str


def feeds(page: bytes, address: str) -> list[Named]:
    """The feeds that the page at `address` names, in its order."""
    try:
        tree = etree.fromstring(page[:READ], etree.HTMLParser(no_network=True, huge_tree=False))
    except (etree.XMLSyntaxError, ValueError):
        return []
    links = [] if tree is None else tree.iterfind(".//link[@href]")
    found = (
        Named(markup.line(link.get("title") or "")[:80], whole)
        for link in links
        if "alternate" in (link.get("rel") or "").lower().split()
        and (link.get("type") or "").strip().lower() in TYPES
        and (whole := markup.address(link.get("href"), address, schemes=("http", "https")))
    )
    return [*dict.fromkeys(found)][:MOST]
