"""Delivers a made-up edition into a far end and measures it: real ledger, real links, synchronous FULL.

Promises: what is measured runs from the first lease to the closed edition, in this process; the world was made and
planned by another one. Refuses: to give figures when the far end did not get exactly the mails that the ledger calls
accepted, or when any reader got none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from digest import editions, tables
from digest.bench import made_up
from digest.bench.measuring import Timer, Watched, WatchedPeople, each, timed
from digest.bench.sinks import Counts
from digest.config import TransportSection
from digest.delivery import closing, ledger, owners
from digest.delivery.message import Compiled, Recipient
from digest.delivery.sender import Sender
from digest.delivery.transports.base import open_transport
from digest.errors import Refused
from digest.home import Home


@dataclass(frozen=True)
class Delivered:
    """What delivering took, and a body and a reader of it, for what is measured beside it."""

    timer: Timer
    parts: dict[str, float | str]
    body: Compiled
    reader: Recipient


def deliver(folder: Path, edition_id: int, n: int, section: TransportSection) -> Delivered:
    """Delivers the planned edition of the world in `folder` to its end."""
    database = Watched(made_up.database_url(folder))
    try:
        with _opened(folder, database, section) as (sender, people):
            body, reader = _warm_up(database, sender, people, edition_id)
            with timed() as timer:
                sender.deliver(edition_id)
                closing.close(database, edition_id, people, now=made_up.NOW)
            _check(database, edition_id, n)
            return Delivered(timer, _parts(database, people, timer, n), body, reader)
    finally:
        database.close()


@contextmanager
def _opened(folder: Path, database: Watched, section: TransportSection) -> Iterator[tuple[Sender, WatchedPeople]]:
    """A sender, as a process that works for the settings of the world has it; its clock starts at the world's now."""
    transport = open_transport(section.kind, Home(folder, made_up.settings(section), made_up.KEYS, database))
    people = WatchedPeople(made_up.KEYS, made_up.URL)
    began = time.monotonic()
    sender = Sender(
        database,
        transport,
        people,
        clock=lambda: made_up.NOW + timedelta(seconds=time.monotonic() - began),
        owner=owners.me(),
        key=bytes(32),
    )
    try:
        yield sender, people
    finally:
        transport.close()


def _warm_up(database: Watched, sender: Sender, people: WatchedPeople, edition_id: int) -> tuple[Compiled, Recipient]:
    """A body, and the first reader: what a resident process loads once is not what delivering costs."""
    v = tables.variants
    with database.reading() as conn:
        edition = editions.find(conn, edition_id)
        first = conn.scalar(sa.select(sa.func.min(v.c.n)).where(v.c.edition_id == edition_id))
        readers = range(1, 1 + len(made_up.LANGUAGES))
        reader = people.resolve(conn, edition, readers)[1]
    people.answers = Timer()
    if isinstance(reader, str):
        raise Refused(f"The first reader of the benchmark is {reader}.")
    return sender.mails.get(edition, first or 1), reader


def _check(database: Watched, edition_id: int, n: int) -> None:
    with database.reading() as conn:
        edition, totals = editions.find(conn, edition_id), ledger.totals(conn, edition_id)
        rows = ledger.recount(conn, edition_id)
    if edition.shown_state != editions.SENT or totals.accepted != n or rows != totals:
        why = edition.paused_why or edition.reason
        raise Refused(f"The edition of the benchmark is {edition.shown_state} with {totals}, of {n} readers. {why}")


def agree(counts: Counts, n: int) -> None:
    """Raises Refused unless exactly `n` mails came to the far end, all in good order."""
    if counts.messages != n or counts.faults:
        raise Refused(f"The ledger holds {n} accepted mails, and this came to the far end: {counts}.")


def _parts(database: Watched, people: WatchedPeople, timer: Timer, n: int) -> dict[str, float | str]:
    written = database.ledger.cpu - people.answers.cpu
    return {
        "ledger_cpu_us": each(written, n),
        "address_book_cpu_us": each(people.answers.cpu, n),
        "transport_cpu_us": each(timer.cpu - database.ledger.cpu, n),
        "ledger_share": round(database.ledger.cpu / max(timer.cpu, 1e-9), 3),
        "commits": database.commits,
    }
