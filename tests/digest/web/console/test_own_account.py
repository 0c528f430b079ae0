"""What each of the staff does about their own account."""

from __future__ import annotations

import re

import pyotp
import pytest

from digest import config
from digest.staff import accounts, activity
from digest.web.console import own_account
from tests.digest.web.console.conftest import EDITOR, OWNER, PASSWORD, VIEWER, Console
from tests.digest.web.console.test_entering import switch_on

NEW = "four entirely other words"


def test_who_was_let_in_by_a_link_first_says_who_they_are_and_chooses_a_password(nobody: Console) -> None:
    with nobody.home.db.transaction() as conn:
        accounts.first_owner(conn, "owner@example.org", now=nobody.now)
    browser, link = nobody.browser(), nobody.link("owner@example.org")
    browser.get(link)
    assert browser.post(link).headers["location"] == "/staff/account"
    assert browser.get("/staff/activity").headers["location"] == "/staff/account"
    assert "Who are you?" in browser.get("/staff/account").text
    given = {"name": "Dana Ruiz", "email": "dana@example.org", "password": NEW, "repeated": NEW}
    assert browser.post("/staff/account/password", **given | {"name": ""}).status_code == 400
    own = given | {"password": "dana.ruiz@mail.example", "repeated": "dana.ruiz@mail.example"}
    own["email"] = "dana.ruiz@mail.example"
    refused = browser.post("/staff/account/password", **own)
    assert "one that others would try" in refused.text  # of the name and address that are typed with it
    with nobody.home.db.reading() as conn:
        assert [one.name for one in accounts.every(conn)] == ["Owner"]  # what is typed together is stored together
    assert browser.get("/staff/").status_code == 303
    browser.get("/staff/account")
    assert browser.post("/staff/account/password", **given).status_code == 303
    assert browser.get("/staff/").status_code == 200
    assert nobody.browser().sign_in("Dana@example.org", NEW).status_code == 303


def test_a_new_password_ends_all_other_sessions(console: Console) -> None:
    browser, other = console.browser(EDITOR), console.browser(EDITOR)
    copy = console.browser()
    copy.client.cookies.update(browser.client.cookies)
    browser.get("/staff/account")
    assert browser.post("/staff/account/password", current=PASSWORD, password=NEW, repeated=NEW).status_code == 303
    assert "Your password is set" in browser.get("/staff/account?done=password").text
    assert copy.get("/staff/").status_code == 303  # the session goes on under a new id
    assert other.get("/staff/").status_code == 303
    assert other.sign_in(EDITOR).status_code == 403
    assert other.sign_in(EDITOR, NEW).status_code == 303


@pytest.mark.parametrize(
    ("current", "password", "repeated", "said"),
    [
        ("wrong", NEW, NEW, "That is not your password."),
        (PASSWORD, NEW, NEW + " ", "It is not the same as the first one."),
        (PASSWORD, "eleven char", "eleven char", "fewer than 12 characters"),
        (PASSWORD, "okafor okafor okafor", "okafor okafor okafor", "one that others would try"),
        (PASSWORD, "passwordpassword1", "passwordpassword1", "one that others would try"),
        (PASSWORD, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "one that others would try"),
        (PASSWORD, "x" * 201, "x" * 201, "more than 200 characters"),
    ],
)
def test_a_password_that_will_not_do_is_told(
    console: Console, current: str, password: str, repeated: str, said: str
) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/account")
    answer = browser.post("/staff/account/password", current=current, password=password, repeated=repeated)
    assert answer.status_code == 400
    assert said in answer.text
    assert password not in answer.text


def test_the_password_of_a_session_cannot_be_guessed_for_ever(console: Console) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/account")
    for _ in range(8):
        answer = browser.post("/staff/account/password", current="guess", password=NEW, repeated=NEW)
    for path in ("password", "second-step/off"):
        answer = browser.post(f"/staff/account/{path}", current=PASSWORD, password=NEW, repeated=NEW)
        assert answer.status_code == 429
        assert "Too many tries" in answer.text


def test_who_types_the_right_password_often_is_not_locked_out(console: Console) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/account")
    for _ in range(5):
        for current in ("guess", PASSWORD):
            answer = browser.post("/staff/account/password", current=current, password="short", repeated="short")
    assert "Too many tries" not in answer.text
    assert "That is not your password" not in answer.text


def test_a_second_step_is_on_when_its_first_code_fits(console: Console) -> None:
    browser = console.browser(OWNER)
    page = browser.get("/staff/account/second-step").text
    assert page.count("<svg") == 1
    secret, seed = re.search(r"<code>([A-Z2-7]+)</code>", page), re.search(r'name="seed" value="([^"]+)"', page)
    assert secret
    assert seed
    fields = {"seed": seed[1], "current": PASSWORD}
    wrong = browser.post("/staff/account/second-step", code="123456", **fields)
    assert wrong.status_code == 400
    assert f'name="seed" value="{seed[1]}"' in wrong.text, "the picture that was scanned stays the same"
    right = browser.post("/staff/account/second-step", code=pyotp.TOTP(secret[1]).at(console.now), **fields)
    codes = re.findall(r"<li><code>([a-z2-7-]+)</code>", right.text)
    assert len(set(codes)) == 10
    for status in (303, 403):  # each lets in once
        other = console.browser()
        assert other.sign_in(OWNER).headers["location"] == "/staff/code"
        other.get("/staff/code")
        assert other.post("/staff/code", code=codes[3].upper().replace("-", " ")).status_code == status
    assert "9 recovery codes left" in browser.get("/staff/account").text


