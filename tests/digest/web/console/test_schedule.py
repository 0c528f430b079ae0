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
from tests.digest.web.console.conftest import AUTHOR, EDITOR, OWNER, VIEWER, Browser, Console
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


# --- the rules of a digest -------------------------------------------------------------------------------------

RULES = f"{PAGE}/weekly"


def fields(page: str) -> dict[str, list[str]]:
    """The form of a page as a browser would send it."""
    (form,) = html.fromstring(page).xpath("//main//form[.//button[text()='Save']]")
    found: dict[str, list[str]] = {}
    for name, value in form.form_values():
        if name != "form_token":
            found.setdefault(name, []).append(value)
    return found


def send(browser: Browser, path: str = RULES, **changes: str | list[str]) -> httpx.Response:
    """Sends the form that the page shows, with changes; `weekly__hour` is weekly.hour."""
    filled = fields(browser.page) | {key.replace("__", "."): value for key, value in changes.items()}
    return browser.post(path, **filled)  # type: ignore[arg-type]


def owner(console: Console) -> Browser:
    browser = console.browser(OWNER)
    browser.get(RULES)
    return browser


def series_now(stage: Stage, cadence: str = "weekly") -> publications.Series:
    with stage.db.reading() as conn:
        return publications.one_series(conn, stage.digest.id, cadence)


def test_the_next_ten_runs_are_shown_before_anything_is_saved(console: Console, stage: Stage) -> None:
    browser = owner(console)
    before = series_now(stage)
    answer = send(browser, f"{RULES}/ahead", weekly__hour="9", weekly__weekday="friday", cadences="weekly")
    assert answer.status_code == 200
    runs = html.fromstring(browser.page).xpath("//ol[@class='runs']/li")
    assert len(runs) == 10
    assert runs[0].text_content() == f"Fri, Sep{SPACE}11, 9:00{SPACE}a.m. EDT weekly"
    assert runs[9].text_content() == f"Fri, Nov{SPACE}13, 9:00{SPACE}a.m. EST weekly"
    assert series_now(stage) == before
    assert fields(browser.page)["weekly.hour"] == ["9"]


def test_rules_are_saved_and_recorded_with_what_was_before(console: Console, stage: Stage) -> None:
    browser = owner(console)
    answer = send(browser, weekly__hour="9", weekly__needs_approval="yes", monthly__fewest="3", name="The Forum")
    assert answer.headers["location"] == f"{PAGE}?done=saved"
    assert (series_now(stage).hour, series_now(stage).needs_approval, series_now(stage, "monthly").fewest) == (
        9,
        True,
        3,
    )
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, deed="changed")
    assert line.thing == "the rules of weekly"
    assert line.before == {
        "name": "Weekly digest",
        "weekly.hour": "7",
        "weekly.needs_approval": "no",
        "monthly.fewest": "1",
    }
    assert line.after == {
        "name": "The Forum",
        "weekly.hour": "9",
        "weekly.needs_approval": "yes",
        "monthly.fewest": "3",
    }
    browser.get(RULES)
    assert send(browser, from_address="evil@example.net").headers["location"] == f"{PAGE}?done=same"
    assert send(browser, weekly__needs_approval=[]).headers["location"] == f"{PAGE}?done=saved"
    assert not series_now(stage).needs_approval


def test_what_cannot_be_understood_is_told_at_its_field_and_nothing_is_saved(console: Console, stage: Stage) -> None:
    browser = owner(console)
    answer = send(browser, weekly__fewest="many", zone="Washington", weekly__hour="9", name="")
    assert answer.status_code == 400
    assert "<title>Error: Rules of Weekly digest" in answer.text
    for field in ("weekly.fewest", "zone", "name"):
        assert f'id="{field}-fault"' in answer.text
    assert fields(answer.text)["weekly.fewest"] == ["many"]
    assert "They can be shown when what is marked is put right." in answer.text
    assert series_now(stage).hour == 7
    browser.get(RULES)
    assert "A digest comes at least one way." in send(browser, cadences=[]).text


def test_two_runs_within_an_hour_for_the_same_people_are_warned_of_with_their_number(
    console: Console, stage: Stage
) -> None:
    browser = owner(console)
    warning = "Weekly digest (weekly) and Weekly digest (monthly) come within an hour of each other, first on"
    assert f"{warning} Mon, Feb{SPACE}1, 2027, 7:00{SPACE}a.m. EST. 1 person takes both." in browser.page
    assert "within an hour" not in send(browser, f"{RULES}/ahead", monthly__hour="8").text
    answer = send(browser, monthly__hour="7", monthly__month_day="14")
    assert answer.status_code == 409
    assert "Something about this may surprise: read it below, then save." in answer.text
    assert f"first on Mon, Sep{SPACE}14, 7:00{SPACE}a.m. EDT." in answer.text
    assert send(browser).headers["location"] == f"{PAGE}?done=saved"
    assert series_now(stage, "monthly").month_day == 14


def test_who_moves_when_a_cadence_is_no_longer_offered_is_told_first(console: Console, stage: Stage) -> None:
    browser = owner(console)
    answer = send(browser, cadences="monthly")
    assert answer.status_code == 409
    assert "2 people take it weekly. They get the same at the next slower way that is offered." in answer.text
    assert send(browser).status_code == 303
    assert not series_now(stage).offered
    browser.get(RULES)
    send(browser, f"{RULES}/ahead", cadences=["daily", "monthly"], daily__hour="18")
    assert send(browser).status_code == 303
    assert series_now(stage, "daily").hour == 18


def test_a_cadence_that_is_on_its_way_cannot_be_taken_away(console: Console, stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.freeze(ask="Look at it.")
    browser = owner(console)
    send(browser, f"{RULES}/ahead", cadences="monthly")
    answer = send(browser)
    assert answer.status_code == 409
    assert "Let it go out or" in answer.text
    assert series_now(stage).offered


def test_of_two_owners_at_once_the_second_sees_that_something_changed(console: Console, stage: Stage) -> None:
    first, second = owner(console), owner(console)
    assert send(first, weekly__hour="9").status_code == 303
    answer = send(second, weekly__fewest="2")
    assert answer.status_code == 409
    assert "Somebody changed these rules meanwhile." in answer.text
    assert fields(answer.text)["weekly.fewest"] == ["2"]
    assert series_now(stage).hour == 9


def test_a_skipped_run_that_another_hour_would_revive_is_warned_of(console: Console, stage: Stage) -> None:
    skip(console.browser(EDITOR))
    answer = send(owner(console), f"{RULES}/ahead", weekly__hour="9")
    told = f"The weekly run of Mon, Sep{SPACE}14, 7:00{SPACE}a.m. EDT was skipped, and would not be a run any more"
    assert told in answer.text
    page = owner(console).page
    assert told not in page
    assert html.fromstring(page).xpath("//ol[@class='runs']/li")[0].text_content().endswith("weekly Skipped")


def test_an_editor_does_not_change_rules(console: Console, stage: Stage) -> None:
    assert console.browser(EDITOR).get(RULES).status_code == 403
    assert console.browser(OWNER).get(f"{PAGE}/nope").status_code == 404
