"""The made-up world of the benchmarks: readers, their choices, and a frozen edition of items.

Promises: the same figures give the same world; readers are written some at a time, so that memory does not grow with
their number; the settings come from here alone, never from the environment. Refuses nothing. Run as a program it
fills a folder, so that neither its memory nor its time is counted with what is measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, islice
from pathlib import Path

import sqlalchemy as sa

from digest import editions, items, news, publications, tables
from digest.bench import processes
from digest.config import DatabaseSection, Engine, PaceSection, Settings, Site, TransportSection
from digest.db import Database
from digest.delivery import owners, planning
from digest.drafts import Draft
from digest.editions import Run
from digest.errors import Refused
from digest.keys import Keyring
from subscribers import preferences, suppression
from subscribers.audience import Audience
from subscribers.tables import subscribers, subscriptions

NOW = datetime(2026, 9, 7, 11, 0, tzinfo=UTC)
ZONE = "America/New_York"
URL = "https://news.example.org"
LANGUAGES = ("en", "es")
OLDER = 8  # items that went out before; who is owed some is owed two or three of them
KEYS = Keyring({1: bytes(range(32))}, bytes(range(32, 64)))
CHUNK = 20_000  # readers written in one transaction

_SENTENCE = "Where item {number} stands, what it asks of a reader, and which agencies it concerns today. "


@dataclass(frozen=True)
class Shape:
    """What the world is like: `topics` are one item each, and each set of choices names `chosen` of them."""

    sets: int
    hours: int
    topics: int
    chosen: int
    text: int  # characters of an item's text
    by_hand: bool  # due at once for all, and planned already
    owing: float = 0  # percent of the readers who are owed older items
    domains: Sequence[str] = ("example.org",)  # of the readers, in turn


# Readers as a digest has them: many hours, a thousand bodies. Then an edition that is due at once for all, whose
# mails are of one size: what is measured is the delivering.
SPREAD = Shape(sets=500, hours=24, topics=12, chosen=5, text=90, by_hand=False)
TOGETHER = Shape(sets=10, hours=24, topics=8, chosen=4, text=3_650, by_hand=True)


def settings(transport: TransportSection) -> Settings:
    """The settings of the world; nothing of the environment is among them."""
    return Settings.model_construct(
        site=Site(name="Bench", url=URL, address="1 Example Street"),
        database=DatabaseSection(),
        engine=Engine(),
        transport=transport,
        pace=PaceSection(),
    )


def database_url(folder: Path) -> str:
    """Where the world of this folder is kept."""
    return f"sqlite:///{folder}/digest.db"


def make(folder: Path, shape: Shape, n: int) -> int:
    """A world of `n` readers, made by another process; the number of its edition."""
    return int(processes.result("made_up", folder, json.dumps(asdict(shape)), n))


def fill(folder: Path, shape: Shape, n: int) -> int:
    """Makes the world in this process; the number of its edition, frozen, and planned when it is sent by hand."""
    database = Database(database_url(folder))
    try:
        with database.transaction() as conn:
            digest_id = publication(conn)
            owed = _older(conn, digest_id, shape)
        for start in range(0, n, CHUNK):
            with database.transaction() as conn:
                people(conn, digest_id, shape, owed, range(start, min(n, start + CHUNK)))
        with database.transaction() as conn:
            edition_id = edition(conn, digest_id, shape)
        if shape.by_hand and not plan(database, edition_id):
            raise Refused("The edition of the benchmark could not be planned.")
        return edition_id
    finally:
        database.close()


def publication(conn: sa.Connection, cadences: Sequence[str] = ("weekly",)) -> int:
    """An empty database with the digest; its number."""
    tables.metadata.create_all(conn)
    conn.execute(sa.insert(tables.news_counter).values(id=1, value=0))
    digest = publications.create(
        conn,
        "weekly",
        "Weekly digest",
        now=NOW - timedelta(days=1),
        zone=ZONE,
        from_name="Bench",
        from_address="digest@example.org",
        languages=LANGUAGES,
        cadences=cadences,
    )
    return digest.id


def _older(conn: sa.Connection, digest_id: int, shape: Shape) -> list[int | None]:
    """Lists of older items, which the last edition brought to those who are not owed them; none when nobody is."""
    if not shape.owing:
        return []
    for number in range(OLDER):
        items.put(conn, draft(number, shape, "older"), now=NOW - timedelta(hours=1), zone=ZONE)
    latest = news.counter(conn)
    s = tables.series
    conn.execute(sa.update(s).where(s.c.digest_id == digest_id, s.c.cadence == "weekly").values(mark=latest))
    lists = [*combinations(range(1, OLDER + 1), 2), *combinations(range(1, OLDER + 1), 3)]
    return [preferences.intern_carry(conn, sequences) for sequences in lists]


def edition(conn: sa.Connection, digest_id: int, shape: Shape) -> int:
    """New items, and the edition of them, frozen; its number."""
    digest = publications.by_id(conn, digest_id)
    for number in range(shape.topics):
        items.put(conn, draft(number, shape), now=NOW, zone=ZONE)
    series = publications.one_series(conn, digest_id, "weekly")
    run = Run(now=NOW, starts_at=NOW, by_hand=shape.by_hand)
    return editions.compile(conn, settings(TransportSection()), digest, series, run).id


def draft(number: int, shape: Shape, name: str = "item") -> Draft:
    """An item of the world."""
    sentence = _SENTENCE.format(number=number)
    text = (sentence * (shape.text // len(sentence) + 1))[: shape.text].strip()
    return Draft(slug=f"{name}-{number}", kind="backgrounder", title=f"{name.title()} number {number}", excerpt=text,
                 topics=(f"topic-{number}",), published_on=f"2026-09-0{number % 6 + 1}")  # fmt: skip


def plan(database: Database, edition_id: int) -> bool:
    """Plans it; whether that is complete."""
    return planning.plan(database, edition_id, Audience(KEYS, URL), now=NOW, owner=owners.me())


def choices(shape: Shape) -> Iterator[dict[str, str]]:
    """The sets: each takes as many topics weekly as any other, and the rest not at all."""
    spread = combinations(range(shape.topics), shape.chosen)
    for wanted in islice(spread, shape.sets):
        yield {"*": "off"} | {f"topic-{number}": "weekly" for number in wanted}


def people(conn: sa.Connection, digest_id: int, shape: Shape, owed: Sequence[int | None], numbers: range) -> None:
    """The readers with these numbers, from 0."""
    every = round(100 / shape.owing) if owed else 0  # who is owed something is spread evenly
    sets = [preferences.intern_set(conn, mapping) for mapping in choices(shape)]
    slots = [preferences.intern_slot(conn, hour, ZONE) for hour in range(shape.hours)]
    readers, subscribed = [], []
    for k in numbers:
        email = f"reader-{k}@{shape.domains[k % len(shape.domains)]}"
        readers.append(
            {
                "id": k + 1,
                "email": email,
                "email_key": email,
                "email_hash": suppression.hash_of(KEYS, email),
                "name": "",
                "language": LANGUAGES[k % 2],
                "created_at": NOW,
                "provider": k % 5,
            }
        )
        subscribed.append(
            {
                "digest_id": digest_id,
                "subscriber_id": k + 1,
                "state": "active",
                "preference_set_id": sets[k // 2 % shape.sets],
                "slot_id": slots[k // 7 % shape.hours],
                "since": 0,
                "rev": 0,
                "joined_at": NOW,
                "carry_weekly": owed[k // every % len(owed)] if owed and k % every == 0 else None,
            }
        )
    conn.execute(sa.insert(subscribers), readers)
    conn.execute(sa.insert(subscriptions), subscribed)


if __name__ == "__main__":
    print(fill(Path(sys.argv[1]), Shape(**json.loads(sys.argv[2])), int(sys.argv[3])))
