"""A home whose edition is frozen and due, with all its readers, copied for each run that a kill is to hit.

Promises: every copy is the same to the byte, so the mails of a run that was hurt can be compared with those of one
that was not. Made with the services, on SQLite or PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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

ROOT = Path(__file__).parents[2]
EDITION = 1
ITEMS = 10
TOPICS = ("hiring", "detainers", "training")
SETS: tuple[dict[str, str], ...] = (
    {"*": "weekly"},
    {"hiring": "weekly", "*": "off"},
    {"detainers": "weekly", "training": "weekly", "*": "off"},
)


@dataclass(frozen=True)
class World:
    """One copy: the home's folder and the environment that a process of it needs."""

    home: Path
    url: str
    environment: Mapping[str, str]

    def process_environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), **self.environment, **more}


@dataclass(frozen=True)
class Template:
    """The home that all runs begin with."""

    home: Path
    readers: int
    server: postgres.Server | None
    database: str

    @contextmanager
    def copy(self, home: Path) -> Iterator[World]:
        """A world of its own for one run."""
        shutil.copytree(self.home, home)
        if self.server is None:
            yield World(home, f"sqlite:///{home / 'digest.db'}", {"DIGEST_HOME": str(home)})
            return
        with self.server.database(template=self.database) as url:
            yield World(home, url, {"DIGEST_HOME": str(home), "DIGEST_DATABASE__URL": url})


@contextmanager
def template(home: Path, *, readers: int, server: postgres.Server | None = None) -> Iterator[Template]:
    """Makes the home with an edition that is locked, due, and not planned yet."""
    home.mkdir(parents=True)
    if server is None:
        _fill(home, f"sqlite:///{home / 'digest.db'}", readers)
        yield Template(home, readers, None, "")
        return
    with server.database() as url:
        _fill(home, url, readers)
        yield Template(home, readers, server, url.rpartition("/")[2].partition("?")[0])


def _fill(home: Path, url: str, readers: int) -> None:
    (home / config.FILE).write_text(f'{SETTINGS}\n[database]\nurl = "{url}"\n', encoding="utf-8")
    ring = keys.make(home)
    db = Database(url)
    schema.upgrade(db, tables.metadata)
    db.run(partial(_people, ring, readers))
    db.run(_items)
    db.close()
    office = offices.open_office(open_home(home))
    assert scheduler.dispatch(office, "weekly").id == EDITION
    office.close()
    (home / config.FILE).write_text(SETTINGS, encoding="utf-8")


def _people(ring: keys.Keyring, readers: int, conn: Connection) -> None:
    now = offices.utc_now()
    publications.ensure_topics(conn, TOPICS)
    digest = publications.create(
        conn,
        "weekly",
        "Public Safety Weekly",
        now=now,
        zone="America/New_York",
        from_name="Path to Public Safety",
        from_address="digest@example.org",
    )
    people = [
        Newcomer(suppression.address(f"reader{n}@example.org"), newcomers.checked(Choices(SETS[n % 3]), ("weekly",)))
        for n in range(1, readers + 1)
    ]
    members.add_all(conn, ring, people, digest_id=digest.id, now=now)


def _items(conn: Connection) -> None:
    for n in range(1, ITEMS + 1):
        draft = Draft(
            slug=f"paper-{n}",
            kind="fact sheet",
            title=f"What paper {n} found",
            excerpt=f"Ten counties and what they did, part {n}.",
            body=f"<p>Part {n} of a series.</p>" * 5,
            published_on="2026-09-01",
            topics=(TOPICS[n % 3],),
        )
        items.put(conn, draft, now=offices.utc_now(), zone="America/New_York")
