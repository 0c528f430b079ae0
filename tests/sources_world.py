"""A small world for tests of watched sources: a home over any database, and what became of its feeds.

The reading of a feed happens in this process (`tests/digest/intake/test_feed.py` tests the process apart): the tests
are many and a process is slow.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from digest import items, news, tables
from digest.config import IntakeSection, Settings, Site
from digest.db import Database
from digest.errors import BadInput
from digest.home import Home
from digest.intake import checking, feed, sources
from digest.intake.checking import Check, Wish
from digest.intake.feed import Feed
from digest.intake.polling import Standing
from digest.intake.sources import Source
from tests.conftest import NOW
from tests.stage import KEYS, ZONE, Stage

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOCAL = IntakeSection(inner_networks=("127.0.0.0/8",))
SETTINGS = Settings(site=Site(name="Path to Public Safety", time_zone=ZONE), intake=LOCAL)


def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets feeds be read in this process."""

    def read(data: bytes, *, address: str = "", media_type: str = "", where: str = "") -> Feed:
        found = feed.parse(data, address, media_type)
        if found is None:
            raise BadInput(where or address, "It is no feed.", "Name the address of a feed.")
        return found

    monkeypatch.setattr(feed, "read", read)


class Watch:
    """A home with the digest `weekly`; `now` moves only when a test moves it, `told` are the sources told to staff."""

    def __init__(self, db: Database, path: Path) -> None:
        self.stage = Stage(db)
        self.home = Home(path, SETTINGS, KEYS, db)
        self.now = NOW
        self.told: list[Source] = []

    def add(self, address: str, **wish: object) -> Check:
        """Watches a feed."""
        return checking.add(self.home, Wish(address, **wish), clock=lambda: self.now)  # type: ignore[arg-type]

    def tell(self, conn: Connection, source: Source, now: datetime) -> None:
        """Notes whom staff would hear of."""
        self.told.append(source)

    def check(self, number: int = 1) -> Check:
        """Looks by hand."""
        (done,) = checking.check(self.home, [number], clock=lambda: self.now, tell=self.tell)
        return done

    def round(self, after: timedelta = timedelta(), home: Home | None = None) -> list[Check]:
        """Time passes, and the clock asks what is due."""
        self.now += after
        asked = checking.set_out(home or self.home, now=self.now)
        return checking.take_in(home or self.home, asked, clock=lambda: self.now, tell=self.tell)

    def standing(self, number: int = 1) -> Standing:
        """How a source stands."""
        with self.home.db.reading() as conn:
            return sources.find(conn, number).standing

    def items(self) -> dict[str, str]:
        """The titles of all items by their state and slug."""
        with self.home.db.reading() as conn:
            return {f"{item.state} {item.slug}": item.title for item in items.everything(conn)}

    def news(self) -> list[str]:
        """The slugs of the publication log, in its order."""
        with self.home.db.reading() as conn:
            entries = news.entries(conn, above=0, upto=news.counter(conn))
            found = items.by_ids(conn, [entry.item_id for entry in entries])
            return [found[entry.item_id].slug for entry in entries]

    def count(self, table: sa.Table = tables.item_revisions) -> int:
        """The number of rows."""
        with self.home.db.reading() as conn:
            return conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
