"""One run moved on the schedule: asked first with what follows, moved, seen, taken back."""

from __future__ import annotations

import re

import httpx
from lxml import html

from digest import publications
from digest.staff import activity
from tests.digest.web.console.conftest import EDITOR, OWNER, VIEWER, Browser, Console
from tests.digest.web.console.test_schedule import PAGE, RULES, SPACE, clock, owner, send, shown
from tests.digest.web.console.test_schedule import stage as stage
from tests.stage import Stage

MOVE = f"{PAGE}/weekly/weekly/move"
BACK = f"{MOVE}/back"


def step(browser: Browser, day: str, hour: str, why: str = "A holiday.") -> httpx.Response:
    """Sends the form that the page shows, filled in so."""
    found = re.search(r'name="seen" value="([^"]*)"', browser.page)
    return browser.post(MOVE, day=day, hour=hour, why=why, seen=found[1] if found else "")


def moved(console: Console, day: str = "2026-09-16", hour: str = "10") -> Browser:
    """A browser that has moved the run."""
    browser = console.browser(EDITOR)
    browser.get(MOVE)
    assert step(browser, day, hour).status_code == 200
    assert step(browser, day, hour).headers["location"] == f"{PAGE}?done=moved"
    browser.get(PAGE)
    return browser


def words(page: str) -> str:
    return " ".join(html.fromstring(page).text_content().split())


def test_what_follows_is_shown_before_anything_is_moved(console: Console, stage: Stage) -> None:
    stage.join("cy", "*=weekly", hour=12)
    stage.join("dee", "*=weekly", hour=10, zone="Asia/Tokyo")
    stage.publish("policy", "hiring")
    stage.set(late_policy="ask", late_hours="3")
    browser = console.browser(EDITOR)
    assert "4 people take it." in browser.get(MOVE).text
    page = words(step(browser, "2026-09-16", "10").text)
    assert "It starts on Wed, Sep 16, 10:00 a.m. EDT, instead of Mon, Sep 14, 7:00 a.m. EDT." in page
    # Cy at noon; Ann and Bob at 7 in the morning after; in Tokyo it is 10 in the evening there at 9 p.m. here.
    assert "of 4 people, 2 later on that day, 2 on the day after." in page
    assert "What is published until then goes with it." in page
    assert "When it comes more than 3 hours after that, somebody is asked." in page
    assert "The run after it, Mon, Sep 21, 7:00 a.m. EDT, stays where it is." in page
    assert "Fact sheet policy" in page
    assert "within an hour of the run" not in page
    assert "Moved" not in shown(browser.get(PAGE).text), "nothing is moved yet"


def test_it_is_moved_stands_there_and_happens_then(console: Console, stage: Stage) -> None:
    browser = moved(console)
    assert "Moved. The run after it stays where it is." in browser.get(f"{PAGE}?done=moved").text
    assert "Wed, Sep 16, 10:00 a.m. EDT" in words(browser.page)
    assert "Moved from Mon, Sep 14, 7:00 a.m. EDT." in shown(browser.page)
    assert "Moved by Tom Okafor. A holiday." in browser.page
    mark = f"Weekly digest, weekly, 10:00{SPACE}a.m., moved from Mon, Sep{SPACE}14, 7:00{SPACE}a.m. EDT"
    assert mark in browser.page
    assert "Moved from Mon, Sep 14" in words(browser.get("/staff/").text)
    assert 'aria-label="September 16: weekly;' in browser.page
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, limit=1)
    assert (line.deed, line.thing) == ("moved", f"the weekly run of weekly on Mon, Sep{SPACE}14, 7:00{SPACE}a.m. EDT")
    assert line.after == {"at": f"Wed, Sep{SPACE}16, 10:00{SPACE}a.m. EDT", "why": "A holiday."}


def test_it_goes_back_with_one_press_as_long_as_its_moment_is_to_come(console: Console, stage: Stage) -> None:
    browser = moved(console)
    assert browser.post(BACK, moment="2026-09-14T07").headers["location"] == f"{PAGE}?done=moved-back"
    assert "Mon, Sep 14, 7:00 a.m. EDT" in shown(browser.get(PAGE).text)
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, limit=1)
    assert line.deed == "moved back"
    assert browser.post(BACK, moment="2026-09-14T07").status_code == 409
    moved(console)
    stage.later(days=7)
    clock(stage)
    console.later(days=7)
    browser = console.browser(EDITOR)
    page = browser.get(PAGE).text
    assert "so it can only be moved elsewhere" in page
    assert "Move it back" not in page


