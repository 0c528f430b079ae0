"""Signing in and out: by password, by link, with a second step, and too often."""

from __future__ import annotations

from collections.abc import Callable

import pyotp
import pytest
from sqlalchemy import Connection

from digest.staff import accounts, activity, passwords, second_factor, sessions
from digest.staff.accounts import Account
from digest.web.console import tries
from tests.conftest import NOW
from tests.digest.web.console.conftest import AUTHOR, OWNER, PASSWORD, VIEWER, Browser, Console


def switch_on(console: Console, email: str) -> pyotp.TOTP:
    """Gives somebody a second step; what their app shows."""
    nonce = second_factor.propose()
    app = pyotp.TOTP(second_factor.secret(console.home.keys, nonce))
    with console.home.db.transaction() as conn:
        account = accounts.find(conn, email)
        code = app.at(console.now)
        assert second_factor.switch_on(conn, console.home.keys, account, nonce, code, now=console.now)
    console.later(seconds=60)
    return app


def test_where_nobody_works_yet_the_page_says_how_to_make_the_first_account(nobody: Console) -> None:
    assert "digest staff add" in nobody.browser().get("/staff/sign-in").text


def test_who_wants_a_page_signs_in_and_comes_to_it(console: Console) -> None:
    browser = console.browser()
    wanted = browser.get("/staff/activity").headers["location"]
    assert wanted == "/staff/sign-in?to=/staff/activity"
    browser.get(wanted)
    assert 'name="to" value="/staff/activity"' in browser.page
    answer = browser.post("/staff/sign-in", email=OWNER, password=PASSWORD, to="/staff/activity")
    assert answer.headers["location"] == "/staff/activity"


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/staff/../..//evil.example", "/subscribe"])
def test_a_sign_in_leads_nowhere_else(console: Console, to: str) -> None:
    browser = console.browser()
    browser.get("/staff/sign-in")
    assert browser.post("/staff/sign-in", email=OWNER, password=PASSWORD, to=to).headers["location"] == "/staff/"


@pytest.mark.parametrize(
    ("email", "password"), [(OWNER, "not the password"), ("nobody@example.org", PASSWORD), ("", ""), (OWNER, "")]
)
def test_who_does_not_get_in_learns_nothing_more(console: Console, email: str, password: str) -> None:
    answer = console.browser().sign_in(email, password)
    assert answer.status_code == 403
    assert "That address and password do not match." in answer.text
    assert "<title>Error: Sign in" in answer.text
    assert "digest-staff" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("email", [OWNER, "nobody@example.org"])
def test_an_unknown_address_costs_the_same_work(console: Console, monkeypatch: pytest.MonkeyPatch, email: str) -> None:
    work: list[str] = []
    hasher = passwords.HASHER

    class Counting:
        hash = hasher.hash

        def verify(self, hashed: str, password: str) -> bool:
            work.append(hashed.rpartition("$")[0].rpartition("$")[0])  # how it is hashed, without the salt
            return hasher.verify(hashed, password)

    monkeypatch.setattr(passwords, "HASHER", Counting())
    assert console.browser().sign_in(email, "wrong").status_code == 403
    assert work == ["$argon2id$v=19$m=19456,t=2,p=1"]


def test_too_many_tries_from_one_place_are_told_until_when_and_lock_nobody_else_out(console: Console) -> None:
    browser = console.browser()
    for _ in range(8):
        assert browser.sign_in(OWNER, "wrong").status_code == 403
    answer = browser.sign_in(OWNER)  # the right one comes too late
    assert answer.status_code == 429
    assert "Too many tries. Try again after 7:15\N{NO-BREAK SPACE}a.m." in answer.text
    assert console.browser().sign_in(AUTHOR).status_code == 303
    console.later(minutes=15)
    assert browser.sign_in(OWNER).status_code == 303


def test_one_network_cannot_try_all_accounts(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "AT_THE_DOOR", ((3, tries.QUARTER),))
    browser = console.browser()
    got = [browser.sign_in(f"somebody{n}@example.org", "wrong").status_code for n in range(4)]
    assert got == [403, 403, 403, 429]


def test_a_link_lets_in_once_and_only_its_button_does(console: Console) -> None:
    link, browser = console.link(VIEWER), console.browser()
    for _ in range(3):
        assert "Are you Vera Lund?" in browser.get(link).text
    assert browser.post(link).headers["location"] == "/staff/account"
    assert browser.get("/staff/account").status_code == 200
    other = console.browser()
    assert other.get(link).status_code == 400
    assert "This link does not work" in other.page
    assert other.post(link).status_code == 403  # the page has no form


