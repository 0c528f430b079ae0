"""Entries of the log as readers see them: with the item, the day it was first news, and its topics by name.

Promises: one reading of the log and of the topics for all of them. Serves the bodies of an edition and the preview of
the next one, which must look alike. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest import news, publications
from digest.items import Item
from digest.news import Entry
from digest.render import EntryView


def of(conn: Connection, told: Collection[tuple[Entry, Item]], zone: str) -> list[EntryView]:
    """The views of these entries, each with its item at the revision to be shown; days are those of `zone`."""
    first = news.first_news(conn, {item.id for _, item in told})
    names = {topic.slug: topic.name for topic in publications.topics(conn)}
    there = ZoneInfo(zone)
    return [
        EntryView(
            sequence=entry.sequence,
            what=entry.what,
            note=entry.note,
            item=item,
            first_sent=first[item.id].astimezone(there).date() if item.id in first else None,
            topics=tuple(names.get(slug, slug) for slug in item.topics),
        )
        for entry, item in told
    ]
