"""Mail health: what is said of the scheduler, the pace and each mail provider, and what is not known."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import date, timedelta

import lxml.html
import pytest
import sqlalchemy as sa

from digest import clock_passes, tables
from digest.config import PaceSection
from digest.delivery import arrival, providers
from digest.delivery.arrival import Fare, Span
from digest.delivery.pace import Pace
from digest.delivery.transports.base import Answer
from digest.tables import State
from digest.web.console import health_words, mail_health
from subscribers import suppression
from tests.conftest import NOW
from tests.digest.web.console.conftest import VIEWER, Console
from tests.stage import Stage

HERE = "/staff/health"


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with three readers, and a scheduler that has just been."""
    stage = Stage(console.home.db)
    for name, domain in (("ann", "gmail.com"), ("bob", "gmail.com"), ("cyd", "hotmail.com")):
        stage.join(name, domain=domain)
    stage.publish("policy", "hiring")
    with console.home.db.transaction() as conn:
        clock_passes.note(conn, now=NOW)
    return stage


def plain(page: str) -> str:
    """The text of a page, spaces made one."""
    return " ".join(" ".join(lxml.html.fromstring(page).itertext()).split())


def paced(console: Console, **settings: object) -> None:
    """The same home with a pace; the running console reads it."""
    pace = PaceSection.model_validate(settings)
    object.__setattr__(console.home, "settings", console.home.settings.model_copy(update={"pace": pace}))


def test_before_the_first_send_it_says_what_to_set_up_in_order(console: Console, stage: Stage) -> None:
    page = plain(console.browser(VIEWER).get(HERE).text)
    assert "Nothing has been sent yet. What to set up first, in this order" in page
    steps = ("postal address", "A way out for mail", "A slow start", "A test to yourself", "The scheduler: it runs")
    places = [page.index(step) for step in steps]
    assert places == sorted(places)
    assert "Whether the mail server takes mail is not known" in page
    assert "Marked as spam" not in page


def test_a_handful_says_nothing_and_the_parts_add_up(console: Console, stage: Stage) -> None:
    stage.transport.answers = {stage.ids["bob"]: [Answer.HARD], stage.ids["cyd"]: [Answer.UNSURE]}
    stage.send()
    page = plain(console.browser(VIEWER).get(HERE).text)
    assert "3 handed over = 1 accepted + 1 failed + 1 unsure." in page
    assert "Gmail 2 handed over: 1 accepted, 1 failed, 0 unsure" in page
    assert page.count("Too few to tell: a share means something from 100 mails on.") == 2
    assert "The address does not exist 1 Gmail 1" in page
    assert "How many marked it as spam is not known." in page
    assert "Fine: The scheduler runs." in page
    assert "Nothing keeps mail from going." in page


def test_what_is_under_way_counts_and_what_is_long_ago_does_not(console: Console, stage: Stage) -> None:
    stage.send()
    console.later(days=28)
    stage.now = console.now
    stage.publish("law", "hiring")
    stage.deliver(stage.cycle())
    browser = console.browser(VIEWER)
    assert "3 handed over = 3 accepted" in plain(browser.get(HERE).text)
    assert "6 handed over = 6 accepted" in plain(browser.get(f"{HERE}?days=90").text)
    assert 'href="/staff/health?days=28" aria-current="true"' in browser.get(f"{HERE}?days=5").text
    console.later(days=10)
    assert "Nothing went out in the last 7 days." in plain(console.browser(VIEWER).get(f"{HERE}?days=7").text)


def test_a_provider_that_refuses_us_must_be_dealt_with(console: Console, stage: Stage) -> None:
    edition = stage.send()
    sums = tables.provider_sums
    many = {"edition_id": edition.id, "provider": providers.MICROSOFT}
    with console.home.db.transaction() as conn:
        conn.execute(sa.delete(sums).where(sums.c.provider == providers.MICROSOFT))
        for state, code, people in ((State.ACCEPTED, "", 950), (State.FAILED, "policy", 50)):
            conn.execute(sa.insert(sums).values(**many, state=state, code=code, people=people))
    page = console.browser(VIEWER).get(HERE).text
    text = plain(page)
    assert "Must be fixed: It refuses our mail for what it is: more than 2 %." in text
    assert "What to do: Read what it says" in text
    assert "Who can: Whoever looks after the mail server, often your web host, and whoever keeps the domain." in text
    assert "Share that failed, limit 2 %. Sep 1 to Sep 7: 5.0 % of 1,000" in page
    assert 'class="beyond"' in page


