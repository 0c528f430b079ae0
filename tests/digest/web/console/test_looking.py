"""Before it goes: who gets it, person by person; the mail as one of them gets it; what changed; a test to oneself."""

from __future__ import annotations

import re

import pytest

from digest import items
from digest.delivery import notices
from digest.delivery.transports.base import Answer
from digest.staff import activity
from digest.web.console import preview, trials
from tests.digest.web.console.conftest import AUTHOR, EDITOR, OWNER, VIEWER, Browser, Console
from tests.stage import Scripted, Stage

PAGE = "/staff/send/weekly/weekly"
SEEN = "I have seen it as it is now"


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with five readers, of whom three get what waits."""
    stage = Stage(console.home.db, ("weekly", "monthly"))
    for name, topics in (
        ("ann", "*=weekly"),
        ("bob", "*=weekly;crime=monthly"),
        ("cyd", "*=off;hiring=weekly"),
        ("dee", "*=off;crime=weekly"),
        ("eve", "*=weekly"),
    ):
        stage.join(name, topics)
    stage.publish("policy", "hiring")
    stage.publish("figures", "numbers")
    stage.pause("eve")
    return stage


def review(stage: Stage) -> str:
    """The page of an edition that waits for approval."""
    return f"/staff/editions/{stage.freeze(ask='Look at it first.').id}"


def pages(stage: Stage, which: str) -> str:
    return PAGE if which == "next" else review(stage)


def contents(browser: Browser) -> str:
    found = re.search(r'name="contents" value="([0-9a-f]+)"><button class="button small', browser.page)
    assert found
    return found[1]


# --- who gets it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["next", "review"])
def test_each_number_leads_to_its_people(console: Console, stage: Stage, which: str) -> None:
    path = pages(stage, which)
    browser = console.browser(EDITOR)
    page = browser.get(path).text
    assert "5 take it = 3 get it + 2 left out" in page
    assert 'aria-label="2 get 2 items each, 1 get 1 item each"' in page
    links = re.findall(rf'href="({path}/people\?[^"]+)">([\d,]+)', page)
    assert len(links) == len(set(links)) > 10
    for link, number in links:
        shown = browser.get(link.replace("&amp;", "&")).text
        assert f"{number} as things stand." in shown, link
        assert shown.count('href="/staff/people/') == int(number), link


def test_the_parts_are_told_in_words(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get(PAGE)
    for words in ("Nothing new in their topics", "Paused", "Hiring", "Weekly and monthly", "English"):
        assert words in browser.page
    page = browser.get(f"{PAGE}/people?by=by_often&value=weekly+monthly").text
    assert "People who get it, and hear from us weekly and monthly" in page
    assert "bob@example.org" in page


@pytest.mark.parametrize("asked", ["", "by=nothing&value=1", "by=by_items&value=many", "by=total&value=1"])
def test_a_list_that_there_is_not_is_told(console: Console, stage: Stage, asked: str) -> None:
    assert console.browser(EDITOR).get(f"{PAGE}/people?{asked}").status_code == 404


def test_an_empty_list_says_that_the_numbers_have_changed(console: Console, stage: Stage) -> None:
    assert "Nobody is in this list any more." in console.browser(EDITOR).get(f"{PAGE}/people?by=by_items&value=7").text


def test_viewers_see_the_people_without_their_addresses(console: Console, stage: Stage) -> None:
    path = review(stage)
    browser = console.browser(VIEWER)
    for asked in (f"{path}?who=ann", f"{path}/people?by=by_items&value=2", f"{path}?reader={stage.ids['ann']}"):
        page = browser.get(asked).text
        assert "@example.org" in page, asked
        assert "ann@example.org" not in page, asked
    assert "Somebody else" not in page
    assert f"reader={stage.ids['dee']}" not in browser.get(f"{path}?who=dee").text  # which would tell whose it is


# --- the mail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["next", "review"])
def test_the_mail_is_seen_in_each_width_and_color(console: Console, stage: Stage, which: str) -> None:
    path = pages(stage, which)
    browser = console.browser(EDITOR)
    for view in preview.WIDTHS:
        for colors in preview.SCHEMES:
            page = browser.get(f"{path}?view={view}&colors={colors}").text
            frame = re.search(rf'<iframe class="mail {view}" src="([^"]+)" title="The mail" sandbox>', page)
            assert frame, (view, colors)
            current = re.findall(r'aria-current="true">([^<]+)<', page)
            assert current == [preview.WIDTHS[view], preview.SCHEMES[colors], preview.EVERYTHING]
            mail = browser.get(frame[1].replace("&amp;", "&"))
            assert f'content="{colors}"' in mail.text
            assert "sandbox;" in mail.headers["content-security-policy"]
            assert "script-src" not in mail.headers["content-security-policy"]
    text = browser.get(f"{path}?view=text").text
    assert "<iframe" not in text
    assert "1. Fact sheet" in text


@pytest.mark.parametrize("which", ["next", "review"])
def test_the_mail_is_seen_as_somebody_gets_it(console: Console, stage: Stage, which: str) -> None:
    path = pages(stage, which)
    browser = console.browser(AUTHOR if which == "review" else EDITOR)
    page = browser.get(f"{path}?who=cyd@").text
    assert f"reader={stage.ids['cyd']}#preview" in page
    page = browser.get(f"{path}?reader={stage.ids['cyd']}").text
    assert "Subject: Fact sheet policy" in page
    mail = browser.get(f"{path}/mail?reader={stage.ids['cyd']}").text
    assert "Fact sheet policy" in mail
    assert "Fact sheet figures" not in mail
    assert "c••@example.org" in mail or "c•" in mail
    assert "/u/sample" in mail  # and nobody's own way out


@pytest.mark.parametrize(
    ("name", "why"), [("dee", "there is nothing new in their topics"), ("eve", "they have paused"), ("nobody", "such")]
)
def test_why_somebody_gets_nothing_is_told(console: Console, stage: Stage, name: str, why: str) -> None:
    browser = console.browser(EDITOR)
    number = stage.ids.get(name, 4711)
    page = browser.get(f"{PAGE}?reader={number}").text
    assert re.search(f"Nothing for them: [^<]*{why}", page)
    assert "<iframe" not in page
    assert browser.get(f"{PAGE}/mail?reader={number}").text.startswith("Nothing for them: ")


def test_what_is_owed_is_seen_as_somebody_gets_it(console: Console, stage: Stage) -> None:
    stage.send()
    stage.wake("eve")
    browser = console.browser(EDITOR)
    page = browser.get(f"{PAGE}?owed=1").text
    assert "Choose somebody." in page
    assert browser.get(f"{PAGE}/mail?owed=1").status_code == 404
    link = re.search(r'href="([^"]+)"[^>]*>eve@example.org, 2 items', page)
    assert link
    page = browser.get(link[1].replace("&amp;", "&")).text
    assert "<iframe" in page
    assert browser.post(f"{PAGE}/test", owed="1", reader="").status_code == 409


# --- what changed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["next", "review"])
def test_only_a_word_of_mine_counts_as_a_look(console: Console, stage: Stage, which: str) -> None:
    path = pages(stage, which)
    mine, theirs = console.browser(EDITOR), console.browser(OWNER)
    for browser in (mine, mine, theirs):
        assert "You have not said yet that you have seen it." in browser.get(path).text
    assert "done=seen" in mine.post(f"{path}/seen", contents=contents(mine)).headers["location"]
    assert "Nothing: it holds what it held then." in mine.get(path).text
    assert SEEN not in mine.page
    assert "You have not said yet" in theirs.get(path).text
    with console.home.db.reading() as conn:
        assert [line.name for line in activity.lines(conn, deed="looked at")] == ["Tom Okafor"]


def test_what_was_added_edited_held_and_withdrawn_is_told(console: Console, stage: Stage) -> None:
    for slug in ("gone", "kept"):
        stage.publish(slug, "hiring")
    browser = console.browser(EDITOR)
    browser.get(PAGE)
    browser.post(f"{PAGE}/seen", contents=contents(browser))
    stage.publish("fresh", "hiring")
    stage.move("policy", "detainers")
    stage.withdraw("gone")
    stage.hold("kept")
    page = browser.get(PAGE).text
    told = re.findall(r'class="sign">([^<]+)</span>\s*<span>([^<]*)<a href="/staff/items/([a-z]+)"', page)
    assert sorted(told) == [
        ("+ Added", "", "fresh"),
        ("~ Edited", "New topics: ", "policy"),
        ("− Held", "", "kept"),
        ("− Withdrawn", "", "gone"),
    ]
    stage.send()
    stage.publish("next", "hiring")
    page = browser.get(PAGE).text
    assert re.findall(r'class="sign">([^<]+)<', page) == ["+ Added"]  # what went out is no change


def test_a_look_at_what_is_not_so_any_more_is_none(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get(PAGE)
    before = contents(browser)
    stage.publish("more", "hiring")
    answer = browser.post(f"{PAGE}/seen", contents=before)
    assert answer.status_code == 409
    assert "It has changed since this page was shown." in answer.text
    assert "You have not said yet" in browser.get(PAGE).text


def test_of_an_edition_that_has_gone_there_is_nothing_to_look_at_before(console: Console, stage: Stage) -> None:
    path = review(stage)
    browser = console.browser(EDITOR)
    browser.get(path)
    seen = contents(browser)
    browser.post(f"{path}/approve", contents=seen)
    assert browser.get(f"{path}/people?by=by_items&value=2").status_code == 409
    browser.get(path)
    assert browser.post(f"{path}/seen", contents=seen).status_code == 409


# --- what was found --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["next", "review"])
def test_what_must_be_fixed_blocks_it_and_leads_to_its_item(console: Console, stage: Stage, which: str) -> None:
    gone = items.Attachment("pdf", "gone.pdf", "gone.pdf", "application/pdf", 9)
    with console.home.db.transaction() as conn:
        items.revise(conn, "policy", now=stage.now, attachments=(gone,))
    path = pages(stage, which)
    browser = console.browser(EDITOR)
    page = browser.get(path).text
    assert "Must be fixed:</span> The PDF of an item is not there any more." in page
    assert '<a href="/staff/items/policy">' in page
    assert "It cannot be " in page
    assert "See what must be fixed" in page
    if which == "next":
        assert "Send to 3 people</button>" not in page
        assert browser.post(path, people="3").status_code == 409
    else:
        assert "disabled>Approve</button>" in page
        assert browser.post(f"{path}/approve", contents=contents(browser)).status_code == 409
        assert "It cannot go out like this." in browser.page


# --- a test to oneself -----------------------------------------------------------------------------------------


def deliver(console: Console, answer: Answer = Answer.ACCEPTED) -> Scripted:
    transport = Scripted()
    transport.answers = {0: [answer]}
    barred = lambda *whose: ""  # noqa: E731
    notices.deliver_due(console.home.db, transport, clock=lambda: console.now, owner="test", barred=barred)
    return transport


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer.ACCEPTED, "was taken by the mail server"),
        (Answer.HARD, "failed"),
        (Answer.UNSURE, "may or may not arrive"),
        (Answer.TRANSIENT, "was put off"),
    ],
)
def test_a_test_goes_to_me_alone_and_its_fate_is_told(
    console: Console, stage: Stage, answer: Answer, told: str
) -> None:
    browser = console.browser(EDITOR)
    browser.get(PAGE)
    location = browser.post(f"{PAGE}/test", reader=str(stage.ids["cyd"]), view="wide").headers["location"]
    page = browser.get(location.partition("#")[0]).text
    assert "The test to tom@example.org (Mon, " in page
    assert "goes with the next pass of the clock." in page
    deliver(console, answer)
    assert told in browser.get(PAGE).text
    assert "The test to" not in console.browser(OWNER).get(PAGE).text
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, deed=trials.DEED)
    assert (line.thing, (line.after or {})["as"]) == ("the next weekly edition of weekly", f"person {stage.ids['cyd']}")


def test_it_is_the_mail_that_was_looked_at(console: Console, stage: Stage) -> None:
    path = review(stage)
    browser = console.browser(EDITOR)
    browser.get(path)
    browser.post(f"{path}/test", reader=str(stage.ids["cyd"]))
    with console.home.db.reading() as conn:
        message, subject, address = conn.exec_driver_sql("SELECT message, subject, address FROM notices").one()
    assert (subject, address) == ("[Test] Fact sheet policy", "tom@example.org")
    assert b"figures" not in message
    assert b"List-Unsubscribe: <http://127.0.0.1:8080/u/sample>" in message


def test_tests_have_their_limit(console: Console, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "MOST", ((1, trials.MOST[0][1]),))
    browser = console.browser(EDITOR)
    browser.get(PAGE)
    assert browser.post(f"{PAGE}/test").status_code == 303
    answer = browser.post(f"{PAGE}/test")
    assert answer.status_code == 409
    assert "The next can go after" in answer.text
    with console.home.db.reading() as conn:
        assert len(activity.lines(conn, deed=trials.DEED)) == 1


def test_an_author_sends_no_test(console: Console, stage: Stage) -> None:
    path = review(stage)
    browser = console.browser(AUTHOR)
    assert "Send a test to me" not in browser.get(path).text
    assert browser.post(f"{path}/test").status_code == 403
