"""A home with readers and items, copied for each run that a kill is to hit.

Promises: every copy is the same to the byte, so the mails of a run that was hurt can be compared with those of one
that was not. Made with the services, on SQLite or PostgreSQL. Its edition is frozen and due and not planned yet; or
there is none, and the calendar's next run makes it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

import scheduler
from digest import config, editions, items, keys, publications, schedules, schema, tables
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
PATIENCE = 10.0  # seconds
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

    def number_editions_again(self) -> None:
        """PostgreSQL gives no number twice, even one that was rolled back; here the first edition is to be 1."""
        if not self.url.startswith("sqlite"):
            with postgres.connect(sa.make_url(self.url)) as conn:
                conn.execute(_NUMBER_AGAIN)


_NUMBER_AGAIN = (
    "SELECT setval(pg_get_serial_sequence('editions', 'id'), 1, false) WHERE NOT EXISTS (SELECT 1 FROM editions)"
)


@dataclass(frozen=True)
class Template:
    """The home that all runs begin with."""

    home: Path
    readers: int
    server: postgres.Server | None
    database: str
    moment: datetime  # one minute after the calendar's next run

    @property
    def addresses(self) -> list[str]:
        """Everybody who is to get the edition."""
        return [f"reader{n}@example.org" for n in range(1, self.readers + 1)]

    @contextmanager
    def copy(self, home: Path) -> Iterator[World]:
        """A world of its own for one run."""
        shutil.copytree(self.home, home)
        if self.server is None:
            yield World(home, f"sqlite:///{home / 'digest.db'}", {"DIGEST_HOME": str(home)})
            return
        with self.server.database(template=self.database) as url:
            yield World(home, url, {"DIGEST_HOME": str(home), "DIGEST_DATABASE__URL": url})

    def after(self, world: World) -> Template:
        """A template that begins where this copy stands now; the copy must last as long as it does."""
        if self.server is not None:
            _await_nobody(self.server, name := _database(world.url))
            return replace(self, home=world.home, database=name)
        return replace(self, home=world.home)


@contextmanager
def template(
    home: Path, *, readers: int, server: postgres.Server | None = None, frozen: bool = True, feeds: bool = True
) -> Iterator[Template]:
    """Makes the home; `frozen`: its edition is locked, due, and not planned yet. `feeds`: the files are built."""
    home.mkdir(parents=True)
    if server is None:
        moment = _fill(home, f"sqlite:///{home / 'digest.db'}", readers, frozen, feeds)
        yield Template(home, readers, None, "", moment)
        return
    with server.database() as url:
        moment = _fill(home, url, readers, frozen, feeds)
        yield Template(home, readers, server, _database(url), moment)


def _database(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


def _await_nobody(server: postgres.Server, name: str) -> None:
    """PostgreSQL copies a database only when the session of a client that was killed has ended, too."""
    with postgres.connect(server.url) as conn:
        deadline = time.monotonic() + PATIENCE
        while conn.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s LIMIT 1", (name,)).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.005)


def _fill(home: Path, url: str, readers: int, frozen: bool, feeds: bool) -> datetime:
    (home / config.FILE).write_text(f'{SETTINGS}\n[database]\nurl = "{url}"\n', encoding="utf-8")
    ring = keys.make(home)
    db = Database(url)
    schema.upgrade(db, tables.metadata)
    db.run(partial(_people, ring, readers))
    db.run(_items)
    db.close()
    office = offices.open_office(open_home(home))
    if frozen:
        assert scheduler.dispatch(office, "weekly").id == EDITION
    if feeds:
        scheduler.tidy(office)
    moment = _next_run(office)
    office.close()
    (home / config.FILE).write_text(SETTINGS, encoding="utf-8")
    return moment


def _next_run(office: offices.Office) -> datetime:
    with office.home.db.reading() as conn:
        digest = publications.find(conn, "weekly")
        schedule = editions.schedule(publications.one_series(conn, digest.id, "weekly"), digest.zone)
    assert schedule is not None
    return schedules.next_occurrence(schedule, office.clock()).at + timedelta(minutes=1)


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
