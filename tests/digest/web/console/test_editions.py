"""Editions in the console: what is shown of each state, and what may be done about it."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.errors import Refused
from digest.staff import activity
from digest.tables import replies
from tests.digest.web.console.conftest import EDITOR, VIEWER, Browser, Console
from tests.stage import Stage

CONTENTS = re.compile(r'name="contents" value="([0-9a-f]+)"')


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with three readers and one item that waits."""
    stage = Stage(console.home.db)
    for name in ("ann", "bob", "cyd"):
        stage.join(name)
    stage.publish("policy", "hiring")
    return stage


def path(edition: Edition) -> str:
    return f"/staff/editions/{edition.id}"


def open_(console: Console, edition: Edition, email: str = EDITOR) -> Browser:
    browser = console.browser(email)
    browser.get(path(edition))
    return browser


def last_deed(console: Console) -> tuple[str, str]:
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, limit=1)
    return line.deed, line.thing


def sent_with(stage: Stage, **answers: Answer) -> Edition:
    """An edition of which these readers had another answer than yes."""
    stage.transport.answers = {stage.ids[name]: [answer] for name, answer in answers.items()}
    return stage.send()


def test_before_the_first_run_the_page_says_so(console: Console) -> None:
    assert "Nothing has gone out yet" in console.browser(VIEWER).get("/staff/editions").text


def test_an_edition_that_went_out_adds_up(console: Console, stage: Stage) -> None:
    stage.leave("cyd")
    edition = sent_with(stage, bob=Answer.HARD)
    listed = console.browser(VIEWER).get("/staff/editions").text
    assert "Weekly digest, September\N{NO-BREAK SPACE}7" in listed
    assert "2 planned = 1 accepted + 1 failed." in listed
    page = open_(console, edition).page
    assert 'aria-label="1 accepted, 1 failed"' in page
    assert "The address does not exist" in page
    assert "bob@example.org" in page
    assert "Fact sheet policy" in page


def test_viewers_see_no_address_and_no_button(console: Console, stage: Stage) -> None:
    edition = sent_with(stage, ann=Answer.UNSURE, bob=Answer.HARD)
    page = open_(console, edition, VIEWER).page
    assert "@example.org" in page
    assert "ann@example.org" not in page
    assert "bob@example.org" not in page
    assert "It arrived</button>" not in page


def test_viewers_see_no_address_in_what_a_mail_server_said(console: Console, stage: Stage) -> None:
    edition = sent_with(stage, bob=Answer.HARD)
    with console.home.db.transaction() as conn:
        conn.execute(sa.delete(replies))
        told = {"edition_id": edition.id, "subscriber_id": stage.ids["bob"], "text": "550 <bob@example.org>: nobody"}
        conn.execute(sa.insert(replies).values(**told, at=console.now))
    assert "550 &lt;bob@example.org&gt;: nobody" in open_(console, edition).page
    page = open_(console, edition, VIEWER).page
    assert ": nobody" in page
    assert "bob@example.org" not in page


def test_what_waits_for_approval_goes_out_exactly_as_it_was_seen(console: Console, stage: Stage) -> None:
    edition = stage.freeze(ask="Look at it first.")
    browser = open_(console, edition)
    assert "Waits for approval. Look at it first." in browser.page
    contents = CONTENTS.search(browser.page)
    assert contents
    stage.move("policy", "detainers")
    answer = browser.post(f"{path(edition)}/approve", contents=contents[1])
    assert answer.headers["location"].endswith("?done=changed")
    assert stage.find(edition).state == "review"
    assert "Look at it again." in browser.get(answer.headers["location"]).text
    anew = CONTENTS.search(browser.page)
    assert anew
    assert anew[1] != contents[1]
    browser.post(f"{path(edition)}/approve", contents=anew[1])
    assert stage.find(edition).state == "frozen"


def test_an_approval_of_what_was_seen_before_somebody_else_looked_is_none(console: Console, stage: Stage) -> None:
    edition = stage.freeze(ask="Look at it first.")
    browser = open_(console, edition)
    assert browser.post(f"{path(edition)}/approve", contents="").headers["location"].endswith("?done=changed")
    assert stage.find(edition).state == "review"
    assert last_deed(console)[0] == "signed in"  # what was not done is not in the record


