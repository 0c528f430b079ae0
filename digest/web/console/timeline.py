"""One person's time-line: what is still to come, then what happened, in words, the latest first.

Promises: each mail is told with its outcome, what was in it for this person, and the reason when it was not sent;
addresses in what mail servers and people said are shown only as `shown` allows. Refuses nothing: a code that is not
known is told as it stands.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup
from sqlalchemy import Connection

from digest.web import look
from digest.web.console import badges, editions, frame, people
from digest.web.look import Site
from subscribers import explaining, pending, preferences
from subscribers.consent import Event
from subscribers.directory import Listed
from subscribers.histories import History, Mail, Note
from subscribers.pending import Pending
from subscribers.preferences import OFF

TITLES = 3  # of a mail's items that are named


@dataclass(frozen=True)
class Step:
    """One point of the time-line; `happened` is false for what is planned or was not sent."""

    at: datetime | None
    when: str
    title: str
    happened: bool
    lines: tuple[str, ...] = ()
    badge: Markup | str = ""
    link: str = ""


def waiting(conn: Connection, site: Site, person: Listed) -> list[Step]:
    """What is still to come, or was kept from coming, mail by mail."""
    steps = []
    for one in person.subscriptions:
        found = pending.of(conn, one.digest_id, person.subscriber_id, now=site.clock())
        for (cadence, outcome, edition, due), those in itertools.groupby(found, key=_together):
            steps.append(_to_come(site, cadence, outcome, edition, due, list(those)))
    return steps


def _together(one: Pending) -> tuple[str, str, int | None, datetime | None]:
    return one.cadence, one.outcome, one.edition, one.due


_TO_COME = {
    "unsure": "unsure",
    "trying": "sending",
    "planned": "frozen",
    "stopped": "paused",
    "pause": "paused",
    "review": "review",
}
_KEPT = ("held", "withdrawn", "had", "replaced", "suppressed", "dropped", "not offered")


def _to_come(
    site: Site, cadence: str, outcome: str, edition: int | None, due: datetime | None, those: list[Pending]
) -> Step:
    kept = outcome in _KEPT
    badge = badges.badge("skipped", "Not for them") if kept else badges.badge(_TO_COME.get(outcome, "draft"))
    lines = tuple(f"“{one.title}”: {_sentence(one.origin)} {_sentence(one.explained)}" for one in those)
    when = "Not sent" if kept else f"{_short(site, due)}, planned" if due else "Waits"
    link = f"{editions.HERE}/{edition}" if edition else ""
    return Step(None, when, look.label(explaining.edition_of(cadence)), False, lines, badge, link)


def happened(site: Site, history: History, say: people.Choices, shown: Callable[[str], str]) -> list[Step]:
    """What happened, the latest first."""
    steps = [
        *(_mail(site, one, shown) for one in history.mails),
        *(_note(site, one) for one in history.notes),
        *(_event(site, one, say, shown) for one in history.events),
    ]
    return sorted(steps, key=lambda one: one.at or site.clock(), reverse=True)


def _mail(site: Site, one: Mail, shown: Callable[[str], str]) -> Step:
    state = {"planned": "frozen", "trying": "sending"}.get(one.state, one.state)
    lines = []
    if one.code in explaining.REASONS:
        lines.append(_sentence(explaining.reason(one.code)))
    elif one.state == "unsure":
        lines.append("It was handed over and no answer came. It may or may not have arrived.")
    if one.titles:
        named = ", ".join(f"“{title}”" for title in one.titles[:TITLES])
        rest = f" and {len(one.titles) - TITLES} more" if len(one.titles) > TITLES else ""
        lines.append(f"{len(one.titles)} of {one.items} {_items(one.items)} for them: {named}{rest}.")
    if one.attempts:
        lines.append(f"Put off {'once' if one.attempts == 1 else f'{one.attempts} times'} before.")
    if one.reply:
        lines.append(f"The mail server said: {shown(one.reply)}")
    happened = one.state in ("accepted", "unsure", "failed")
    title, link = editions.name(site, one.listed), f"{editions.HERE}/{one.listed.edition.id}"
    return Step(one.at, _when(site, one.at), title, happened, tuple(lines), badges.badge(state), link)


def _items(number: int) -> str:
    return "item is" if number == 1 else "items are"


_NOTES = {
    "confirm": "Confirmation mail",
    "settings": "Mail with their settings link",
    "link": "Mail with a link to their own data",
    "moved": "Told that their address changed",
    "welcome": "Welcome with the latest edition",
}


def _note(site: Site, one: Note) -> Step:
    state = {"planned": "frozen", "trying": "sending"}.get(one.state, one.state)
    lines = (_sentence(explaining.reason(one.code)),) if one.code in explaining.REASONS else ()
    happened = one.state in ("accepted", "unsure", "failed")
    title = _NOTES.get(one.kind, "Mail about their own affair")
    return Step(one.at, _when(site, one.at), title, happened, lines, badges.badge(state))


_EVENTS = {
    "asked": "Asked for mail",
    "confirmed": "Confirmed",
    "added": "Added by staff",
    "imported": "Came with a list",
    "joined": "Joined again",
    "changed": "Changed their choices",
    "paused": "Paused",
    "woke": "Ended the pause",
    "left": "Left",
    "moved": "Moved to another address",
    "said why": "Said why they left",
}


_SOURCES = {
    "/subscribe": "On the sign-up page",
    "link in a mail": "Behind a link in a mail",
    "staff": "By staff, on the command line",
    "command line": "By staff, on the command line",
    "import": "By a list that was brought in",
}


def _event(site: Site, one: Event, say: people.Choices, shown: Callable[[str], str]) -> Step:
    text, source = one.origin.text, one.origin.source
    if one.what in ("changed", "paused", "woke"):
        text = _now_chosen(text, say)
    elif one.origin.version:
        text = ""  # the sentence that they saw stands with the proof
    lines = tuple(shown(_sentence(line)) for line in (text, _SOURCES.get(source, source)) if line)
    return Step(one.at, _when(site, one.at), _EVENTS.get(one.what, look.label(one.what)), True, lines)


def _now_chosen(text: str, say: people.Choices) -> str:
    """The choices as the evidence keeps them, in words."""
    pairs = [part.partition("=") for part in text.split(";") if "=" in part]
    mapping = {topic: often for topic, _, often in pairs if often in (*preferences.CADENCES, OFF)}
    return f"Since then: {say(mapping)}" if mapping else text


def _sentence(text: str) -> str:
    end = "" if text.endswith((".", "!", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def _when(site: Site, at: datetime) -> str:
    """A moment in the margin: "Aug 17, 10:14 a.m."."""
    return f"{_short(site, at)}, {frame.hour(site, at)}"


def _short(site: Site, at: datetime) -> str:
    there = at.astimezone(site.zone)
    year = "" if there.year == site.today.year else f", {there.year}"
    return f"{there:%b}{frame.KEPT}{there.day}{year}"
