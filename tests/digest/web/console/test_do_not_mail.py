"""The do-not-mail list: looked through, looked up in, added to; whoever comes off has to confirm anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest.staff import activity
from digest.tables import notices
from subscribers import asking, directory, members, suppression
from tests.conftest import NOW
from tests.digest.web.console.conftest import EDITOR, VIEWER, Console
from tests.subscribers import world

HERE = "/staff/people/do-not-mail"


@pytest.fixture
def ann(console: Console) -> int:
    """Ann gets a digest, and her mail came back; a stranger is on the list as well."""
    with console.home.db.transaction() as conn:
        digest_id = world.digest(conn)
        added = members.add(conn, console.home.keys, "ann@example.org", digest_id=digest_id, now=NOW)
        suppression.add(conn, console.home.keys, "ann@example.org", reason="hard", now=NOW, by="mail server")
        suppression.add(conn, console.home.keys, "zoe@example.com", reason="imported", now=NOW - timedelta(days=9))
    assert added.subscriber_id is not None
    return added.subscriber_id


def test_an_empty_list_is_good(console: Console) -> None:
    assert "No one. Good." in console.browser(VIEWER).get(HERE).text


def test_it_says_who_why_since_when_and_by_whom(console: Console, ann: int) -> None:
    page = console.browser(EDITOR).get(HERE).text
    assert f'<a href="/staff/people/{ann}">ann@example.org</a>' in page
    for said in ("Mail to it came back", "mail server", "It came with a list", "Nobody here ("):
        assert said in page
    assert "zoe@" not in page
    hidden = console.browser(VIEWER).get(f"{HERE}?q=ann%40example.org").text
    assert "ann@" not in hidden
    assert "a•••••@example.org" in hidden


def test_a_long_list_goes_on_behind_the_last(console: Console, ann: int) -> None:
    with console.home.db.transaction() as conn:
        for n in range(55):
            suppression.add_hash(
                conn, n.to_bytes(16), reason="left", now=NOW + timedelta(days=1 + n // 10), by="reader"
            )
    browser = console.browser(EDITOR)
    first = browser.get(HERE).text
    more = first.partition(f'href="{HERE}?before=')[2].partition('"')[0]
    assert "ann@example.org" not in first
    assert "ann@example.org" in browser.get(f"{HERE}?before={more}").text
    assert browser.get(f"{HERE}?before=nonsense").status_code == 200


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("zoe@example.com", "is on the list since"),
        ("new@example.com", "new@example.com is not on the list."),
        ("zoe", "Type the whole address"),
    ],
)
def test_an_address_is_looked_up(console: Console, ann: int, asked: str, said: str) -> None:
    assert said in console.browser(EDITOR).get(f"{HERE}?q={asked}").text


def test_an_address_is_added_and_recorded_without_it(console: Console, ann: int) -> None:
    browser = console.browser(EDITOR)
    browser.get(HERE)
    assert browser.post(HERE, email="new@example.com").headers["location"] == f"{HERE}?done=added"
    assert browser.post(HERE, email="new@example.com").headers["location"] == f"{HERE}?done=there"
    wrong = browser.post(HERE, email="nonsense")
    assert wrong.status_code == 400
    assert 'value="nonsense"' in wrong.text
    with console.home.db.reading() as conn:
        lines = activity.lines(conn)
        assert suppression.find(conn, console.home.keys, "new@example.com")
    assert (lines[0].deed, lines[0].thing) == ("put on the do-not-mail list", "somebody")
    assert "new@" not in str(lines)


def test_who_comes_off_gets_nothing_before_they_confirm(console: Console, ann: int) -> None:
    browser = console.browser(EDITOR)
    assert "Take ann@example.org off the do-not-mail list?" in browser.get(f"{HERE}/allow?person={ann}").text
    refused = browser.post(f"{HERE}/allow?person={ann}", email="ann@example.org", why=" ")
    assert refused.status_code == 400
    assert "Say why this address may be mailed again." in refused.text
    answer = browser.post(
        f"{HERE}/allow?person={ann}", email="ann@example.org", why="ann@example.org wrote that it works"
    )
    assert answer.headers["location"] == f"/staff/people/{ann}?done=asked"
    with console.home.db.reading() as conn:
        assert directory.one(conn, ann).state == "left"
        assert directory.one(conn, ann).reason is None
        line = activity.lines(conn)[0]
    assert line.after == {"reason to take it off": "a•••••@example.org wrote that it works"}
    assert (line.deed, line.thing, line.name) == ("took off the do-not-mail list", f"person {ann}", "Tom Okafor")
    assert asking.work_off(console.home, now=console.now) == 1
    with console.home.db.reading() as conn:
        assert conn.scalars(sa.select(notices.c.kind)).all() == ["confirm"]


def test_an_unknown_address_comes_off_and_nothing_is_sent(console: Console, ann: int) -> None:
    browser = console.browser(EDITOR)
    browser.get(f"{HERE}/allow?q=zoe@example.com")
    gone = browser.post(f"{HERE}/allow", email="zoe@example.com", why="Asked by phone.")
    assert gone.headers["location"] == f"{HERE}?done=allowed"
    again = browser.post(f"{HERE}/allow", email="zoe@example.com", why="Asked by phone.")
    assert again.status_code == 409
    assert "This address is not on the do-not-mail list." in again.text
    assert asking.work_off(console.home, now=console.now) == 0
