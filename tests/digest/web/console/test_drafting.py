"""The coming edition in the console: what is in it, in which order, and what staff write over it."""

from __future__ import annotations

import re

import lxml.html
import pytest

from digest import drafting, review
from digest.drafting import Coming
from digest.staff import activity
from tests.digest.web.console.conftest import EDITOR, VIEWER, Browser, Console
from tests.stage import SETTINGS, Stage

HERE = "/staff/coming/weekly/weekly"


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with a reader and three items that wait: c, b, a."""
    stage = Stage(console.home.db)
    stage.join("ann")
    for slug in ("a", "b", "c"):
        stage.publish(slug, "hiring")
        stage.later(minutes=1)
    return stage


def look(stage: Stage) -> Coming:
    with stage.db.reading() as conn:
        return drafting.look(conn, stage.series(conn))


def order(page: str) -> list[str]:
    """The items as the page lists them."""
    listed = lxml.html.fromstring(page).xpath("//ol//h3/a")
    return [link.get("href").rsplit("/", 1)[1] for link in listed]


def open_(console: Console, email: str = EDITOR) -> Browser:
    browser = console.browser(email)
    browser.get(HERE)
    return browser


def write(browser: Browser, **fields: str) -> int:
    hidden = {name: re.findall(f'name="{name}" value="([0-9]+)"', browser.page)[0] for name in ("revision", "mark")}
    return browser.post(f"{HERE}/write", **hidden | {"subject-en": "", "text-en": ""} | fields).status_code


def test_items_are_put_in_order_and_the_mail_has_it(console: Console, stage: Stage) -> None:
    browser = open_(console)
    assert order(browser.page) == ["c", "b", "a"]
    browser.post(f"{HERE}/move", item="a", where="first")
    browser.get(HERE)
    browser.post(f"{HERE}/move", item="c", where="down")
    assert order(browser.get(f"{HERE}?done=down").text) == ["a", "b", "c"]
    assert "Moved down." in browser.page
    assert "<title>Fact sheet a, and two more</title>" in browser.get("/staff/send/weekly/weekly/mail").text
    assert "3 items so far" in browser.get("/staff/editions").text
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, limit=1)
    assert (line.deed, line.thing) == ("moved down", "c in the coming weekly digest of weekly")


def test_an_item_is_held_back_with_a_reason_and_let_go(console: Console, stage: Stage) -> None:
    browser = open_(console)
    browser.post(f"{HERE}/hold", item="b", why="A number is in doubt.")
    page = browser.get(HERE).text
    assert order(page) == ["c", "a"]
    assert "By Tom Okafor. A number is in doubt." in page
    browser.post(f"{HERE}/release", item="b")
    assert order(browser.get(HERE).text) == ["c", "b", "a"]
    assert "Held back" not in lxml.html.fromstring(browser.page).xpath("//h2/text()")


def test_words_are_written_over_it(console: Console, stage: Stage) -> None:
    browser = open_(console)
    assert write(browser, **{"subject-en": "Who may serve", "text-en": "Dear **readers**,"}) == 303
    page = browser.get(f"{HERE}?done=written").text
    assert "It stands over the coming edition." in page
    assert 'value="Who may serve"' in page
    assert "Last changed by Tom Okafor" in page
    mail = browser.get("/staff/send/weekly/weekly/mail").text
    assert "<title>Who may serve</title>" in mail
    assert "Dear <strong>readers</strong>," in mail


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("subject-en", "x" * 200, "It has 200 characters."),
        ("text-en", "x" * 4000, "It has 4,000 characters."),
        ("text-en", "![a picture](https://example.org/a.png)", "A letter holds no pictures."),
        ("text-en", "[words](nowhere:else)", "leads nowhere"),
    ],
)
def test_what_no_mail_can_carry_is_told_and_kept(
    console: Console, stage: Stage, field: str, value: str, said: str
) -> None:
    browser = open_(console)
    assert write(browser, **{"subject-en": "Kept", field: value}) == 400
    assert said in browser.page
    assert f'href="#{field}"' in browser.page
    typed = lxml.html.fromstring(browser.page).xpath(f"//*[@id='{field}']")[0]
    assert (typed.get("value") or typed.text_content().strip()) == value
    assert look(stage).arrangement.words == {}


def test_two_who_write_at_once_see_both(console: Console, stage: Stage) -> None:
    first, second = open_(console), open_(console, "dana@example.org")
    write(first, **{"subject-en": "From Tom"})
    assert write(second, **{"subject-en": "From Dana"}) == 409
    assert "Tom Okafor saved this" in second.page
    assert "Subject: From Tom" in second.page
    assert 'value="From Dana"' in second.page
    assert write(second, **{"subject-en": "From Dana"}) == 303
    assert look(stage).arrangement.words["en"].subject == "From Dana"


def test_words_that_answer_what_is_gone_are_kept_too(console: Console, stage: Stage) -> None:
    browser = open_(console)
    assert write(browser, **{"subject-en": "Mine", "revision": "1000"}) == 409
    assert "Somebody changed these words" in browser.page
    assert 'value="Mine"' in browser.page


def test_what_was_typed_for_an_edition_that_has_gone_out_is_not_lost(console: Console, stage: Stage) -> None:
    browser = open_(console)
    stage.send()
    assert write(browser, **{"subject-en": "Too late"}) == 409
    assert "has gone out meanwhile" in browser.page
    assert 'value="Too late"' in browser.page
    answer = browser.post(f"{HERE}/move", item="a", where="up")
    assert answer.status_code == 409
    assert "no longer in the coming edition" in answer.text
    assert "Nothing is new." in answer.text


def test_a_change_in_review_takes_back_what_was_seen_and_what_is_locked_stays(console: Console, stage: Stage) -> None:
    edition = stage.freeze(ask="Look at it first.")
    browser = open_(console)
    assert f"Edition {edition.id}</a> waits for approval." in browser.page
    assert f'href="{HERE}"' in browser.get(f"/staff/editions/{edition.id}").text
    browser.get(HERE)
    browser.post(f"{HERE}/move", item="a", where="first")
    assert stage.find(edition).content_hash != edition.content_hash
    with console.home.db.transaction() as conn:
        review.approve(conn, edition.id, SETTINGS, by="Dana", now=stage.now)
    page = browser.get(HERE).text
    assert "is locked. Stop it first" in page
    assert "<form" not in lxml.html.tostring(lxml.html.fromstring(page).xpath("//main")[0], encoding="unicode")
    assert browser.post(f"{HERE}/move", item="a", where="down").status_code == 409


def test_viewers_look_and_change_nothing(console: Console, stage: Stage) -> None:
    page = open_(console, VIEWER).page
    assert order(page) == ["c", "b", "a"]
    assert "Hold back" not in page
    assert "<iframe" not in page


@pytest.mark.parametrize("path", ["weekly/yearly", "none/weekly", "weekly/%2e%2e"])
def test_an_edition_that_nobody_offers_is_told(console: Console, stage: Stage, path: str) -> None:
    assert console.browser(VIEWER).get(f"/staff/coming/{path}").status_code == 404
