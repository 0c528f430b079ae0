"""Send now: the promise, the confirmation, and the while in which it can be stopped."""

from __future__ import annotations

import re

import httpx
import pytest

from digest import editions
from digest.delivery import planning
from digest.staff import activity
from digest.web.console import confirming
from tests.digest.web.console.conftest import AUTHOR, EDITOR, Browser, Console
from tests.stage import Stage

PAGE = "/staff/send/weekly/weekly"


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with four readers, of whom three get what waits."""
    stage = Stage(console.home.db)
    for name, topics in (
        ("ann", "*=weekly"),
        ("bob", "*=weekly"),
        ("cyd", "*=off;hiring=weekly"),
        ("dee", "*=off;crime=weekly"),
    ):
        stage.join(name, topics)
    stage.publish("policy", "hiring")
    stage.publish("figures", "numbers")
    return stage


def press(browser: Browser, **fields: str) -> httpx.Response:
    people = re.search(r'name="people" value="(\d+)"', browser.page)
    assert people
    return browser.post(PAGE, people=people[1], **fields)


def test_the_page_says_to_whom_it_goes_and_the_parts_add_up(console: Console, stage: Stage) -> None:
    stage.pause("bob")
    page = console.browser(EDITOR).get(PAGE).text
    assert "Send Weekly digest to 2 people now?" in page
    assert "2 items. Goes to 2 people." in page
    told = re.search(r"2 are left out: ([^.]+)\.", page)
    assert told
    assert sorted(told[1].split(", ")) == ["1 has nothing new in their topics", "1 has paused"]
    assert "4 take it = 2 get it + 2 left out" in page
    assert "ann@example.org, 2 items" in page
    assert "cyd@example.org, 1 item<" in page
    assert "Subject: " in page


def test_a_send_can_be_stopped_until_its_time_is_over(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get(PAGE)
    answer = press(browser)
    path = answer.headers["location"]
    number = int(path.rpartition("/")[2])
    for minutes, planned in ((4, False), (1, True)):
        console.later(minutes=minutes)
        planning.plan(console.home.db, number, stage.people, now=console.now, owner="test")
        with console.home.db.reading() as conn:
            assert (editions.find(conn, number).state == "sending") is planned
    assert "3 still to go" in browser.get(path).text
    assert "Sent by Tom Okafor." in browser.page
    with console.home.db.reading() as conn:
        assert activity.lines(conn)[0].after == {"people": 3, "what": "new", "state": "frozen"}


def test_who_stops_it_in_time_sends_nothing_and_can_send_it_again(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get(PAGE)
    path = press(browser).headers["location"]
    assert "Nobody has it yet." in browser.get(path).text
    browser.post(f"{path}/undo")
    browser.get(PAGE)
    assert press(browser).headers["location"] == path


def test_what_changed_since_the_page_was_shown_is_shown_again(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get(PAGE)
    stage.join("eve")
    stage.publish("more", "hiring")
    answer = press(browser)
    assert answer.status_code == 409
    assert "It goes to 4 people now. Look at it again, then send it." in browser.page
    assert press(browser).status_code == 303


def test_for_many_people_their_number_is_typed(console: Console, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirming, "MANY", 2)
    browser = console.browser(EDITOR)
    assert "Type 3 to confirm" in browser.get(PAGE).text
    for typed in ("", "2", "yes"):
        assert press(browser, typed=typed).status_code == 409
        assert "Type 3 to send it to 3 people." in browser.page
    assert press(browser, typed="3").status_code == 303


def test_two_presses_make_one_edition(console: Console, stage: Stage) -> None:
    first, second = console.browser(EDITOR), console.browser(EDITOR)
    for browser in (first, second):
        browser.get(PAGE)
    paths = {press(browser).headers["location"] for browser in (first, second)}
    assert len(paths) == 1


def test_without_anything_new_there_is_nothing_to_press(console: Console, stage: Stage) -> None:
    stage.send()
    page = console.browser(EDITOR).get(PAGE).text
    assert "There is nobody to send it to" in page
    assert "Nothing is new. Publish an item first." in page
    assert "If you send it" not in page


def test_what_is_owed_goes_to_those_alone(console: Console, stage: Stage) -> None:
    stage.pause("ann")
    stage.send()
    stage.wake("ann")
    browser = console.browser(EDITOR)
    page = browser.get(f"{PAGE}?owed=1").text
    assert "Send Weekly digest to 1 person now?" in page
    assert "Only what is owed to some, to those." in page


@pytest.mark.parametrize("path", ["/staff/send/nope/weekly", "/staff/send/weekly/hourly", "/staff/send/weekly/daily"])
def test_what_is_not_offered_is_told(console: Console, stage: Stage, path: str) -> None:
    assert console.browser(EDITOR).get(path).status_code in (404, 409)


def test_an_author_cannot_send(console: Console, stage: Stage) -> None:
    assert console.browser(AUTHOR).get(PAGE).status_code == 403
