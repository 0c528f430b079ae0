"""A second person approves what staff send: both persons, letters and their changes, and who is alone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import config, tables
from digest.editions import Edition
from digest.staff import accounts, activity
from tests.digest.web.console import test_letters as letters
from tests.digest.web.console import test_sending as sending
from tests.digest.web.console.conftest import EDITOR, OWNER, VIEWER, Browser, Console
from tests.digest.web.console.test_editions import CONTENTS
from tests.stage import Stage

SPACE = "\N{NO-BREAK SPACE}"


@pytest.fixture
def rule(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second person approves what is sent by hand, and letters."""
    staff = config.StaffSection(second_approval=True)
    monkeypatch.setitem(vars(console.home.settings), "staff", staff)


@pytest.fixture
def stage(console: Console, rule: None) -> Stage:
    """A digest with two readers and one item that waits."""
    stage = Stage(console.home.db)
    for name in ("ann", "bob"):
        stage.join(name)
    stage.publish("policy", "hiring")
    return stage


@pytest.fixture
def tom(console: Console, stage: Stage) -> Browser:
    return console.browser(EDITOR)


@pytest.fixture
def dana(console: Console, stage: Stage) -> Browser:
    return console.browser(OWNER)


def send(browser: Browser) -> str:
    """Asks to send what waits; the address of the edition."""
    browser.get(sending.PAGE)
    return sending.press(browser).headers["location"]


def ask(browser: Browser, **typed: str) -> str:
    """Writes a letter and asks to send it; the address of its edition."""
    path = letters.begin(browser)
    browser.get(f"{path}/check")
    answer = letters.fill(browser, f"{path}/send", "Ask to send it to", **typed)
    assert answer.status_code == 303, browser.page
    return answer.headers["location"]


def approve(browser: Browser, path: str) -> str:
    """Approves what the edition's page shows; where that leads."""
    contents = CONTENTS.search(browser.get(path).text)
    assert contents, browser.page
    return browser.post(f"{path}/approve", contents=contents[1]).headers["location"]


def found(console: Console, path: str) -> Edition:
    return letters.edition_at(console, path.partition("?")[0])


def lines(console: Console, deed: str) -> list[activity.Line]:
    with console.home.db.reading() as conn:
        return activity.lines(conn, deed=deed)


def told(console: Console) -> list[tuple[str, bool]]:
    """The mails to staff: their subject, and whether they lead to the first edition's page."""
    n, page = tables.notices, b"http://127.0.0.1:8080/staff/editions/1"
    with console.home.db.reading() as conn:
        mails = conn.execute(sa.select(n.c.subject, n.c.message).where(n.c.kind == "staff").order_by(n.c.id)).all()
    return [(mail.subject, page in mail.message.replace(b"=\r\n", b"")) for mail in mails]


# --- editions --------------------------------------------------------------------------------------------------


def test_a_send_waits_for_somebody_else_and_then_for_the_time_to_stop_it(
    console: Console, stage: Stage, tom: Browser, dana: Browser
) -> None:
    page = tom.get(sending.PAGE).text
    assert "Ask to send it to 2 people" in page
    assert "Dana Ruiz can approve it." in page
    path = sending.press(tom).headers["location"]
    assert found(console, path).state == "review"
    page = tom.get(path).text
    assert "Goes to 2 people." in page
    assert "Sent by Tom Okafor; a second person approves it." in page
    assert "the author cannot be the second person." in page
    assert ">Approve<" not in page
    console.later(hours=1)
    assert approve(dana, path).endswith("?done=approved")
    edition = found(console, path)
    assert (edition.state, edition.approved_by) == ("frozen", "Dana Ruiz")
    assert "Starts in 5:00." in tom.get(path).text
    assert "Sent by Tom Okafor, approved by Dana Ruiz." in tom.page
    (asked,), (approved,) = lines(console, "asked for approval of"), lines(console, "approved")
    assert (asked.name, asked.after) == ("Tom Okafor", {"people": 2, "what": "new", "state": "review"})
    assert (approved.name, approved.thing) == ("Dana Ruiz", f"edition {edition.id}")
    assert approved.before == {"state": "review", "sent by": "Tom Okafor"}
    assert approved.after == {"state": "frozen", "contents": edition.content_hash}
    assert told(console) == [("Waiting for you: Weekly digest", True)]
    stage.now = console.now
    assert not stage.plan(edition)
    stage.later(minutes=5)
    assert stage.plan(edition)
    assert stage.see_through(edition).state == "sent"