UNFIT = [
    ("2026-09-21", "7", "So.", "Choose a moment before the run after it"),
    ("2026-09-07", "7", "So.", "This moment has passed."),
    ("2026-09-16", "10", "", "Say why, for your colleagues."),
    ("soon", "10", "So.", "This is no day."),
    ("9999-12-31", "23", "So.", "This day is too far away."),
    ("2026-09-16", "99", "So.", "This is no full hour."),
]


def test_what_does_not_fit_is_said_and_what_was_typed_is_kept(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get(MOVE)
    for day, hour, why, said in UNFIT:
        answer = step(browser, day, hour, why)
        assert answer.status_code == 400
        assert said in answer.text
        assert f'value="{day}"' in answer.text
        assert html.fromstring(answer.text).xpath("//h2[text()='What follows']") == []


def test_another_moment_than_the_one_that_was_shown_is_shown_first(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get(MOVE)
    step(browser, "2026-09-16", "10")
    answer = step(browser, "2026-09-17", "11")
    assert answer.status_code == 200
    assert "Thu, Sep 17, 11:00 a.m. EDT" in words(answer.text)
    assert "Moved" not in shown(browser.get(PAGE).text)


def test_who_would_have_two_mails_within_an_hour_is_counted(console: Console, stage: Stage) -> None:
    """Moved to after everybody's hour on Sunday, both runs reach them on Monday at 7."""
    browser = console.browser(EDITOR)
    browser.get(MOVE)
    page = words(step(browser, "2026-09-20", "9").text)
    assert "2 people would have it within an hour of the run of Mon, Sep 21, 7:00 a.m. EDT." in page
    stage.set(monthly__month_day="18", monthly__hour="9")
    browser.get(MOVE)
    page = words(step(browser, "2026-09-18", "9").text)
    assert (
        "Weekly digest (monthly) comes within an hour of it, on Fri, Sep 18, 9:00 a.m. EDT. 1 person takes both."
        in page
    )


def test_an_hour_that_the_clocks_leave_out_or_repeat_is_told(console: Console, stage: Stage) -> None:
    stage.now = console.now = console.now.replace(month=10, day=27)
    clock(stage)
    browser = console.browser(EDITOR)
    browser.get(MOVE)
    page = words(step(browser, "2026-11-01", "1").text)
    assert "It is 1:00 a.m. twice on November 1; the run happens once, the first time." in page
    stage.now = console.now = console.now.replace(year=2027, month=3, day=10)
    clock(stage)
    browser = console.browser(EDITOR)
    browser.get(MOVE)
    page = words(step(browser, "2027-03-14", "2").text)
    assert "2:00 a.m. does not exist on March 14; the run happens at 3:00 a.m." in page


def test_a_run_that_is_due_is_waited_for_and_an_alert_has_none(console: Console, stage: Stage) -> None:
    console.later(days=6)
    browser = console.browser(EDITOR)
    browser.get(MOVE)
    answer = step(browser, "2026-09-23", "7", "A holiday")
    assert answer.status_code == 409
    assert "is due and has not happened yet" in answer.text
    assert 'value="A holiday"' in answer.text
    stage.set(cadences="instant,weekly")
    assert browser.get(f"{PAGE}/weekly/instant/move").status_code == 409


def test_only_editors_move_and_run_now_leads_to_sending(console: Console, stage: Stage) -> None:
    assert "Move this run" not in console.browser(VIEWER).get(PAGE).text
    assert console.browser(VIEWER).get(MOVE).status_code == 403
    (now,) = html.fromstring(console.browser(EDITOR).get(PAGE).text).xpath(
        "//a[@aria-label='Send Weekly digest now, weekly']"
    )
    assert now.get("href") == "/staff/send/weekly/weekly"


def test_a_moved_run_stands_beside_those_of_new_rules_and_is_warned_of(console: Console, stage: Stage) -> None:
    moved(console)
    browser = console.browser(OWNER)
    browser.get(RULES)
    assert html.fromstring(browser.page).xpath("//ol[@class='runs']/li")[0].text_content().startswith("Wed, Sep")
    assert "beside the new ones" not in browser.page
    answer = send(owner(console), f"{RULES}/ahead", weekly__weekday="friday")
    assert "was moved, and happens on" in answer.text
    with console.home.db.reading() as conn:
        assert publications.one_series(conn, stage.digest.id, "weekly").weekday == 0
