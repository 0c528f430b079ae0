"""A home whose first edition is locked and due, made once and copied for every run that a fault is to hit.

Promises: made with the services, on SQLite or PostgreSQL; nothing of the edition is planned yet.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

import scheduler
from digest import config, items, keys, publications, schema, tables
from digest.db import Database
from digest.drafts import Draft
from digest.home import open_home
from subscribers import members, newcomers, offices, suppression
from subscribers.newcomers import Choices, Newcomer
from tests.conftest import SETTINGS
from tests.standins import postgres

FULL = os.environ.get("FAULTS") == "full"
EDITION = 1
READERS = 1000 if FULL else 240
CHOICES: tuple[Mapping[str, str], ...] = ({"*": "weekly"}, {"hiring": "weekly", "*": "off"})


@dataclass(frozen=True)
class Ground:
    """One copy: the home's folder, the database's address, and what a process of it needs in its environment."""

    home: Path
    url: str
    readers: int
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def addresses(self) -> frozenset[str]:
        """Everybody who is to get the edition."""
        return frozenset(f"reader{n}@example.org" for n in range(1, self.readers + 1))

    @contextmanager
    def copy(self, home: Path, server: postgres.Server | None = None) -> Iterator[Ground]:
        """One for a test of its own; on PostgreSQL, `server` is where the original's database is."""
        shutil.copytree(self.home, home)
        if server is None:
            yield Ground(home, f"sqlite:///{home / 'digest.db'}", self.readers)
            return
        with server.database(template=str(sa.make_url(self.url).database)) as url:
            yield Ground(home, url, self.readers, {"DIGEST_DATABASE__URL": url})

    def at(self, home: Path) -> Ground:
        """The same, its folder being there in the eyes of the processes that work on it."""
        return replace(self, home=home)

    @property
    def is_at_rest(self) -> bool:
        """Whether no transaction is under way: a process that stands still now keeps nobody else waiting."""
        if self.url.startswith("sqlite"):
            return _is_free(self.home / "digest.db.turnstile")
        url = sa.make_url(self.url)
        busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state <> 'idle' AND pid <> %s"
        with postgres.connect(url) as conn:
            return conn.execute(busy, (url.database, conn.info.backend_pid)).fetchone() == (0,)


def _is_free(turnstile: Path) -> bool:
    with turnstile.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def make(home: Path, readers: int = READERS, url: str = "") -> Ground:
    """A home with readers, items and a locked edition; `url` names a PostgreSQL database without tables."""
    home.mkdir(parents=True)
    found = url or f"sqlite:///{home / 'digest.db'}"
    (home / config.FILE).write_text(f'{SETTINGS}\n[database]\nurl = "{found}"\n', encoding="utf-8")
    ring = keys.make(home)
    db = Database(found)
    schema.upgrade(db, tables.metadata)
    db.run(partial(_fill, ring, readers))
    db.close()
    office = offices.open_office(open_home(home))
    assert scheduler.dispatch(office, "weekly").id == EDITION
    office.close()
    (home / config.FILE).write_text(SETTINGS, encoding="utf-8")
    return Ground(home, found, readers, {"DIGEST_DATABASE__URL": url} if url else {})


def _fill(ring: keys.Keyring, readers: int, conn: Connection) -> None:
    now, zone = offices.utc_now(), "America/New_York"
    publications.ensure_topics(conn, ("hiring", "detainers"))
    digest = publications.create(
        conn, "weekly", "Public Safety Weekly", now=now, zone=zone, from_name="Path", from_address="digest@example.org"
    )
    people = [
        Newcomer(suppression.address(f"reader{n}@example.org"), newcomers.checked(Choices(CHOICES[n % 2]), ("weekly",)))
        for n in range(1, readers + 1)
    ]
    members.add_all(conn, ring, people, digest_id=digest.id, now=now)
    for n in range(4):
        draft = Draft(
            slug=f"paper-{n}", kind="fact sheet", title=f"What paper {n} found", excerpt=f"Ten counties, part {n}.",
            body="<p>A part of a series.</p>", published_on="2026-09-01", topics=(("hiring", "detainers")[n % 2],),
        )  # fmt: skip
        items.put(conn, draft, now=now, zone=zone)
