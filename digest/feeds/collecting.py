"""All feeds there are, and which items stand in which of their documents, read from the store.

Promises: everything first, then the topics in their order, then the kinds by name; a kind keeps its feed as long as
an item of it was ever published. The feed of a kind cannot be taken for that of a topic, since no slug of a topic
holds two hyphens in a row. Items are listed here and not read: that is for documents that are to be written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from digest import news, publications
from digest.config import Settings
from digest.feeds import formats, pages
from digest.feeds.formats import Feed
from digest.feeds.pages import Listed, Page
from digest.intake.markdown import slugify
from digest.publications import Topic
from digest.render import words
from digest.tables import item_topics, publication_log
from digest.tables import items as items_table

EVERYTHING = publications.ALL_TOPICS  # reserved: no topic may have this slug
OF_KIND = "kind--"


@dataclass(frozen=True)
class Document:
    """One document to be: the feed without its items, and which these are."""

    feed: Feed
    items: tuple[Listed, ...]

    def fingerprint(self, settings: Settings) -> str:
        """Changes whenever the bytes of the document would."""
        held = [(item.id, item.revision, item.modified_at) for item in self.items]
        said = (formats.VERSION, of_site(settings), self.feed, sorted(self.feed.topic_names.items()), held)
        return blake2b(repr(said).encode(), digest_size=16).hexdigest()


def of_site(settings: Settings) -> tuple[str, ...]:
    """What every document says of the site."""
    site = settings.site
    return site.name, site.organization, site.lead, site.url, site.language, site.time_zone, settings.feeds.hub


def kind_slug(kind: str) -> str:
    """The slug of the feed of a kind: "kind--fact-sheet"; a name that has no Latin letters goes by its hash."""
    return OF_KIND + (slugify(kind) or blake2b(kind.encode(), digest_size=4).hexdigest())


def feeds(settings: Settings, topics: Sequence[Topic], kinds: Sequence[str]) -> list[Feed]:
    """Every feed, without items: what it is called and where."""
    site, say = settings.site, words.of(settings.site.language)
    names = {topic.slug: topic.name for topic in topics}
    found = [Feed(EVERYTHING, site.name, site.lead or f"New items from {site.name}.", f"{site.url}/", (), names)]
    for topic in topics:
        about = topic.description or f"{topic.name}: new items from {site.name}."
        page = f"{site.url}/topics/{topic.slug}"
        found.append(Feed(topic.slug, f"{site.name}: {topic.name}", about, page, (), names))
    for slug, kind in by_slug(kinds).items():
        label = say.kind(kind)
        label = label[:1].upper() + label[1:]
        page = f"{site.url}/?kind={quote(kind, safe='')}"
        found.append(Feed(slug, f"{site.name}: {label}", f"{label}: new items from {site.name}.", page, (), names))
    return found


def by_slug(kinds: Sequence[str]) -> dict[str, str]:
    """Each slug with the first of the kinds that have it."""
    found: dict[str, str] = {}
    for kind in sorted(kinds):
        found.setdefault(kind_slug(kind), kind)
    return found


def collect(settings: Settings, conn: sa.Connection) -> list[Document]:
    """Every document of every feed, those that readers poll and their archives."""
    shown, sequence = _listed(conn), news.counter(conn)
    documents = []
    for feed in feeds(settings, publications.topics(conn), kinds(conn)):
        for page in pages.deal(_within(feed.slug, shown), sequence):
            documents.append(_document(feed, page))
    return documents


def kinds(conn: sa.Connection) -> list[str]:
    """The kinds of all items that were ever published, by name."""
    t = items_table.c
    query = sa.select(t.kind).where(t.state.in_(("published", "withdrawn")), t.published_at.is_not(None))
    return sorted(conn.scalars(query.distinct()))


def _within(slug: str, shown: Sequence[Listed]) -> Sequence[Listed]:
    if slug == EVERYTHING:
        return shown
    if slug.startswith(OF_KIND):
        return [item for item in shown if kind_slug(item.kind) == slug]
    return [item for item in shown if slug in item.topics]


def _document(feed: Feed, page: Page) -> Document:
    where = {"archive": page.name, "older": page.older}
    return Document(Feed(feed.slug, feed.title, feed.description, feed.page, (), feed.topic_names, **where), page.items)


def _listed(conn: sa.Connection) -> list[Listed]:
    """Every item that a feed may show, newest first, in the order of `items.latest`."""
    t, told = items_table.c, _told(conn)
    query = sa.select(t.id, t.revision, t.modified_at, t.kind, t.published_at)
    rows = conn.execute(query.where(t.state == "published", t.published_at.is_not(None))).all()
    topics = _topics(conn)

    def order(row: Any) -> tuple[Any, int, int]:
        return row.published_at, told.get(row.id, _NEVER)[0], row.id

    return [
        Listed(row.id, row.revision, row.modified_at, row.kind, topics.get(row.id, ()), entries, first > 0)
        for row in sorted(rows, key=order, reverse=True)
        for first, entries in [told.get(row.id, _NEVER)]
    ]


_NEVER: tuple[int, tuple[int, ...]] = (0, ())


def _told(conn: sa.Connection) -> Mapping[int, tuple[int, tuple[int, ...]]]:
    """For each item in the log the sequence that made it new (0 when none did), and all its sequences."""
    log = publication_log.c
    found: dict[int, tuple[int, tuple[int, ...]]] = {}
    for row in conn.execute(sa.select(log.sequence, log.item_id, log.what).order_by(log.sequence)):
        first, entries = found.get(row.item_id, _NEVER)
        found[row.item_id] = (row.sequence if row.what == "new" else first), (*entries, row.sequence)
    return found


def _topics(conn: sa.Connection) -> Mapping[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for row in conn.execute(sa.select(item_topics.c.item_id, item_topics.c.topic)):
        found[row.item_id] = (*found.get(row.item_id, ()), row.topic)
    return found
