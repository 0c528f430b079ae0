"""A subscriber's life in a real browser: ask, confirm, change, pause, wake, leave, come back; with scripts and without.

Between the pages the clock passes, and the mails are read from the mailbox as the subscriber would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

import scheduler
from digest import items, publications
from digest.drafts import Draft
from digest.home import Home
from digest.tables import metadata
from subscribers import offices, records
from tests.conftest import NOW
from tests.digest.web import serving
from tests.journeys.test_pages import browser
from tests.subscribers import world

pytestmark = pytest.mark.browser
ZOE = "zoe@example.org"

__all__ = ["browser"]


@dataclass
class Life:
    """The running site, its clock, and a mailbox."""

    home: Home
    address: str
    now: datetime = NOW
    seen: set[Path] = field(default_factory=set)

    def passes(self) -> list[EmailMessage]:
        """The clock makes a pass; what arrived since the last one, oldest first."""
        office = offices.open_office(self.home, clock=lambda: self.now)
        scheduler.one_pass(office)
        fresh = sorted({*(self.home.mail / "new").glob("*")} - self.seen, key=lambda path: path.stat().st_mtime_ns)
        self.seen |= {*fresh}
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in fresh]

    def later(self, **step: float) -> None:
        self.now += timedelta(**step)

    def state(self) -> str:
        with self.home.db.reading() as conn:
            return records.find(conn, ZOE).state

    def choices(self) -> dict[str, str]:
        with self.home.db.reading() as conn:
            return dict(records.find(conn, ZOE).subscriptions[0].preferences)

    def publish(self, slug: str) -> None:
        draft = Draft(
            slug=slug, kind="fact sheet", title=f"About {slug}", topics=("hiring",), published_on="2026-09-01"
        )
        with self.home.db.transaction() as conn:
            items.put(conn, draft, now=self.now, zone="America/New_York")


def link(mail: EmailMessage, letter: str) -> str:
    """The path of a link in a mail's plain text."""
    part = mail.get_body(("plain",))
    assert part is not None
    found = re.search(rf"/{letter}/[\w-]+", part.get_content())
    assert found
    return found[0]


@pytest.fixture
def life(home: Home) -> Iterator[Life]:
    with home.db.transaction() as conn:
        world.digest(conn, cadences=("daily", "weekly", "monthly"))
        publications.set_topic(conn, "hiring", "Hiring officers")
        publications.set_topic(conn, "detainers", "Detainers")
    with serving.serve(home) as address:
        yield Life(home, address)


@pytest.mark.parametrize("scripts", [False, True], ids=["without scripts", "with scripts"])
def test_a_whole_life(browser: Browser, life: Life, scripts: bool) -> None:
    page = browser.new_context(java_script_enabled=scripts, timezone_id="Europe/Madrid").new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    signs_up(page, life)
    (mail,) = life.passes()
    assert mail["Subject"] == "Is this address yours? One step left"
    confirms(page, life, mail)
    with life.home.db.reading() as conn:
        zone = records.find(conn, ZOE).subscriptions[0].zone
    assert zone == ("Europe/Madrid" if scripts else "America/New_York")
    own = page.get_attribute("a.button", "href")
    assert own is not None
    changes(page, life, own)
    pauses_and_wakes(page, life, own)
    life.publish("one")
    life.later(days=1, hours=3)
    (mail,) = arrived(life)
    leaves(page, life, mail)
    comes_back(page, life)
    assert complaints == []


def arrived(life: Life) -> list[EmailMessage]:
    """The next digest, whenever its hour comes."""
    for _ in range(30):
        if mails := life.passes():
            return mails
        life.later(hours=1)
    raise AssertionError("no digest came within a day")


def signs_up(page: Page, life: Life) -> None:
    page.goto(f"{life.address}/subscribe")
    page.get_by_label("Your e-mail address").fill("zoe@example")
    page.get_by_role("main").get_by_role("button").click()
    assert page.title().startswith("Error: ")
    assert page.get_by_label("Your e-mail address").input_value() == "zoe@example"
    page.get_by_label("Your e-mail address").fill(ZOE)
    page.get_by_label("Only these topics").check()
    page.get_by_label("Hiring officers").check()
    page.get_by_role("main").get_by_role("button").click()
    assert page.url.endswith("/subscribe/sent")
    assert "a message is there within a few minutes" in page.inner_text("main")


