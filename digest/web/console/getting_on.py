"""How an edition gets on, in words: how fast, until when, and provider by provider.

Promises: a time is told only when it can be known, rounded up to minutes; what does not go says since when or until
when, and why; rows and counters are counted in one look, and said when they do not agree. Serves an edition's page.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from digest import clock_passes, editions
from digest.delivery import allowance, progress, provider_sums, providers, runs
from digest.delivery.allowance import Patience
from digest.delivery.pace import Grant, Pace
from digest.delivery.progress import Progress
from digest.delivery.provider_sums import Counted, Sum
from digest.delivery.runs import Listed
from digest.tables import State
from digest.web.console import frame
from digest.web.look import Site

WORKING_OUT = "Working out how long."


@dataclass(frozen=True)
class AtProvider:
    """One line of the table: planned are accepted, skipped, failed, unsure and still to go."""

    name: str
    planned: int
    accepted: int
    skipped: int
    failed: int
    unsure: int
    left: int
    waits: str = ""

    @property
    def besides(self) -> str:
        """What is neither accepted nor still to go."""
        parts = ((self.skipped, "skipped"), (self.failed, "failed"), (self.unsure, "unsure"))
        return ", ".join(f"{number:,} {word}" for number, word in parts if number)


@dataclass(frozen=True)
class GettingOn:
    """What the page says of an edition whose plan is complete."""

    sentence: str = ""  # while it is being sent
    rate: str = ""  # the same: mails a minute
    limit: str = ""
    at: tuple[AtProvider, ...] = ()
    reasons: tuple[runs.Reason, ...] = ()
    adds_up: bool = True


def look(conn: Connection, site: Site, one: Listed) -> GettingOn:
    """How it gets on now."""
    edition = one.edition
    if not edition.plan_done_at:
        return GettingOn()
    counted = provider_sums.of_edition(conn, edition)
    sending = edition.shown_state == editions.SENDING
    patient = allowance.waiting(conn, site.home.settings.transport.kind, now=site.clock()) if sending else []
    facts = GettingOn(at=_by_provider(site, counted.sums, patient), reasons=reasons(counted), adds_up=counted.adds_up)
    if not sending:
        return facts
    pace = site.home.settings.pace
    shut = Pace(pace, zone=site.home.settings.site.time_zone, carrier=site.home.settings.transport.kind)
    got_on = progress.look(conn, edition.id, now=site.clock())
    said = _without_clock(conn, site, got_on) or sentence(site, got_on, shut.blocked(conn, site.clock()))
    rate = f"{got_on.rate * 60:,.0f}"
    limit = f"Limit: {pace.per_second * 60:,.0f} a minute, set by you." if pace.per_second else ""
    return GettingOn(said, rate, limit, facts.at, facts.reasons, facts.adds_up)


def _without_clock(conn: Connection, site: Site, got_on: Progress) -> str:
    """That it is not the mail server which is silent, but the program that sends."""
    heard = clock_passes.look(conn, now=site.clock()) if got_on.silent_since is not None else None
    if heard is None or not heard.silent:
        return ""
    since = "has never run here" if heard.last is None else f"has been silent since {_at(site, heard.last)}"
    return f"{_stop(f'The scheduler {since}')} Nothing goes until it runs again."


def sentence(site: Site, got_on: Progress, shut: Grant | None) -> str:
    """How long it takes, or what it waits for."""
    now = site.clock()
    if shut is not None and shut.wait is not None:
        return f"{_stop(f'Nothing goes until {_at(site, shut.wait)}')} {shut.why}"
    if got_on.silent_since is not None:
        return _stop(f"Waiting for the mail server since {_at(site, got_on.silent_since)}")
    if not got_on.due and got_on.following is not None and got_on.eta is not None:
        following = _at(site, got_on.following)
        return f"The next mails go at {following}, when their readers want them. {_done(site, got_on.eta)}"
    if got_on.eta is None:
        return WORKING_OUT
    return f"About {_long(got_on.eta - now)} left. {_done(site, got_on.eta)}"


def _done(site: Site, eta: datetime) -> str:
    return _stop(f"It should be done at {_at(site, eta)}")


def _stop(said: str) -> str:
    """With its full stop, which "a.m." brings along."""
    return said if said.endswith(".") else f"{said}."


def _long(span: timedelta) -> str:
    """Rounded up: "3 minutes", "2 hours"."""
    minutes = max(1, math.ceil(span / timedelta(minutes=1)))
    if minutes <= 90:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    return f"{math.ceil(minutes / 60)} hours"


def _at(site: Site, moment: datetime) -> str:
    """A time of day, with its day when that is another than today."""
    same = moment.astimezone(site.zone).date() == site.today
    return frame.hour(site, moment) if same else frame.moment(site, moment)


def reasons(counted: Counted) -> tuple[runs.Reason, ...]:
    """How many people were left out, failed or are unsure, by reason, the most first."""
    found = defaultdict[tuple[State, str], int](int)
    for one in counted.sums:
        if one.state in (State.SKIPPED, State.FAILED, State.UNSURE):
            found[one.state, one.code] += one.people
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(runs.Reason(state.name.lower(), code, people) for (state, code), people in ordered)


def _by_provider(site: Site, sums: Iterable[Sum], patient: Sequence[Patience]) -> tuple[AtProvider, ...]:
    states = defaultdict[int, defaultdict[State, int]](lambda: defaultdict(int))
    for one in sums:
        states[one.provider][one.state] += one.people
    waits = defaultdict[int, list[Patience]](list)
    for each in patient:
        waits[providers.of(each.domain)].append(each)
    return tuple(
        AtProvider(
            providers.NAMES.get(number, providers.NAMES[providers.OTHERS]),
            sum(of.values()),
            of[State.ACCEPTED],
            of[State.SKIPPED],
            of[State.FAILED],
            of[State.UNSURE],
            of[State.PLANNED] + of[State.TRYING],
            _patience(site, number, waits[number]),
        )
        for number, of in sorted(states.items(), key=lambda pair: (pair[0] <= 0, abs(pair[0])))
    )


def _patience(site: Site, provider: int, those: Sequence[Patience]) -> str:
    """That it waits. Only of the large ones the domain is named: a small one may name a person."""
    if not those:
        return ""
    many = "one domain" if len(those) == 1 else f"{len(those)} domains"
    who = many if provider == providers.OTHERS else " and ".join(sorted(one.domain for one in those))
    return f"Waits until {_at(site, those[0].until)}: {who} asked us to slow down. The others go on."
