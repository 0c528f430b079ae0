"""One row of a list of people, understood: whom it names, and what they get; or which of its cells cannot be.

Promises: the same row means the same wherever it stands; a cell that is empty leaves a thing as it is. Refuses a row
by raising BadInput, which names the column and the remedy.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from digest import markup, publications
from digest.errors import BadInput
from subscribers import members, newcomers, preferences, suppression
from subscribers.consent import Origin
from subscribers.newcomers import Choices, Newcomer
from subscribers.sheets import Row

SUPPRESSED = "suppressed"  # a state that only lists have


@dataclass(frozen=True)
class Entry:
    """A row that is understood."""

    line: int
    digest: str
    newcomer: Newcomer
    suppressed: bool  # the file says that this address must not be mailed


@dataclass(frozen=True)
class Target:
    """A digest that rows may name."""

    id: int
    offered: tuple[str, ...]


def understand(row: Row, known: Mapping[str, Target], digest: str, consent: str) -> Entry:
    """What a row says. Raises BadInput naming the column."""
    cells = row.cells
    if row.too_long:
        raise BadInput("columns", "It has more cells than the header.", "Put cells with separators in them in quotes.")
    address = suppression.address(cells.get("email", ""))
    slug = cells.get("digest", digest)
    if slug not in known:
        raise BadInput("digest", f"There is no digest {slug[:60]!r}.", f"Known are: {', '.join(sorted(known))}.")
    state = _state(cells.get("state", "active"))
    choices = Choices(
        _choices(cells, known[slug].offered),
        _number("hour", cells.get("hour")),
        cells.get("zone"),
        cells.get("name"),
        cells.get("language"),
    )
    newcomer = Newcomer(
        address,
        newcomers.checked(choices, known[slug].offered),
        "active" if state == SUPPRESSED else state,
        _day("paused_until", cells.get("paused_until")) if state == "paused" else None,
        _moment("subscribed_at", cells.get("subscribed_at")),
        Origin(markup.line(consent), markup.line(cells.get("source", "")), _stated(cells.get("consented_at"))),
    )
    return Entry(row.line, slug, newcomer, state == SUPPRESSED)


def _choices(cells: Mapping[str, str], offered: Sequence[str]) -> dict[str, str] | None:
    return _chosen(cells.get("topics", ""), cells.get("cadence", "").strip().lower(), tuple(offered))


@functools.lru_cache(maxsize=1024)
def _chosen(topics: str, cadence: str, offered: tuple[str, ...]) -> dict[str, str] | None:
    if "=" in topics:
        return preferences.parse(topics, offered)
    if not topics and not cadence:
        return None
    named = [preferences.checked_topic(part.strip().lower()) for part in topics.split(";") if part.strip()]
    return preferences.of(named, cadence or publications.usual(offered))


def _state(text: str) -> str:
    state = text.strip().lower()
    if state not in (*members.STATES, SUPPRESSED):
        raise BadInput("state", f"{text[:40]!r} is no state.", f"Write {', '.join(members.STATES)} or {SUPPRESSED}.")
    return state


def _number(where: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\s*[0-9]{1,2}\s*", text):
        raise BadInput(where, f"{text[:40]!r} is no hour.", "Write a whole number from 0 to 23.")
    return int(text)


def _day(where: str, text: str | None) -> date | None:
    moment = _moment(where, text)
    return moment.date() if moment else None


def _moment(where: str, text: str | None) -> datetime | None:
    """A day or a moment in ISO 8601; without a zone it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(where, f"{text[:40]!r} is no date.", "Write it as 2026-08-31.") from None


def _stated(text: str | None) -> str:
    moment = _moment("consented_at", text)
    return moment.isoformat() if moment else ""
