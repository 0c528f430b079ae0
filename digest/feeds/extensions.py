"""What feedgen does not write by itself: elements of other vocabularies, and all that an Atom link may say.

Promises: elements come in the order in which they were added, at the end of the channel or the item. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feedgen.ext.base import BaseEntryExtension, BaseExtension

ATOM = "{http://www.w3.org/2005/Atom}"
NAMESPACES = {
    "fh": "http://purl.org/syndication/history/1.0",  # RFC 5005
    "media": "http://search.yahoo.com/mrss/",  # Media RSS 1.5.1
}


class Elements(BaseExtension):  # type: ignore[misc]
    """Adds elements to the channel of RSS, or to the feed of Atom; it declares the vocabularies in `declared`."""

    def __init__(self) -> None:
        self.declared: tuple[str, ...] = ()
        self._added: list[tuple[str, Mapping[str, str]]] = []

    def add(self, name: str, **attributes: str) -> None:
        """One element: `prefix:name` of NAMESPACES, or a name of Atom."""
        self._added.append((qualified(name), attributes))

    def extend_ns(self) -> dict[str, str]:
        return {prefix: NAMESPACES[prefix] for prefix in self.declared}

    def extend_atom(self, feed: Any) -> Any:
        for name, attributes in self._added:
            feed.append(feed.makeelement(name.removeprefix(ATOM), attributes))
        return feed

    def extend_rss(self, rss: Any) -> Any:
        channel = rss[0]
        for name, attributes in self._added:
            channel.append(channel.makeelement(name, attributes))
        return rss


class EntryElements(BaseEntryExtension):  # type: ignore[misc]
    """Adds links and pictures to an item."""

    def __init__(self) -> None:
        self._links: list[Mapping[str, str]] = []
        self._pictures: list[tuple[Mapping[str, str], str]] = []
        self._language = ""

    def link(self, attributes: Mapping[str, str]) -> None:
        """A link of Atom with all its attributes: feedgen 1.0 loses all but the address. RSS has it elsewhere."""
        self._links.append(attributes)

    def picture(self, attributes: Mapping[str, str], alt: str) -> None:
        """A picture (media:content), with what it shows (media:description)."""
        self._pictures.append((attributes, alt))

    def language(self, tag: str) -> None:
        """The language of the item, where it is not that of the feed. RSS cannot say it."""
        self._language = tag

    def extend_atom(self, entry: Any) -> Any:
        if self._language:
            entry.set("{http://www.w3.org/XML/1998/namespace}lang", self._language)
        for attributes in self._links:
            entry.append(entry.makeelement("link", attributes))
        return self.extend_rss(entry)

    def extend_rss(self, entry: Any) -> Any:
        for attributes, alt in self._pictures:
            content = entry.makeelement(qualified("media:content"), attributes)
            if alt:
                said = content.makeelement(qualified("media:description"), {"type": "plain"})
                said.text = alt
                content.append(said)
            entry.append(content)
            entry.append(entry.makeelement(qualified("media:thumbnail"), {"url": attributes["url"]}))
        return entry


def qualified(name: str) -> str:
    """The name with its namespace, as lxml writes it."""
    prefix, colon, local = name.rpartition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}" if colon else f"{ATOM}{name}"
