"""The schedule: what runs when, one run skipped and taken back."""

from __future__ import annotations

import re
from datetime import date, timedelta

import httpx
import pytest
from lxml import html

from digest import occurrences, publications
from digest.staff import activity
from digest.web.console import months
from tests.digest.web.console.conftest import AUTHOR, EDITOR, VIEWER, Browser, Console
from tests.stage import SETTINGS, Stage

PAGE = "/staff/schedule"
SKIP = f"{PAGE}/weekly/weekly/skip"
BACK = f"{PAGE}/weekly/weekly/back"
SPACE = "\N{NO-BREAK SPACE}"


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with two readers. It is Tuesday; the run of Monday has been."""
    stage = Stage(console.home.db, ("weekly", "monthly"))
    stage.join("ann", "*=weekly")
    stage.join("bob", "*=weekly;hiring=monthly")
    clock(stage)
    console.later(days=1)
    stage.now = console.now
    return stage


def clock(stage: Stage) -> None:
    """What the clock does about the weekly series now."""
    with stage.db.transaction() as conn:
        one = publications.one_series(conn, stage.digest.id, "weekly")
        occurrences.run_latest(conn, SETTINGS, stage.digest, one, owed=stage.people.owed, now=stage.now)


def shown(page: str, table: str = "schedule") -> str:
    """The words of a table, in one line."""
    (found,) = html.fromstring(page).xpath(f"//table[contains(@class, '{table}')]")
    return " ".join(found.text_content().split())


def moment(browser: Browser) -> str:
    found = re.search(r'name="moment" value="([^"]+)"', browser.page)
    assert found
    return found[1]


def skip(browser: Browser, why: str = "Nobody is here.") -> httpx.Response:
    browser.get(SKIP)
    return browser.post(SKIP, moment=moment(browser), why=why)


def test_a_new_home_says_how_to_begin(console: Console) -> None:
    assert "There is no digest yet." in console.browser(VIEWER).get(PAGE).text


def test_each_series_says_when_it_runs_with_what_and_what_becomes_of_it_when_it_is_late(
    console: Console, stage: Stage
) -> None:
    stage.set(weekly__needs_approval="yes", monthly__month_day="31", late_policy="ask", late_hours="3", fewest="2")
    told = shown(console.browser(VIEWER).get(PAGE).text)
    assert "Weekly2 people take it Mondays at 7:00 a.m.Locks when somebody approves it." in told
    assert "2 to 12 items." in told
    assert "More than 3 hours late: somebody is asked.Somebody approves it first." in told
    assert "Mon, Sep 14, 7:00 a.m. EDT" in told
    assert "Monthly1 person takes it On the last day of the month at 7:00 a.m.Locks when it runs." in told
    assert "Wed, Sep 30, 7:00 a.m. EDT" in told


def test_the_calendar_has_three_months_with_runs_letters_and_the_change_of_clocks(
    console: Console, stage: Stage
) -> None:
    page = html.fromstring(console.browser(VIEWER).get(PAGE).text)
    assert [one.text for one in page.iter("caption")] == ["September 2026", "October 2026", "November 2026"]
    weekly = [one.text_content() for one in page.xpath("//td//span[contains(@class, 'key W')]/span[@class='unseen']")]
    assert weekly == [f"Weekly digest, weekly, 7:00{SPACE}a.m."] * 12
    assert len(page.xpath("//td//span[contains(@class, 'key M')]")) == 2
    (changed,) = page.xpath("//td[.//span[@class='change']]")
    assert changed.text_content().startswith("1 ▲the clocks change")
    assert "The 7:00\N{NO-BREAK SPACE}a.m. run stays at 7:00\N{NO-BREAK SPACE}a.m." in page.text_content()
    assert page.text_content().count("clocks go back") == 1


def test_one_run_is_skipped_after_a_question_and_the_clock_passes_it_by(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    stage.publish("policy", "hiring")
    page = browser.get(SKIP).text
    assert f"Skip the weekly run of Mon, Sep{SPACE}14, 7:00{SPACE}a.m. EDT?" in page
    assert "2 people take it, and get nothing then." in page
    assert f"waits for the run of Mon, Sep{SPACE}21, 7:00{SPACE}a.m. EDT" in page
    assert "Fact sheet policy" in page
    assert skip(browser).headers["location"] == f"{PAGE}?done=skipped"
    page = browser.get(PAGE).text
    assert "Skipped by Tom Okafor. Nobody is here." in page
    assert f"Weekly digest, weekly, 7:00{SPACE}a.m.: skipped" in page
    assert "Mon, Sep 21, 7:00 a.m. EDT" in shown(page)
    assert 'aria-label="September 21: weekly;' in browser.get("/staff/").text
    stage.later(days=6)
    clock(stage)
    console.later(days=6, minutes=1)
    browser = console.browser(EDITOR)
    page = browser.get("/staff/").text
    assert f"Weekly digest, September{SPACE}14" in page
    assert "Skipped by Tom Okafor. Nobody is here." in page
    assert "Skipped beforehand" not in browser.get(PAGE).text


def test_what_is_skipped_is_taken_back_and_both_are_on_record(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    skip(browser)
    browser.get(PAGE)
    assert browser.post(BACK, moment=moment(browser)).headers["location"] == f"{PAGE}?done=back"
    assert "Skipped beforehand" not in browser.get(PAGE).text
    with console.home.db.reading() as conn:
        back, skipped = activity.lines(conn, limit=2)
    run = f"the weekly run of weekly on Mon, Sep{SPACE}14, 7:00{SPACE}a.m. EDT"
    assert (skipped.deed, skipped.thing, skipped.after) == ("skipped", run, {"why": "Nobody is here."})
    assert (back.deed, back.thing) == ("took back the skipping of", run)
    assert browser.post(BACK, moment="2026-09-14T07").status_code == 409


def test_a_reason_is_asked_for_and_what_was_typed_is_kept(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    answer = skip(browser, why="")
    assert answer.status_code == 400
    assert "Say why, for your colleagues." in answer.text
    answer = browser.post(SKIP, moment="2026-09-21T07", why="A holiday")
    assert answer.status_code == 409
    assert "The next run is now the run of 2026-09-14, 07:00." in answer.text
    assert 'value="A holiday"' in answer.text


def test_a_run_that_is_due_is_waited_for(console: Console, stage: Stage) -> None:
    console.later(days=6)
    browser = console.browser(EDITOR)
    assert "Due now" in shown(browser.get(PAGE).text)
    assert SKIP not in browser.page
    answer = skip(browser)
    assert answer.status_code == 409
    assert "is due and has not happened yet" in answer.text


def test_only_editors_see_the_buttons_and_only_owners_the_rules(console: Console, stage: Stage) -> None:
    assert "Skip this run" not in console.browser(AUTHOR).get(PAGE).text
    page = console.browser(EDITOR).get(PAGE).text
    assert "Skip this run" in page
    assert "Change the rules" not in page


@pytest.mark.parametrize("path", ["nope/weekly", "weekly/daily", "weekly/instant"])
def test_a_series_that_is_not_there_is_told(console: Console, stage: Stage, path: str) -> None:
    assert console.browser(EDITOR).get(f"{PAGE}/{path}/skip").status_code in (404, 409)


def test_a_month_has_its_days_in_weeks_that_begin_on_sunday() -> None:
    (feb,) = months.months(1, date(2028, 2, 29), {}, ())
    assert [one.day.day if one else 0 for one in feb.weeks[0]] == [0, 0, 1, 2, 3, 4, 5]
    assert months.last_day(date(2028, 2, 1)) == date(2028, 2, 29)
    assert [one.day for week in feb.weeks for one in week if one and one.today] == [date(2028, 2, 29)]
    assert date(2028, 2, 29) + timedelta(days=1) not in [one.day for week in feb.weeks for one in week if one]