@pytest.mark.parametrize("second_step", [False, True])
def test_who_lost_their_password_comes_in_by_a_link_and_chooses_another(console: Console, second_step: bool) -> None:
    old, new = console.browser(VIEWER), "four entirely other words"
    app = switch_on(console, VIEWER) if second_step else None
    link, browser = console.link(VIEWER), console.browser()
    browser.get(link)
    browser.post(link)
    if app:  # whoever has the link alone changes nothing
        assert old.get("/staff/").status_code == 200
        browser.get("/staff/code")
        browser.post("/staff/code", code=app.at(console.now))
    assert old.get("/staff/").status_code == 303, "without a password, an older session could choose one"
    assert console.browser().sign_in(VIEWER).status_code == 403
    assert browser.get("/staff/activity").headers["location"] == "/staff/account"
    mine = {"name": "Vera Lund", "email": VIEWER, "password": new, "repeated": new}
    browser.get("/staff/account")
    assert browser.post("/staff/account/password", **mine).status_code == 303
    assert browser.get("/staff/activity").status_code == 200
    assert console.browser().sign_in(VIEWER, new).status_code == 303


def test_whose_account_has_ended_comes_in_by_nothing(console: Console) -> None:
    owner, browser = console.browser(OWNER), console.browser(VIEWER)
    with console.home.db.reading() as conn:
        vera = accounts.find(conn, VIEWER)
    owner.get("/staff/activity")
    with console.home.db.transaction() as conn:
        accounts.end(conn, vera.id, now=console.now)
        held = sessions.open(conn, vera.id, half=False, ip="", agent="", now=console.now)  # begun a moment before
    answer = owner.post(f"/staff/activity/staff/{vera.id}/link")
    assert "The account of Vera Lund has ended. Add them anew." in answer.text
    assert "/staff/in/" not in answer.text
    browser.client.cookies.set("digest-staff", held, domain="127.0.0.1")
    assert browser.get("/staff/").status_code == 303


@pytest.mark.parametrize("meanwhile", [passwords.forget, lambda conn, account: accounts.end(conn, account.id, now=NOW)])
def test_a_password_that_stands_no_more_when_it_was_checked_opens_nothing(
    console: Console, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Connection, Account], object]
) -> None:
    match = passwords.match

    def slowly(conn: Connection, account: Account | None, password: str) -> str | None:
        found = match(conn, account, password)
        if account:
            with console.home.db.transaction() as other:
                meanwhile(other, account)
        return found

    monkeypatch.setattr(passwords, "match", slowly)
    assert console.browser().sign_in(VIEWER).status_code == 403


def test_a_newer_link_ends_the_older_and_time_ends_both(console: Console) -> None:
    older, newer = console.link(VIEWER), console.link(VIEWER)
    browser = console.browser()
    assert browser.get(older).status_code == 400
    assert browser.get(newer).status_code == 200
    console.later(hours=48)
    assert browser.post(newer).status_code == 400


def test_the_second_step_comes_after_the_password_and_after_a_link(console: Console) -> None:
    app = switch_on(console, OWNER)
    for start in ("password", "link"):
        browser = console.browser()
        if start == "password":
            assert browser.sign_in(OWNER).headers["location"] == "/staff/code"
        else:
            link = console.link(OWNER)
            browser.get(link)
            assert browser.post(link).headers["location"] == "/staff/code"
        half = browser.client.cookies["digest-staff"]
        assert browser.get("/staff/").headers["location"].startswith("/staff/sign-in")
        browser.get("/staff/code")
        assert browser.post("/staff/code", code="000000").status_code == 403
        assert browser.post("/staff/code", code=app.at(console.now)).status_code == 303
        assert browser.get("/staff/account").status_code == 200
        assert browser.client.cookies["digest-staff"] != half
        console.later(minutes=1)


def test_a_code_works_once_though_its_time_is_not_over(console: Console) -> None:
    app = switch_on(console, OWNER)
    for status in (303, 403):
        browser = console.browser()
        browser.sign_in(OWNER)
        browser.get("/staff/code")
        assert browser.post("/staff/code", code=app.at(console.now)).status_code == status


def test_a_half_session_ends_after_minutes(console: Console) -> None:
    app = switch_on(console, OWNER)
    browser = console.browser()
    browser.sign_in(OWNER)
    browser.get("/staff/code")
    console.later(minutes=10)
    answer = browser.post("/staff/code", code=app.at(console.now))
    assert answer.headers["location"] == "/staff/sign-in"


def test_signing_out_ends_the_session_and_is_recorded(console: Console) -> None:
    browser = console.browser(OWNER)
    stolen = Browser(console.browser().client)
    stolen.client.cookies.set("digest-staff", browser.client.cookies["digest-staff"], domain="127.0.0.1")
    assert stolen.get("/staff/").status_code == 200
    browser.get("/staff/")
    assert browser.post("/staff/sign-out").headers["location"] == "/staff/sign-in"
    assert stolen.get("/staff/").status_code == 303
    with console.home.db.reading() as conn:
        assert [line.deed for line in activity.lines(conn)] == ["signed out", "signed in"]
