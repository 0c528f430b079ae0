"""One person as the command line tells it: their choices, what waits for them and why, what became of their mail.

Promises: whoever reads it knows what each subscription still brings, when, and why something does not come; lines fit
in 88 columns where addresses and titles do. Refuses: an address that nobody has.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from digest.cli import desk, paper
from subscribers import consent, explaining, pending, records
from subscribers.pending import Pending

WIDTH = 88
HEAD = ("edition", "digest", "state", "reason", "when")


@dataclass(frozen=True)
class Look:
    """Everything about one person; `waiting` by subscription, in their order."""

    person: records.Person
    waiting: tuple[tuple[Pending, ...], ...]
    evidence: tuple[consent.Event, ...]


def look(conn: Connection, address: str, *, now: datetime) -> Look:
    """Reads it. Raises NotFound, and BadInput for what is no address."""
    person = records.find(conn, address)
    mine = [(one.digest_id, person.subscriber_id) for one in person.subscriptions]
    waiting = tuple(pending.of(conn, *subscription, now=now) for subscription in mine)
    return Look(person, waiting, tuple(consent.of_subscriber(conn, person.subscriber_id)))


def described(look: Look) -> dict[str, Any]:
    """As `--json` prints it."""
    plain: dict[str, Any] = desk.plain(look.person)
    for subscription, waiting in zip(plain["subscriptions"], look.waiting, strict=True):
        subscription["pending"] = desk.plain(waiting)
    return plain | {"evidence": desk.plain(look.evidence)}


def lines(look: Look, zone: str) -> Iterator[str]:
    """As people read it."""
    person = look.person
    listed = f" (on the do-not-mail list: {person.suppressed})" if person.suppressed else ""
    yield f"{person.email} {person.name}".strip()
    yield f"State: {person.state}{listed}"
    for one in person.subscriptions:
        until = f" until {one.paused_until}" if one.state == "paused" and one.paused_until else ""
        yield f"{one.digest}: {one.state}{until}; {_choices(one.preferences)}; at {one.hour}:00 in {one.zone}"
    for one, waiting in zip(person.subscriptions, look.waiting, strict=True):
        if one.state in ("active", "paused"):
            yield from _waiting(one.digest, waiting)
    yield ""
    yield from _history(person, zone)
    yield ""
    for event in look.evidence:
        told = " ".join(filter(None, (event.what, event.origin.text, event.origin.source)))
        yield f"{desk.local(event.at, zone)}  {told}"


def _choices(preferences: Mapping[str, str]) -> str:
    rest = "all others" if len(preferences) > 1 else "everything"
    named = sorted(preferences.items(), key=lambda one: (one[0] == "*", one[0]))
    return ", ".join(f"{rest if topic == '*' else topic}: {how_often}" for topic, how_often in named)


def _waiting(digest: str, waiting: tuple[Pending, ...]) -> Iterator[str]:
    yield ""
    if not waiting:
        yield f"Nothing waits for them from {digest}."
        return
    yield f"What waits for them from {digest}:"
    for one in waiting:
        yield from _wrapped(f"{one.title} ({one.slug})", 2)
        yield from _wrapped(_sentence(one.origin), 4)
        yield from _wrapped(f"Note: {one.note}" if one.note else "", 4)
        yield from _wrapped(_sentence(one.explained), 4)


def _wrapped(text: str, indent: int) -> list[str]:
    margin = " " * indent
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return textwrap.wrap(
        shown,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sentence(text: str) -> str:
    end = "" if text.endswith((".", "!", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def _history(person: records.Person, zone: str) -> Iterator[str]:
    rows = [
        (
            d.edition,
            d.digest if d.cadence else f"{d.digest}, letter",
            d.state,
            explaining.reason(d.code),
            d.at and desk.local(d.at, zone),
        )
        for d in person.deliveries
    ]
    yield from paper.listed(HEAD, rows, empty="No edition was sent to them yet.")
