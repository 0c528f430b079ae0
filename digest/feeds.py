"""Items become RSS 2.0, Atom 1.0 and JSON Feed 1.1: one set for the whole site, one for each topic.

Promises: the bytes depend on the settings and the items alone, never on the clock, so a file is rewritten only when
something changed; a file is replaced whole or not at all; ids stay the same when the address of the site changes its
scheme or port, and when an item is edited. Withdrawn, unpublished and yearless items are not in a feed; a topic
without items still has one. Refuses control characters, which XML cannot carry.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import sqlalchemy as sa

from digest import feed_formats, items, publications
from digest.config import Settings
from digest.feed_formats import FORMATS, Feed
from digest.items import Item
from digest.tables import items as items_table

EVERYTHING = "all"  # reserved: no topic may have this slug
LONGEST = 50  # items in one feed: readers poll, and keep what they have seen
STAMP = ".stamp"
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.(?:rss|atom|json)")
HALF_MADE = re.compile(r"\.(?:[a-z0-9][a-z0-9-]*\.(?:rss|atom|json)|\.stamp)\.[a-z0-9_]{8}")  # by who was killed at it


@dataclass(frozen=True)
class Built:
    """What `build` did, in names of files: which were written, which stood already, and all there are."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    names: tuple[str, ...]


def newest(found: Sequence[Item]) -> tuple[Item, ...]:
    """The items that a feed may show, newest first; items of one moment keep the order of the store."""
    shown = [item for item in found if item.state == "published" and item.published_at is not None]
    return tuple(sorted(shown, key=feed_formats.published, reverse=True)[:LONGEST])


def collect(settings: Settings, conn: sa.Connection) -> list[Feed]:
    """All feeds there are: everything first, then the topics in their order."""
    site = settings.site
    topics = publications.topics(conn)
    names = {topic.slug: topic.name for topic in topics}
    shown = newest(items.latest(conn, limit=LONGEST))
    feeds = [Feed(EVERYTHING, site.name, site.lead or f"New items from {site.name}.", f"{site.url}/", shown, names)]
    for topic in topics:
        title = f"{site.name}: {topic.name}"
        description = topic.description or f"{topic.name}: new items from {site.name}."
        shown = newest(items.latest(conn, topic=topic.slug, limit=LONGEST))
        feeds.append(Feed(topic.slug, title, description, f"{site.url}/topics/{topic.slug}", shown, names))
    return feeds


def build(settings: Settings, conn: sa.Connection, folder: Path) -> Built:
    """Write all feed files into `folder`, each atomically; those that would not change are left untouched.

    Files of topics that are gone are removed. Two builds at once take turns, so the later view of the store wins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _turn(folder):
        stamp = _stamp(settings, conn)
        names = {
            f"{feed.slug}.{ending}": write(settings, feed)
            for feed in collect(settings, conn)
            for ending, write in FORMATS.items()
        }
        written = tuple(name for name, content in names.items() if _replace(folder / name, content))
        for path in folder.iterdir():
            if (FILE_NAME.fullmatch(path.name) and path.name not in names) or HALF_MADE.fullmatch(path.name):
                path.unlink()
        _replace(folder / STAMP, stamp)
    return Built(written, tuple(name for name in names if name not in written), tuple(names))


def is_current(settings: Settings, conn: sa.Connection, folder: Path) -> bool:
    """Whether the files in `folder` show the store as it is now; far cheaper than building them."""
    try:
        return (folder / STAMP).read_bytes() == _stamp(settings, conn)
    except FileNotFoundError:
        return False


def _stamp(settings: Settings, conn: sa.Connection) -> bytes:
    """A fingerprint of all that the feeds are made of: published items by number and revision, topics, the site."""
    t = items_table.c
    totals = sa.select(sa.func.count(), sa.func.sum(t.id), sa.func.sum(t.revision), sa.func.max(t.modified_at))
    counted = conn.execute(totals.where(t.state == "published")).one()
    topics = [(topic.slug, topic.name, topic.description) for topic in publications.topics(conn)]
    site = settings.site
    said = repr((tuple(counted), topics, site.name, site.organization, site.lead, site.url, site.language))
    shape = (feed_formats.VERSION, site.time_zone)
    return blake2b(f"{shape}{said}".encode(), digest_size=16).hexdigest().encode() + b"\n"


def _replace(path: Path, content: bytes) -> bool:
    """Put `content` at `path` as a whole, safe from a crash; False when it is there already.

    The new time of change is at least one second after the old one: dates of HTTP know no fractions, and a reader
    that saw the old file must never take the new one for the same.
    """
    before = path.stat().st_mtime if path.exists() else 0.0
    if before and path.read_bytes() == content:
        return False
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            changed = max(os.fstat(file.fileno()).st_mtime, before + 1)
            os.utime(file.fileno(), (changed, changed))
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
