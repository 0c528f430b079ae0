"""Dates as authors write them: with a time, as a day, or without a year. Pure.

Promises: a year that is not written is never guessed. Refuses: what it does not understand, with an example.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from digest import drafts
from digest.errors import BadInput

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
          "november", "december")  # fmt: skip
_WORDS = re.compile(
    r"(?:(?P<month>[a-z]{3,9})\.? (?P<day>[0-9]{1,2})|(?P<day2>[0-9]{1,2})\.? (?P<month2>[a-z]{3,9})\.?)"
    r"(?:,? (?P<year>[0-9]{4}))?"
)


def when(where: str, text: str, zone: str) -> tuple[str | None, datetime | None]:
    """What `text` says: a day (YYYY-MM-DD, or --MM-DD without its year), or the day in `zone` and the moment."""
    text = " ".join(text.split())
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return drafts.day(where, text), None
    if re.fullmatch(r"(--)?[0-9]{2}-[0-9]{2}", text):
        return drafts.yearless(where, f"--{text.removeprefix('--')}"), None
    if spoken := _spoken(text.lower()):
        return (drafts.yearless if spoken.startswith("--") else drafts.day)(where, spoken), None
    at = moment(where, text, zone)
    return at.astimezone(ZoneInfo(zone)).date().isoformat(), at


def moment(where: str, text: str, zone: str) -> datetime:
    """The moment that `text` names, in UTC; without an offset it is local time in `zone`."""
    try:
        if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", text):
            at = datetime.fromisoformat(text)
            return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadInput(where, f"{text[:40]!r} is no date.", "Write 2019-06-04, or 2019-06-04 14:30.")


def _spoken(text: str) -> str | None:
    found = _WORDS.fullmatch(text)
    if found is None:
        return None
    name, day = found["month"] or found["month2"], int(found["day"] or found["day2"])
    named = [n for n, month in enumerate(MONTHS, start=1) if month.startswith(name) or (name == "sept" and n == 9)]
    return f"{found['year'] or '-'}-{named[0]:02}-{day:02}" if len(named) == 1 else None
