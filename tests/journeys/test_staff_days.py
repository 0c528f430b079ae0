"""Days of the staff in a real browser: an item from its first word to the mail, two editors at one item, a letter to
some and its correction, a send that is paused, and those whom the door keeps out."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from digest import items
from digest.staff import accounts
from tests.journeys.test_console import Office, let_in, office
from tests.journeys.test_pages import browser

pytestmark = pytest.mark.browser

__all__ = ["browser", "office"]


def editor(browser: Browser, office: Office, role: str = accounts.EDITOR) -> Page:
    """A window of somebody who is signed in."""
    page = browser.new_context(java_script_enabled=False).new_page()
    let_in(page, office, role)
    return page


def go(page: Page, office: Office, path: str) -> str:
    """Opens a page; what it says."""
    page.goto(f"{office.address}{path}")
    return page.inner_text("main")


def test_an_item_is_written_and_goes_through_the_feed_and_the_draft_to_the_mail(
    browser: Browser, office: Office
) -> None:
    page = editor(browser, office)
    go(page, office, "/staff/items/new")
    page.get_by_label("Title", exact=True).fill("Detainers in the Courts")
    page.get_by_label("Kind", exact=True).fill("backgrounder")
    page.get_by_label("hiring").check()
    page.get_by_label("Text", exact=True).fill("Judges decide **slowly**.")
    page.get_by_role("button", name="Save the draft").click()
    assert "Only staff see it" in page.inner_text("main")
    item = page.url.partition("?")[0].rpartition("/")[2]
    assert page.request.get(f"{office.address}/items/{item}").status == 404
    page.get_by_role("button", name="Publish").click()
    assert "It is on the site and in the feeds" in page.inner_text("main")
    assert "Detainers in the Courts" in page.request.get(f"{office.address}/feeds/all.rss").text()
    assert "Detainers in the Courts" in go(page, office, "/staff/")
    assert "Detainers in the Courts" in go(page, office, "/staff/send/weekly/weekly")
    page.get_by_role("button", name="Send to 3 people").click()
    office.later(minutes=5)
    assert office.passes() == 3
    person = go(page, office, f"/staff/people/{office.stage.ids['cyd']}")
    assert "cyd@example.org" in person
    assert "Detainers in the Courts" in person
    assert "Nobody has this item by mail yet" not in go(page, office, f"/staff/items/{item}")


def test_two_editors_see_both_versions_and_nothing_of_either_is_lost(browser: Browser, office: Office) -> None:
    first, second = editor(browser, office, accounts.OWNER), editor(browser, office)
    for page in (first, second):
        go(page, office, "/staff/items/policy")
    first.get_by_label("Text", exact=True).fill("What the first wrote.")
    first.get_by_role("button", name="Save changes").click()
    second.get_by_label("Text", exact=True).fill("What the second wrote.")
    second.get_by_role("button", name="Save changes").click()
    table = second.locator("#both").inner_text()
    assert "What the first wrote." in table
    assert "What the second wrote." in table
    assert second.get_by_label("Text", exact=True).input_value() == "What the second wrote."
    with office.home.db.reading() as conn:
        assert "the first" in items.find(conn, "policy").body
    second.get_by_role("button", name="Save changes").click()
    with office.home.db.reading() as conn:
        assert "the second" in items.find(conn, "policy").body


def test_a_letter_goes_to_some_and_its_correction_to_those_who_have_it(browser: Browser, office: Office) -> None:
    assert office.passes() == 3  # this morning's run
    page = editor(browser, office)
    letter(page, office, "Call for profiles", lambda: page.get_by_label("numbers").check())
    assert "Send “Call for profiles” to 2 people?" in page.inner_text("main")  # not to who takes hiring alone
    page.get_by_role("button", name="Send to 2 people").click()
    number = page.url.rpartition("/")[2]
    office.later(minutes=5)
    assert office.passes() == 5
    page.reload()
    page.get_by_role("link", name="Write a correction…").click()
    assert page.get_by_label("Only who received", exact=True).input_value() == number
    letter(page, office, "The right address", lambda: None, opened=True)
    page.get_by_role("button", name="Send to 2 people").click()
    office.later(minutes=5)
    assert office.passes() == 7
    told = {name: go(page, office, f"/staff/people/{office.stage.ids[name]}") for name in ("ann", "cyd")}
    assert "Letter: Call for profiles" in told["ann"]
    assert "Letter: The right address" in told["ann"]
    assert "The right address" not in told["cyd"]


def letter(page: Page, office: Office, subject: str, choose: object, *, opened: bool = False) -> None:
    """Writes a letter as far as its check."""
    if not opened:
        go(page, office, "/staff/letters/new")
    page.get_by_label("Subject", exact=True).fill(subject)
    page.get_by_label("Text", exact=True).fill("Dear reader,\n\nwrite to us.")
    if callable(choose):
        choose()
    page.get_by_role("button", name="Continue to check").click()


def test_a_send_is_paused_and_goes_on(browser: Browser, office: Office) -> None:
    page = editor(browser, office)
    edition = office.stage.cycle()
    go(page, office, f"/staff/editions/{edition.id}")
    page.get_by_role("button", name="Pause").click()
    assert "Paused by Dana the editor." in page.inner_text("main")
    assert office.passes() == 0
    page.get_by_role("button", name="Resume").click()
    assert office.passes() == 3
    page.reload()
    assert page.get_by_role("img", name="3 accepted").count() == 1


def test_whoever_guesses_passwords_is_told_until_when_and_a_viewer_sends_nothing(
    browser: Browser, office: Office
) -> None:
    page = editor(browser, office, accounts.VIEWER)
    assert "Send now" not in go(page, office, "/staff/")
    assert "This is for editors and owners" in go(page, office, "/staff/send/weekly/weekly")
    assert "Ask an owner" in page.inner_text("main")
    go(page, office, "/staff/account")
    page.get_by_role("button", name="Sign out", exact=True).click()
    for _ in range(20):
        page.get_by_label("E-mail address").fill("viewer@example.org")
        page.get_by_label("Password").fill("not this one")
        page.get_by_role("button", name="Sign in").click()
        if "Too many tries" in page.inner_text("main"):
            break
    assert "Too many tries. Try again after" in page.inner_text("main")
    office.later(minutes=20)
    page.get_by_label("E-mail address").fill("viewer@example.org")
    page.get_by_label("Password").fill("several words do well")
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{office.address}/staff/"
