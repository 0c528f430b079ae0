"""`digest bench plan`: plans an edition and takes it from lease to close, with nobody to hand it over to.

Another process writes beside it all the while, as a page of the site would, and its waits are told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from digest import editions, tables
from digest.bench import made_up, processes
from digest.bench.measuring import Measured, Timer, each, peak_mb, timed
from digest.db import Database
from digest.delivery import closing, ledger, owners, planning
from digest.delivery.message import Compiled, Recipient
from digest.delivery.sender import Sender
from digest.delivery.transports.base import Answer, Body, Receipt, Sequential
from digest.delivery.variants import Bodies
from digest.errors import Refused
from subscribers.audience import Audience

ALONE = 20_000  # mails of the peer


class Hashing(Sequential):
    """Joins and hashes each mail and forgets it: what carrying costs is not measured here."""

    name = "hashing"
    repeatable = True

    def __init__(self) -> None:
        super().__init__()
        self.mails = 0

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        """Counts it."""
        sha256(variant.join(recipient)).digest()
        self.mails += 1
        return _ACCEPTED


_ACCEPTED = Receipt(Answer.ACCEPTED)


def plan(n: int, *, owing: float = 0) -> Measured:
    """Plans an edition for `n` readers, `owing` percent of whom are owed older items, and delivers it to nobody."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        edition_id = made_up.make(folder, replace(made_up.SPREAD, owing=owing), n)
        database = Database(made_up.database_url(folder))
        try:
            return _measure(database, edition_id, n)
        finally:
            database.close()


def _measure(database: Database, edition_id: int, n: int) -> Measured:
    people, carrier, clock = Audience(made_up.KEYS, made_up.URL), Hashing(), [made_up.NOW]
    sender = Sender(database, carrier, people, clock=lambda: clock[0], owner=owners.me(), key=bytes(32))
    waits: list[float] = []
    _warm_up(database, edition_id)
    before = _size(database)
    with _neighbor(database, waits):
        with timed() as planned:
            planning.plan(database, edition_id, people, now=clock[0], owner=owners.me())
        after_plan = peak_mb()
        with timed() as sent:
            for hour in range(made_up.SPREAD.hours + 1):
                clock[0] = made_up.NOW + timedelta(hours=hour)
                sender.deliver(edition_id)
            closing.close(database, edition_id, people, now=clock[0])
    mails = _accepted(database, edition_id, n, carrier.mails)
    rows, variants, written = _ledger(database, edition_id)
    figures = Timer(planned.wall + sent.wall, planned.cpu + sent.cpu).of(n)
    figures["rate"] = round(mails / sent.wall, 1)
    return Measured(
        **figures,
        parts={
            "plan_cpu_s": round(planned.cpu, 2),
            "plan_wall_s": round(planned.wall, 2),
            "variants": variants,
            "plan_peak_mb": after_plan,
            "deliver_cpu_us": each(sent.cpu, mails),
            "mails": mails,
            "ledger_rows": rows,
            "ledger_bytes_each": round((_size(database) - before - written) / n, 1),
            "writer_wait_p99_ms": _percentile(waits, 0.99),
            "writer_wait_max_ms": _percentile(waits, 1.0),
            "writer_turns": len(waits),
        },
        beside={"join and hash alone": _alone(database, people, sender, edition_id)},
    )


def _warm_up(database: Database, edition_id: int) -> None:
    """Renders one mail: what a resident process loads once is not what planning costs."""
    with database.reading() as conn:
        bodies = Bodies(conn, editions.find(conn, edition_id))
    bodies.body(bodies.log.keys(), made_up.LANGUAGES[0])


def _accepted(database: Database, edition_id: int, n: int, mails: int) -> int:
    """The mails of the edition. Raises Refused when it did not end, or when ledger and carrier do not agree."""
    with database.reading() as conn:
        edition, totals = editions.find(conn, edition_id), ledger.totals(conn, edition_id)
    if edition.shown_state != editions.SENT or totals.accepted != mails or totals.planned != n:
        raise Refused(
            f"The edition of the benchmark is {edition.shown_state} with {totals}, and {mails} mails went out."
        )
    return mails


def _size(database: Database) -> int:
    """Bytes of the database, whether they are in its file by now or in its log."""
    with database.reading() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages * conn.exec_driver_sql("PRAGMA page_size").scalar_one())


def _ledger(database: Database, edition_id: int) -> tuple[int, int, int]:
    """Rows of the ledger, how many variants there are, and the bytes of these: they are not the ledger's."""
    d, b, v = tables.deliveries, tables.batches, tables.variants
    sizes = sum((sa.func.length(sa.cast(column, sa.LargeBinary)) for column in (v.c.subject, v.c.html, v.c.text)), 0)
    with database.reading() as conn:
        rows = [conn.scalar(sa.select(sa.func.count()).select_from(t).where(t.c.edition_id == edition_id)) or 0
                for t in (d, b)]  # fmt: skip
        held = conn.execute(sa.select(sa.func.count(), sa.func.sum(sizes)).where(v.c.edition_id == edition_id)).one()
    return sum(rows), held[0], held[1] or 0


def _alone(database: Database, people: Audience, sender: Sender, edition_id: int) -> dict[str, Any]:
    """The peer: joining and hashing as many mails of one variant, with no record of any."""
    with database.reading() as conn:
        edition = editions.find(conn, edition_id)
        n = conn.scalar(sa.select(sa.func.min(tables.variants.c.n)))
        reader = people.resolve(conn, edition, [1])[1]
    if isinstance(reader, str):
        raise Refused(f"The first reader of the benchmark is {reader}.")
    body: Compiled = sender.mails.get(edition, n or 1)
    size = 0
    with timed() as timer:
        for number in range(ALONE):
            data = body.join(reader._replace(subscriber_id=number))
            size = len(data)
            sha256(data).digest()
    return {**timer.of(ALONE), "bytes": size}


@contextmanager
def _neighbor(database: Database, waits: list[float]) -> Iterator[None]:
    """Another writer for the length of the block; `waits` gets what it waited, in seconds."""
    url = database.url.render_as_string(hide_password=False)
    with processes.running(processes.module("neighbor", url)) as other:
        yield
        waits.extend(other.ask())


def _percentile(waits: list[float], share: float) -> float:
    return round(waits[min(len(waits) - 1, int(len(waits) * share))] * 1e3, 1) if waits else 0.0
