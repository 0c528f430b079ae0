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
    "new": "new since the last {edition}",
    "choices": "owed: carried over from before a change of choices",
    "pause": "owed: it came during a pause",
    "failed": "owed: edition {number} failed for them",
    "paused": "owed: taken out of edition {number} when they paused",
    "cancelled": "owed: edition {number} was canceled",
    "alert cap": "owed: edition {number} was one alert too many that day",
}

OUTCOMES = {
    "next": "goes with the next {edition}, {when}",
    "alert": "goes as an alert, ten minutes after the first that waits: {when}",
    "alert cap": "goes with the next slower digest: they have had the {why} alerts of their day",
    "planned": "planned in edition {number}, due {when}",
    "trying": "being handed over at this moment, in edition {number}",
    "unsure": "may have arrived with edition {number}; `digest editions settle {number}` decides",
    "closing": "edition {number} did not bring it ({why}); it is owed again when that edition closes",
    "dropped": "does not go: the rest of edition {number} was canceled for good",
    "stopped": "in edition {number}, which is paused: {why}",
    "review": "in review, in edition {number}: {why}",
    "few": "fewer than the {why} that the digest needs: may wait beyond {when}",
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
    """What it is, how often it comes and by which topic, and where it comes from."""
    words = SOURCES.get(one.source.code, "owed: {code}")
    source = words.format(edition=edition_of(one.cadence), number=one.source.edition, code=one.source.code)
    by = "all their topics" if one.topic == preferences.REST else one.topic
    return f"{WHAT[one.entry.what]}, {how_often(one.cadence)} by {by}; {source}"


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
    )
    title = TITLES[one.title_only].format(days=days, most=most) if one.title_only else ""
    return ", ".join(filter(None, (told, title)))


def _day(day: date, today: date) -> str:
    year = "" if day.year == today.year else f", {day.year}"
    return f"{day:%A, %B} {day.day}{year}"
