"""Nobody passes who is not signed in, whose role does not suffice, or whose form is not ours: every route is tried."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from digest.staff import accounts, activity, roster
from digest.web.console import CONSOLE, door
from digest.web.look import Site
from tests.digest.web.console.conftest import AUTHOR, EDITOR, OWNER, PASSWORD, STAFF, VIEWER, Browser, Console

ROUTES = [
    (method, re.sub("{[a-z]+:str}", "1", route.path), handler.opt["least"])
    for route in Litestar([CONSOLE], openapi_config=None).routes
    if isinstance(route, HTTPRoute)
    for method, (handler, _) in sorted(route.route_handler_map.items())
    if method != "OPTIONS"
]
DEEDS = [(path, least) for method, path, least in ROUTES if method == "POST"]
FOR_STAFF = [one for one in ROUTES if one[2] in accounts.ROLES]


def test_there_are_routes_of_both_kinds_and_no_other_method() -> None:
    assert {method for method, _, _ in ROUTES} == {"GET", "POST"}
    assert len(DEEDS) > 5
    assert len(FOR_STAFF) > 5


def test_no_address_answers_who_is_not_signed_in(console: Console) -> None:
    browser = console.browser()
    for method, path, least in ROUTES:
        if least == door.ANYONE:
            continue
        answer = browser.client.request(method, path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/staff/sign-in"), path


def test_no_address_answers_a_role_below_its_own(console: Console) -> None:
    ranks = list(zip(accounts.ROLES, STAFF, strict=True))
    for role, email in ranks[:-1]:
        browser = console.browser(email)
        browser.get("/staff/account")
        for method, path, least in FOR_STAFF:
            if accounts.ROLES.index(least) <= accounts.ROLES.index(role):
                continue
            answer = browser.get(path) if method == "GET" else browser.post(path)
            assert answer.status_code == 403, (email, path)
            assert "Ask an owner" in answer.text
            browser.get("/staff/account")


@pytest.mark.parametrize("token", ["", "0" * 32, "\N{SNOWMAN}" * 32])
def test_no_deed_is_done_without_the_forms_token(console: Console, token: str) -> None:
    browser = console.browser(OWNER)
    for path, _ in DEEDS:
        answer = browser.post(path, token=token)
        assert answer.status_code == 403, path
        assert "This form was not accepted" in answer.text


def test_no_deed_is_done_by_opening_its_address(console: Console) -> None:
    browser = console.browser(OWNER)
    pages = {path for method, path, _ in ROUTES if method == "GET"}
    for path, _ in DEEDS:
        if path not in pages:
            assert browser.get(path).status_code == 405, path


def test_a_token_of_somebody_else_or_of_before_the_sign_in_is_none(console: Console) -> None:
    other, browser = console.browser(EDITOR), console.browser()
    other.get("/staff/account")
    browser.get("/staff/sign-in")
    before = browser.page
    browser.sign_in(OWNER)
    for page in (before, other.page):
        browser.page = page
        assert browser.post("/staff/account/sessions", session="all").status_code == 403


def test_a_form_on_another_site_is_refused_though_it_has_the_token(console: Console) -> None:
    browser = console.browser(OWNER)
    browser.get("/staff/account")
    browser.client.headers["origin"] = "https://evil.example"
    assert browser.post("/staff/account/sessions", session="all").status_code == 403
    browser.get("/staff/account")
    browser.client.headers["origin"] = "http://127.0.0.1:8080"  # as the settings have it
    assert browser.post("/staff/account/sessions", session="all").status_code == 303


def test_a_session_that_a_browser_made_up_is_none(console: Console) -> None:
    browser = console.browser()
    browser.client.cookies.set("digest-staff", "made-up-by-myself")
    assert browser.get("/staff/").status_code == 303
    browser.sign_in(OWNER)
    assert browser.client.cookies.get("digest-staff", domain="127.0.0.1") != "made-up-by-myself"


def test_a_session_ends_by_disuse_and_in_any_case(console: Console) -> None:
    browser = console.browser(VIEWER)
    console.later(hours=11)
    assert browser.get("/staff/").status_code == 200
    console.later(hours=11)
    assert browser.get("/staff/").status_code == 200
    console.later(hours=12)
    assert browser.get("/staff/").status_code == 303
    browser.sign_in(VIEWER)
    for _ in range(17):
        console.later(hours=10)
        browser.get("/staff/")
    assert browser.get("/staff/").status_code == 303


def test_what_is_stored_lets_nobody_in(console: Console) -> None:
    browser = console.browser(OWNER)
    token = browser.client.cookies["digest-staff"]
    with console.home.db.reading() as conn:
        (stored,) = conn.exec_driver_sql("SELECT token_hash FROM staff_sessions").one()
    assert token.encode() not in stored
    assert PASSWORD not in str(stored)


def test_a_page_of_the_console_is_stored_nowhere_and_its_cookie_is_for_no_script(console: Console) -> None:
    browser = Browser(console.browser().client)
    browser.get("/staff/sign-in")
    answer = browser.post("/staff/sign-in", email=AUTHOR, password=PASSWORD)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    page = browser.get("/staff/")
    assert page.headers["cache-control"] == "no-store"
    assert "noindex" in page.headers["x-robots-tag"]


def test_where_the_site_has_https_the_cookie_is_for_https_alone(console: Console) -> None:
    settings = console.home.settings
    site = settings.site.model_copy(update={"url": "https://news.example.org"})
    secure = Site(replace(console.home, settings=settings.model_copy(update={"site": site})), lambda: console.now)
    cookie = door.session_cookie(secure, "token").to_header(header="")
    assert cookie.startswith("__Host-staff=token")
    assert "Secure" in cookie
    assert "Path=/;" in cookie
    assert "Domain" not in cookie


# --- new ids ---------------------------------------------------------------------------------------------------


def set_role(console: Console, email: str, role: str) -> None:
    with console.home.db.transaction() as conn:
        roster.set_role(conn, "root", accounts.find(conn, email).id, role, now=console.now)


def held(browser: Browser) -> str:
    return browser.client.cookies["digest-staff"]


def test_with_another_role_a_session_goes_on_under_a_new_id(console: Console) -> None:
    browser, other = console.browser(AUTHOR), console.browser(EDITOR)
    old, untouched = held(browser), held(other)
    browser.get("/staff/account")
    set_role(console, AUTHOR, accounts.EDITOR)
    before = browser.page
    assert browser.get("/staff/letters/new").status_code == 200
    assert held(browser) != old
    browser.page = before  # a form that was open meanwhile
    assert browser.post("/staff/account", name="Ada Quist", email=AUTHOR).status_code == 303
    other.get("/staff/")
    assert held(other) == untouched


def test_a_form_that_is_sent_first_is_done_and_brings_the_new_id(console: Console) -> None:
    browser = console.browser(AUTHOR)
    old = held(browser)
    browser.get("/staff/account")
    set_role(console, AUTHOR, accounts.VIEWER)
    assert browser.post("/staff/account", name="Ada Q.", email=AUTHOR).status_code == 303
    assert held(browser) != old
    set_role(console, AUTHOR, accounts.AUTHOR)
    old = held(browser)
    assert browser.get("/staff/letters/new").status_code == 403  # a refusal brings it too
    assert held(browser) != old


def test_the_old_id_is_for_what_was_under_way_and_later_ends_every_copy(console: Console) -> None:
    browser, thief = console.browser(AUTHOR), console.browser()
    thief.client.cookies.set("digest-staff", held(browser), domain="127.0.0.1", path="/")
    set_role(console, AUTHOR, accounts.EDITOR)
    browser.get("/staff/")
    assert thief.get("/staff/").status_code == 200  # as a picture of the same page would ask
    assert "set-cookie" not in thief.get("/staff/").headers
    console.later(seconds=30)
    assert browser.get("/staff/").status_code == 200
    assert thief.get("/staff/").status_code == 303
    assert browser.get("/staff/").status_code == 303
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, limit=1)
    assert (line.name, line.deed) == ("Ada Quist", "was signed out, since an old id was used again")


def test_whoever_signs_out_as_the_role_changes_is_out(console: Console) -> None:
    browser = console.browser(AUTHOR)
    browser.get("/staff/account")
    set_role(console, AUTHOR, accounts.EDITOR)
    answer = browser.post("/staff/sign-out")
    assert answer.headers.get_list("set-cookie")[0].startswith("digest-staff=")
    assert len(answer.headers.get_list("set-cookie")) == 1
    assert browser.get("/staff/").status_code == 303
