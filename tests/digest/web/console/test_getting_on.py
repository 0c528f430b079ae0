"""An edition's page while it goes and afterwards: provider by provider, how long, what happened, and its record."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

import lxml.html
import pytest
import sqlalchemy as sa

from digest import clock_passes, tables
from digest.delivery.pace import Grant, Pace
from digest.delivery.progress import Progress
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.home import Home
from digest.tables import State, replies
from digest.web.console import getting_on
from digest.web.look import Site
from subscribers import rolls
from tests.conftest import NOW
from tests.digest.web.console.conftest import EDITOR, VIEWER, Console
from tests.stage import Stage


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with readers at two providers and one item that waits."""
    stage = Stage(console.home.db)
    for name, domain in (("ann", "gmail.com"), ("bob", "gmail.com"), ("cyd", "example.org"), ("=dan", "example.org")):
        stage.join(name, domain=domain)
    stage.publish("policy", "hiring")
    return stage


def path(edition: Edition) -> str:
    return f"/staff/editions/{edition.id}"


def cells(page: str) -> list[str]:
    """The lines of the table by mail provider, as text."""
    rows = lxml.html.fromstring(page).xpath("//table[contains(@class, 'providers')]/tbody/tr")
    return [" ".join(row.text_content().split()) for row in rows]


def test_an_edition_under_way_is_told_by_mail_provider(console: Console, stage: Stage) -> None:
    stage.transport.answers = {stage.ids["bob"]: [Answer.TRANSIENT], stage.ids["=dan"]: [Answer.HARD]}
    edition = stage.cycle()
    stage.deliver(edition)
    kind = console.home.settings.transport.kind
    pace = Pace(console.home.settings.pace, zone="UTC", carrier=kind)
    with console.home.db.transaction() as conn:
        until = pace.failed(conn, "450 later", console.now, domain="gmail.com")
    assert until == console.now + timedelta(minutes=1)
    page = console.browser(VIEWER).get(path(edition)).text
    assert cells(page) == [
        "GmailWaits until 7:01 a.m.: gmail.com asked us to slow down. The others go on.211",
        "All others1 failed210",
    ]
    assert "Still to go" in page
    assert f'<a href="{path(edition)}">Refresh</a>' in page
    assert "These numbers do not add up" not in page


def test_without_the_scheduler_the_mail_server_is_not_to_blame(console: Console, stage: Stage) -> None:
    edition = stage.cycle()
    with console.home.db.transaction() as conn:
        clock_passes.note(conn, now=NOW)
    browser = console.browser(VIEWER)
    console.later(minutes=2)
    assert "Waiting for the mail server since 7:00 a.m." in plain(browser.get(path(edition)).text)
    console.later(minutes=10)
    said = "The scheduler has been silent since 7:00 a.m. Nothing goes until it runs again."
    assert said in plain(browser.get(path(edition)).text)


def test_numbers_that_do_not_add_up_are_said(console: Console, stage: Stage) -> None:
    edition = stage.cycle()
    d = tables.deliveries
    with console.home.db.transaction() as conn:
        one = sa.update(d).where(d.c.subscriber_id == stage.ids["ann"])
        conn.execute(one.values(state=State.ACCEPTED, updated_at=NOW))
    assert "These numbers do not add up." in console.browser(VIEWER).get(path(edition)).text


def minutes(**time: float) -> datetime:
    return NOW + timedelta(**time)


DUE = 5
SAID = {
    "Working out how long.": Progress(0.0, None, DUE),
    "About 3 minutes left. It should be done at 7:02 a.m.": Progress(2.0, minutes(seconds=121), DUE),
    "About 1 minute left. It should be done at 7:00 a.m.": Progress(2.0, minutes(seconds=3), DUE),
    "About 5 hours left. It should be done at 12:00 p.m.": Progress(0.1, minutes(hours=5), DUE),
    "About 24 hours left. It should be done at Tue, Sep 8, 7:00 a.m. EDT.": Progress(0.1, minutes(days=1), DUE),
    "Waiting for the mail server since 6:54 a.m.": Progress(0.0, None, DUE, silent_since=minutes(minutes=-6)),
    "The next mails go at 8:00 a.m., when their readers want them. It should be done at 10:00 a.m.": Progress(
        0.0, minutes(hours=3), following=minutes(hours=1)
    ),
}


@pytest.mark.parametrize("told", SAID)
def test_how_long_it_takes_is_told_when_it_can_be_known(home: Home, told: str) -> None:
    assert plain(getting_on.sentence(Site(home, lambda: NOW), SAID[told], None)) == told


def test_what_keeps_mail_from_going_is_told_before_how_long_it_takes(home: Home) -> None:
    shut = Grant(0, minutes(hours=1), "Mail goes out between 8:00 and 20:00 only.")
    said = getting_on.sentence(Site(home, lambda: NOW), Progress(0.0, None, DUE, silent_since=NOW), shut)
    assert plain(said) == "Nothing goes until 8:00 a.m. Mail goes out between 8:00 and 20:00 only."


def test_what_happened_is_told_with_who_did_it(console: Console, stage: Stage) -> None:
    edition = stage.cycle()
    browser = console.browser(EDITOR)
    browser.get(path(edition))
    console.later(minutes=1)
    browser.post(f"{path(edition)}/pause")
    page = browser.get(path(edition)).text
    assert "<h3>Paused</h3><p>By Tom Okafor.</p>" in page
    assert "<h3>Started</h3><p>4 people planned.</p>" in page
    assert "Paused by itself" not in page
    browser.post(f"{path(edition)}/resume")
    stage.see_through(edition)
    page = browser.get(path(edition)).text
    log = page[page.index("What happened") :]
    told = [log.index(f"<h3>{title}</h3>") for title in ("Went on", "Paused", "Started", "Locked", "Made by hand")]
    assert told == sorted(told)
    assert "4 of 4 people have it." in page


def test_the_record_names_everybody_with_their_outcome(
    console: Console, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolls, "AT_ONCE", 2)
    stage.transport.answers = {stage.ids["bob"]: [Answer.HARD], stage.ids["cyd"]: [Answer.UNSURE]}
    edition = stage.send()
    with console.home.db.transaction() as conn:
        conn.execute(sa.update(replies).where(replies.c.subscriber_id == stage.ids["bob"]).values(text="=550 nobody"))
    browser = console.browser(EDITOR)
    assert "1 of" not in browser.get(path(edition)).text
    assert "2 of 4 people have it. It could not be sent to 1. Of 1 nobody knows" in browser.page
    answer = browser.post(f"{path(edition)}/record")
    assert answer.headers["content-disposition"] == f'attachment; filename="edition-{edition.id}.csv"'
    head, *lines = list(csv.reader(io.StringIO(answer.text)))
    assert head == ["person", "mail provider", "outcome", "reason", "reply", "when (UTC)"]
    when = f"{NOW:%Y-%m-%d %H:%M:%S}"
    assert sorted(lines) == [
        ["'=dan@example.org", "All others", "accepted", "", "", when],
        ["ann@gmail.com", "Gmail", "accepted", "", "", when],
        ["bob@gmail.com", "Gmail", "failed", "the address does not exist", "'=550 nobody", when],
        ["cyd@example.org", "All others", "unsure", "", "450 as told", when],
    ]
    assert "Record downloaded" in browser.get(path(edition)).text


def test_viewers_are_refused_the_record(console: Console, stage: Stage) -> None:
    edition = stage.send()
    browser = console.browser(VIEWER)
    assert "Download the record" not in browser.get(path(edition)).text
    assert browser.post(f"{path(edition)}/record").status_code == 403
