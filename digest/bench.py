"""The benchmarks of docs/reference/performance.md: the real code on made-up data, measured in this process.

Promises: nothing is left behind; CPU seconds and not wall seconds are what is compared, since machines are shared;
another writer knocks all the while, and its waits are told. `beside` is a peer in the same run: the same work without
the ledger. Refuses: to touch a home.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from digest import editions, items, publications, tables
from digest.config import Settings, Site
from digest.db import Database
from digest.delivery import closing, planning
from digest.delivery.message import Recipient
from digest.delivery.sender import Sender
from digest.delivery.transports.local import Outbox
from digest.delivery.variants import Bodies
from digest.drafts import Draft
from digest.editions import Run
from digest.keys import Keyring
from subscribers import preferences, suppression
from subscribers.audience import Audience
from subscribers.tables import subscribers, subscriptions

NOW = datetime(2026, 9, 7, 11, 0, tzinfo=UTC)
TOPICS = tuple(f"topic-{n}" for n in range(20))
SETS, HOURS, LANGUAGES, ITEMS = 50, 24, ("en", "es"), 5


@dataclass(frozen=True)
class Measured:
    """One measurement: `rate` a second of wall time, `cpu_us` per piece of work, `peak_mb` of the whole process."""

    n: int
    wall_s: float
    rate: float
    cpu_us: float
    peak_mb: float
    parts: dict[str, float] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)


class _Timer:
    wall = 0.0
    cpu = 0.0


@contextmanager
def _timed() -> Iterator[_Timer]:
    timer = _Timer()
    wall, cpu = time.perf_counter(), time.thread_time()
    yield timer
    timer.wall, timer.cpu = time.perf_counter() - wall, time.thread_time() - cpu


def plan(n: int) -> Measured:
    """Plans an edition for `n` subscribers (50 sets, 24 hours, 2 languages) and delivers it into memory."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/digest.db")
        keyring = Keyring({1: bytes(range(32))}, bytes(range(32, 64)))
        try:
            edition_id = _fill(database, keyring, n)
            return _measure(database, keyring, edition_id, n, Path(folder))
        finally:
            database.close()


def _measure(database: Database, keyring: Keyring, edition_id: int, n: int, folder: Path) -> Measured:
    people = Audience(keyring, "https://news.example.org")
    outbox = Outbox(keep=False)
    later = NOW + timedelta(hours=25)
    waits: list[float] = []
    clock = [NOW]
    _warm_up(database, edition_id)
    with _neighbour(folder, waits):
        with _timed() as planned:
            planning.plan(database, edition_id, people, now=NOW, owner="bench")
        sender = Sender(database, outbox, people, clock=lambda: clock[0], owner="bench", key=bytes(32))
        with _timed() as sent:
            for hour in range(HOURS + 1):
                clock[0] = NOW + timedelta(hours=hour)
                sender.deliver(edition_id)
            closing.close(database, edition_id, people, now=later)
    planned_waits = sorted(waits)
    mail = n - _skipped(database, edition_id)
    bare = _without_ledger(database, people, sender, edition_id)
    cpu = (planned.cpu + sent.cpu) / n * 1e6
    return Measured(
        n=n,
        wall_s=round(planned.wall + sent.wall, 2),
        rate=round(mail / sent.wall, 1),
        cpu_us=round(cpu, 1),
        peak_mb=_peak_mb(),
        parts={
            "plan_cpu_s": round(planned.cpu, 2),
            "deliver_cpu_us": round(sent.cpu / max(mail, 1) * 1e6, 1),
            "mails": mail,
            "outbox": len(outbox),
            "writer_wait_p99_ms": _percentile(planned_waits, 0.99),
            "writer_wait_max_ms": _percentile(planned_waits, 1.0),
            "writer_turns": len(planned_waits),
        },
        beside={"join and hash alone": bare},
    )


def _warm_up(database: Database, edition_id: int) -> None:
    """Renders one mail: what a resident process loads once is not what planning costs."""
    with database.reading() as conn:
        bodies = Bodies(conn, editions.find(conn, edition_id))
    bodies.body(bodies.log.keys(), LANGUAGES[0])


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _percentile(waits: list[float], share: float) -> float:
    return round(waits[min(len(waits) - 1, int(len(waits) * share))] * 1e3, 1) if waits else 0.0


def _skipped(database: Database, edition_id: int) -> int:
    b = tables.batches
    with database.reading() as conn:
        return conn.scalar(sa.select(sa.func.sum(b.c.skipped)).where(b.c.edition_id == edition_id)) or 0


