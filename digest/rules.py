"""What staff may set on a digest, and how their words are read. Pure.

Promises: every setting is known by name; a value that cannot be understood is refused with the name of the setting
and what it may be. Keeps nothing: `publications` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from email_validator import EmailNotValidError, validate_email

from digest import markup
from digest.errors import BadInput

CADENCES = ("instant", "daily", "weekly", "monthly")  # the most frequent first
_ONLY = {"weekday": "weekly", "month_day": "monthly", "daily_cap": "instant"}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Setting:
    """One setting, understood. `cadence` is None for the digest itself and, in `series`, for all its series."""

    column: str
    value: Any
    of_series: bool
    cadence: str | None = None


def understand(key: str, text: str) -> Setting:
    """The setting that "KEY" or "CADENCE.KEY" and its value mean. Raises BadInput naming the key."""
    cadence, _, name = key.rpartition(".")
    readers = OF_SERIES if cadence else OF_DIGEST | OF_SERIES
    if (cadence and cadence not in CADENCES) or name not in readers:
        known = ", ".join([*OF_DIGEST, "cadences", *(f"weekly.{one}" for one in OF_SERIES)])
        raise BadInput(key, "There is no such setting.", f"Known are: {known}.")
    if cadence and not fits(name, cadence):
        raise BadInput(key, f"Only {_ONLY[name]} editions have a {name}.", f"Set {_ONLY[name]}.{name}.")
    value = readers[name](key, text.strip())
    return Setting(name, value, name in OF_SERIES, cadence or _ONLY.get(name))


def fits(name: str, cadence: str) -> bool:
    """Whether editions of this cadence have this setting."""
    return _ONLY.get(name, cadence) == cadence


def address(key: str, text: str) -> str:
    """An e-mail address as it is kept."""
    try:
        return validate_email(text, check_deliverability=False, strict=True).normalized
    except EmailNotValidError as error:
        raise BadInput(key, f"{text[:80]!r} is no e-mail address.", str(error)) from error


def zone(key: str, text: str) -> str:
    """The name of a time zone."""
    try:
        return ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        raise BadInput(key, f"{text[:60]!r} is no time zone.", "Write one such as America/New_York.") from None


def languages(key: str, text: str) -> list[str]:
    """Languages from "en, es", the first being the main one."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        try:
            Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            raise BadInput(key, f"{name[:20]!r} is no language.", "Write codes such as en, es.") from None
    if not names:
        raise BadInput(key, "No language is named.", "Write codes such as en, es.")
    return list(dict.fromkeys(names))


def cadences(key: str, text: str) -> tuple[str, ...]:
    """How often a digest can be had, from "instant, weekly"; the most frequent first."""
    named = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in named:
        if name not in CADENCES:
            raise BadInput(key, f"{name[:20]!r} is not how often a digest comes.", f"Known: {', '.join(CADENCES)}.")
    if not named:
        raise BadInput(key, "Nothing is named.", "Write for example cadences=instant,weekly.")
    return tuple(name for name in CADENCES if name in named)


def _text(key: str, text: str) -> str:
    return markup.line(text)


def _name(key: str, text: str) -> str:
    if not (name := markup.line(text)):
        raise BadInput(key, "It is empty.", "Write the name that readers see.")
    return name


def _maybe_address(key: str, text: str) -> str:
    return address(key, text) if text else ""


def _number(lowest: int, highest: int) -> Callable[[str, str], int]:
    def read(key: str, text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not lowest <= int(text[:6]) <= highest:
            raise BadInput(key, f"{text[:20]!r} does not fit.", f"Write a whole number from {lowest} to {highest}.")
        return int(text)

    return read


def mapping(key: str, text: str) -> dict[str, str]:
    """Short names from "fact-sheets=fact sheet; law=detainers"; a name may be empty. Raises BadInput."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, sign, meaning = (piece.strip() for piece in part.partition("="))
        if not sign or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise BadInput(
                key, f"{part[:40]!r} cannot be understood.", "Write it as short-name=meaning; other=meaning."
            )
        found[name] = markup.line(meaning)
    return found


def _map(key: str, text: str) -> str:
    return "; ".join(f"{name}={meaning}" for name, meaning in mapping(key, text).items())


def _weekday(key: str, text: str) -> int:
    found = [n for n, day in enumerate(WEEKDAYS) if len(text) >= 3 and day.startswith(text.lower())]
    if len(found) != 1:
        raise BadInput(key, f"{text[:20]!r} is no day of the week.", "Write one such as monday.")
    return found[0]


def _one_of(fault: str, *known: str) -> Callable[[str, str], str]:
    def read(key: str, text: str) -> str:
        if text not in known:
            raise BadInput(key, f"{text[:20]!r} {fault}.", f"Write {', '.join(known[:-1])} or {known[-1]}.")
        return text

    return read


def yes(key: str, text: str) -> bool:
    """Whether somebody wrote yes."""
    if text.lower() not in ("yes", "no", "true", "false", "on", "off"):
        raise BadInput(key, f"{text[:20]!r} is neither yes nor no.", "Write yes or no.")
    return text.lower() in ("yes", "true", "on")


OF_DIGEST: dict[str, Callable[[str, str], Any]] = {
    "name": _name,
    "description": _text,
    "from_name": _name,
    "from_address": address,
    "reply_to": _maybe_address,
    "languages": languages,
    "zone": zone,
    "import_kinds": _map,
    "import_topics": _map,
    "welcome": _one_of("is no welcome", "nothing", "last"),
}
OF_SERIES: dict[str, Callable[[str, str], Any]] = {
    "hour": _number(0, 23),
    "weekday": _weekday,
    "month_day": _number(1, 31),
    "fewest": _number(1, 1000),
    "most": _number(1, 1000),
    "age_limit": _number(0, 3650),
    "daily_cap": _number(0, 1000),
    "late_hours": _number(0, 168),
    "late_policy": _one_of("is no answer to a late run", "send", "skip", "ask"),
    "needs_approval": yes,
}
