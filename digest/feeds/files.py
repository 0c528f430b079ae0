"""The feed files of a home: written whole or not at all, and only those that would change.

Promises: what a file holds depends on the settings and the store alone, never on the clock; a document whose items
and settings are as they were is not even made again. Two builds at once take turns, so the later view of the store
wins; one that was killed is finished by the next. Refuses to touch a file that is not its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import sqlalchemy as sa

from digest import items as store
from digest import publications
from digest.config import Settings
from digest.db import Database
from digest.feeds import collecting, formats, friendly, outlines
from digest.feeds.collecting import Document
from digest.tables import items as items_table

STAMP = ".stamp"  # of all that the files are made of
MANIFEST = ".manifest"  # of what each file is made
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*(?:\.(?:archive|known)-[0-9]+)?\.(?:rss|atom|json|opml|xsl|css)")
# What somebody left behind who was killed at writing.
HALF_MADE = re.compile(rf"\.(?:{FILE_NAME.pattern}|\.stamp|\.manifest|\.told)\.[a-z0-9_]{{8}}")


@dataclass(frozen=True)
class Built:
    """What `build` did, in names of files: which were written, which stood already, and all there are."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    names: tuple[str, ...]


def build(settings: Settings, conn: sa.Connection, folder: Path) -> Built:
    """Write all feed files into `folder`, each atomically; those that would not change are left untouched.

    Files of topics and kinds that are gone are removed, so are archives of which every item was withdrawn. Give it a
    connection that has read nothing yet: its view is then taken when this build has its turn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with turn(folder):
        stamp, before = _stamp(settings, conn), manifest(folder)
        documents = collecting.collect(settings, conn)
        made, written = {}, []
        for document in documents:
            fingerprint = document.fingerprint(settings)
            names = {ending: _name(document, ending) for ending in formats.FORMATS}
            made.update(dict.fromkeys(names.values(), fingerprint))
            if all(before.get(name) == fingerprint and (folder / name).exists() for name in names.values()):
                continue
            feed = replace(document.feed, items=_items(conn, document))
            written += [
                name for ending, name in names.items() if put(folder / name, formats.FORMATS[ending](settings, feed))
            ]
        for name, content in _beside(settings, documents).items():
            made[name] = blake2b(content, digest_size=16).hexdigest()
            written += [name] if put(folder / name, content) else []
        _clear(folder, made)
        put(folder / MANIFEST, (json.dumps(made, indent=0) + "\n").encode())
        put(folder / STAMP, stamp)
    return Built(tuple(written), tuple(name for name in made if name not in set(written)), tuple(made))


def follow(settings: Settings, db: Database, folder: Path) -> None:
    """Brings the files in `folder` up to the store where they are not.

    What is written is the store as it is when the turn to write has come: a view that was taken before, while another
    process built the files of a later one, would put the old back.
    """
    with db.reading() as conn:
        current = is_current(settings, conn, folder)
    if not current:
        with db.reading() as conn:
            build(settings, conn, folder)


def is_current(settings: Settings, conn: sa.Connection, folder: Path) -> bool:
    """Whether the files in `folder` show the store as it is now; far cheaper than building them."""
    try:
        return (folder / STAMP).read_bytes() == _stamp(settings, conn)
    except FileNotFoundError:
        return False


def manifest(folder: Path) -> dict[str, str]:
    """Each file of the last build with a fingerprint of what it is made of; empty when there was none."""
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): str(of) for name, of in found.items()} if isinstance(found, dict) else {}


def _name(document: Document, ending: str) -> str:
    return formats.file_name(document.feed.slug, document.feed.archive, ending)


def _items(conn: sa.Connection, document: Document) -> tuple[store.Item, ...]:
    """Its items in order; without those that were withdrawn since they were listed."""
    found = store.by_ids(conn, [one.id for one in document.items])
    return tuple(found[one.id] for one in document.items if found[one.id].is_complete)


def _beside(settings: Settings, documents: list[Document]) -> dict[str, bytes]:
    """The files that are no feeds."""
    feeds = [document.feed for document in documents if not document.feed.archive]
    return {outlines.NAME: outlines.opml(settings, feeds), **friendly.sheets(settings)}


def _clear(folder: Path, made: dict[str, str]) -> None:
    for path in folder.iterdir():
        if (FILE_NAME.fullmatch(path.name) and path.name not in made) or HALF_MADE.fullmatch(path.name):
            path.unlink()


def _stamp(settings: Settings, conn: sa.Connection) -> bytes:
    """A fingerprint of all that the feeds are made of: published items by number and revision, topics, the site."""
    t = items_table.c
    totals = sa.select(sa.func.count(), sa.func.sum(t.id), sa.func.sum(t.revision), sa.func.max(t.modified_at))
    counted = conn.execute(totals.where(t.state == "published")).one()
    topics = [(topic.slug, topic.name, topic.description) for topic in publications.topics(conn)]
    said = (formats.VERSION, friendly.fingerprint(settings), collecting.of_site(settings), tuple(counted), topics)
    return blake2b(repr(said).encode(), digest_size=16).hexdigest().encode() + b"\n"


def put(path: Path, content: bytes) -> bool:
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
def turn(folder: Path) -> Iterator[None]:
    """Waits for the turn to write in `folder`: a build clears away whatever is half made there."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
