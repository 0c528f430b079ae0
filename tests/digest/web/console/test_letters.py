"""Letters in the console: written, counted, checked, sent, stopped in time, and written again."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import httpx
import pytest
import sqlalchemy as sa
from lxml import html

from digest import editions, letter_drafts, letters, tables
from digest.delivery import owners
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.letters import Segment
from digest.staff import activity
from digest.web.console import confirming, trials
from tests.digest.web.console.conftest import AUTHOR, EDITOR, OWNER, VIEWER, Browser, Console
from tests.stage import Stage

PAGE = "/staff/letters"
SPACE = "\N{NO-BREAK SPACE}"
WORDS = "Dear readers,\n\nour meeting is on **October 4**. [The program](https://example.org/meeting) is online."


@pytest.fixture
def stage(console: Console) -> Stage:
    """A digest with three readers and a topic."""
    stage = Stage(console.home.db)
    for name, topics in (("ann", "*=weekly"), ("bob", "*=off;hiring=weekly"), ("cyd", "*=weekly;hiring=off")):
        stage.join(name, topics)
    stage.publish("policy", "hiring")
    return stage


def fields(page: str, button: str) -> dict[str, list[str]]:
    """The form with this button, as a browser would send it."""
    (form,) = html.fromstring(page).xpath(f"//main//form[.//button[contains(., '{button}')]]")
    found: dict[str, list[str]] = {}
    for name, value in form.form_values():
        if name != "form_token":
            found.setdefault(name, []).append(value)
    return found


def fill(browser: Browser, path: str, button: str = "Save", **typed: str | list[str]) -> httpx.Response:
    """Sends the form that the page shows, with what is typed into it."""
    return browser.post(path, **(fields(browser.page, button) | typed))  # type: ignore[arg-type]


def begin(browser: Browser, **typed: str | list[str]) -> str:
    """Writes a draft and saves it; its address."""
    browser.get(f"{PAGE}/new")
    words: dict[str, str | list[str]] = {"subject": "Our meeting", "text": WORDS}
    answer = fill(browser, f"{PAGE}/new", **(words | typed))  # type: ignore[arg-type]
    assert answer.status_code == 303, browser.page
    return answer.headers["location"].partition("?")[0]


def press(browser: Browser, path: str, **typed: str | list[str]) -> httpx.Response:
    return fill(browser, f"{path}/send", "Send to", **typed)


def send(browser: Browser, **typed: str | list[str]) -> str:
    """Writes a letter and sends it; the address of its edition."""
    path = begin(browser, **typed)
    browser.get(f"{path}/check")
    answer = press(browser, path)
    assert answer.status_code == 303, browser.page
    return answer.headers["location"]


def edition_at(console: Console, path: str) -> Edition:
    with console.home.db.reading() as conn:
        return editions.find(conn, int(path.rpartition("/")[2]))


def gone(console: Console, stage: Stage, path: str) -> Edition:
    """Lets the time to stop it pass, and delivers it."""
    console.later(minutes=5)
    stage.now = console.now
    edition = edition_at(console, path)
    assert stage.plan(edition)
    return stage.see_through(edition)


def test_before_the_first_letter_the_page_says_what_letters_are_for(console: Console, stage: Stage) -> None:
    page = console.browser(VIEWER).get(PAGE).text
    assert "No letter has gone out." in page
    assert "Write a letter" not in page
    assert "Write a letter" in console.browser(EDITOR).get(PAGE).text


# --- writing ---------------------------------------------------------------------------------------------------


def test_a_draft_is_kept_with_those_it_is_for(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser, topics=["hiring"], joined_since="2026-09-01", preheader="Come to Washington.")
    typed = fields(browser.get(path).text, "Save")
    assert typed["subject"] == ["Our meeting"]
    assert typed["text"][0].strip().replace("\r", "") == WORDS
    assert (typed["topics"], typed["joined_since"], typed["preheader"]) == (
        ["hiring"],
        ["2026-09-01"],
        ["Come to Washington."],
    )
    assert "11 characters." in browser.page
    page = console.browser(VIEWER).get(PAGE).text
    assert "Our meeting" in page
    assert "Last written on by Tom Okafor." in page


def test_people_are_counted_before_anything_is_saved(console: Console, stage: Stage) -> None:
    stage.pause("cyd")
    browser = console.browser(EDITOR)
    browser.get(f"{PAGE}/new")
    answer = fill(browser, f"{PAGE}/new/count", subject="Kept", text="Kept too", topics=["hiring"])
    assert "It would go to 2 people." in answer.text
    assert "3 = 2 get it + 1 not among those below" in answer.text
    kept = fields(answer.text, "Save")
    assert (kept["subject"], kept["text"][0].strip(), kept["topics"]) == (["Kept"], "Kept too", ["hiring"])
    assert "3 = 2 get it + 1 paused" in fill(browser, f"{PAGE}/new/count", topics=[]).text
    assert "No one takes letters on these terms." in fill(browser, f"{PAGE}/new/count", joined_since="2027-01-01").text
    with console.home.db.reading() as conn:
        assert letter_drafts.unsent(conn) == []


@pytest.mark.parametrize(
    ("field", "value"), [("joined_since", "yesterday"), ("received", "many"), ("not_reached", "99"), ("digest", "nope")]
)
def test_whom_it_is_for_must_be_understood_and_what_was_typed_is_kept(
    console: Console, stage: Stage, field: str, value: str
) -> None:
    browser = console.browser(EDITOR)
    browser.get(f"{PAGE}/new")
    for path in (f"{PAGE}/new", f"{PAGE}/new/count"):
        answer = browser.post(path, **({"digest": "weekly", "subject": "Kept", "text": "Words"} | {field: value}))
        assert answer.status_code == 400
        assert "One thing to fix" in answer.text
        kept = fields(answer.text, "Save")
        assert (kept["subject"], kept["text"][0].strip()) == (["Kept"], "Words")


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        ({"subject": ""}, "subject", "Say in a few words what it is about."),
        ({"text": " \n "}, "text", "Write its text."),
        ({"preheader": "x" * 151}, "preheader", "It has 151 characters."),
        ({"text": "Dear\n\n![a](https://example.org/a.png)"}, "text", "Line 3: A letter holds no pictures."),
        ({"text": "Dear\n[x](ftp://example.org)"}, "text", "Line 2: The link 'x' leads nowhere."),
    ],
)
def test_unfinished_words_are_saved_and_told_at_the_check(
    console: Console, stage: Stage, typed: dict[str, str], field: str, says: str
) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser, **typed)
    answer = browser.get(f"{path}/check")
    assert answer.status_code == 400
    assert "<title>Error:" in answer.text
    (fault,) = html.fromstring(answer.text).xpath(f"//p[@id='{field}-fault']")
    assert says in fault.text_content()
    assert fill(browser, path).status_code == 303


def test_a_long_letter_is_kept_too(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser, text="é" * 60_000)
    assert fields(browser.get(path).text, "Save")["text"][0].strip() == "é" * 60_000


def test_of_two_who_write_at_once_the_second_sees_both(console: Console, stage: Stage) -> None:
    first, second = console.browser(EDITOR), console.browser(OWNER)
    path = begin(first)
    for browser in (first, second):
        browser.get(path)
    assert fill(first, path, text="What Tom wrote.").status_code == 303
    answer = fill(second, path, text="What Dana wrote.")
    assert answer.status_code == 409
    assert "Tom Okafor saved this" in answer.text
    assert '<pre class="theirs">What Tom wrote.</pre>' in answer.text
    assert fields(answer.text, "Save")["text"][0].strip() == "What Dana wrote."
    assert fill(second, path).status_code == 303
    assert "What Dana wrote." in first.get(path).text


def test_a_draft_can_be_deleted_and_its_address_says_so(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser)
    browser.get(path)
    assert browser.post(f"{path}/discard").headers["location"] == f"{PAGE}?done=discarded"
    assert browser.get(path).status_code == 404
    browser.get(f"{PAGE}/new")
    answer = fill(browser, path, subject="Too late", text="Words")
    assert answer.status_code == 409
    assert "This draft was deleted meanwhile." in answer.text
    assert f'action="{PAGE}/new"' in answer.text
    assert fields(answer.text, "Save")["text"][0].strip() == "Words"


# --- checked and sent ------------------------------------------------------------------------------------------


def test_the_check_shows_the_mail_what_was_found_and_to_how_many(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser, topics=["hiring"])
    page = browser.get(f"{path}/check").text
    assert "Send “Our meeting” to 2 people?" in page
    assert "3 get mail of this digest = 2 get it + 1 left out" in page
    assert "The subject is short enough for phones." in page
    assert "It starts in 5 minutes." in page
    mail = browser.get(f"{path}/mail?people=2")
    assert "our meeting is on <strong>October 4</strong>" in mail.text
    assert "It goes to two people." in mail.text
    assert f'src="{path}/mail?people=2&amp;colors=light"' in page
    assert "To those of Weekly digest who take Hiring." in page
    assert "sandbox;" in mail.headers["content-security-policy"]
    assert "our meeting is on October 4." in browser.get(f"{path}/mail?part=text").text


def test_a_letter_is_seen_by_each_and_tested_by_whoever_writes_it(console: Console, stage: Stage) -> None:
    stage.pause("bob")
    browser = console.browser(EDITOR)
    path = begin(browser)
    page = browser.get(f"{path}/check?view=wide&colors=dark&reader={stage.ids['ann']}").text
    frame = re.search(r'<iframe class="mail wide" src="([^"]+)"', page)
    assert frame
    mail = browser.get(frame[1].replace("&amp;", "&")).text
    assert 'content="dark"' in mail
    assert "a•••" in mail or "a••" in mail
    assert "Nothing for them: they have paused." in browser.get(f"{path}/check?reader={stage.ids['bob']}").text
    assert browser.post(f"{path}/test", reader=str(stage.ids["bob"])).status_code == 409
    assert "Nothing for them: they have paused." in browser.page
    location = browser.post(f"{path}/test", view="text").headers["location"]
    assert "view=text" in location
    assert "The test to tom@example.org" in browser.get(location.partition("#")[0]).text
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, deed=trials.DEED)
        subject = conn.exec_driver_sql("SELECT subject FROM notices").scalar_one()
    assert (line.thing, subject) == ("letter draft 1", "[Test] Our meeting")


def test_what_must_be_fixed_blocks_it_and_is_named(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser, text="Read [it](/items/nosuch).")
    page = browser.get(f"{path}/check").text
    assert "A link leads to a page of our site that does not exist." in page
    assert "Send to" not in page
    answer = browser.post(f"{path}/send", people="3", revision="1")
    assert answer.status_code == 409
    with console.home.db.reading() as conn:
        assert editions.all_editions(conn) == []


def test_a_letter_starts_when_the_time_to_stop_it_is_over(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = send(browser)
    assert "Nobody has it yet." in browser.get(path).text
    console.later(minutes=4)
    stage.now = console.now
    assert not stage.plan(edition_at(console, path))
    console.later(minutes=-4)
    edition = gone(console, stage, path)
    assert (edition.state, set(stage.rows(edition))) == ("sent", {"ann", "bob", "cyd"})
    assert "Our meeting" in browser.get(PAGE).text
    assert "3 planned = 3 accepted." in browser.page
    assert "It goes to three people." in browser.get(f"{path}/mail?part=text").text
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, deed="sent")
    starts = f"Mon, Sep{SPACE}7, 7:05{SPACE}a.m. EDT"
    assert (line.thing, line.after) == (
        f"edition {edition.id}",
        {"subject": "Our meeting", "people": 3, "starts": starts},
    )


def test_a_letter_that_is_stopped_is_a_draft_again_and_can_be_sent_anew(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = send(browser)
    browser.get(path)
    draft = browser.post(f"{path}/undo").headers["location"]
    assert re.fullmatch(rf"{PAGE}/\d+\?done=back", draft)
    assert "Stopped in time: nobody has it. It is a draft again." in browser.get(draft).text
    assert "Stopped before anybody had it." in browser.get(path).text
    here = draft.partition("?")[0]
    browser.get(f"{here}/check")
    again = press(browser, here).headers["location"]
    assert again != path
    assert gone(console, stage, again).state == "sent"
    browser.get(path)
    late = browser.post(f"{again}/undo")
    assert late.status_code == 409
    assert "can no longer be undone" in late.text


def test_a_letter_waits_for_its_moment_in_any_zone(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser)
    browser.get(f"{path}/check")
    later = {"when": "later", "day": "2026-09-30", "time": "14:30", "zone": "Europe/Berlin"}
    edition = edition_at(console, press(browser, path, **later).headers["location"])
    assert edition.starts_at == datetime(2026, 9, 30, 12, 30, tzinfo=UTC)
    page = browser.get("/staff/schedule").text
    assert f"Letter: Our meeting, 8:30{SPACE}a.m." in page
    assert f"Starts Wed, Sep{SPACE}30, 8:30{SPACE}a.m. EDT." in browser.get(f"/staff/editions/{edition.id}").text


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"day": "soon"}, "day"),
        ({"time": "noon"}, "time"),
        ({"zone": "Washington"}, "zone"),
        ({"day": "2026-09-07", "time": "07:04"}, "day"),
        ({"day": "2027-10-01"}, "day"),
        ({"day": ""}, "day"),
        ({"when": "now"}, "day"),
    ],
)
def test_a_moment_that_cannot_be_is_told_at_its_field(
    console: Console, stage: Stage, changed: dict[str, str], field: str
) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser)
    browser.get(f"{path}/check")
    later = {"when": "later", "day": "2026-09-30", "time": "14:30", "zone": "America/New_York"} | changed
    answer = press(browser, path, **later)
    assert answer.status_code == 409
    assert f'id="{field}-fault"' in answer.text
    kept = fields(answer.text, "Send to")
    assert {name: kept[name][0] for name in later} == later


def test_for_many_people_their_number_is_typed_and_a_changed_one_is_shown(
    console: Console, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirming, "MANY", 2)
    browser = console.browser(EDITOR)
    path = begin(browser)
    browser.get(f"{path}/check")
    stage.join("eve")
    answer = press(browser, path, typed="3")
    assert answer.status_code == 409
    assert "It goes to 4 people now. Look at it again, then send it." in answer.text
    assert "Type 4 to send it to 4 people." in press(browser, path, typed="3").text
    assert press(browser, path, typed="4").status_code == 303


def test_two_presses_make_one_letter_and_an_old_page_sends_no_other_words(console: Console, stage: Stage) -> None:
    first, second = console.browser(EDITOR), console.browser(OWNER)
    path = begin(first)
    for browser in (first, second):
        browser.get(f"{path}/check")
    first.get(path)
    fill(first, path, text="Other words.")
    assert press(second, path).status_code == 409
    assert "Tom Okafor changed this letter meanwhile." in second.page
    first.get(f"{path}/check")
    assert press(first, path).headers["location"] == press(second, path).headers["location"]
    assert second.get(path).headers["location"].startswith("/staff/editions/")
    with console.home.db.reading() as conn:
        (edition,) = editions.all_editions(conn)
        assert letters.of(conn, edition.id).manuscript.markdown == "Other words."


def test_the_same_words_within_the_hour_are_asked_about(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    stage.transport.answers = {stage.ids["bob"]: [Answer.POLICY]}
    first = gone(console, stage, send(browser))
    path = begin(browser)
    page = browser.get(f"{path}/check").text
    assert f'as <a href="/staff/editions/{first.id}">edition {first.id}</a> just now.' in page
    answer = press(browser, path)
    assert answer.status_code == 409
    assert "Tick that it is meant." in answer.text
    assert press(browser, path, again="1").status_code == 303
    browser.get(f"/staff/editions/{first.id}")
    others = browser.post(f"{PAGE}/again/{first.id}", **{"for": "not-reached"}).headers["location"].partition("?")[0]
    assert "Send “Our meeting” to 1 person?" in browser.get(f"{others}/check").text


def test_without_an_address_of_its_own_nothing_goes(
    console: Console, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = console.home.settings.site.model_copy(update={"address": ""})
    monkeypatch.setitem(vars(console.home.settings), "site", site)
    browser = console.browser(EDITOR)
    assert "no postal address" in browser.get(f"{begin(browser)}/check").text
    assert "Send to" not in browser.page


def test_after_a_jump_of_the_clock_nothing_goes(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    path = begin(browser)
    browser.get(f"{path}/check")
    noted = {"host": owners.here(), "steady": 0, "wall": stage.now, "jumped_to": stage.now}
    with stage.db.transaction() as conn:
        conn.execute(sa.insert(tables.clock_watch).values(noted))
    answer = press(browser, path)
    assert answer.status_code == 409
    assert "The clock of this machine jumped." in answer.text


# --- again, and corrections ------------------------------------------------------------------------------------


def test_a_correction_goes_to_those_who_received_the_edition(console: Console, stage: Stage) -> None:
    stage.transport.answers = {stage.ids["ann"]: [Answer.HARD]}
    edition = stage.send()
    browser = console.browser(EDITOR)
    page = browser.get(f"/staff/editions/{edition.id}").text
    assert f'href="/staff/letters/new?received={edition.id}"' in page
    page = browser.get(f"/staff/letters/new?received={edition.id}").text
    assert f"Weekly digest, September{SPACE}7 (edition {edition.id})" in page
    assert fields(page, "Save")["received"] == [str(edition.id)]
    path = fill(browser, f"{PAGE}/new", subject="A correction", text="We were wrong.").headers["location"]
    here = path.partition("?")[0]
    browser.get(f"{here}/check")
    sent = gone(console, stage, press(browser, here).headers["location"])
    assert set(stage.rows(sent)) == {"bob"}
    with console.home.db.reading() as conn:
        assert letters.of(conn, sent.id).segment == Segment(received=edition.id)


def test_a_correction_to_who_received_an_item_names_it(console: Console, stage: Stage) -> None:
    stage.send()
    browser = console.browser(EDITOR)
    browser.get(f"{PAGE}/new?received_item=policy")
    assert "It would go to 2 people." in fill(browser, f"{PAGE}/new/count").text
    path = begin(browser, received_item="nosuch")
    assert "There is no item" in browser.get(f"{path}/check").text
    assert "Send to" not in browser.page


def test_an_old_letter_is_used_for_a_new_one(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    old = gone(console, stage, send(browser, topics=["hiring"]))
    browser.get(f"/staff/editions/{old.id}")
    assert "Use it for a new letter" in browser.page
    copy = browser.post(f"{PAGE}/again/{old.id}").headers["location"]
    typed = fields(browser.get(copy).text, "Save")
    assert (typed["subject"], typed["topics"]) == (["Our meeting"], ["hiring"])
    assert typed["text"][0].strip().replace("\r", "") == WORDS


def test_the_list_goes_on_page_by_page(console: Console, stage: Stage) -> None:
    e = tables.editions
    with console.home.db.transaction() as conn:
        row = {"digest_id": stage.digest.id, "state": "sent", "mark_from": 0, "last": 0, "mark_to": 0}
        for n in range(1, 26):
            number = conn.execute(
                sa.insert(e).values(uid=f"{n:032}", kind="letter", created_at=stage.now, **row).returning(e.c.id)
            ).scalar_one()
            parts = {"subject": f"Letter {n}.", "body": "", "segment": Segment().to_json()}
            conn.execute(sa.insert(tables.letters).values(edition_id=number, **parts))
    browser = console.browser(VIEWER)
    page = browser.get(PAGE).text
    assert "Letter 25." in page
    assert "Letter 6." in page
    assert "Letter 5." not in page
    more = re.search(r'href="(/staff/letters\?below=\d+)"', page)
    assert more
    page = browser.get(more[1]).text
    assert "Letter 5." in page
    assert "Letter 1." in page


def test_an_author_writes_no_letters(console: Console, stage: Stage) -> None:
    browser = console.browser(AUTHOR)
    assert browser.get(f"{PAGE}/new").status_code == 403
    assert browser.get(PAGE).status_code == 200


@pytest.mark.parametrize("number", ["0", "abc", "-1", "99999999999999"])
def test_a_draft_that_is_not_there_is_told(console: Console, stage: Stage, number: str) -> None:
    browser = console.browser(EDITOR)
    for path in ("", "/check", "/mail"):
        assert browser.get(f"{PAGE}/{number}{path}").status_code == 404
