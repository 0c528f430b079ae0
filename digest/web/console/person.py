"""One person: what we sent them and why, what they chose, the proof that they asked, and what is done on their behalf.

Promises: every mail is told with its outcome and, when it was not sent, with the reason for this person; every deed
says what it does before it is done, and is recorded by the person's number, never by the address. Of who was erased
there is a number and there are counts. Refuses: what the service refuses, in its words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import publications
from digest.errors import NotFound, Refused
from digest.staff import activity
from digest.staff.accounts import EDITOR, VIEWER, Account
from digest.web import look
from digest.web.console import door, frame, people, timeline
from digest.web.console.people import HERE, OFTEN
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import consent, directory, explaining, forecast, histories, on_behalf
from subscribers.directory import Listed
from subscribers.preferences import OFF, REST

DONE = {
    "added": "Added. They get mail from now on.",
    "settings": "The link to their settings is on its way to them.",
    "unsubscribed": "Unsubscribed. Nothing more goes out to them.",
    "barred": "On the do-not-mail list. Nothing more goes out to them.",
    "allowed": "Off the do-not-mail list.",
    "asked": "Off the do-not-mail list. A mail asks them to confirm; until they do, nothing else goes out to them.",
    "erased": "Erased.",
}


@dataclass(frozen=True)
class Deed:
    """What is done on somebody's behalf: what its page says, and how it is done and recorded."""

    question: str
    told: tuple[str, ...]
    button: str
    done: str
    recorded: str
    step: Callable[[Connection, Site, Listed, Account], None]


def show(request: WebRequest) -> Response[Any]:
    """Everything about one person, or what is left of somebody who was erased."""
    return _page(request)


def _page(request: WebRequest, *, status: int = 200, fault: str = "") -> Response[Any]:
    site, number = look.of(request), _number(request)
    below = frame.number(request.query_params.get("below", ""))
    with site.home.db.reading() as conn:
        try:
            person = directory.one(conn, number)
        except NotFound:
            return _erased(request, conn, number)
        context = _context(conn, site, person, below, door.shown(request))
        deeds = activity.lines(conn, thing=f"person {number}", limit=10)
    return frame.page(
        request,
        "person.html",
        status=status,
        here=HERE,
        person=person,
        below=below,
        shown=door.shown(request),
        badge=people.badge(site, person),
        joined=people.joined(site, person),
        why_not=explaining.listed(person.reason or ""),
        deeds=deeds,
        fault=fault,
        done=DONE.get(request.query_params.get("done", "")),
        often=OFTEN,
        utc=utc,
        path=f"{HERE}/{number}",
        **context,
    )


def _context(
    conn: Connection, site: Site, person: Listed, below: int | None, shown: Callable[[str], str]
) -> dict[str, Any]:
    """What the page has to read."""
    number, now = person.subscriber_id, site.clock()
    history = histories.page(conn, number, below=below)
    to_come = [] if below else timeline.waiting(conn, site, person)
    say, topics = people.choices(conn), {topic.slug: topic.name for topic in publications.topics(conn)}
    recent = forecast.recent(conn, now=now)
    mine = [one for one in person.subscriptions if one.state == "active" and not person.reason]
    return {
        "steps": [*to_come, *timeline.happened(site, history, say, shown)],
        "older": history.older,
        "counts": histories.outcomes(conn, number),
        "a_month": round(sum(forecast.a_month(recent, one.preferences, one.zone) for one in mine)),
        "chosen": [(one, _topics(one.preferences, topics)) for one in person.subscriptions],
        "digests": {digest.id: digest.name for digest in publications.all(conn)},
        "proofs": consent.proofs(consent.of_subscriber(conn, number)),
    }


def _topics(mapping: Any, names: dict[str, str]) -> list[tuple[str, str]]:
    """Each topic with how often it comes; those that they did not name together at the end."""
    named = [(names.get(topic, topic), often) for topic, often in mapping.items() if topic != REST]
    return [*sorted(named), ("All other topics" if named else "Everything", mapping.get(REST, OFF))]


def _erased(request: WebRequest, conn: Connection, number: int) -> Response[Any]:
    """What is left of somebody. Raises NotFound when there never was such a person."""
    events = consent.of_subscriber(conn, number)
    erased = next((one for one in events if one.what == "erased"), None)
    if erased is None:
        raise NotFound("There is no such person.")
    counts = histories.outcomes(conn, number)
    done = DONE.get(request.query_params.get("done", ""))
    return frame.page(
        request, "erased.html", here=HERE, number=number, erased=erased, counts=counts, done=done, events=events
    )


# --- the proof -------------------------------------------------------------------------------------------------


def proof(request: WebRequest) -> Response[Any]:
    """The proof that they asked, on a page to print."""
    site, number = look.of(request), _number(request)
    with site.home.db.reading() as conn:
        person = directory.one(conn, number)
        proofs = consent.proofs(consent.of_subscriber(conn, number))
        names = {digest.id: digest.name for digest in publications.all(conn)}
    return frame.page(
        request,
        "proof.html",
        here=HERE,
        person=person,
        proofs=proofs,
        digests=names,
        shown=door.shown(request),
        path=f"{HERE}/{number}",
        utc=utc,
        now=site.clock(),
    )


