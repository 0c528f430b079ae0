"""Which items stand in which document of a feed: the one that readers poll, and its archives (RFC 5005, section 4).

Promises: an archive, once there, never gets another item: the log of what became news is cut into pages of `PAGE`
entries, and a page becomes an archive when the log has gone past it. Until then its items stand in the document that
readers poll, however old their dates, so whoever follows the chain misses nothing. What is told again stands in the
page of that entry too. Items that never were news come behind the log, cut by their numbers. A withdrawn item leaves
its page, and no other item moves. Refuses nothing; pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

LONGEST = 50  # the newest items that a feed shows; readers poll, and keep what they have seen
PAGE = 50  # entries of the log, or numbers of items, in one archive
NEWS, KNOWN = "archive", "known"  # the two kinds of archives, as their names begin


@dataclass(frozen=True)
class Listed:
    """A published item, as far as dealing it out to pages needs it."""

    id: int
    revision: int
    modified_at: datetime
    kind: str
    topics: tuple[str, ...]
    told: tuple[int, ...]  # the sequences of its log entries
    was_news: bool  # one of them says that it was new


@dataclass(frozen=True)
class Page:
    """One document of a feed: `name` is empty for the one that readers poll, `older` for the last of the chain."""

    name: str
    items: tuple[Listed, ...]
    older: str


def deal(shown: Sequence[Listed], sequence: int) -> list[Page]:
    """The documents of a feed that shows these items (newest first), when the log has come to `sequence`.

    The first is the one that readers poll; each leads to the next. A feed that fits into the first has no other.
    """
    closed = sequence // PAGE
    first = [item for n, item in enumerate(shown) if n < LONGEST or any(_of(told) > closed for told in item.told)]
    archives = _archives(shown, closed) if len(first) < len(shown) else {}
    names = ["", *archives, ""]
    held = [first, *archives.values()]
    return [Page(name, tuple(items), names[n + 1]) for n, (name, items) in enumerate(zip(names, held, strict=False))]


def _archives(shown: Iterable[Listed], closed: int) -> dict[str, list[Listed]]:
    """The archives by name, in the order of the chain: the log from its end, then what never was news."""
    pages: dict[tuple[str, int], list[Listed]] = {}
    for item in shown:
        keys = {(NEWS, _of(told)) for told in item.told if _of(told) <= closed}
        if not item.was_news:
            keys.add((KNOWN, _of(item.id)))
        for key in keys:
            pages.setdefault(key, []).append(item)
    ordered = sorted(pages, key=lambda key: (key[0] == KNOWN, -key[1]))
    return {f"{kind}-{number}": pages[kind, number] for kind, number in ordered}


def _of(number: int) -> int:
    """The page that holds this number, counted from 1."""
    return (number - 1) // PAGE + 1
