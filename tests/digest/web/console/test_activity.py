"""Staff and activity: owners decide who works here, and everybody sees what was done."""

from __future__ import annotations

import re

import pytest

from digest.staff import accounts, activity
from tests.digest.web.console.conftest import AUTHOR, EDITOR, OWNER, PASSWORD, Console
from tests.digest.web.console.test_entering import switch_on


def staff_id(console: Console, email: str) -> int:
    with console.home.db.reading() as conn:
        return accounts.find(conn, email).id


def test_an_owner_invites_somebody_who_then_chooses_a_password(console: Console) -> None:
    browser = console.browser(OWNER)
    browser.get("/staff/activity")
    answer = browser.post("/staff/activity/staff", name="Priya Shah", email="priya@example.org", role="editor")
    link = re.search(r"http://127\.0\.0\.1:8080(/staff/in/[\w-]+)", answer.text)
    assert link
    assert link[1] not in browser.get("/staff/activity").text, "it is shown once"
    theirs = console.browser()
    theirs.get(link[1])
    theirs.post(link[1])
    assert "Priya Shah" in theirs.get("/staff/account").text
    assert "invited <b>Priya Shah</b>" in browser.get("/staff/activity").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Tom", "email": EDITOR, "role": "editor"}, "is one of the staff already"),
        ({"name": "Tom", "email": "no address", "role": "editor"}, "is no e-mail address"),
        ({"name": "", "email": "new@example.org", "role": "editor"}, "A name has 1 to 80 characters"),
        ({"name": "Tom", "email": "new@example.org", "role": "god"}, "is no role"),
    ],
)
def test_an_invitation_that_will_not_do_is_told_and_keeps_what_was_typed(
    console: Console, fields: dict[str, str], said: str
) -> None:
    browser = console.browser(OWNER)
    browser.get("/staff/activity")
    answer = browser.post("/staff/activity/staff", **fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert f'value="{fields["email"]}"' in answer.text
    with console.home.db.reading() as conn:
        assert len(accounts.every(conn)) == 4


def test_another_role_holds_at_once_where_somebody_is_signed_in(console: Console) -> None:
    browser, theirs = console.browser(OWNER), console.browser(AUTHOR)
    assert theirs.get("/staff/items/new").status_code == 200
    browser.get("/staff/activity")
    path = f"/staff/activity/staff/{staff_id(console, AUTHOR)}/role"
    assert browser.post(path, role="viewer").headers["location"] == "/staff/activity?done=role"
    assert theirs.get("/staff/").status_code == 200
    assert theirs.get("/staff/items/new").status_code == 403
    page = browser.get("/staff/activity?done=role").text
    assert "The role is changed" in page
    assert "role was author; role is viewer." in page


def test_the_last_owner_stays(console: Console) -> None:
    browser = console.browser(OWNER)
    me = staff_id(console, OWNER)
    for deed, fields in (("role", {"role": "viewer"}), ("end", {})):
        browser.get(f"/staff/activity/staff/{me}/end")
        answer = browser.post(f"/staff/activity/staff/{me}/{deed}", **fields)
        assert answer.status_code == 400
        assert "This is the last owner. Make somebody else an owner first." in answer.text
    assert browser.get("/staff/").status_code == 200


def test_an_account_ends_after_a_question_and_its_deeds_stay(console: Console) -> None:
    theirs = console.browser(EDITOR)
    browser = console.browser(OWNER)
    path = f"/staff/activity/staff/{staff_id(console, EDITOR)}/end"
    assert "End the account of Tom Okafor?" in browser.get(path).text
    assert theirs.get("/staff/").status_code == 200
    assert browser.post(path).status_code == 303
    assert theirs.get("/staff/").status_code == 303
    assert console.browser().sign_in(EDITOR).status_code == 403
    assert "<b>Tom Okafor</b> signed in" in browser.get("/staff/activity").text
    with console.home.db.transaction() as conn:
        accounts.add(conn, EDITOR, name="Another Tom", role="author", now=console.now)


def test_a_link_without_the_second_step_helps_who_lost_the_phone(console: Console) -> None:
    switch_on(console, EDITOR)
    browser = console.browser(OWNER)
    browser.get("/staff/activity")
    answer = browser.post(f"/staff/activity/staff/{staff_id(console, EDITOR)}/link", without="1")
    link = re.search(r"(/staff/in/[\w-]+)", answer.text)
    assert link
    theirs = console.browser()
    theirs.get(link[1])
    assert theirs.post(link[1]).headers["location"] == "/staff/account"
    with console.home.db.reading() as conn:
        assert activity.lines(conn)[1].deed == "made a link without the second step for"


def test_the_record_is_shown_by_person_and_page_by_page(console: Console) -> None:
    with console.home.db.transaction() as conn:
        by = accounts.find(conn, AUTHOR)
        for n in range(60):
            activity.record(conn, by, "wrote", f"item-{n}", now=console.now)
        activity.record(conn, "root", "ran", "a command", now=console.now)
    browser = console.browser(OWNER)
    page = browser.get("/staff/activity").text
    assert page.count("Ada Quist</b> wrote") == 48
    earlier = re.search(r'href="(/staff/activity\?below=\d+)', page)
    assert earlier
    assert browser.get(earlier[1]).text.count("Ada Quist</b> wrote") == 12
    only = browser.get(f"/staff/activity?who={by.id}").text
    assert only.count("Ada Quist</b> wrote") == 50
    assert "a command" not in only


def test_who_is_no_owner_sees_no_button_for_it(console: Console) -> None:
    page = console.browser(EDITOR).get("/staff/activity").text
    assert "Invite somebody" not in page
    assert "Sign out" in page
    assert PASSWORD not in page