def confirms(page: Page, life: Life, mail: EmailMessage) -> None:
    page.goto(life.address + link(mail, "c"))
    assert life.state() == "pending"
    page.get_by_role("button", name="Yes, send it to me").click()
    assert page.inner_text("h1") == "You are in"
    assert life.state() == "active"
    assert life.choices() == {"*": "off", "hiring": "weekly"}


def changes(page: Page, life: Life, own: str) -> None:
    page.goto(life.address + own)
    page.get_by_label("Hiring officers: Daily").check()
    page.get_by_label("Time of day").select_option("6:00\N{NO-BREAK SPACE}a.m.")
    page.get_by_role("button", name="Save changes").click()
    assert "Saved." in page.inner_text("main")
    assert life.choices()["hiring"] == "daily"


def pauses_and_wakes(page: Page, life: Life, own: str) -> None:
    page.goto(life.address + own)
    page.locator("input[type=date]").fill((life.now + timedelta(days=30)).date().isoformat())
    page.get_by_role("button", name="Pause").click()
    assert life.state() == "paused"
    page.get_by_role("button", name="Send it again").click()
    assert life.state() == "active"


def leaves(page: Page, life: Life, mail: EmailMessage) -> None:
    page.goto(life.address + link(mail, "u"))
    assert life.state() == "active"
    page.get_by_role("button", name="Unsubscribe").first.click()
    assert page.inner_text("h1") == "You are unsubscribed"
    assert life.state() == "left"
    page.get_by_label("Would you say why, in a line?").fill("Too many mails")
    page.get_by_role("button", name="Send it").click()
    assert "A person reads what you wrote." in page.inner_text("main")


def comes_back(page: Page, life: Life) -> None:
    page.get_by_role("button", name="Send me that message").click()
    (mail,) = life.passes()
    page.goto(life.address + link(mail, "c"))
    page.get_by_role("button", name="Yes, send it to me").click()
    assert page.inner_text("h1") == "You are in"
    assert life.state() == "active"
    assert life.choices()["hiring"] == "daily"


# --- scanners --------------------------------------------------------------------------------------------------


def everything(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with home.db.reading() as conn:
        return {t.name: [tuple(row) for row in conn.execute(sa.select(t))] for t in metadata.sorted_tables}


def test_a_scanner_that_opens_every_link_of_every_mail_changes_nothing(life: Life) -> None:
    with serving.client(life.address) as client:
        client.post("/subscribe", data={"email": ZOE, "often": "daily"})
        mails = life.passes()
        client.post(link(mails[0], "c"))
        life.later(hours=2)
        client.post("/subscribe", data={"email": ZOE})
        mails += (settings := life.passes())
        own = link(settings[0], "p")
        for button in ("copy", "erase", "address"):
            client.post(own, data={"do": button})
        mails += life.passes()
        life.publish("one")
        mails += arrived_digest(life)
        links = {one for mail in mails for one in all_links(mail)}
        assert {one.split("/")[1] for one in links} >= {"c", "p", "u", "d"}
        before = everything(life.home)
        for path in links:
            scan(client, path)
        assert everything(life.home) == before
        assert life.state() == "active"


def arrived_digest(life: Life) -> list[EmailMessage]:
    life.later(days=1)
    return arrived(life)


def all_links(mail: EmailMessage) -> set[str]:
    """The paths of our own links anywhere in a mail, its headers included."""
    texts = [str(mail.get("List-Unsubscribe", ""))]
    texts += [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    return {found for text in texts for found in re.findall(r"http://127\.0\.0\.1:8080(/[\w./?=-]*)", text)}


def scan(client: httpx.Client, path: str) -> None:
    agent = {"user-agent": "Mozilla/5.0 (compatible; mail scanner)"}
    for method in ("HEAD", "GET", "OPTIONS", "GET"):
        client.request(method, path, headers=agent)
