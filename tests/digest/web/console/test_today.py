"""Today: what waits for somebody, what comes, what went out, and how many people there are."""

from __future__ import annotations

from datetime import date

import pytest
from lxml import etree

from digest import clock_passes
from digest.delivery.transports.base import Answer
from digest.web.console import charts
from tests.digest.web.console.conftest import EDITOR, VIEWER, Console
from tests.stage import Stage


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with three readers; it is Monday, 7:00, and the run of today has not been."""
    stage = Stage(console.home.db, ("weekly", "monthly"))
    for name in ("ann", "bob", "cyd"):
        stage.join(name)
    return stage


def test_a_new_home_is_told_how_to_begin(nobody: Console, console: Console) -> None:
    page = console.browser(VIEWER).get("/staff/").text
    assert "Three steps to begin" in page
    assert "Nothing is planned" in page


def test_the_next_run_is_named_with_what_it_holds(console: Console, stage: Stage) -> None:
    stage.publish("policy", "hiring")
    console.later(days=1)
    page = console.browser(VIEWER).get("/staff/").text
    assert "Next: the weekly digest, Monday at 7:00\N{NO-BREAK SPACE}a.m." in page
    assert "policy" in page
    assert "<b>3</b> people take it." in page
    assert 'aria-label="September 14: weekly;' in page


def test_a_run_with_too_little_says_what_becomes_of_it(console: Console, stage: Stage) -> None:
    stage.set(weekly__fewest="2")
    console.later(days=1)
    assert "This run will be skipped unless an item arrives." in console.browser(VIEWER).get("/staff/").text
    stage.publish("policy", "hiring")
    assert "1 new, and this digest needs at least 2." in console.browser(VIEWER).get("/staff/").text


def test_a_silent_scheduler_is_told_first_with_what_is_late(console: Console, stage: Stage) -> None:
    browser = console.browser(VIEWER)
    assert "The scheduler has never run here." in browser.get("/staff/").text
    console.later(minutes=-1)
    with console.home.db.transaction() as conn:
        clock_passes.note(conn, now=console.now)
    console.later(minutes=9)
    assert "The scheduler" not in browser.get("/staff/").text
    console.later(minutes=1)
    page = browser.get("/staff/").text
    run = "Weekly digest: the weekly run of Mon, Sep\N{NO-BREAK SPACE}7, 7:00\N{NO-BREAK SPACE}a.m. EDT"
    assert "The scheduler has been silent since Mon, Sep\N{NO-BREAK SPACE}7, 6:59" in page
    assert f"<li>{run}</li>" in page
    assert page.index("silent since") < page.index("What goes out next")


def test_whatever_waits_for_somebody_stands_first(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    stage.publish("policy", "hiring")
    assert "Needs you" not in browser.get("/staff/").text
    stage.transport.answers = {stage.ids["ann"]: [Answer.UNSURE]}
    stage.send()
    stage.publish("undated", "hiring", day="--06-04")
    stage.publish("other", "hiring")
    edition = stage.freeze(ask="Somebody should look.")
    page = browser.get("/staff/").text
    assert "1 person may not have “Weekly digest, September\N{NO-BREAK SPACE}7”" in page
    assert "Somebody should look." in page
    assert "1 item came in with a day but no year" in page
    assert page.index("Needs you") < page.index("What goes out next")
    assert f'href="/staff/editions/{edition.id}"' in page


def test_what_did_not_go_out_is_told_with_its_reason(console: Console, stage: Stage) -> None:
    stage.set(weekly__fewest="2")
    stage.publish("policy", "hiring")
    stage.freeze(by_hand=False)
    page = console.browser(VIEWER).get("/staff/").text
    assert 'class="state skipped"' in page
    assert "needs at least 2" in page


def test_people_are_counted_and_add_up(console: Console, stage: Stage) -> None:
    stage.leave("ann")
    stage.pause("bob")
    page = console.browser(VIEWER).get("/staff/").text
    assert '<span class="big">1</span> get mail' in page
    for told in ("Joined, 30 days</dt><dd>2", "Left, 30 days</dt><dd>1", "Paused</dt><dd>1", "confirm</dt><dd>0"):
        assert told in page


# --- charts ----------------------------------------------------------------------------------------------------


def test_a_small_part_of_a_bar_is_still_to_be_seen_and_the_whole_fills_it() -> None:
    drawn = charts.stacked_bar([("accepted", "accepted", 100_000), ("failed", "failed", 1), ("unsure", "unsure", 0)])
    bars = [one for one in etree.fromstring(str(drawn)) if one.tag == "rect"]
    widths = [float(one.attrib["width"]) for one in bars]
    assert len(bars) == 2
    assert widths[1] == charts.LEAST
    assert sum(widths) + charts.GAP == pytest.approx(charts.WIDTH)
    assert 'aria-label="100,000 accepted, 1 failed"' in drawn


def test_a_strip_names_each_run_and_outlines_today() -> None:
    days = [(date(2026, 8, 31), ["M", "W"]), (date(2026, 9, 1), [])]
    strip = charts.calendar_strip(days, today=date(2026, 9, 1))
    assert 'aria-label="August 31: monthly, weekly"' in strip
    assert strip.count('class="today"') == 1
    assert [one.text for one in etree.fromstring(str(strip)) if one.attrib.get("class") == "month"] == [
        "Aug",
        "Sep",
    ]