def test_where_the_second_step_is_demanded_it_comes_before_everything_else(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    demanded = config.StaffSection(second_factor="demanded")
    monkeypatch.setitem(vars(console.home.settings), "staff", demanded)
    browser = console.browser(OWNER)
    for path in ("/staff/", "/staff/activity"):
        assert browser.get(path).headers["location"] == "/staff/account/second-step"
    assert browser.get("/staff/account/second-step").status_code == 200
    switch_on(console, OWNER)
    assert browser.get("/staff/activity").status_code == 200


def test_new_recovery_codes_end_the_old_ones_and_without_a_second_step_there_are_none(console: Console) -> None:
    browser = console.browser(VIEWER)
    browser.get("/staff/account")
    assert browser.post("/staff/account/second-step/codes", current=PASSWORD).status_code == 303
    switch_on(console, VIEWER)
    browser.get("/staff/account")
    made = [browser.post("/staff/account/second-step/codes", current=PASSWORD).text]
    browser.get("/staff/account")
    made.append(browser.post("/staff/account/second-step/codes", current=PASSWORD).text)
    old, new = (re.findall(r"<li><code>([a-z2-7-]+)</code>", page)[0] for page in made)
    for code, status in ((old, 403), (new, 303)):
        other = console.browser()
        other.sign_in(VIEWER)
        other.get("/staff/code")
        assert other.post("/staff/code", code=code).status_code == status


def test_the_second_step_goes_only_with_the_password(console: Console) -> None:
    browser = console.browser(OWNER)
    switch_on(console, OWNER)
    browser.get("/staff/account")
    assert browser.post("/staff/account/second-step/off", current="wrong").status_code == 400
    assert console.browser().sign_in(OWNER).headers["location"] == "/staff/code"
    other = console.browser()
    other.client.cookies.update(browser.client.cookies)
    browser.get("/staff/account")
    assert browser.post("/staff/account/second-step/off", current=PASSWORD).status_code == 303
    assert other.get("/staff/").status_code == 303
    assert browser.get("/staff/").status_code == 200
    assert console.browser().sign_in(OWNER).headers["location"] == "/staff/"


def test_sessions_are_listed_and_end_one_by_one_or_all(console: Console) -> None:
    browser, second, third = (console.browser(EDITOR) for _ in range(3))
    page = browser.get("/staff/account").text
    assert page.count("Sign out there") == 2
    number = re.findall(r'name="session" value="(\d+)"', page)[0]
    browser.post("/staff/account/sessions", session=number)
    assert [one.get("/staff/").status_code for one in (second, third)].count(303) == 1
    browser.get("/staff/account")
    assert browser.post("/staff/account/sessions", session="all").headers["location"] == "/staff/sign-in"
    assert {one.get("/staff/").status_code for one in (browser, second, third)} == {303}


def test_nobody_ends_the_session_of_somebody_else(console: Console) -> None:
    mine, theirs = console.browser(OWNER), console.browser(EDITOR)
    mine.get("/staff/account")
    for number in range(5):
        mine.post("/staff/account/sessions", session=str(number))
    assert theirs.get("/staff/").status_code == 200


def test_a_name_changes_and_an_address_of_somebody_else_is_refused(console: Console) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/account")
    answer = browser.post("/staff/account", name="Tom O.", email="tom.o@example.org", current="wrong")
    assert answer.status_code == 400
    assert 'id="proof-fault">That is not your password.' in answer.text
    assert browser.post("/staff/account", name="Tom O.", email=EDITOR).status_code == 303  # a name needs no password
    browser.get("/staff/account")
    answer = browser.post("/staff/account", name="Tom O.", email=OWNER, current=PASSWORD)
    assert answer.status_code == 400
    assert "dana@example.org is the address of Dana Ruiz here." in answer.text
    assert 'value="Tom O."' in answer.text
    typed = {"name": "Tom O.", "email": "tom.o@example.org", "current": PASSWORD}
    assert browser.post("/staff/account", **typed).status_code == 303
    assert console.browser().sign_in("tom.o@example.org").status_code == 303
    with console.home.db.reading() as conn:
        *_, changed = activity.lines(conn, deed="changed their account")
    assert (changed.before, changed.after) == ({"name": "Tom Okafor"}, {"name": "Tom O."})


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) (KHTML, like Gecko) Chrome/130 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("", "A browser"),
    ],
)
def test_browsers_are_named_as_people_call_them(agent: str, name: str) -> None:
    assert own_account.browser(agent) == name
