"""Mail health: will our mail arrive?

Promises: says of the scheduler, the pace and each mail provider how they stand, what that means, what to do and who
can; costs the same however many deliveries there are, since ended editions are summed already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from litestar import Response
from markupsafe import Markup
from sqlalchemy import Connection

from digest import clock_passes, config, schedules
from digest.delivery import allowance, arrival, provider_sums, providers
from digest.delivery.allowance import Allowance
from digest.delivery.arrival import Fare
from digest.staff.accounts import VIEWER
from digest.web import look
from digest.web.console import charts, frame, health_words, silence
from digest.web.console.health_words import Finding
from digest.web.look import Site, WebRequest
from subscribers import explaining, suppression

HERE = "/staff/health"
PERIODS = (7, 28, 90)  # days
USUAL = 28


@dataclass(frozen=True)
class Shown:
    """One provider on the page."""

    name: str
    fare: Fare
    findings: list[Finding]
    chart: Markup


def show(request: WebRequest) -> Response[Any]:
    """How the mail fares."""
    site, now = look.of(request), look.of(request).clock()
    days = frame.number(request.query_params.get("days", ""))
    days = days if days in PERIODS else USUAL
    spans = spans_of(site.today, days)
    with site.home.db.reading() as conn:
        heard = clock_passes.look(conn, now=now)
        allowed = _allowed(conn, site, now)
        bounds = bounds_of(spans, site.home.settings.site.time_zone)
        fares = arrival.fares(provider_sums.by_stretch(conn, bounds), spans)
        anything = bool(fares) or provider_sums.any_yet(conn)
        complaints = suppression.count_since(conn, "complaint", bounds[0])
    return frame.page(
        request,
        "health.html",
        here=HERE,
        silence=silence.told(site, heard),
        sending=health_words.sending(site, heard, allowed, anything=anything),
        pace=health_words.pace(site.home.settings.pace, site.home.settings.transport.kind),
        pace_set=site.home.settings.pace,
        allowed=allowed,
        day_name=partial(frame.day, site),
        warm_up=charts.day_bars([(one.day, one.volume) for one in allowed.days], allowed.used),
        anything=anything,
        faults=config.sending_faults(site.home.settings),
        kind=site.home.settings.transport.kind,
        periods=PERIODS,
        days=days,
        shown=[_shown(fare) for fare in fares],
        total=_total(fares),
        spam=health_words.spam(complaints, sum(fare.accepted for fare in fares)),
        reasons=_reasons(fares),
        reason=explaining.reason,
        mark=charts.level_mark,
        limit=health_words.LIMIT,
    )


def _allowed(conn: Connection, site: Site, now: datetime) -> Allowance:
    settings = site.home.settings
    return allowance.look(conn, settings.pace, zone=settings.site.time_zone, carrier=settings.transport.kind, now=now)


def spans_of(today: date, days: int) -> list[tuple[date, date]]:
    """The days up to today in spans: single days of a week, else weeks; the first may be shorter."""
    length = 1 if days == min(PERIODS) else 7
    first = today - timedelta(days=days - 1)
    ends = [today - timedelta(days=length * n) for n in range(-(-days // length))]
    return [(max(first, end - timedelta(days=length - 1)), end) for end in reversed(ends)]


def bounds_of(spans: Sequence[tuple[date, date]], zone: str) -> list[datetime]:
    """The moments at which the spans begin, and the one at which the last ends."""
    ends = [first for first, _ in spans] + [spans[-1][1] + timedelta(days=1)]
    return [schedules.resolve(day, 0, zone) for day in ends]


def _shown(fare: Fare) -> Shown:
    spans = [(one.first, one.last, one.handed, one.share) for one in fare.spans]
    chart = charts.share_bars(spans, arrival.LIMIT)
    return Shown(providers.NAMES[fare.provider], fare, health_words.of_provider(fare), chart)


def _total(fares: list[Fare]) -> tuple[int, int, int, int]:
    """Handed over, accepted, failed, unsure, in all."""
    failed = sum(sum(fare.failed.values()) for fare in fares)
    accepted, unsure = sum(fare.accepted for fare in fares), sum(fare.unsure for fare in fares)
    return accepted + failed + unsure, accepted, failed, unsure


def _reasons(fares: list[Fare]) -> list[tuple[str, int, str]]:
    """Why mail failed: the reason, how many, and at which providers the most of them."""
    people, at = Counter[str](), dict[str, Counter[str]]()
    for fare in fares:
        for code, number in fare.failed.items():
            people[code] += number
            at.setdefault(code, Counter())[providers.NAMES[fare.provider]] += number
    return [
        (code, number, ", ".join(f"{name} {each:,}" for name, each in at[code].most_common()))
        for code, number in people.most_common()
    ]


HANDLERS = [frame.page_at("/health", VIEWER, show)]
