"""A home in which every page of the console, and every page of a reader, has something to show and every form stands.

Whoever adds a page with a parameter names real things for it in `fill`, and makes the world show its forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO

import sqlalchemy as sa

from digest import drafting, items, letter_drafts, moving, occurrences, parking, publications, tables
from digest.delivery import closing
from digest.delivery.transports.base import Answer
from digest.home import Home
from digest.intake import parcels, ways
from digest.letter_drafts import Text
from digest.staff import accounts, links, second_factor, sessions
from digest.web.console import setting_fields
from subscribers import arrivals, sent_links, suppression
from subscribers.audience import Audience
from tests.conftest import NOW
from tests.digest.web import serving
from tests.stage import Stage

MOMENT = NOW + timedelta(minutes=30)
LIST = b"email,name,topics,cadence,favorite color\nnew@example.org,New,hiring,weekly,red\nno address,,,,\n"
ITEM = b"---\ntitle: Fact sheet new\nkind: fact sheet\ndate: 2026-09-01\ntopics: [hiring]\n---\nText.\n"
READERS = {
    "ann": "*=weekly;alerts=instant",
    "bob": "*=weekly",
    "cyd": "*=off;hiring=weekly",
    "dan": "*=daily",
    "eve": "*=monthly",
    "fay": "*=weekly",
    "gus": "*=weekly",
    "hal": "*=weekly",
}


@dataclass(frozen=True)
class Everything:
    """What its pages can be asked for, and what browsers hold: of an owner, and of one whose second step is missing."""

    things: Mapping[str, Sequence[str]]
    owner: str
    half: str


def fill(home: Home) -> Everything:
    """Fills an empty home; its time is MOMENT."""
    stage = Stage(home.db, ("instant", "daily", "weekly", "monthly"))
    stage.people = Audience(home.keys, home.settings.site.url)  # type: ignore[assignment]
    numbers = {"sent": _sent(stage)}
    _people(home, stage)
    numbers |= _under_way(home, stage)
    letters = _letters(home, stage)
    _unsent_items(home, stage)
    _runs(home, stage)
    owner, half, staff, link = _staff(home)
    return Everything(
        {
            "in/{token}": [link],
            "import/{parcel}": [_parcel(home)],
            "coming/{digest}": ["weekly"],
            "settings/{section}": [section.slug for section in setting_fields.SECTIONS],
            "senders/{digest}": ["weekly"],
            "items/{slug}": ["policy", "figures", "unfinished", "later", "withdrawn", "no-year"],
            "as/{view}": ["mail", "site", "feeds"],
            "editions/{number}": [str(number) for number in (*numbers.values(), *letters.values())],
            "again/{number}": [str(letters["letter"])],
            "send/{digest}": ["weekly"],
            "schedule/{digest}": ["weekly"],
            "{digest}/{cadence}": ["weekly", "daily"],
            "letters/{id}": ["1"],
            "import/{file}": _arrivals(home),
            "people/{id}": [str(stage.ids[name]) for name in ("ann", "bob", "fay", "gus")],
            "ask/{deed}": ["unsubscribe", "do-not-mail", "erase"],
            "staff/{id}": [str(staff)],
        }
        | _of_readers(home, stage),
        owner,
        half,
    )


def _sent(stage: Stage) -> int:
    """A weekly edition that went out, with one of each end; its number."""
    for name in ("ann", "bob", "cyd", "dan", "eve"):
        stage.join(name, READERS[name])
    stage.publish("policy", "hiring")
    stage.publish("figures", "numbers")
    stage.publish("withdrawn", "hiring")
    stage.transport.answers = {stage.ids["ann"]: [Answer.UNSURE], stage.ids["bob"]: [Answer.HARD],
                               stage.ids["cyd"]: [Answer.UNSURE]}  # fmt: skip
    sent = stage.send()
    stage.later(minutes=20)
    return sent.id


def _people(home: Home, stage: Stage) -> None:
    """More people, in every state."""
    for name in ("fay", "gus", "hal"):
        stage.join(name, READERS[name])
    stage.pause("fay")
    stage.leave("gus")
    with home.db.transaction() as conn:
        suppression.add(conn, home.keys, "hal@example.org", reason="by-staff", by="Dana", now=NOW)
        suppression.add(conn, home.keys, "nobody@example.org", reason="complaint", by="", now=NOW)


def _under_way(home: Home, stage: Stage) -> dict[str, int]:
    """Editions that stand at each step between a draft and the end."""
    stage.publish("extra", "hiring")
    asking = stage.cycle("daily")
    stage.withdraw("extra")
    stage.publish("more", "hiring")
    sending = stage.cycle("weekly")
    paused = stage.freeze("monthly")
    stage.plan(paused)
    with home.db.transaction() as conn:
        at = {"paused_at": NOW, "paused_why": "Paused by Tom."}
        conn.execute(sa.update(tables.editions).where(tables.editions.c.id == paused.id).values(at))
    stage.publish("most", "hiring")
    review = stage.freeze("monthly", ask="Look at it first.")
    locked = stage.freeze("weekly")
    with home.db.transaction() as conn:
        later = {"starts_at": stage.now + timedelta(minutes=5)}
        conn.execute(sa.update(tables.editions).where(tables.editions.c.id == locked.id).values(later))
    return {"asking": asking.id, "sending": sending.id, "paused": paused.id, "review": review.id, "locked": locked.id}


def _runs(home: Home, stage: Stage) -> None:
    """This morning's runs have happened; of the next ones one is skipped and one moved, and an item is held back."""
    with home.db.transaction() as conn:
        for cadence in ("daily", "weekly"):
            series = publications.one_series(conn, stage.digest.id, cadence)
            run = occurrences.coming(conn, stage.digest, series, NOW - timedelta(hours=1))
            done = {"moment": run.moment, "due_at": run.at, "at": NOW, "outcome": "adopted"}
            conn.execute(sa.insert(tables.occurrences).values(digest_id=stage.digest.id, cadence=cadence, **done))
        series = publications.one_series(conn, stage.digest.id, "daily")
        run = occurrences.coming(conn, stage.digest, series, MOMENT)
        occurrences.skip(conn, stage.digest, series, run.moment, why="Skipped by Tom. A holiday.", now=MOMENT)
        series = publications.one_series(conn, stage.digest.id, "weekly")
        run = occurrences.coming(conn, stage.digest, series, MOMENT)
        to = run.at + timedelta(hours=2)
        moving.move(conn, stage.digest, series, run.moment, to=to, why="A holiday.", now=MOMENT)
        daily = publications.one_series(conn, stage.digest.id, "daily")
        drafting.hold_back(conn, daily, "fresh", why="A number is in doubt.", now=MOMENT)


