"""Questions reach a person, who can answer by replying; what was typed is kept when something is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from digest.home import Home
from digest.tables import metadata
from tests.digest.web import serving
from tests.subscribers import world

QUESTION = {"question": "Who decides?\r\n\r\nAnd when?", "name": "Zoe", "email": "zoe@example.org"}


@pytest.fixture
def asked(home: Home) -> Home:
    """A home with an address for questions."""
    site = home.settings.site.model_copy(update={"questions_to": "dana@example.org"})
    with home.db.transaction() as conn:
        world.digest(conn)
    return Home(home.path, home.settings.model_copy(update={"site": site}), home.keys, home.db)


@pytest.fixture
def client(asked: Home) -> Iterator[httpx.Client]:
    with serving.serve(asked) as address, serving.client(address) as opened:
        yield opened


def mails(home: Home) -> list[Any]:
    with home.db.reading() as conn:
        found = conn.scalars(sa.select(metadata.tables["notices"].c.message)).all()
    return [message_from_bytes(mail, policy=policy.default) for mail in found if mail]


def test_a_question_goes_to_a_person_who_can_reply(asked: Home, client: httpx.Client) -> None:
    answer = client.post("/ask", data=QUESTION | {"public": "yes"})
    assert "Your question is on its way" in answer.text
    (mail,) = mails(asked)
    assert mail["To"] == "dana@example.org"
    assert mail["Reply-To"] == "zoe@example.org"
    assert mail["Subject"] == "A question from Zoe"
    text = mail.get_body(("plain",)).get_content()
    assert "Who decides?\n\nAnd when?" in text.replace("\r\n", "\n")
    assert "They allow an answer in public." in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"question": "  "}, "There is no question."),
        ({"email": "zoe"}, "No answer can be sent to this address."),
        ({"question": "x" * 5_001}, "longer than 5000"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    asked: Home, client: httpx.Client, fields: dict[str, str], said: str
) -> None:
    answer = client.post("/ask", data=QUESTION | fields)
    assert answer.status_code == 400
    assert said in answer.text
    if "email" in fields:
        assert "Who decides?" in answer.text
    assert mails(asked) == []


def test_nothing_that_is_typed_can_become_a_header_or_markup(asked: Home, client: httpx.Client) -> None:
    hostile = {"name": "Zoe\r\nBcc: all@example.org", "question": "<script>alert(1)</script> @@unsubscribe@@"}
    client.post("/ask", data=QUESTION | hostile)
    (mail,) = mails(asked)
    assert mail["Bcc"] is None
    assert "<script>" not in mail.get_body(("html",)).get_content()
    assert "@@unsubscribe@@" not in mail.get_body(("html",)).get_content()


def test_a_program_and_who_asks_all_the_time_reach_nobody(asked: Home, client: httpx.Client) -> None:
    assert client.post("/ask", data=QUESTION | {"website": "https://spam.example"}).status_code == 200
    assert mails(asked) == []
    answers = [client.post("/ask", data=QUESTION) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert "Who decides?" in answers[-1].text
    assert len(mails(asked)) == 5


def test_without_an_address_only_the_post_remains(home: Home) -> None:
    with home.db.transaction() as conn:
        world.digest(conn)
    with serving.serve(home) as address, serving.client(address) as client:
        page = client.get("/ask").text
        assert "<form" not in page.partition("<main")[2]
        assert "100 Example Street" in page
        assert client.post("/ask", data=QUESTION).status_code == 409
