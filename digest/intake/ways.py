"""Which way in reads what staff name: a folder, a file or an address.

Promises: what it is is told by its name, by its first bytes, or by staff. Refuses: what no way in can read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from digest import fetch, publications, rules, wxr
from digest.drafts import Draft
from digest.errors import BadInput, NotFound, Problem
from digest.home import Home
from digest.intake import entries, feed, look, markdown, wordpress
from digest.intake.categories import Rules
from digest.intake.uploads import Uploads
from digest.publications import Digest

MARKDOWN, WORDPRESS, FEED = "markdown", "wordpress", "feed"
WAYS = (MARKDOWN, WORDPRESS, FEED)
BY_ENDING = {".md": MARKDOWN, ".markdown": MARKDOWN, ".rss": FEED, ".atom": FEED, ".rdf": FEED, ".json": FEED}


def find(named: str, way: str = "") -> str:
    """The way that reads it: as staff say, else as its name or its beginning tells. Raises BadInput or NotFound."""
    if way not in ("", *WAYS):
        raise BadInput("--as", f"{way[:40]!r} cannot be read.", f"Use --as {', '.join(WAYS[:-1])} or {WAYS[-1]}.")
    if is_address(named):
        if way not in ("", FEED):
            raise BadInput("PATH", "Only a feed can be read from an address.", "Name a folder or a file.")
        return FEED
    path = Path(named)
    if not path.exists():
        raise NotFound(f"There is no {named}. Name a folder of Markdown files, a file, or the address of a feed.")
    told = MARKDOWN if path.is_dir() else BY_ENDING.get(path.suffix.lower(), "")
    if not told and path.suffix.lower() == ".xml":
        told = WORDPRESS if wxr.is_export(path) else FEED
    found = way or told
    if not found or (found == MARKDOWN) != (told == MARKDOWN):
        why = f"{named} is neither Markdown nor an export of WordPress nor a feed."
        raise BadInput(
            "PATH", why, "Its name must end in .md, .xml, .rss, .atom or .json, or say what it is with --as."
        )
    return found


def is_address(named: str) -> bool:
    """Whether it is on another host."""
    return named.lower().startswith(("http://", "https://"))


def read(home: Home, named: str, way: str, *, digest: str, now: datetime, files: Uploads) -> Iterator[Draft | Problem]:
    """The drafts, by the rules of the digest (the first one unless named). Raises BadInput, NotFound or Refused.

    What the digest says is read first, and by itself: a host may take its time, and no transaction waits for it.
    """
    zone = home.settings.site.time_zone
    if way == MARKDOWN:
        return markdown.read(Path(named), zone=zone, media=files.media if files.keep else None)
    made, language = _said_by(home, digest)
    if way == WORDPRESS:
        return wordpress.read(Path(named), rules=made, zone=zone, language=language, files=files)
    found, address = _feed(home, named)
    return iter(entries.drafts(found, address=address, now=now, rules=made, language=language))


@dataclass(frozen=True)
class Fetched:
    """A feed as a host has sent it: its bytes, where it was found, and what the host said it is."""

    data: bytes
    address: str
    media_type: str


def read_answer(home: Home, answer: Fetched, *, digest: str, now: datetime) -> Iterator[Draft | Problem]:
    """The drafts of a feed that was fetched before. Raises BadInput or NotFound."""
    made, language = _said_by(home, digest)
    found = feed.read(answer.data, address=answer.address, media_type=answer.media_type)
    return iter(entries.drafts(found, address=answer.address, now=now, rules=made, language=language))


def _said_by(home: Home, digest: str) -> tuple[Rules, str]:
    """What the digest (the first one unless named) says of categories, and its language."""
    with home.db.reading() as conn:
        whose = publications.first(conn, digest) if digest or publications.all(conn) else None
        made = rules_of(conn, whose) if whose else Rules()
    return made, whose.languages[0] if whose else "en"


def way_out(home: Home) -> fetch.Way:
    """The way to other hosts, as the settings open it."""
    return fetch.also(home.settings.intake.inner_networks)


def rules_of(conn: Connection, digest: Digest) -> Rules:
    """What a digest says of categories and tags."""
    kinds = rules.mapping("import_kinds", digest.import_kinds)
    topics = rules.mapping("import_topics", digest.import_topics)
    return Rules(kinds, topics, frozenset(topic.slug for topic in publications.topics(conn)))


def _feed(home: Home, named: str) -> tuple[feed.Feed, str]:
    """The feed, and the address that its entries' names belong to: its own site's, when it came as a file."""
    if not is_address(named):
        found = feed.read(Path(named).read_bytes(), where=named)
        return found, f"{found.link.rstrip('/')}/feed/"
    answer, found = look.first(home.settings, named)
    return found, answer.url
