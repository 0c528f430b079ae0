"""People: who gets our mail; found by address, by state and by what they chose; one more is added, all are taken out.

Promises: addresses are hidden from viewers, who cannot search by them either; pages are looked through by key and cost
the same for any number of people; who is added comes with the words of their consent. Refuses: whoever is on the
do-not-mail list, with the way to lift it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from litestar import Response
from litestar.response import Stream
from sqlalchemy import Connection

from digest import languages, publications
from digest.db import Database
from digest.errors import BadInput, DigestError, Refused
from digest.publications import Digest
from digest.staff import activity
from digest.staff.accounts import AUTHOR, EDITOR, VIEWER, Account
from digest.web import look
from digest.web.console import badges, charts, door, frame
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import directory, newcomers, notices, on_behalf, preferences, sheets, tally, transfer
from subscribers.directory import Listed, Wanted
from subscribers.on_behalf import Wish
from subscribers.preferences import CADENCES, OFF

HERE = "/staff/people"
DAYS = 90
STATES = {state: badges.PEOPLE[state][0] for state in ("active", "pending", "paused", "left", "suppressed")}
OFTEN = {"instant": "At once", "daily": "Daily", "weekly": "Weekly", "monthly": "Monthly", OFF: "Off"}
CHUNK = 1_000  # lines of an export that go out together
Choices = Callable[[Mapping[str, str]], str]


def show(request: WebRequest) -> Response[Any]:
    """Who is found; and when nobody is looked for, how many there are."""
    site, asked = look.of(request), _Asked.of(request)
    with site.home.db.reading() as conn:
        found = directory.page(conn, asked.wanted(site), below=asked.below, limit=directory.PER_PAGE + 1)
        counted = None if asked.anything or asked.below else tally.of_people(conn, now=site.clock())
        zone = site.home.settings.site.time_zone
        growth = tally.growth(conn, counted.with_us, now=site.clock(), zone=zone, days=DAYS) if counted else []
        digests, topics, say = publications.all(conn), publications.topics(conn), choices(conn)
        rows = [(one, gets(one, digests, say)) for one in found[: directory.PER_PAGE]]
    return frame.page(
        request,
        "people.html",
        here=HERE,
        asked=asked,
        rows=rows,
        more=found[directory.PER_PAGE - 1].subscriber_id if len(found) > directory.PER_PAGE else None,
        people=counted,
        growth=growth,
        line=_line(site, growth),
        digests=digests,
        topics=topics,
        states=STATES,
        often={cadence: OFTEN[cadence] for cadence in (*CADENCES, OFF)},
        badge=partial(badge, site),
        shown=door.shown(request),
        may_search=door.of(request).account.may(AUTHOR),
        joined=partial(joined, site),
        sign_up=f"{site.home.settings.site.url}/subscribe",
    )


@dataclass(frozen=True)
class _Asked:
    """What the address of the page asks for; what makes no sense there is left out."""

    part: str
    state: str
    topic: str
    often: str
    digest: str
    since: str
    below: int | None

    @classmethod
    def of(cls, request: WebRequest) -> _Asked:
        asked = request.query_params
        given = {
            name: asked.get(name, "").strip()[:200] for name in ("q", "state", "topic", "often", "digest", "since")
        }
        part = given.pop("q")
        part = part if door.of(request).account.may(AUTHOR) else ""
        given["state"] = given["state"] if given["state"] in STATES else ""
        given["often"] = given["often"] if given["often"] in OFTEN else ""
        return cls(part, below=frame.number(asked.get("below", "")), **given)

    @property
    def anything(self) -> bool:
        """Whether it narrows what is shown."""
        return any((self.part, self.state, self.topic, self.often, self.digest, self.since))

    def wanted(self, site: Site) -> Wanted:
        """As the directory has it."""
        try:
            day = date.fromisoformat(self.since)
            since = datetime(day.year, day.month, day.day, tzinfo=site.zone)
        except ValueError:
            since = None
        number = frame.number(self.digest)
        return Wanted(self.part, self.state, number, self.topic, self.often, since)

    def more(self, below: int) -> str:
        """The address of the page after this one."""
        kept = {"q": self.part, "state": self.state, "topic": self.topic, "often": self.often}
        return look.address(HERE, **kept, digest=self.digest, since=self.since, below=below)


def _line(site: Site, growth: list[tally.Day]) -> Any:
    """The line of who is with us, with its numbers in words."""
    if not growth:
        return ""
    came, went = sum(day.joined for day in growth), sum(day.left for day in growth)
    first, last = growth[0], growth[-1]
    label = (
        f"With us on {frame.day(site, first.day)}: {first.with_us:,}; today: {last.with_us:,}. "
        f"{came:,} joined and {went:,} left in {DAYS} days."
    )
    return charts.sparkline([day.with_us for day in growth], label)


# --- how people are told ---------------------------------------------------------------------------------------


def badge(site: Site, one: Listed) -> Any:
    """The badge of a person."""
    until = frame.day(site, date.fromisoformat(one.paused_until)) if one.paused_until else ""
    return badges.person(one.state, until)


def joined(site: Site, one: Listed) -> str:
    """The day on which they joined, where the site is."""
    return frame.day(site, one.since.astimezone(site.zone).date())


def choices(conn: Connection) -> Choices:
    """Choices in words; many people share one set, so each is put into words once."""
    told: dict[tuple[tuple[str, str], ...], str] = {}
    english = languages.of(frame.LANGUAGE)

    def say(mapping: Mapping[str, str]) -> str:
        key = tuple(sorted(mapping.items()))
        if key not in told:
            told[key] = look.label(notices.described(conn, english, mapping))
        return told[key]

    return say


def gets(one: Listed, digests: list[Digest], say: Choices) -> list[str]:
    """What somebody gets, a sentence for each subscription; with the digest's name when there are several."""
    names = {digest.id: digest.name for digest in digests}
    told = [(names.get(mine.digest_id, mine.digest), say(mine.preferences)) for mine in one.subscriptions]
    return [f"{name}: {sentence}" if len(names) > 1 else sentence for name, sentence in told]