def utc(at: datetime) -> str:
    """A moment as evidence has it: "May 12, 2026, 13:38:07 UTC"."""
    there = at.astimezone(UTC)
    return f"{there:%B}{frame.KEPT}{there.day}, {there.year}, {there:%H:%M:%S}{frame.KEPT}UTC"


# --- deeds -----------------------------------------------------------------------------------------------------


def send_settings(request: WebRequest, form: Form) -> Response[Any]:
    """Mails them the link to their settings."""
    site, account, number = look.of(request), door.of(request).account, _number(request)
    digest_id = frame.number(form.one("digest")) or 0

    def step(conn: Connection) -> None:
        person = directory.one(conn, number)
        on_behalf.send_settings(conn, site.home, person, digest_id, now=site.clock())
        activity.record(conn, account, "sent the settings link to", f"person {number}", now=site.clock())

    try:
        site.home.db.run(step)
    except Refused as error:
        return _page(request, status=409, fault=str(error))
    return frame.redirect(f"{HERE}/{number}?done=settings")


def _unsubscribe(conn: Connection, site: Site, person: Listed, account: Account) -> None:
    on_behalf.unsubscribe(conn, site.home, person, by=account.name, now=site.clock())


def _bar(conn: Connection, site: Site, person: Listed, account: Account) -> None:
    on_behalf.bar(conn, site.home, person.email, by=account.name, now=site.clock())


def _erase(conn: Connection, site: Site, person: Listed, account: Account) -> None:
    on_behalf.erase(conn, site.home, person.subscriber_id, by=account.name, now=site.clock())


DEEDS = {
    "unsubscribe": Deed(
        "Unsubscribe {who}?",
        (
            "Nothing more goes out to them, from this moment on, also no mail that is planned already.",
            "They can sign up again whenever they want. No list that you bring in brings them back.",
        ),
        "Unsubscribe",
        "unsubscribed",
        "unsubscribed",
        _unsubscribe,
    ),
    "do-not-mail": Deed(
        "Never mail {who} again?",
        (
            "The address goes on the do-not-mail list. Nothing more goes out to it, also no mail that is planned "
            "already, and nobody can sign it up or bring it in with a list.",
            "Only staff take it off again, and then the person has to confirm anew.",
        ),
        "Do not mail",
        "barred",
        "put on the do-not-mail list",
        _bar,
    ),
    "erase": Deed(
        "Erase everything about {who}?",
        (
            "The address, the name, what they chose and the words of mail servers are deleted. This cannot be undone.",
            "Two things stay: bare numbers, so that the sums of past editions still add up, and a mark on the "
            "do-not-mail list that names nobody. They can sign up again themselves.",
        ),
        "Erase",
        "erased",
        "erased",
        _erase,
    ),
}


def _deed(request: WebRequest) -> tuple[Deed, str]:
    name = request.path_params["deed"]
    if name not in DEEDS:
        raise NotFound("There is nothing of this name to do.")
    return DEEDS[name], name


def ask(request: WebRequest) -> Response[Any]:
    """Says what a deed does before it is done."""
    deed, name = _deed(request)
    with look.of(request).home.db.reading() as conn:
        person = directory.one(conn, _number(request))
    who = door.shown(request)(person.email)
    return frame.page(
        request,
        "ask_person.html",
        here=HERE,
        deed=deed,
        name=name,
        question=deed.question.format(who=who),
        path=f"{HERE}/{person.subscriber_id}",
        who=who,
    )


def do(request: WebRequest, form: Form) -> Response[Any]:
    """Does it, with its line in the record."""
    site, account, number = look.of(request), door.of(request).account, _number(request)
    deed, _ = _deed(request)

    def both(conn: Connection) -> None:
        person = directory.one(conn, number)
        deed.step(conn, site, person, account)
        activity.record(
            conn, account, deed.recorded, f"person {number}", now=site.clock(), before={"state": person.state}
        )

    try:
        site.home.db.run(both)
    except Refused as error:
        return _page(request, status=409, fault=str(error))
    return frame.redirect(f"{HERE}/{number}?done={deed.done}")


def _number(request: WebRequest) -> int:
    number = frame.number(request.path_params["id"])
    if number is None:
        raise NotFound("There is no such person.")
    return number


HANDLERS = [
    frame.page_at("/people/{id:str}", VIEWER, show),
    frame.page_at("/people/{id:str}/proof", VIEWER, proof),
    frame.deed_at("/people/{id:str}/settings", EDITOR, send_settings),
    frame.page_at("/people/{id:str}/ask/{deed:str}", EDITOR, ask),
    frame.deed_at("/people/{id:str}/ask/{deed:str}", EDITOR, do),
]