def _without_ledger(database: Database, people: Audience, sender: Sender, edition_id: int) -> dict[str, Any]:
    """The peer: joining and hashing as many mails of one variant, with no record of any."""
    with database.reading() as conn:
        edition = editions.find(conn, edition_id)
        n = conn.scalar(sa.select(sa.func.min(tables.variants.c.n)))
    body = sender.body(edition, n or 1)
    slots = {
        "unsubscribe": "https://news.example.org/u/" + "x" * 35,
        "preferences": "https://news.example.org/p/" + "x" * 37,
    }
    slots |= {"masked": "r•••••@example.org", "asked": "September 1, 2026"}
    rounds = 20_000
    size = 0
    with _timed() as timer:
        for reader in range(rounds):
            data = body.join(Recipient(reader, f"reader-{reader}@example.org", "", slots))
            size = len(data)
            sha256(data).digest()
    cpu = round(timer.cpu / rounds * 1e6, 1)
    return {
        "n": rounds,
        "wall_s": round(timer.wall, 2),
        "rate": round(rounds / timer.wall, 1),
        "cpu_us": cpu,
        "peak_mb": _peak_mb(),
        "bytes": size,
    }


@contextmanager
def _neighbour(folder: Path, waits: list[float]) -> Iterator[None]:
    """Another process that commits one small row every 50 ms on the same database, as a sign-up page would."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_knock, args=(folder, theirs), daemon=True)
    process.start()
    try:
        yield
    finally:
        ours.send("stop")
        waits.extend(ours.recv())
        process.join()


def _knock(folder: Path, control: Connection) -> None:
    own = Database(f"sqlite:///{folder}/digest.db")
    waits: list[float] = []
    while not control.poll(0.05):
        began = time.perf_counter()
        with own.transaction() as conn:
            waits.append(time.perf_counter() - began)  # its turn has come; what its own commit takes is its own
            conn.execute(sa.text("UPDATE digests SET description = :text"), {"text": str(len(waits))})
    own.close()
    control.send(waits)


def _fill(database: Database, keyring: Keyring, n: int) -> int:
    """A digest with `n` readers and five items; the frozen edition's number."""
    settings = Settings(site=Site(name="Bench", url="https://news.example.org", address="1 Example Street"))
    with database.transaction() as conn:
        tables.metadata.create_all(conn)
        conn.execute(sa.insert(tables.news_counter).values(id=1, value=0))
        digest = publications.create(
            conn,
            "weekly",
            "Weekly digest",
            now=NOW - timedelta(days=1),
            zone="America/New_York",
            from_name="Bench",
            from_address="digest@example.org",
            languages=LANGUAGES,
        )
    for start in range(0, n, 20_000):
        with database.transaction() as conn:
            _readers(conn, keyring, digest.id, range(start, min(n, start + 20_000)))
    with database.transaction() as conn:
        for number in range(ITEMS):
            topic = TOPICS[number * 4 % len(TOPICS)]
            text = f"Where item {number} stands, what it asks of a reader, and which agencies it concerns today."
            draft = Draft(slug=f"item-{number}", kind="backgrounder", title=f"Item number {number}", excerpt=text,
                          topics=(topic,), published_on=f"2026-09-0{number % 6 + 1}")  # fmt: skip
            items.put(conn, draft, now=NOW, zone="America/New_York")
        series = publications.one_series(conn, digest.id, "weekly")
        return editions.compile(conn, settings, digest, series, Run(now=NOW, starts_at=NOW, by_hand=False)).id


def _readers(conn: sa.Connection, keyring: Keyring, digest_id: int, numbers: range) -> None:
    sets = [preferences.intern_set(conn, _choices(k)) for k in range(SETS)]
    slots = [preferences.intern_slot(conn, hour, "America/New_York") for hour in range(HOURS)]
    people, choices = [], []
    for k in numbers:
        email = f"reader-{k}@example.org"
        people.append(
            {
                "id": k + 1,
                "email": email,
                "email_key": email,
                "email_hash": suppression.hash_of(keyring, email),
                "name": "",
                "language": LANGUAGES[k % 2],
                "created_at": NOW,
            }
        )
        choices.append(
            {
                "digest_id": digest_id,
                "subscriber_id": k + 1,
                "state": "active",
                "preference_set_id": sets[k % SETS],
                "slot_id": slots[k // 7 % HOURS],
                "since": 0,
                "rev": 0,
                "joined_at": NOW,
            }
        )
    conn.execute(sa.insert(subscribers), people)
    conn.execute(sa.insert(subscriptions), choices)


def _choices(k: int) -> dict[str, str]:
    """Set number k: three to twelve topics weekly, the rest off; every tenth takes everything."""
    if k % 10 == 0:
        return {"*": "weekly"}
    return {"*": "off"} | {TOPICS[(k + step * 3) % len(TOPICS)]: "weekly" for step in range(3 + k % 10)}


def lines(measured: Measured) -> Iterator[str]:
    """The measurement, for people."""
    yield f"{measured.n} subscribers: {measured.wall_s} s in all, {measured.rate} mails a second"
    yield f"  CPU {measured.cpu_us} us each, peak {measured.peak_mb} MB"
    for name, value in measured.parts.items():
        yield f"  {name.replace('_', ' ')}: {value}"
    for name, peer in measured.beside.items():
        yield f"  beside, {name}: {peer['cpu_us']} us CPU each, {peer['bytes']} bytes"