# --- adding ----------------------------------------------------------------------------------------------------


def new_page(request: WebRequest) -> Response[Any]:
    """The form for one more person."""
    return _new(request)


def _new(request: WebRequest, *, status: int = 200, **more: Any) -> Response[Any]:
    with look.of(request).home.db.reading() as conn:
        digests = publications.all(conn)
        topics = publications.topics(conn)
        offered = {cadence for one in digests for cadence in newcomers.offered(conn, one.id)}
    given: dict[str, Any] = {"wrong": {}, "typed": {}, "chosen": (), "link": ("", "")}
    often = {cadence: OFTEN[cadence] for cadence in CADENCES if cadence in offered}
    usual = publications.usual([cadence for cadence in CADENCES if cadence in offered])
    return frame.page(
        request,
        "new_person.html",
        status=status,
        here=HERE,
        digests=digests,
        topics=topics,
        often=often,
        usual=usual,
        **(given | more),
    )


def add(request: WebRequest, form: Form) -> Response[Any]:
    """One more person, who gets mail from now on."""
    site, account = look.of(request), door.of(request).account
    typed = form.typed("email", "name", "digest", "which", "often", "words")
    kept: dict[str, Any] = {"status": 400, "typed": typed, "chosen": form.every("topic")}
    try:
        read = {name: form.one(name) for name in ("email", "name", "digest", "which", "often")}
        read["words"] = form.text("words", most=4_000)
        number = site.home.db.run(partial(_add, site, account, read, form.every("topic")))
    except BadInput as error:
        return _new(request, wrong=frame.wrong(error, "email"), **kept)
    except on_behalf.Barred as error:
        link = (look.address(f"{HERE}/do-not-mail", q=typed["email"]), "Look on the do-not-mail list")
        return _new(request, wrong={"email": str(error)}, link=link, **kept)
    except on_behalf.Here as error:
        link = (f"{HERE}/{error.subscriber_id}", "See them")
        return _new(request, wrong={"email": str(error)}, link=link, **kept)
    except DigestError as error:
        return _new(request, wrong={"email": str(error)}, **kept)
    return frame.redirect(f"{HERE}/{number}?done=added")


def _add(site: Site, account: Account, typed: Mapping[str, str], topics: tuple[str, ...], conn: Connection) -> int:
    digests = publications.all(conn)
    digest = next((one for one in digests if str(one.id) == typed["digest"]), digests[0] if digests else None)
    if digest is None:
        raise Refused("There is no digest yet, so there is nothing to add anybody to.")
    offered = newcomers.offered(conn, digest.id)
    often = preferences.checked_cadence(typed["often"], offered) if typed["often"] else publications.usual(offered)
    if typed["which"] == "some" and not topics:
        raise BadInput("topic", "No topic is chosen.", "Choose at least one, or everything.")
    named = [preferences.checked_topic(topic) for topic in topics] if typed["which"] == "some" else []
    wish = Wish(typed["email"], typed["name"], digest.id, preferences.of(named, often), typed["words"])
    number = on_behalf.add(conn, site.home, wish, by=account.name, now=site.clock())
    activity.record(conn, account, "added", f"person {number}", now=site.clock(), after={"digest": digest.name})
    return number


# --- taking out ------------------------------------------------------------------------------------------------


def export(request: WebRequest, form: Form) -> Response[Any]:
    """Everybody as CSV, as an import reads it."""
    site, account = look.of(request), door.of(request).account
    deed = partial(activity.record, by=account, deed="exported", thing="people", now=site.clock())
    site.home.db.run(deed)
    name = f"people-{site.today.isoformat()}.csv"
    headers = frame.PRIVATE | {"content-disposition": f'attachment; filename="{name}"'}
    return Stream(_lines(site.home.db), media_type="text/csv", headers=headers)


def _lines(db: Database) -> Iterator[str]:
    """The export, some lines at a time, so that memory does not grow with it."""
    with db.reading() as conn:
        out, waiting = io.StringIO(), 0
        writer = csv.writer(out)
        for row in transfer.export(conn):
            writer.writerow([sheets.quoted(cell) for cell in row])
            waiting += 1
            if waiting == CHUNK:
                yield out.getvalue()
                out.seek(0)
                out.truncate()
                waiting = 0
        yield out.getvalue()


HANDLERS = [
    frame.page_at("/people", VIEWER, show),
    frame.page_at("/people/new", EDITOR, new_page),
    frame.deed_at("/people/new", EDITOR, add),
    frame.deed_at("/people/export", EDITOR, export),
]