def test_what_the_pace_allows_is_told_with_the_days_to_come(console: Console, stage: Stage) -> None:
    paced(console, per_second=2, per_domain={"gmail.com": 1}, warm_up=[[1, 200], [3, 500]], hours="8-20")
    kind, zone = console.home.settings.transport.kind, console.home.settings.site.time_zone
    pace = Pace(console.home.settings.pace, zone=zone, carrier=kind)
    with console.home.db.transaction() as conn:
        pace.grant(conn, 40, NOW + timedelta(hours=2))
        pace.failed(conn, "450 later", NOW, domain="hotmail.com", wait=120)
        pace.failed(conn, "450 later", NOW, domain="bobs-own.example", wait=120)
    page = console.browser(VIEWER).get(HERE).text
    text = plain(page)
    assert "In all 120 mails a minute" in text
    assert "To gmail.com 60 mails a minute" in text
    assert "Hours 8:00 to 20:00" in text
    assert "Mail waits, as the pace is set." in text
    assert "2 of 200 mails of today are used" in text
    assert "Today is day 1." in text
    assert 'aria-label="Sep 7: 200, 2 used; Sep 8: 200; Sep 9: 500; Sep 10: no limit;' in page
    assert "From September 9: 500 mails a day" in text
    assert "Microsoft (hotmail.com) asked us to slow down." in text
    assert "One small domain asked us to slow down." in text
    assert "bobs-own" not in page


def test_a_mail_server_that_takes_nothing_is_told_with_its_words(console: Console, stage: Stage) -> None:
    pace = Pace(PaceSection(), zone="UTC", carrier=console.home.settings.transport.kind)
    with console.home.db.transaction() as conn:
        pace.failed(conn, "421 closing", NOW, wait=60)
    text = plain(console.browser(VIEWER).get(HERE).text)
    assert "Look at this: The mail server takes nothing just now." in text
    assert "421 closing" in text


def test_a_silent_scheduler_is_told(console: Console, stage: Stage) -> None:
    console.later(minutes=11)
    text = plain(console.browser(VIEWER).get(HERE).text)
    assert "Must be fixed: The scheduler is silent." in text
    assert "The scheduler has been silent since" in text


def test_marks_as_spam_that_are_known_are_a_least_and_never_fine(console: Console, stage: Stage) -> None:
    stage.send()
    with console.home.db.transaction() as conn:
        suppression.add(conn, console.home.keys, "cross@example.org", reason="complaint", now=NOW)
    text = plain(console.browser(VIEWER).get(HERE).text)
    assert "1 address came to the do-not-mail list as marked as spam: too few mails to tell a share." in text


# --- rules -----------------------------------------------------------------------------------------------------

DAY = date(2026, 9, 7)
FARE = Fare(providers.GMAIL, 0, {}, 0, ())


def fare(accepted: int, unsure: int = 0, **failed: int) -> Fare:
    return dataclasses.replace(FARE, accepted=accepted, unsure=unsure, failed=failed)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (fare(99), ["unknown"]),
        (fare(100), ["fine"]),
        (fare(98, policy=2), ["fine"]),
        (fare(97, policy=3), ["fix"]),
        (fare(97, hard=2, doubtful=1), ["look"]),
        (fare(97, transient=1, deadline=2), ["look"]),
        (fare(94, policy=3, hard=3), ["fix", "look"]),
        (fare(90, full=10), ["fine"]),
        (dataclasses.replace(fare(995, hard=5), spans=(Span(DAY, DAY, 100, 3),)), ["look"]),
        (dataclasses.replace(fare(995, hard=5), spans=(Span(DAY, DAY, 100, 2), Span(DAY, DAY, 99, 9))), ["fine"]),
    ],
)
def test_a_share_is_judged_only_beyond_a_limit_and_when_it_is_of_enough(one: Fare, said: list[str]) -> None:
    assert [finding.level for finding in health_words.of_provider(one)] == said


@pytest.mark.parametrize(
    ("known", "accepted", "level"),
    [(0, 10_000, "unknown"), (1, 999, "unknown"), (1, 10_000, "unknown"), (10, 10_000, "look"), (30, 10_000, "fix")],
)
def test_a_share_of_marks_as_spam_is_never_fine(known: int, accepted: int, level: str) -> None:
    assert health_words.spam(known, accepted).level == level


def test_days_are_taken_together_up_to_today() -> None:
    week = mail_health.spans_of(DAY, 7)
    assert week == [(DAY - timedelta(days=n), DAY - timedelta(days=n)) for n in range(6, -1, -1)]
    assert len(mail_health.spans_of(DAY, 28)) == 4
    quarter = mail_health.spans_of(DAY, 90)
    assert quarter[0] == (DAY - timedelta(days=89), DAY - timedelta(days=84))
    assert quarter[-1] == (DAY - timedelta(days=6), DAY)
    assert all(b[0] - a[1] == timedelta(days=1) for a, b in itertools.pairwise(quarter))


def test_no_provider_is_told_when_nothing_was_handed_over() -> None:
    assert arrival.fares([[]], [(DAY, DAY)]) == []