def test_the_author_cannot_approve_even_when_the_form_is_sent_all_the_same(
    console: Console, tom: Browser, dana: Browser
) -> None:
    path = send(tom)
    contents = CONTENTS.search(dana.get(path).text)
    assert contents
    with console.home.db.transaction() as conn:  # another name is no other person
        accounts.change(conn, accounts.find(conn, EDITOR).id, name="Dana Ruiz", email=EDITOR)
    tom.get(path)
    answer = tom.post(f"{path}/approve", contents=contents[1])
    assert answer.status_code == 409
    assert "The author cannot be the second person: Tom Okafor sent it" in answer.text
    assert found(console, path).state == "review"
    assert lines(console, "approved") == []


def test_a_change_takes_the_approval_back(console: Console, stage: Stage, tom: Browser, dana: Browser) -> None:
    path = send(tom)
    contents = CONTENTS.search(dana.get(path).text)
    assert contents
    stage.move("policy", "detainers")
    assert dana.post(f"{path}/approve", contents=contents[1]).headers["location"].endswith("?done=changed")
    assert "Something in it changed meanwhile, so it was not approved." in dana.get(f"{path}?done=changed").text
    assert (found(console, path).state, found(console, path).asked_by) == ("review", "Tom Okafor")
    assert tom.post(f"{path}/approve", contents=found(console, path).content_hash).status_code == 409
    assert approve(dana, path).endswith("?done=approved")


def test_the_same_sent_by_somebody_else_is_no_second_edition_and_no_approval(
    console: Console, stage: Stage, tom: Browser, dana: Browser
) -> None:
    path = send(tom)
    assert send(tom) == send(dana) == path
    assert [line.name for line in lines(console, "asked for approval of")] == ["Tom Okafor", "Tom Okafor"]
    stage.publish("more", "hiring")
    other = send(dana)
    assert other != path
    assert found(console, path).state == "skipped"
    assert "the author cannot be the second person." in dana.get(other).text


def test_today_tells_the_author_for_whom_it_waits_and_others_to_review_it(
    console: Console, tom: Browser, dana: Browser
) -> None:
    path = send(tom)
    mine, theirs = tom.get("/staff/").text, dana.get("/staff/").text
    assert "It waits for somebody else. Dana Ruiz can approve it." in mine
    assert 'aria-label="Review: Weekly digest' not in mine
    assert f'href="{path}" aria-label="Review: Weekly digest' in theirs
    assert "It cannot go out without." in theirs
    assert "Needs you" in theirs
    assert "Needs you" not in mine
    assert "It waits for somebody else" in console.browser(VIEWER).get("/staff/").text


def test_who_is_alone_is_told_to_invite_somebody(console: Console, stage: Stage, tom: Browser, dana: Browser) -> None:
    with console.home.db.transaction() as conn:
        accounts.set_role(conn, accounts.find(conn, EDITOR).id, accounts.AUTHOR)
        accounts.add(conn, "new@example.org", name="Never Came", role=accounts.EDITOR, now=console.now)
    said = "Nobody else here can approve it yet. Invite a second person, since approval needs two."
    assert said in dana.get(sending.PAGE).text
    path = send(dana)
    assert said in dana.get(path).text
    assert 'href="/staff/activity#staff"' in dana.page
    assert 'href="/staff/activity#staff" aria-label="Invite: Weekly digest' in dana.get("/staff/").text
    with console.home.db.transaction() as conn:
        accounts.set_role(conn, accounts.find(conn, EDITOR).id, accounts.EDITOR)
    assert approve(tom, path).endswith("?done=approved")


def test_what_the_clock_made_is_approved_by_any_editor(console: Console, stage: Stage, dana: Browser) -> None:
    edition = stage.freeze(by_hand=False, ask="Look at it first.")
    assert approve(dana, f"/staff/editions/{edition.id}").endswith("?done=approved")
    assert stage.find(edition).starts_at == edition.starts_at  # no time to stop it is added to a run


# --- letters ---------------------------------------------------------------------------------------------------


