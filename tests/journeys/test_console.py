"""Staff at work in a real browser: the first sign-in, a send that is stopped and sent again, and the second step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

import scheduler
from digest.config import StaffSection
from digest.home import Home
from digest.staff import accounts, links
from subscribers import offices
from tests.conftest import NOW
from tests.digest.web import serving
from tests.journeys.test_pages import browser, faults_of
from tests.stage import Stage

pytestmark = pytest.mark.browser
PASSWORD = "several words do well"

__all__ = ["browser"]


@dataclass
class Office:
    """A running console, its time, and its digest."""

    home: Home
    stage: Stage
    address: str = ""
    now: datetime = NOW

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def passes(self) -> int:
        """The clock makes a pass; how many mails lie in the mailbox then."""
        office = offices.open_office(self.home, clock=lambda: self.now)
        scheduler.one_pass(office)
        return len([*(self.home.mail / "new").glob("*")])


@pytest.fixture
def office(home: Home) -> Iterator[Office]:
    stage = Stage(home.db, ("weekly", "monthly"))
    for name, topics in (("ann", "*=weekly"), ("bob", "*=weekly"), ("cyd", "*=off;hiring=weekly")):
        stage.join(name, topics)
    stage.publish("policy", "hiring")
    stage.publish("figures", "numbers")
    running = Office(home, stage)
    with serving.serve(home, lambda: running.now) as running.address:
        site = home.settings.site.model_copy(update={"url": running.address})  # where the browser says it comes from
        vars(home.settings)["site"] = site
        yield running


def let_in(page: Page, office: Office, role: str = accounts.OWNER) -> None:
    """Makes an account, and signs in by its link for the first time."""
    with office.home.db.transaction() as conn:
        account = accounts.add(conn, f"{role}@example.org", name="New", role=role, now=office.now)
        token = links.issue(conn, account.id, now=office.now)
    page.goto(f"{office.address}/staff/in/{token}")
    page.get_by_role("button", name="Yes, let me in").click()
    page.get_by_label("Name, as colleagues know it").fill(f"Dana the {role}")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same once more").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()


@pytest.mark.parametrize("scripts", [False, True], ids=["without scripts", "with scripts"])
def test_a_send_is_stopped_in_time_and_sent_again(browser: Browser, office: Office, scripts: bool) -> None:
    page = browser.new_context(java_script_enabled=scripts).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    let_in(page, office)
    page.goto(f"{office.address}/staff/")
    page.get_by_role("link", name="Send now…").first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "Send Weekly digest to 3 people now?"
    assert "Fact sheet policy" in page.frame_locator("iframe").locator("body").inner_text()
    look_at_it(page)
    page.get_by_role("button", name="Send to 3 people").click()
    assert office.passes() == 0
    page.get_by_role("button", name="Stop it").click()
    assert "Stopped in time. Nobody has it" in page.inner_text("main")
    office.later(minutes=6)
    assert office.passes() == 0
    page.goto(f"{office.address}/staff/send/weekly/weekly")
    page.get_by_role("button", name="Send to 3 people").click()
    assert "Starts in 5:00. Nobody has it yet." in page.inner_text("main")
    office.later(minutes=5)
    assert office.passes() == 3
    if not scripts:
        page.reload()
    page.get_by_role("img", name="3 accepted").wait_for()  # with scripts it comes by itself
    assert complaints == []


def look_at_it(page: Page) -> None:
    """Each way of looking is a link; the mail has its own colors, whatever those of the page are."""
    ground = "getComputedStyle(document.querySelector('.page')).backgroundColor"
    for colors, seen in (("Dark", "rgb(17, 23, 22)"), ("Light", "rgb(237, 241, 239)")):
        page.get_by_role("link", name=colors, exact=True).click()
        frame = page.frame_locator("iframe").locator(".page").first
        frame.wait_for()
        assert page.frames[-1].evaluate(ground) == seen
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(245, 247, 246)"
    page.get_by_role("link", name="cyd@example.org, 1 item").click()
    assert page.get_by_role("link", name="cyd@example.org, 1 item").get_attribute("aria-current") == "true"
    assert "Fact sheet figures" not in page.frame_locator("iframe").locator("body").inner_text()
    page.get_by_role("button", name="I have seen it as it is now").click()
    assert "Nothing: it holds what it held then." in page.inner_text("main")
    page.get_by_role("link", name="Text", exact=True).click()
    assert "1. Fact sheet policy" in page.inner_text("pre")


def test_a_second_person_approves(browser: Browser, office: Office) -> None:
    vars(office.home.settings)["staff"] = StaffSection(second_approval=True)
    author, second = (browser.new_context(reduced_motion="reduce").new_page() for _ in range(2))
    author.add_init_script(AXE_SCRIPT)
    let_in(author, office, accounts.EDITOR)
    author.goto(f"{office.address}/staff/send/weekly/weekly")
    assert "Nobody else here can approve it yet." in author.inner_text("main")
    let_in(second, office)
    author.reload()
    author.get_by_role("button", name="Ask to send it to 3 people").click()
    assert "It waits for somebody else" in author.inner_text("main")
    assert author.get_by_role("button", name="Approve").count() == 0
    author.set_viewport_size({"width": 320, "height": 640})
    assert [*faults_of(author)] == []
    office.later(minutes=10)
    second.goto(f"{office.address}/staff/")
    second.get_by_role("link", name=re.compile("Review: Weekly digest")).click()
    second.get_by_role("button", name="Approve").click()
    assert "Starts in 5:00. Nobody has it yet." in second.inner_text("main")
    author.reload()
    assert "Sent by Dana the editor, approved by Dana the owner." in author.inner_text("main")
    office.later(minutes=5)
    assert office.passes() == 3 + 1  # and the mail that told staff that it waited


def test_a_second_step_is_set_up_and_asked_for(browser: Browser, office: Office) -> None:
    page = browser.new_context().new_page()
    let_in(page, office)
    page.get_by_role("link", name="Set it up…").click()
    app = pyotp.TOTP(page.locator("code").first.inner_text())
    page.get_by_label("Six digits").fill(app.at(office.now))
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Switch it on").click()
    assert page.locator(".codes code").count() == 10
    page.get_by_role("link", name="I have them").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    office.later(minutes=1)
    page.get_by_label("E-mail address").fill("owner@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label(re.compile("Six digits")).fill(app.at(office.now))
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{office.address}/staff/"


def test_a_run_is_moved_and_items_are_brought_in(browser: Browser, office: Office) -> None:
    page = browser.new_context(reduced_motion="reduce").new_page()
    page.add_init_script(AXE_SCRIPT)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    let_in(page, office)
    page.set_viewport_size({"width": 320, "height": 640})
    office.passes()  # what is due has happened
    page.goto(f"{office.address}/staff/schedule/weekly/monthly/move")
    page.get_by_label("Hour").select_option("12")
    page.get_by_label("Why").fill("A holiday.")
    page.get_by_role("button", name="Show what follows").click()
    page.get_by_role("heading", name="What follows").wait_for()
    faults = [*faults_of(page)]
    page.get_by_role("button", name="Move it to").click()
    page.get_by_role("button", name="Move the run of").click()
    assert "The run happens at its own moment." in page.inner_text("main")
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"{office.address}/staff/items/import")
    faults += faults_of(page)
    text = "---\ntitle: Brought in\nkind: fact sheet\ndate: 2026-09-01\n---\nText.\n"
    file = {"name": "brought-in.md", "mimeType": "text/markdown", "buffer": text.encode()}
    page.get_by_label("A .zip of the folder, or one .md file").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="Bring in 1 item").wait_for()
    page.set_viewport_size({"width": 320, "height": 640})
    faults += faults_of(page)
    page.get_by_role("button", name="Bring in 1 item").click()
    page.get_by_role("heading", name="1 item is in").wait_for()
    assert (faults, complaints) == ([], [])
