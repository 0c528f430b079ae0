"""Bringing in a list: nothing is written before everything was told, and what cannot be used can be had."""

from __future__ import annotations

import csv
import io
from urllib.parse import urlparse

import httpx
import pytest

import scheduler
from digest import parking
from digest.staff import activity
from subscribers import arrivals, consent, members, offices, suppression
from tests.conftest import NOW
from tests.digest.web.console.conftest import _FIELD, EDITOR, VIEWER, Browser, Console
from tests.subscribers import world

HERE = "/staff/people/import"
LIST = b"""E-Mail,email,name,shoe size,topics,cadence
x,new@example.org,New,42,,
x,ann@example.org,Ann,,,
x,zoe@example.org,,,,
x,nonsense,,,,
x,gone@example.org,,,,
x,new@example.org,,,,
x,second@example.org,,,hiring,weekly
"""


@pytest.fixture
def home(console: Console) -> Console:
    """Ann is here, zoe must not be mailed, and gone has left."""
    keyring = console.home.keys
    with console.home.db.transaction() as conn:
        digest_id = world.digest(conn)
        members.add(conn, keyring, "ann@example.org", digest_id=digest_id, now=NOW, name="Ann")
        suppression.add(conn, keyring, "zoe@example.org", reason="complaint", now=NOW)
        gone = members.add(conn, keyring, "gone@example.org", digest_id=digest_id, now=NOW).subscriber_id
        members.leave(conn, digest_id, gone or 0, now=NOW, how="test")
    return console


def bring(
    browser: Browser, data: bytes = LIST, *, name: str = "people.csv", token: str | None = None
) -> httpx.Response:
    browser.get(HERE)
    found = _FIELD.search(browser.page)
    assert found
    fields = {"form_token": found[1] if token is None else token}
    answer = browser.client.post(HERE, data=fields, files={"file": (name, data, "text/csv")})
    browser.page = answer.text
    return answer


def brought(browser: Browser) -> str:
    answer = bring(browser)
    assert answer.status_code == 303
    path = urlparse(answer.headers["location"]).path
    browser.get(path)
    return path


def everybody(console: Console) -> set[str]:
    with console.home.db.reading() as conn:
        return set(conn.exec_driver_sql("SELECT email FROM subscribers").scalars())


def test_a_list_is_looked_at_tried_and_brought_in(home: Console) -> None:
    browser = home.browser(EDITOR)
    path = brought(browser)
    assert '<th scope="row">shoe size</th><td>Left out</td>' in browser.page
    assert '<th scope="row">email</th><td>email</td><td>new@example.org</td>' in browser.page
    before = everybody(home)
    assert browser.post(f"{path}/try", words="Asked at the conference.", digest="weekly").status_code == 303
    page = browser.get(path).text
    for what, number in (("New", 2), ("nothing to change", 1), ("never added", 1), ("left out", 3)):
        assert f'{what}</th><td class="number">{number}</td>' in page, what
    assert everybody(home) == before, "nothing is written yet"
    assert "Bring in 2 people" in page
    left_out = list(csv.DictReader(io.StringIO(browser.get(f"{path}/left-out").text)))
    assert [(row["line"], row["email"]) for row in left_out] == [
        ("4", "zoe@example.org"),
        ("5", "nonsense"),
        ("6", "gone@example.org"),
        ("7", "new@example.org"),
    ]
    assert "brings nobody back" in left_out[2]["why"]
    browser.get(path)
    assert browser.post(f"{path}/perform").status_code == 303
    assert "2 people are in" in browser.get(path).text
    assert everybody(home) - before == {"new@example.org", "second@example.org"}
    with home.home.db.reading() as conn:
        person = members.find(conn, "new@example.org")
        (event,) = consent.of_subscriber(conn, person.subscriber_id)
        line = activity.lines(conn)[0]
    assert (person.state, event.origin.text) == ("active", "Asked at the conference.")
    assert (line.deed, line.after) == ("brought in", {"new": 2, "changed": 0, "left out": 3})
    assert not list((home.home.path / parking.FOLDER).glob("*[0-9a-f].csv")), "the file is deleted"
    again = browser.post(f"{path}/perform")
    assert again.status_code == 409


def test_without_words_nothing_is_tried(home: Console) -> None:
    browser = home.browser(EDITOR)
    path = brought(browser)
    answer = browser.post(f"{path}/try", words=" ", digest="weekly")
    assert answer.status_code == 400
    assert "Say where and when these people agreed." in answer.text
    assert browser.post(f"{path}/perform").status_code == 409, "it was not looked at"
    assert everybody(home) == {"ann@example.org", "gone@example.org"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no column email"),
        (b"name,age\nAnn,3\n", "There is no column email."),
        (b"PK\x03\x04\0\0 a spreadsheet", "The file is no text"),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(home: Console, data: bytes, said: str) -> None:
    browser = home.browser(EDITOR)
    answer = bring(browser, data)
    assert answer.status_code == 400
    assert said in answer.text
    assert not list((home.home.path / parking.FOLDER).glob("*")), "nothing is kept"


def test_a_form_without_a_file_and_one_without_a_token_do_nothing(home: Console) -> None:
    browser = home.browser(EDITOR)
    browser.get(HERE)
    assert "No file came." in browser.post(HERE).text
    assert bring(browser, token="0" * 32).status_code == 403
    assert bring(home.browser(EDITOR), name="").status_code == 400
    answer = browser.client.post("/staff/people/new", files={"file": ("a.csv", LIST, "text/csv")})
    assert answer.status_code == 403, "elsewhere a body with a file is not read at all"


def test_a_viewer_brings_nothing_in(home: Console) -> None:
    browser = home.browser(VIEWER)
    browser.get("/staff/account")
    found = _FIELD.search(browser.page)
    assert found
    files = {"file": ("a.csv", LIST, "text/csv")}
    assert browser.client.post(HERE, data={"form_token": found[1]}, files=files).status_code == 403
    assert not (home.home.path / parking.FOLDER).exists()


def test_what_is_too_large_is_refused(home: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = home.browser(EDITOR)
    monkeypatch.setattr(arrivals, "LARGEST", 1 << 20)
    answer = bring(browser, b"email\n" + b"x" * (1 << 20))
    assert answer.status_code == 400
    assert "It is larger than 1 MB." in answer.text


def test_files_are_private_and_kept_for_a_day(home: Console) -> None:
    browser = home.browser(EDITOR)
    path = brought(browser)
    kept = list((home.home.path / parking.FOLDER).iterdir())
    assert {one.stat().st_mode & 0o777 for one in kept} == {0o600}
    assert home.browser(VIEWER).get(path).status_code == 403
    assert browser.get(f"{HERE}/{'0' * 32}").status_code == 404
    assert browser.get(f"{HERE}/..%2fdigest").status_code == 404
    office = offices.open_office(home.home, clock=lambda: home.now)
    for hours, status in ((23, 200), (2, 404)):
        home.later(hours=hours)
        scheduler.answer_asks(office)
        assert home.browser(EDITOR).get(path).status_code == status
    office.transport.close()


def test_the_sample_is_read_as_it_is(home: Console) -> None:
    browser = home.browser(EDITOR)
    answer = bring(browser, browser.get(f"{HERE}/sample").content)
    path = answer.headers["location"]
    browser.get(path)
    browser.post(f"{path}/try", words="Asked.", digest="weekly")
    assert "Bring in 2 people" in browser.get(path).text
