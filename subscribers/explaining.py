"""How staff are told what waits for a person, and what became of their mail: plain sentences for codes. Pure.

Promises: every code of `prospects`, and every reason in a row of the ledger, has words; one that is not known is said
as it stands. Refuses nothing.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from subscribers import preferences
from subscribers.prospects import Waiting

WHAT = {"new": "new", "update": "update", "again": "again"}

SOURCES = {
    "new": " since the last {edition}",
    "choices": ", owed from before they changed their choices",
    "pause": ", owed because it came during a pause",
    "failed": ", owed because edition {number} failed for them",
    "paused": ", owed because they paused before edition {number} reached them",
    "cancelled": ", owed because edition {number} was canceled",
    "alert cap": ", owed because edition {number} was one alert too many that day",
}
OWED = ", owed from edition {number} ({code})"

OUTCOMES = {
    "next": "goes with the next {edition}, {when}",
    "alert": "goes as an alert, ten minutes after the first that waits: {when}",
    "alert cap": "goes {instead}, {when}: they have had as many alerts as they get in a day ({why})",
    "planned": "planned in edition {number}, due {when}",
    "trying": "being handed over at this moment, in edition {number}",
    "unsure": "may have arrived with edition {number} and is not sent again before somebody decides about it",
    "closing": "edition {number} did not bring it ({why}); a later one does, once that edition is closed",
    "dropped": "does not go: the rest of edition {number} was canceled for good",
    "stopped": "in edition {number}, which is paused: {why}",
    "review": "in edition {number}, which waits for approval: {why}",
    "few": "goes with the next {edition} if enough is new by then, {when}: it needs at least {why} items",
    "held": "held back by staff in the {cadence} series{colon}",
    "pause": "waits until {pause}",
    "withdrawn": "withdrawn: it does not go",
    "had": "does not go: they have the item already",
    "replaced": "does not go: a later word on the same item goes instead",
    "not offered": "waits: the digest is not offered {cadence}",
    "suppressed": "does not go: the address is on the do-not-mail list",
}

TITLES = {
    "age": "as a title only (older than {days} days)",
    "pause": "as a title only (from a pause)",
    "most": "as a title only (beyond the first {most})",
}

REASONS = {
    "no topics": "nothing new in their topics",
    "left": "they had left",
    "paused": "they had paused",
    "suppressed": "on the do-not-mail list",
    "erased": "the person was erased",
    "withdrawn": "all of it was withdrawn",
    "cancelled": "canceled; comes later",
    "dropped": "canceled for good",
    "only_to": "only test addresses get mail",
    "alert cap": "one alert too many that day",
    "hard": "the address does not exist",
    "doubtful": "refused at the address",
    "full": "the mailbox is full",
    "policy": "the mail was refused",
    "transient": "put off too often",
    "deadline": "too late",
    "not arrived": "did not arrive, say staff",
}


LISTED = {
    "left": "they unsubscribed from everything",
    "imported": "it came with a list",
    "erased": "the person was erased",
    "hard": "mail to it came back",
    "by-staff": "by staff",
    "complaint": "marked as spam",
}


def listed(reason: str) -> str:
    """Why an address is on the do-not-mail list, in words."""
    return LISTED.get(reason, reason)


def reason(code: str | None) -> str:
    """Why a row was skipped or failed, in words."""
    return REASONS.get(code or "", code or "")


def how_often(cadence: str) -> str:
    """As an adverb."""
    return {"instant": "at once", "off": "never"}.get(cadence, cadence)


def edition_of(cadence: str) -> str:
    """One issue of a series."""
    return "alert" if cadence == "instant" else f"{cadence} edition"


def moment(due: datetime, zone: str, *, now: datetime) -> str:
    """Monday, November 30, 7:00 a.m. their time; with the year when it is not this one."""
    there = due.astimezone(ZoneInfo(zone))
    half = "a.m." if there.hour < 12 else "p.m."
    hour = f"{there.hour % 12 or 12}:{there:%M} {half} their time"
    return f"{_day(there.date(), now.astimezone(ZoneInfo(zone)).date())}, {hour}"


def pause_end(until: str | None, *, now: datetime, zone: str) -> str:
    """What a pause waits for."""
    today = now.astimezone(ZoneInfo(zone)).date()
    return f"their pause ends on {_day(date.fromisoformat(until), today)}" if until else "they end their pause"


def origin(one: Waiting) -> str:
    """What it is, where it comes from, and why it comes so often."""
    words = SOURCES.get(one.source.code, OWED)
    source = words.format(edition=edition_of(one.cadence), number=one.source.edition, code=one.source.code)
    return f"{WHAT[one.entry.what]}{source}; {_chosen(one)}"


def _chosen(one: Waiting) -> str:
    if one.chosen:
        topic = "everything else" if one.topic == preferences.REST else one.topic
        return f"{how_often(one.cadence)}, as they chose for {topic}"
    return f"{how_often(one.cadence)} {'this time' if one.source.code == 'alert cap' else 'by their earlier choice'}"


def outcome(one: Waiting, *, when: str, pause: str, days: int, most: int) -> str:
    """What becomes of it; `days` and `most` are the series' age limit and the number of entries told in full."""
    outlook = one.outlook
    why = reason(outlook.why) or "no reason is noted"
    told = OUTCOMES[outlook.outcome].format(
        edition=edition_of(one.cadence),
        cadence=one.cadence,
        number=outlook.edition,
        when=when,
        why=why.rstrip("."),
        colon=f": {why.rstrip('.')}" if outlook.why else "",
        pause=pause,
        instead="as an alert again" if outlook.instead == "instant" else f"with the next {edition_of(outlook.instead)}",
    )
    title = TITLES[one.title_only].format(days=days, most=most) if one.title_only else ""
    return ", ".join(filter(None, (told, title)))


def _day(day: date, today: date) -> str:
    year = "" if day.year == today.year else f", {day.year}"
    return f"{day:%A, %B} {day.day}{year}"
