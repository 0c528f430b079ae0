"""What is new in a feed since a reader last had it (RFC 3229, with the instance manipulation "feed").

Promises: a reader that names the tag of a version still remembered gets the entries which that one did not have as
they are now, in the same frame. Refuses to remember for ever, or beyond the end of this process: whoever names another
version gets the whole feed.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from lxml import etree

from digest.feeds import formats
from digest.web import conditional
from digest.web.feed_files import FeedFile

VERSIONS = 20  # remembered of each feed
ENDINGS = (".rss", ".atom")
ENTRIES = "channel/item | a:entry"
NAMESPACES = {"a": "http://www.w3.org/2005/Atom"}
_WANTED = re.compile(rb"(?:^|,)\s*feed\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?=,|$)", re.IGNORECASE)


def wanted(accepted: bytes) -> bool:
    """Whether an A-IM field takes "feed"."""
    return _WANTED.search(accepted) is not None


class Past:
    """The versions of feeds that went before: of each its tags, and marks of its entries."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[bytes, frozenset[bytes]]] = {}

    def keep(self, name: str, file: FeedFile) -> None:
        """Remembers a version that is about to go."""
        if not name.endswith(ENDINGS):
            return
        marks = frozenset(_mark(entry) for entry in _entries(_parsed(file)))
        kept = self._versions.setdefault(name, {})
        for packed in (False, True):
            kept[file.forms[packed, False].etag] = marks
        while len(kept) > 2 * VERSIONS:
            del kept[next(iter(kept))]

    def since(self, name: str, file: FeedFile, known: bytes, *, packed: bool) -> bytes | None:
        """The feed with only those entries that are in none of the versions named by an If-None-Match."""
        versions = self._versions.get(name, {})
        had = [versions[tag] for tag in conditional.tags(known) if tag in versions]
        if not had:
            return None
        root = _parsed(file)
        for entry in _entries(root):
            if any(_mark(entry) in marks for marks in had):
                entry.getparent().remove(entry)
        left: bytes = etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)
        return gzip.compress(left, 6, mtime=0) if packed else left


def _parsed(file: FeedFile) -> Any:
    return formats.parsed(file.forms[False, False].body["body"])


def _entries(root: Any) -> Iterable[Any]:
    return list(root.xpath(ENTRIES, namespaces=NAMESPACES))


def _mark(entry: Any) -> bytes:
    return blake2b(etree.tostring(entry, with_tail=False, method="c14n"), digest_size=16).digest()
