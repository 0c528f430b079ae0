"""Who lives through the year, and what everybody does in it, drawn by a seed. Pure.

Every act is an intention: whoever plays it leaves out what cannot be done by then, such as waking somebody awake.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

Act = tuple[Any, ...]  # the name of a method of the play, and what it is called with
Choice = dict[str, str]  # topic -> how often

TOPICS = ("hiring", "detainers", "courts", "training")
HOURS = (0, 1, 2, 3, 7, 7, 7, 8, 12, 17, 23)  # the small hours are those that clock changes leave out or repeat
LANGUAGES = ("en", "en", "en", "es")
ZONES = (
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Anchorage"),
    *("America/Phoenix", "Pacific/Honolulu", "America/Halifax", "America/St_Johns", "America/Havana"),
    *("America/Mexico_City", "America/Bogota", "America/Caracas", "America/Santiago", "America/Asuncion"),
    *("America/Sao_Paulo", "America/Argentina/Buenos_Aires", "America/Nuuk", "America/Scoresbysund"),
    *("Atlantic/Azores", "Atlantic/Reykjavik", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Paris"),
    *("Europe/Berlin", "Europe/Athens", "Europe/Istanbul", "Europe/Moscow", "Europe/Chisinau"),
    *("Africa/Casablanca", "Africa/Lagos", "Africa/Cairo", "Africa/Johannesburg", "Africa/Nairobi"),
    *("Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem", "Asia/Riyadh", "Asia/Tehran", "Asia/Dubai", "Asia/Kabul"),
    *("Asia/Karachi", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Yangon", "Asia/Bangkok"),
    *("Asia/Shanghai", "Australia/Eucla", "Asia/Tokyo", "Australia/Adelaide", "Australia/Sydney"),
    *("Australia/Lord_Howe", "Pacific/Norfolk", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia"),
    *("Pacific/Kiritimati", "Antarctica/Troll"),
)
CHOICES: tuple[Choice, ...] = (
    *(dict.fromkeys(TOPICS, cadence) for cadence in ("weekly", "weekly", "daily", "instant", "monthly")),
    {"hiring": "instant", "detainers": "weekly", "courts": "weekly", "training": "weekly"},
    {"hiring": "daily", "detainers": "off", "courts": "monthly", "training": "weekly"},
    {"hiring": "off", "detainers": "instant", "courts": "daily", "training": "monthly"},
    {"hiring": "weekly", "detainers": "off", "courts": "off", "training": "off"},
    {"hiring": "monthly", "detainers": "monthly", "courts": "instant", "training": "off"},
)
ACTS = ("choose", "choose", "choose", "pause", "pause", "leave", "move", "move")
LATE_SHARE = 20  # one reader of so many joins in the course of the year


@dataclass(frozen=True)
class Person:
    """A reader as they join; `day` of the year on which they do."""

    email: str
    zone: str
    hour: int
    language: str
    choice: Choice
    day: int


def everybody(seed: int, readers: int, days: int) -> list[Person]:
    """The readers, most of them there from the first day."""
    dice = Random(f"people {seed}")
    return [
        Person(
            f"reader{n}@example.org",
            ZONES[n % len(ZONES)],
            dice.choice(HOURS),
            dice.choice(LANGUAGES),
            dice.choice(CHOICES),
            dice.randrange(days) if dice.randrange(LATE_SHARE) == 0 else 0,
        )
        for n in range(readers)
    ]


def script(seed: int, people: list[Person], start: datetime, days: int) -> dict[datetime, list[Act]]:
    """What happens when, the moments rising: what staff do at any minute, what readers do four times a day."""
    found: dict[datetime, list[Act]] = defaultdict(list)
    for day, minute, act in [*_staff(Random(f"staff {seed}"), days), *_readers(Random(f"lives {seed}"), people, days)]:
        found[start + timedelta(days=day, minutes=minute)].append(act)
    return dict(sorted(found.items()))


def _staff(dice: Random, days: int) -> Iterator[tuple[int, int, Act]]:
    """Some three items a week, now and then many at once; changes that are told, and items taken back."""
    for day in range(days):
        minute = dice.randrange(1440 - 180)
        if dice.random() < 0.35:
            yield day, minute, ("publish", _topics(dice))
        if dice.random() < 0.03:
            for _ in range(dice.randint(3, 8)):
                yield day, minute + dice.randrange(120), ("publish", _topics(dice))
        if dice.random() < 0.10:
            yield day, dice.randrange(1440), ("update", dice.randrange(1000))
        if dice.random() < 0.05:
            yield day, dice.randrange(1440), ("withdraw", dice.randrange(1000), dice.random() < 0.3)
        if dice.random() < 0.04:
            yield day, dice.randrange(1440), ("republish", dice.randrange(1000))


def _topics(dice: Random) -> tuple[str, ...]:
    return tuple(dice.sample(TOPICS, dice.choice((1, 1, 2))))


def _readers(dice: Random, people: list[Person], days: int) -> Iterator[tuple[int, int, Act]]:
    """Each reader changes something once or twice in the year, or never."""
    for n, person in enumerate(people):
        if person.day:
            yield person.day, 0, ("join", n)
        for _ in range(dice.choice((0, 0, 1, 1, 2, 4))):
            day = dice.randrange(person.day, days)
            minute = dice.choice((95, 420, 845, 1270))
            yield from _life(dice, n, day, minute)


def _life(dice: Random, n: int, day: int, minute: int) -> Iterator[tuple[int, int, Act]]:
    act = dice.choice(ACTS)
    if act == "choose":
        yield day, minute, ("choose", n, dice.choice(CHOICES))
    elif act == "move":
        yield day, minute, ("move", n, dice.choice(HOURS), dice.choice(ZONES))
    elif act == "pause":
        away = dice.randint(2, 60)
        yield day, minute, ("pause", n, away)
        if dice.random() < 0.3:
            yield day + dice.randint(1, away), minute, ("wake", n, dice.random() < 0.5)
    else:
        yield day, minute, ("leave", n)
        if dice.random() < 0.6:
            yield day + dice.randint(1, 60), minute, ("rejoin", n)