def test_a_letter_waits_for_somebody_else_and_goes_out_exactly_so(
    console: Console, stage: Stage, tom: Browser, dana: Browser
) -> None:
    path = ask(tom)
    assert "the author cannot be the second person." in tom.get(path).text
    page = dana.get(path).text
    assert "Goes to 2 people of Weekly digest. Starts 5 minutes after it is approved." in page
    assert "our meeting is on <strong>October 4</strong>" in page
    assert "It goes to two people." in dana.get(f"{path}/mail?people=2&part=text").text
    assert f'src="{path}/mail?people=2&amp;' in page
    assert "The subject is short enough for phones." in page
    assert "Waiting for approval" in dana.get(letters.PAGE).text
    assert told(console) == [("Waiting for you: “Our meeting”", True)]
    console.later(hours=2)
    assert approve(dana, path).endswith("?done=approved")
    edition = found(console, path)
    assert (edition.state, edition.starts_at) == ("frozen", console.now + timedelta(minutes=5))
    assert letters.gone(console, stage, path).state == "sent"
    assert set(stage.rows(edition)) == {"ann", "bob"}
    (line,) = lines(console, "approved")
    assert line.after == {"state": "frozen", "contents": edition.content_hash}


def test_a_change_of_a_letter_takes_the_request_back_and_says_so(console: Console, tom: Browser, dana: Browser) -> None:
    path = ask(tom)
    contents = CONTENTS.search(dana.get(path).text)
    link = re.search(r'href="(/staff/letters/\d+)"', dana.page)
    assert contents
    assert link
    assert "waits for approval" in tom.get(link[1]).text
    assert letters.fill(tom, link[1]).headers["location"].endswith("?done=saved")
    assert found(console, path).state == "review"  # nothing was changed
    tom.get(link[1])
    answer = letters.fill(tom, link[1], text="Other words.")
    assert answer.headers["location"].endswith("?done=void")
    assert "It waits for approval no more, since it changed" in tom.get(answer.headers["location"]).text
    late = dana.post(f"{path}/approve", contents=contents[1])
    assert late.status_code == 409
    assert "Tom Okafor changed it before it was approved." in late.text
    assert lines(console, "took back by a change")[0].thing == f"edition {found(console, path).id}"
    tom.get(f"{link[1]}/check")
    again = letters.fill(tom, f"{link[1]}/send", "Ask to send it to").headers["location"]
    assert again != path
    assert approve(dana, again).endswith("?done=approved")


def test_other_people_are_another_letter_to_approve(console: Console, tom: Browser, dana: Browser) -> None:
    first = ask(tom)
    contents = CONTENTS.search(dana.get(first).text)
    link = re.search(r'href="(/staff/letters/\d+)"', dana.page)
    assert contents
    assert link
    tom.get(link[1])
    letters.fill(tom, link[1], topics=["hiring"])
    tom.get(f"{link[1]}/check")
    again = letters.fill(tom, f"{link[1]}/send", "Ask to send it to").headers["location"]
    assert "who take Hiring." in dana.get(again).text
    assert dana.post(f"{again}/approve", contents=contents[1]).headers["location"].endswith("?done=changed")
    assert found(console, again).state == "review"
    tom.get(again)
    assert "done=back" in tom.post(f"{again}/undo").headers["location"]
    assert found(console, again).state == "skipped"


def test_a_letter_that_is_not_approved_at_its_moment_waits_and_goes_when_it_is(
    console: Console, stage: Stage, tom: Browser, dana: Browser
) -> None:
    moment = {"when": "later", "day": "2026-09-08", "time": "14:30", "zone": "America/New_York"}
    path = ask(tom, **moment)
    assert f"Starts on Tue, Sep{SPACE}8, 2:30{SPACE}p.m. EDT." in dana.get(path).text
    assert "waits for approval" in dana.get("/staff/schedule").text
    console.later(days=2)
    stage.now = console.now
    assert not stage.plan(found(console, path))
    said = f"Its moment was Tue, Sep{SPACE}8, 2:30{SPACE}p.m. EDT. It goes out when it is approved."
    dana.sign_in(OWNER)
    assert said in dana.get("/staff/").text
    assert said in dana.get(path).text
    approve(dana, path)
    assert letters.gone(console, stage, path).state == "sent"


def test_an_approved_letter_keeps_its_later_moment(console: Console, tom: Browser, dana: Browser) -> None:
    path = ask(tom, when="later", day="2026-09-30", time="14:30", zone="America/New_York")
    starts = found(console, path).starts_at
    approve(dana, path)
    assert (found(console, path).state, found(console, path).starts_at) == ("frozen", starts)
    tom.get(path)
    back = tom.post(f"{path}/undo").headers["location"]
    assert "its approval is void" in tom.get(back).text
