"""One person: everything that happened with them, the proof that they asked, and what is done on their behalf."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from digest.delivery.transports.base import Answer
from digest.staff import activity
from digest.tables import notices, replies
from subscribers import consent, directory, members
from subscribers.consent import Origin
from tests.conftest import NOW
from tests.digest.web.console.conftest import EDITOR, OWNER, VIEWER, Console
from tests.stage import Stage

WORDS = "Send me the digest. I can leave at any time."


@pytest.fixture
def stage(console: Console) -> Stage:
    """Ann, who asked on the sign-up page, and Bob."""
    stage = Stage(console.home.db, ("weekly", "monthly"))
    with console.home.db.transaction() as conn:
        for name in ("ann", "bob"):
            mapping = {"hiring": "weekly", "crime": "monthly"}
            added = members.add(
                conn, console.home.keys, f"{name}@example.org", digest_id=1, now=NOW, mapping=mapping, state="pending"
            )
            stage.ids[name] = added.subscriber_id or 0
        conn.exec_driver_sql("DELETE FROM consent_events")
        asked = Origin(WORDS, "/subscribe", version=consent.version(WORDS), ip="203.0.113.24", agent="Firefox")
        for name in ("ann", "bob"):
            consent.record(conn, stage.ids[name], "asked", digest_id=1, now=NOW, origin=asked)
            members.join(conn, 1, stage.ids[name], now=NOW, origin=asked, what="confirmed")
    return stage


def path(stage: Stage, name: str = "ann") -> str:
    return f"/staff/people/{stage.ids[name]}"


def state(console: Console, stage: Stage, name: str = "ann") -> str:
    with console.home.db.reading() as conn:
        return directory.one(conn, stage.ids[name]).state


def deeds(console: Console) -> list[tuple[str, str]]:
    """The latest line first; none holds an address."""
    with console.home.db.reading() as conn:
        lines = activity.lines(conn)
    assert "@example.org" not in str(lines)
    return [(line.deed, line.thing) for line in lines]


# --- the page --------------------------------------------------------------------------------------------------


def test_every_mail_is_told_with_its_outcome_and_what_the_server_said(console: Console, stage: Stage) -> None:
    ann = stage.ids["ann"]
    stage.publish("policy", "hiring")
    stage.publish("figures", "crime")
    stage.transport.answers = {ann: [Answer.UNSURE]}
    edition = stage.send()
    with console.home.db.transaction() as conn:
        said = "450 <ann@example.org> busy"
        conn.execute(sa.update(replies).where(replies.c.subscriber_id == ann).values(text=said))
    stage.later(minutes=30)
    stage.settle(edition, arrived=True, names=["ann"])
    stage.later(days=1)
    stage.publish("other", "crime")
    stage.send()
    page = console.browser(EDITOR).get(path(stage)).text
    assert "1 sent, 1 not sent" in page
    assert f'<a href="/staff/editions/{edition.id}">Weekly digest, September\N{NO-BREAK SPACE}7</a>' in page
    assert "1 of 2 items are for them: “Fact sheet policy”." in page
    assert "The mail server said: 450 &lt;ann@example.org&gt; busy" in page
    assert "Nothing new in their topics." in page
    assert "“Fact sheet figures”: New since the last monthly edition; monthly, as they chose for crime." in page
    assert page.index("Monthly edition") < page.index("Nothing new in their topics") < page.index("450 ")


def test_the_proof_and_the_choices_stand_beside_it(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    for address in (path(stage), f"{path(stage)}/proof"):
        page = browser.get(address).text
        assert f"“{WORDS}”" in page
        assert f"Version {consent.version(WORDS)}" in page
        assert page.count("September\N{NO-BREAK SPACE}7, 2026, 11:00:00\N{NO-BREAK SPACE}UTC") >= 2
        assert "203.0.113.24" in page
    assert "Monthly</td>" in browser.get(path(stage)).text
    assert "<td>All other topics</td><td" in browser.get(path(stage)).text


def test_viewers_see_neither_address_nor_network_and_no_deeds(console: Console, stage: Stage) -> None:
    browser = console.browser(VIEWER)
    for address in (path(stage), f"{path(stage)}/proof"):
        page = browser.get(address).text
        assert "ann@example.org" not in page
        assert "203.0.113.24" not in page
        assert "a•••••@example.org" in page
    assert "On their behalf" not in browser.get(path(stage)).text


def test_changes_of_choices_are_told_as_far_as_they_are_recorded(console: Console, stage: Stage) -> None:
    with console.home.db.transaction() as conn:
        told = Origin("*=off;hiring=monthly", "link in a mail")
        consent.record(conn, stage.ids["ann"], "changed", digest_id=1, now=NOW, origin=told)
    page = console.browser(EDITOR).get(path(stage)).text
    assert "Changed their choices" in page
    assert "Since then: hiring, once a month." in page.replace("Hiring", "hiring")
    assert "Behind a link in a mail." in page


def test_a_long_history_goes_on_on_the_next_page(console: Console, stage: Stage) -> None:
    numbers = []
    for n in range(3):
        stage.publish(f"item-{n}", "hiring")
        numbers.append(stage.send().id)
        stage.later(days=7)
    page = console.browser(EDITOR).get(f"{path(stage)}?below={numbers[1]}").text
    assert "item-0" in page
    assert "item-2" not in page
    assert "Back to the latest" in page


def test_who_never_was_is_not_found(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    for address in ("/staff/people/999", "/staff/people/x", "/staff/people/999/proof", f"{path(stage)}/ask/nonsense"):
        assert browser.get(address).status_code == 404, address


# --- deeds -----------------------------------------------------------------------------------------------------


def test_the_settings_link_goes_to_them_and_not_oftener_than_they_may_ask(console: Console, stage: Stage) -> None:
    browser = console.browser(EDITOR)
    browser.get(path(stage))
    assert browser.post(f"{path(stage)}/settings", digest="1").headers["location"] == f"{path(stage)}?done=settings"
    assert "Mail with their settings link" in browser.get(path(stage)).text
    assert deeds(console)[0] == ("sent the settings link to", f"person {stage.ids['ann']}")
    again = browser.post(f"{path(stage)}/settings", digest="1")
    assert again.status_code == 409
    assert "Nothing was sent." in again.text
    with console.home.db.reading() as conn:
        assert conn.scalars(sa.select(notices.c.kind)).all() == ["settings"]
    assert browser.post(f"{path(stage, 'bob')}/settings", digest="2").status_code == 409


@pytest.mark.parametrize(
    ("deed", "question", "after", "recorded"),
    [
        ("unsubscribe", "Unsubscribe ann@example.org?", "left", "unsubscribed"),
        ("do-not-mail", "Never mail ann@example.org again?", "suppressed", "put on the do-not-mail list"),
    ],
)
def test_a_deed_says_what_it_does_then_does_it_and_is_recorded(
    console: Console, stage: Stage, deed: str, question: str, after: str, recorded: str
) -> None:
    browser = console.browser(EDITOR)
    page = browser.get(f"{path(stage)}/ask/{deed}").text
    assert f'<h1 class="long">{question}</h1>' in page
    assert "also no mail that is planned already" in page
    assert state(console, stage) == "active", "the question changes nothing"
    assert browser.post(f"{path(stage)}/ask/{deed}").status_code == 303
    assert state(console, stage) == after
    assert deeds(console)[0] == (recorded, f"person {stage.ids['ann']}")
    assert "Nothing more goes out to them." in browser.get(f"{path(stage)}?done=barred").text


def test_of_who_is_erased_a_number_and_counts_are_left(console: Console, stage: Stage) -> None:
    stage.publish("policy", "hiring")
    stage.send()
    browser = console.browser(OWNER)
    assert "This cannot be undone." in browser.get(f"{path(stage)}/ask/erase").text
    answer = browser.post(f"{path(stage)}/ask/erase")
    page = browser.get(answer.headers["location"]).text
    assert f"Person {stage.ids['ann']} was erased" in page
    assert "1 mail sent, 0 not sent." in page
    assert "ann@" not in page
    assert deeds(console)[0] == ("erased", f"person {stage.ids['ann']}")
    with console.home.db.reading() as conn:
        assert directory.at(conn, "ann@example.org") is None
        assert conn.exec_driver_sql("SELECT reason, said_by FROM suppressions").all() == [("erased", "Dana Ruiz")]
    assert browser.post(f"{path(stage)}/ask/erase").status_code in (403, 404)