def _letters(home: Home, stage: Stage) -> dict[str, int]:
    """A letter that is being written, and one that went out; the number of the latter."""
    with home.db.transaction() as conn:
        text = Text(stage.digest.id, "Call for profiles", "Who should be next?", "Dear reader,\n\nwrite to us.")
        letter_drafts.create(conn, text, by="Dana", now=NOW)
        draft = letter_drafts.create(conn, replace(text, subject="Our new address"), by="Dana", now=NOW)
        edition = letter_drafts.send(conn, home.settings, draft.id, revision=1, starts_at=NOW, now=NOW)
    stage.plan(edition)
    stage.deliver(edition)
    assert closing.close(home.db, edition.id, stage.people, now=stage.now)
    return {"letter": edition.id}


def _unsent_items(home: Home, stage: Stage) -> None:
    with home.db.transaction() as conn:
        items.put(conn, serving.draft("unfinished", state="draft"), now=NOW, zone=stage.digest.zone)
        items.put(conn, serving.draft("later", state="draft"), now=NOW, zone=stage.digest.zone)
        items.put(conn, serving.draft("no-year", published_on="--06-29"), now=NOW, zone=stage.digest.zone)
        items.withdraw(conn, "withdrawn", why="It was wrong.", now=NOW)
        items.publish(conn, "later", now=NOW, zone=stage.digest.zone, at=NOW + timedelta(days=1))
    stage.publish("fresh", "hiring")


def _arrivals(home: Home) -> list[str]:
    """A list that was looked at, and one that was tried."""
    looked = arrivals.keep(home, BytesIO(LIST), "people.csv", now=NOW)
    tried = arrivals.keep(home, BytesIO(LIST), "people.csv", now=NOW)
    arrivals.rehearse(home, tried, digest="weekly", words="They asked for it.", now=NOW)
    return [looked.id, tried.id]


def _parcel(home: Home) -> str:
    """Items that were tried, one of them without a title; they are not in yet."""
    half, out = parking.begin(home)
    with out:
        out.write(ITEM)
    parcel = parcels.take(home, half, "new.md", ways.MARKDOWN, parcels.NO_WISH, now=NOW)
    parcels.rehearse(home, parcel, parcels.NO_WISH, now=NOW)
    parcels.wait(home)
    return parcel.id


def _staff(home: Home) -> tuple[str, str, int, str]:
    """Staff; what the browser of an owner holds, and of one whose second step is missing; a colleague; their link."""
    with home.db.transaction() as conn:
        owner = accounts.add(conn, "dana@example.org", name="Dana Ruiz", role=accounts.OWNER, now=MOMENT)
        other = accounts.add(conn, "tom@example.org", name="Tom Okafor", role=accounts.EDITOR, now=MOMENT)
        conn.execute(sa.update(tables.staff).values({"password_hash": "none", "factor_nonce": bytes(16)}))
        second_factor.recovery_codes(conn, home.keys, owner)
        who = {"ip": "127.0.0.1", "agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "now": MOMENT}
        opened = [sessions.open(conn, owner.id, half=half, **who) for half in (False, True)]  # type: ignore[arg-type]
        return opened[0], opened[1], other.id, links.issue(conn, other.id, now=MOMENT)


def _of_readers(home: Home, stage: Stage) -> dict[str, list[str]]:
    """What stands in the addresses of readers and outsiders."""
    ann = stage.ids["ann"]
    wish = {"choices": {"mapping": {"*": "weekly"}, "language": "en"}, "origin": {}}
    with home.db.transaction() as conn:
        confirm = sent_links.create(conn, sent_links.CONFIRM, 1, ann, wish=wish, now=NOW)
        own = [sent_links.create(conn, kind, 1, ann, wish={}, now=NOW) for kind in (sent_links.COPY, sent_links.ERASE)]
    return {
        "c/{token}": [sent_links.token(home.keys, confirm)],
        "d/{token}": [sent_links.token(home.keys, link) for link in own],
        "p/{token}": [serving.token(home, "preferences", ann)],
        "u/{token}": [serving.token(home, "unsubscribe", ann)],
        "{token}/{step}": ["less", "pause"],
        "topics/{slug}": ["hiring"],
        "archive/{year}": ["2026"],
        "static/{name}": ["site.css"],
        "media/{name}": ["nothing.pdf"],
    }
