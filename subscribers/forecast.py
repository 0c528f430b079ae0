"""How many mails a month a choice brings, reckoned from what became news of late. Pure but for reading the log.

Promises: one answer for the same choice and log, never less than what alerts, days, weeks and months of the last
ninety days would have brought, each counted once. Refuses to foretell anything: "about" belongs before the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest import news
from digest.news import Entry
from subscribers import preferences

LOOK_BACK = timedelta(days=90)
MONTHS = 3
GATHER = timedelta(minutes=10)  # alerts within it are one mail


def recent(conn: Connection, *, now: datetime) -> list[Entry]:
    """What became news in the last ninety days."""
    return [entry for entry in news.since(conn, now - LOOK_BACK) if entry.at <= now]


def a_month(entries: Iterable[Entry], mapping: Mapping[str, str], zone: str) -> float:
    """Mails in thirty days with this choice."""
    by_cadence: dict[str, list[datetime]] = {}
    for entry in entries:
        cadence = preferences.cadence_for(mapping, entry.topics)
        by_cadence.setdefault(cadence, []).append(entry.at.astimezone(ZoneInfo(zone)))
    calendar = sum(len({of(at) for at in by_cadence.get(cadence, [])}) for cadence, of in _PERIODS.items())
    return (calendar + _alerts(by_cadence.get("instant", []))) / MONTHS


_PERIODS: dict[str, Callable[[datetime], object]] = {
    "daily": lambda at: at.date(),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
}


def _alerts(moments: list[datetime]) -> int:
    alerts, last = 0, None
    for at in sorted(moments):
        if last is None or at >= last + GATHER:
            alerts, last = alerts + 1, at
    return alerts
