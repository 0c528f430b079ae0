"""People: found, added with the words of their consent, taken out; addresses are not for viewers."""

from __future__ import annotations

import csv
import io

import pytest

from digest.staff import activity
from subscribers import consent, members, suppression
from tests.conftest import NOW
from tests.digest.web.console.conftest import AUTHOR, EDITOR, VIEWER, Console
from tests.stage import Stage
from tests.subscribers import world


@pytest.fixture
def stage(console: Console) -> Stage:
    """A weekly digest with three readers; cyd waits to confirm, and dan must not be mailed."""
    stage = Stage(console.home.db, ("weekly", "monthly"))
    keyring = console.home.keys
    with console.home.db.transaction() as conn:
        for name, given in (
            ("ann", {"name": "Ann Rivera", "mapping": {"hiring": "weekly"}}),
            ("bob", {"mapping": {"*": "monthly"}}),
            ("cyd", {"state": "pending"}),
            ("dan", {}),
        ):
            added = members.add(conn, keyring, f"{name}@example.org", digest_id=stage.digest.id, now=NOW, **given)
            stage.ids[name] = added.subscriber_id or 0
        suppression.add(conn, keyring, "dan@example.org", reason="hard", now=NOW)
    return stage


def test_a_home_without_people_says_how_they_come(console: Console) -> None:
    page = console.browser(EDITOR).get("/staff/people").text
    assert "Nobody gets our mail yet" in page
    assert "http://127.0.0.1:8080/subscribe" in page


def test_people_are_counted_and_drawn_and_listed_the_newest_first(console: Console, stage: Stage) -> None:
    page = console.browser(EDITOR).get("/staff/people").text
    assert '<span class="big">2</span> get mail' in page
    assert "1 waits to confirm" in page
    assert "1 must not be mailed" in page
    assert 'aria-label="With us on June\N{NO-BREAK SPACE}10: 0; today: 3. 3 joined and 0 left in 90 days."' in page
    places = [page.index(f"{name}@example.org") for name in ("dan", "cyd", "bob", "ann")]
    assert places == sorted(places)
    assert "Everything, once a month" in page
    for badge in ("Gets mail", "Waits to confirm", "Do not mail"):
        assert f"</svg>{badge}</span>" in page


def test_they_are_found_by_name_state_and_choice(console: Console, stage: Stage) -> None:
    browser = console.browser(AUTHOR)
    for asked, names in (
        ("q=RIVERA", {"ann"}),
        ("state=suppressed", {"dan"}),
        ("state=nonsense&often=nonsense&digest=x&since=then&below=x", {"ann", "bob", "cyd", "dan"}),
        ("topic=hiring&often=monthly", {"bob"}),
        ("since=2026-09-08", set()),
    ):
        page = browser.get(f"/staff/people?{asked}").text
        assert {name for name in stage.ids if f"{name}@example.org" in page} == names, asked


def test_a_search_without_hits_offers_the_do_not_mail_list(console: Console, stage: Stage) -> None:
    page = console.browser(AUTHOR).get("/staff/people?q=zoe%40example.org").text
    assert "Nobody is found" in page
    assert 'href="/staff/people/do-not-mail?q=zoe%40example.org"' in page
    assert 'value="zoe@example.org"' in page


def test_viewers_see_no_address_and_cannot_search_for_one(console: Console, stage: Stage) -> None:
    browser = console.browser(VIEWER)
    page = browser.get("/staff/people?q=ann%40").text
    assert "a•••••@example.org" in page
    assert "b•••••@example.org" in page, "what they search for counts for nothing"
    assert "ann@" not in page
    assert 'name="q"' not in page
    assert "/staff/people/new" not in page


def test_a_long_list_goes_on_behind_the_last(console: Console, stage: Stage) -> None:
    with console.home.db.transaction() as conn:
        for n in range(50):
            world.add(conn, stage.digest.id, f"reader{n}@example.org")
    browser = console.browser(EDITOR)
    first = browser.get("/staff/people?topic=hiring").text
    assert "reader49@" in first
    assert "cyd@" not in first.replace("dan@", "")
    assert "topic=hiring&amp;below=" in first
    later = browser.get(f"/staff/people?topic=hiring&below={stage.ids['dan'] + 1}").text
    assert "ann@example.org" in later
    assert "Back to the newest" in later
    assert "reader0@" not in later


# --- adding ----------------------------------------------------------------------------------------------------

NEW = {"email": "eve@example.org", "words": "Asked by phone on September 1.", "which": "all", "often": "monthly"}


def test_somebody_is_added_with_the_words_of_their_consent(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/people/new")
    answer = browser.post("/staff/people/new", **NEW)
    assert answer.status_code == 303
    page = browser.get(answer.headers["location"]).text
    assert "Added. They get mail from now on." in page
    assert "“Asked by phone on September 1.”" in page
    with console.home.db.reading() as conn:
        person = members.find(conn, "eve@example.org")
        (event,) = consent.of_subscriber(conn, person.subscriber_id)
        line = activity.lines(conn)[0]
    assert (event.what, event.origin.source) == ("added", "staff, Tom Okafor")
    assert dict(person.subscriptions[0].preferences) == {"*": "monthly"}
    assert (line.deed, line.thing) == ("added", f"person {person.subscriber_id}")
    assert "eve@" not in str(line)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"email": "no address"}, "Write an address such as name@example.org."),
        ({"words": " "}, "Say how and when they agreed."),
        ({"which": "some"}, "Choose at least one, or everything."),
        ({"often": "hourly"}, "is not offered"),
        ({"email": "dan@example.org"}, "This address is on the do-not-mail list."),
        ({"email": "Ann@example.org"}, "This person gets this digest already."),
    ],
)
def test_what_will_not_do_is_told_and_what_was_typed_stays(
    console: Console, stage: Stage, changed: dict[str, str], said: str
) -> None:
    stage.publish("policy", "hiring")
    browser = console.browser(EDITOR)
    browser.get("/staff/people/new")
    answer = browser.post("/staff/people/new", **(NEW | changed))
    assert answer.status_code == 400
    assert said in answer.text
    assert "<title>Error: " in answer.text
    assert (NEW | changed)["words"].strip() in answer.text
    with console.home.db.reading() as conn:
        assert dict(members.find(conn, "ann@example.org").subscriptions[0].preferences)["hiring"] == "weekly"


def test_who_must_not_be_mailed_is_refused_with_the_way_to_lift_it(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/people/new")
    page = browser.post("/staff/people/new", **(NEW | {"email": "dan@example.org"})).text
    assert 'href="/staff/people/do-not-mail?q=dan%40example.org"' in page


# --- taking out ------------------------------------------------------------------------------------------------


def test_everybody_is_taken_out_as_an_import_reads_it_and_that_is_recorded(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/people")
    answer = browser.post("/staff/people/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="people-2026-09-07.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["email"].partition("@")[0]: row["state"] for row in rows} == {
        "ann": "active",
        "bob": "active",
        "cyd": "pending",
        "dan": "suppressed",
    }
    with console.home.db.reading() as conn:
        assert activity.lines(conn)[0].deed == "exported"
