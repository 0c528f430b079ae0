"""A made-up home as it is after years: many readers, 1,000 editions with their deliveries, items, letters, the record.

Promises: the same figures give the same home; the last edition is under way to all readers, and one reader has a
delivery in every edition. Refuses nothing. Run as a program it fills a folder and says what the pages of the console
can be asked for, so that neither its memory nor its time is counted with what is measured.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from digest import items, letter_drafts, news, parking, tables
from digest.bench import made_up
from digest.config import TransportSection
from digest.db import Database
from digest.delivery.ledger import COUNTED
from digest.errors import Refused
from digest.home import Home
from digest.intake import parcels, ways
from digest.letter_drafts import Text
from digest.staff import accounts, sessions
from digest.tables import State
from subscribers import arrivals
from subscribers.tables import consent_events, subscribers, subscriptions, suppressions

EACH = 200  # readers of an edition that went out before
UNFINISHED = 20
LEFT = 50  # one in so many has left
UNSURE = 3  # editions with somebody unsure
WEEK = timedelta(days=7)
DOMAINS = ("example.org", *(f"mail-{n}.example" for n in range(40)))
SHAPE = made_up.Shape(sets=50, hours=24, topics=8, chosen=4, text=1_000, by_hand=True, domains=DOMAINS)
# How a delivery ended: of one edition, by position.
ENDS = ((State.FAILED, "550 5.1.1"), (State.FAILED, "552 5.2.2"), (State.SKIPPED, "left"), (State.SKIPPED, "nothing"))
ITEM = "---\ntitle: New\nkind: fact sheet\ndate: 2026-09-01\n---\nText.\n"
LIST = "email,name,topics,cadence\n" + "".join(f"new-{n}@example.org,New,topic-1,weekly\n" for n in range(1_000))


@dataclass(frozen=True)
class Years:
    """How much there is of what went before."""

    editions: int = 1_000
    items: int = 600
    letters: int = 40
    drafts: int = 20
    deeds: int = 20_000


@dataclass(frozen=True)
class Told:
    """What is in it: real things by the names of `routes`, and what the browser of an owner holds."""

    things: Mapping[str, list[str]]
    session: str


def fill(folder: Path, n: int, years: Years) -> Told:
    """Makes the home of `n` readers in this process."""
    database = Database(made_up.database_url(folder))
    try:
        return _fill(Home(folder, made_up.settings(TransportSection()), made_up.KEYS, database), n, years)
    finally:
        database.close()


def _fill(home: Home, n: int, years: Years) -> Told:
    with home.db.transaction() as conn:
        digest_id = made_up.publication(conn, ("daily", "weekly"))
        sequences = _items(conn, digest_id, years)
    for start in range(0, n, made_up.CHUNK):
        with home.db.transaction() as conn:
            made_up.people(conn, digest_id, SHAPE, [], range(start, min(n, start + made_up.CHUNK)))
    with home.db.transaction() as conn:
        _consent(conn, digest_id)
        letters = range(years.editions + 1, years.editions + 1 + years.letters)
        _past(conn, _Sent(digest_id, n), sequences, years.editions)
        _letters(conn, _Sent(digest_id, n), letters)
        edition_id = made_up.edition(conn, digest_id, SHAPE)
        _dress(conn, edition_id)
    if not made_up.plan(home.db, edition_id):
        raise Refused("The edition of the benchmark could not be planned.")
    with home.db.transaction() as conn:
        _send_half(conn, edition_id)
        _more_news(conn)
        draft, colleague, session = _staff(conn, digest_id, years)
    arrival = arrivals.keep(home, BytesIO(LIST.encode()), "new.csv", now=made_up.NOW)
    arrivals.rehearse(home, arrival, digest="weekly", words="They asked for it.", now=made_up.NOW)
    things = {
        "coming/{digest}": ["weekly"],
        "settings/{section}": ["names"],
        "senders/{digest}": ["weekly"],
        "import/{parcel}": [_parcel(home)],
        "items/{slug}": ["item-1", "piece-7", f"unfinished-{UNFINISHED - 1}"],
        "as/{view}": ["mail", "site", "feeds"],
        "editions/{number}": [str(edition_id), "7"],
        "again/{number}": [str(letters[-1])],
        "send/{digest}": ["weekly"],
        "schedule/{digest}": ["weekly"],
        "{digest}/{cadence}": ["weekly"],
        "letters/{id}": [str(draft)],
        "import/{file}": [arrival.id],
        "people/{id}": ["1", str(n // 2)],
        "ask/{deed}": ["erase"],
        "staff/{id}": [str(colleague)],
    }
    return Told(things, session)


def _parcel(home: Home) -> str:
    """Items that somebody looked at and did not bring in yet."""
    half, out = parking.begin(home)
    with out:
        out.write(ITEM.encode())
    parcel = parcels.take(home, half, "new.md", ways.MARKDOWN, parcels.NO_WISH, now=made_up.NOW)
    parcels.rehearse(home, parcel, parcels.NO_WISH, now=made_up.NOW)
    parcels.wait(home)
    return parcel.id


def _items(conn: sa.Connection, digest_id: int, years: Years) -> list[int]:
    """Items of the years before, all of which went out."""
    for number in range(years.items):
        at = made_up.NOW - (years.items - number) * timedelta(days=1)
        one = made_up.draft(number, SHAPE, "piece")
        one = replace(one, topics=(f"topic-{number % SHAPE.topics}",), published_on=at.date().isoformat())
        items.put(conn, one, now=at, zone=made_up.ZONE)
    latest = news.counter(conn)
    s = tables.series
    conn.execute(sa.update(s).where(s.c.digest_id == digest_id).values(mark=latest, next_number=years.editions + 1))
    return [*range(1, latest + 1)]


def _more_news(conn: sa.Connection) -> None:
    """What waits for the next run, and drafts."""
    for number in range(UNFINISHED):
        one = replace(made_up.draft(number, SHAPE, "unfinished"), state="draft")
        items.put(conn, one, now=made_up.NOW, zone=made_up.ZONE)
        items.put(conn, made_up.draft(number, SHAPE, "fresh"), now=made_up.NOW, zone=made_up.ZONE)
        undated = replace(made_up.draft(number, SHAPE, "yearless"), published_on="--06-29")
        items.put(conn, undated, now=made_up.NOW, zone=made_up.ZONE)


def _consent(conn: sa.Connection, digest_id: int) -> None:
    """Everybody joined some day of the last year, with the words for it; some have left."""
    p, e, x, s = subscriptions.c, consent_events.c, suppressions.c, subscribers.c
    today, day = tables.micros(made_up.NOW), 86_400_000_000
    days = p.subscriber_id * 7_919 % 365 + 1
    conn.execute(sa.update(subscriptions).values(joined_at=sa.type_coerce(today - days * day, sa.BigInteger)))
    added = sa.select(p.subscriber_id, p.digest_id, sa.literal("added"), sa.literal("At a conference."), p.joined_at)
    conn.execute(sa.insert(consent_events).from_select([e.subscriber_id, e.digest_id, e.what, e.text, e.at], added))
    gone, later = p.subscriber_id % LEFT == LEFT - 1, sa.type_coerce(p.joined_at, sa.BigInteger) + day
    left = sa.select(p.subscriber_id, p.digest_id, sa.literal("left"), later).where(gone)
    conn.execute(sa.insert(consent_events).from_select([e.subscriber_id, e.digest_id, e.what, e.at], left))
    conn.execute(sa.update(subscriptions).where(gone).values(state="left"))
    barred = sa.select(s.email_hash, sa.literal("left"), today - s.id).where(s.id % LEFT == LEFT - 1)
    conn.execute(sa.insert(suppressions).from_select([x.email_hash, x.reason, x.at], barred))


# --- what went out ---------------------------------------------------------------------------------------------


class _Sent:
    """Rows of editions that went out, each to some readers, the first always among them; written all at once."""

    _TABLES = ("editions", "edition_entries", "variants", "variant_entries", "batches", "deliveries", "occurrences",
               "mailed", "letters")  # fmt: skip

    def __init__(self, digest_id: int, n: int) -> None:
        self.digest_id, self.n, self.each = digest_id, n, min(n, EACH)
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in self._TABLES}

    def add(self, table: str, **values: Any) -> None:
        """One row."""
        self._rows[table].append(values)

    def edition(self, key: int, at: datetime, *, unsure: bool = False, entries: str = "[]", **more: Any) -> None:
        """An edition with its body, its batch and its deliveries."""
        uid = blake2b(f"{key}".encode(), digest_size=16).hexdigest()
        moments = dict.fromkeys(("created_at", "frozen_at", "starts_at", "plan_done_at", "closed_at"), at)
        self.add("editions", id=key, uid=uid, digest_id=self.digest_id, state="sent", mark_from=0, last=0, mark_to=0,
                 **moments, **more)  # fmt: skip
        self.add("variants", edition_id=key, n=1, language="en", entries=entries, subject=f"Edition {key}",
                 html="<p>Made up.</p>", text="Made up.")  # fmt: skip
        ends = [(State.UNSURE, ""), *ENDS[1:]] if unsure else [*ENDS]
        seen = Counter(state for state, _ in ends) | Counter({State.ACCEPTED: self.each - len(ends)})
        counts = {state.name.lower(): seen[state] for state in COUNTED}
        self.add("batches", edition_id=key, n=1, due_at=at, deadline=at + WEEK, state=2, size=self.each,
                 transport="smtp", repeatable=False, **counts)  # fmt: skip
        for pos in range(1, self.each + 1):
            state, code = ends[pos - 2] if 2 <= pos < 2 + len(ends) else (State.ACCEPTED, "250")
            reader = 1 if pos == 1 else 2 + (key * self.each + pos) % (self.n - 1) if self.n > self.each else pos
            self.add("deliveries", edition_id=key, batch_n=1, pos=pos, subscriber_id=reader, variant_n=1,
                     state=int(state), attempts=1, code=code, updated_at=at)  # fmt: skip

    def write(self, conn: sa.Connection) -> None:
        """Writes the rows."""
        for name, rows in self._rows.items():
            if rows:
                conn.execute(sa.insert(tables.metadata.tables[name]), rows)


def _past(conn: sa.Connection, sent: _Sent, sequences: list[int], count: int) -> None:
    """Daily editions of an item each, the oldest first."""
    for number in range(1, count + 1):
        sequence, at = sequences[number % len(sequences)], made_up.NOW - (count + 1 - number) * timedelta(days=1)
        unsure = number > count - UNSURE
        sent.edition(number, at, unsure=unsure, entries=f"[{sequence}]", kind="digest", cadence="daily", number=number)
        ids, people = {"edition_id": number, "sequence": sequence}, sent.each - len(ENDS)
        sent.add("edition_entries", **ids, position=1, revision=1)
        sent.add("variant_entries", **ids, variant_n=1)
        sent.add("mailed", **ids, people=people, accepted=people)
        sent.add("occurrences", digest_id=sent.digest_id, cadence="daily", moment=f"{at:%Y-%m-%dT%H}", due_at=at, at=at,
                 outcome="edition", edition_id=number)  # fmt: skip
    sent.write(conn)


def _letters(conn: sa.Connection, sent: _Sent, numbers: range) -> None:
    """Letters, one a day until yesterday."""
    for number in numbers:
        at = made_up.NOW - timedelta(days=numbers.stop - number, hours=1)
        sent.edition(number, at, kind="letter", cadence=None, number=None)
        sent.add("letters", edition_id=number, subject=f"Letter {number}", body="<p>Made up.</p>", markdown="Made up.",
                 segment={})  # fmt: skip
    sent.write(conn)


def _dress(conn: sa.Connection, edition_id: int) -> None:
    """Gives those that went out the settings of the one that goes out."""
    e = tables.editions
    settings = conn.scalar(sa.select(e.c.settings).where(e.c.id == edition_id))
    conn.execute(sa.update(e).where(e.c.id < edition_id).values(settings=settings, content_hash="made up"))


def _send_half(conn: sa.Connection, edition_id: int) -> None:
    """The edition is half-way: some failed, and the rest of the first half was accepted."""
    b, d = tables.batches.c, tables.deliveries.c
    half = (conn.scalar(sa.select(sa.func.max(b.n)).where(b.edition_id == edition_id)) or 1) // 2
    mine = sa.and_(d.edition_id == edition_id, d.batch_n <= half)
    ended = {"state": State.ACCEPTED, "code": "250", "attempts": 1, "updated_at": made_up.NOW}
    conn.execute(sa.update(tables.deliveries).where(mine).values(ended))
    failed = {"state": State.FAILED, "code": "550 5.1.1"}
    conn.execute(sa.update(tables.deliveries).where(mine, d.pos % 50 == 0).values(failed))
    of_batch = (d.edition_id == b.edition_id, d.batch_n == b.n, d.state == State.FAILED)
    bad = sa.select(sa.func.count()).where(*of_batch).correlate(tables.batches).scalar_subquery()
    counts = {"state": 2, "failed": bad, "accepted": b.size - bad, "transport": "smtp", "repeatable": False}
    conn.execute(sa.update(tables.batches).where(b.edition_id == edition_id, b.n <= half).values(counts))


def _staff(conn: sa.Connection, digest_id: int, years: Years) -> tuple[int, int, str]:
    """An owner, a colleague, drafts of letters, and what they did; a draft, the colleague, the owner's session."""
    owner = accounts.add(conn, "dana@example.org", name="Dana Ruiz", role=accounts.OWNER, now=made_up.NOW)
    colleague = accounts.add(conn, "tom@example.org", name="Tom Okafor", role=accounts.EDITOR, now=made_up.NOW)
    conn.execute(sa.update(tables.staff).values({"password_hash": "none"}))  # it lets nobody in
    for number in range(years.drafts):
        text = Text(digest_id, f"Draft {number}", "", "Made up.\n" * 50)
        draft = letter_drafts.create(conn, text, by=owner.name, now=made_up.NOW)
    deeds = ({"at": made_up.NOW - timedelta(minutes=years.deeds - k), "staff_id": owner.id, "name": owner.name,
              "deed": ("changed", "published", "approved")[k % 3], "thing": f"item piece-{k % years.items}",
              "before": {"version": k}, "after": {"version": k + 1}} for k in range(years.deeds))  # fmt: skip
    conn.execute(sa.insert(tables.activity), [*deeds])
    session = sessions.open(conn, owner.id, half=False, ip="127.0.0.1", agent="benchmark", now=made_up.NOW)
    return draft.id, colleague.id, session


if __name__ == "__main__":
    print(json.dumps(vars(fill(Path(sys.argv[1]), int(sys.argv[2]), Years(**json.loads(sys.argv[3]))))))