def test_without_a_postal_address_nothing_can_be_approved_and_the_page_says_why(
    console: Console, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    edition = stage.freeze(ask="Look at it first.")
    site = console.home.settings.site.model_copy(update={"address": ""})
    monkeypatch.setitem(vars(console.home.settings), "site", site)
    browser = open_(console, edition)
    assert "Mail cannot be sent yet:" in browser.page
    assert "postal" in browser.page
    contents = CONTENTS.search(browser.page)
    assert contents
    assert browser.post(f"{path(edition)}/approve", contents=contents[1]).status_code == 409
    assert stage.find(edition).state == "review"


def test_what_is_locked_can_be_stopped_until_people_are_counted(console: Console, stage: Stage) -> None:
    edition = stage.freeze()
    browser = open_(console, edition)
    assert "Nobody has it yet." in browser.page
    assert browser.post(f"{path(edition)}/undo").status_code == 303
    assert stage.find(edition).state == "draft"
    again = stage.freeze()
    late = open_(console, again)
    stage.plan(again)
    answer = late.post(f"{path(again)}/undo")
    assert answer.status_code == 409
    assert "can no longer be undone" in answer.text


def test_an_edition_under_way_is_paused_and_goes_on(console: Console, stage: Stage) -> None:
    edition = stage.cycle()
    browser = open_(console, edition)
    assert 'aria-label="3 still to go"' in browser.page
    browser.post(f"{path(edition)}/pause")
    assert "Paused by Tom Okafor." in browser.get(path(edition)).text
    browser.post(f"{path(edition)}/resume")
    assert stage.find(edition).shown_state == "sending"
    with console.home.db.reading() as conn:
        deeds = [(line.deed, line.thing) for line in activity.lines(conn, limit=2)]
    assert deeds == [("went on with", f"edition {edition.id}"), ("paused", f"edition {edition.id}")]


@pytest.mark.parametrize(("items", "owed"), [("later", {"ann", "bob", "cyd"}), ("drop", set())])
def test_the_rest_is_canceled_after_a_question(console: Console, stage: Stage, items: str, owed: set[str]) -> None:
    edition = stage.cycle()
    browser = open_(console, edition)
    assert "Cancel the other 3?" in browser.get(f"{path(edition)}/cancel").text
    assert stage.find(edition).shown_state == "sending"
    browser.post(f"{path(edition)}/cancel", items=items)
    stage.see_through(edition)
    assert stage.find(edition).state == "cancelled"
    assert set(stage.carries()) == owed
    assert "3 planned = 0 accepted + 3 skipped" in browser.get("/staff/editions").text
    assert last_deed(console) == ("canceled the rest of", f"edition {edition.id}")


def test_what_cannot_be_recorded_is_not_canceled(
    console: Console, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    edition = stage.cycle()
    browser = open_(console, edition)

    def refuse(*given: object, **named: object) -> None:
        raise Refused("The record is full.")

    monkeypatch.setattr(activity, "record", refuse)
    assert browser.post(f"{path(edition)}/cancel", items="drop").status_code == 409
    assert stage.find(edition).shown_state == "sending"


@pytest.mark.parametrize(("answer", "got"), [("without", "skipped"), ("as-is", "accepted")])
def test_a_withdrawal_asks_and_each_answer_is_kept(console: Console, stage: Stage, answer: str, got: str) -> None:
    edition = stage.cycle()
    stage.withdraw("policy")
    browser = open_(console, edition)
    assert "policy was withdrawn." in browser.page
    assert browser.post(f"{path(edition)}/resume").status_code == 409
    browser.get(path(edition))
    browser.post(f"{path(edition)}/resume", answer=answer)
    stage.see_through(edition)
    assert {state for state, _ in stage.rows(edition).values()} == {got}


def test_staff_decide_about_unsure_ones_singly_or_all(console: Console, stage: Stage) -> None:
    edition = sent_with(stage, ann=Answer.UNSURE, bob=Answer.UNSURE, cyd=Answer.UNSURE)
    browser = open_(console, edition)
    assert "3 unsure: your decision" in browser.page
    early = browser.post(f"{path(edition)}/settle", person=str(stage.ids["ann"]), fate="owed")
    assert early.status_code == 409
    assert "an answer may still come" in early.text
    console.later(minutes=15)
    browser.get(path(edition))
    browser.post(f"{path(edition)}/settle", person=str(stage.ids["ann"]), fate="arrived")
    browser.get(path(edition))
    assert "2 unsure: your decision" in browser.page
    assert browser.post(f"{path(edition)}/settle", fate="owed").status_code == 409  # nobody is named
    assert browser.post(f"{path(edition)}/settle", person="9" * 30, fate="owed").status_code == 409
    browser.post(f"{path(edition)}/settle", person="all", fate="owed")
    assert {name: state for name, (state, _) in stage.rows(edition).items()} == {
        "ann": "accepted",
        "bob": "failed",
        "cyd": "failed",
    }
    assert set(stage.carries()) == {"bob", "cyd"}


def test_the_mail_is_shown_in_a_frame_that_does_nothing(console: Console, stage: Stage) -> None:
    edition = stage.freeze(ask="Look.")
    browser = open_(console, edition)
    assert f'<iframe class="mail phone" src="{path(edition)}/mail?colors=light"' in browser.page
    mail = browser.get(f"{path(edition)}/mail")
    assert "Fact sheet policy" in mail.text
    assert "sandbox;" in mail.headers["content-security-policy"]
    assert "script-src" not in mail.headers["content-security-policy"]
    assert "/u/sample" in mail.text
    text = browser.get(f"{path(edition)}/mail?part=text")
    assert text.headers["content-type"].startswith("text/plain")
    assert "Fact sheet policy" in text.text


def test_an_edition_without_items_of_its_own_shows_no_mail(console: Console, stage: Stage) -> None:
    edition = stage.freeze()
    browser = open_(console, edition)
    browser.post(f"{path(edition)}/undo")
    page = browser.get(path(edition)).text
    assert "It holds no items of its own" in page
    assert "<iframe" not in page
    assert browser.get(f"{path(edition)}/mail").status_code == 409


@pytest.mark.parametrize("number", ["0", "999", "abc", "-1", "1%2e", "99999999999999"])
def test_an_edition_that_is_not_there_is_told(console: Console, number: str) -> None:
    assert console.browser(VIEWER).get(f"/staff/editions/{number}").status_code == 404
