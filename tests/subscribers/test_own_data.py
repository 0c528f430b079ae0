"""What people do with their own data: each step by a link to the address itself, once, and within the hour."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from digest.errors import NotFound
from digest.home import Home
from digest.tables import State, metadata
from subscribers import asking, departures, journal, links, members, own_data, records, suppression, tables
from subscribers.asking import Ask
from subscribers.consent import Origin
from subscribers.newcomers import Choices
from tests.conftest import NOW
from tests.digest.web import serving
from tests.subscribers import world

ANN = "ann@example.org"
NEW = "ann@example.net"


@dataclass(frozen=True)
class Case:
    """Ann, who is in, and the running site."""

    home: Home
    client: httpx.Client
    digest_id: int
    ann: int

    def press(self, button: str) -> httpx.Response:
        """A button of the preferences page."""
        token = serving.token(self.home, links.PREFERENCES, self.ann, self.digest_id)
        return self.client.post(f"/p/{token}", data={"do": button})

    def mails(self) -> list[tuple[str, str]]:
        """Address and text of every notice that is queued, the latest first."""
        with self.home.db.reading() as conn:
            t = metadata.tables["notices"]
            rows = conn.execute(sa.select(t.c.address, t.c.message).order_by(t.c.id.desc())).all()
        return [(row.address, _text(row.message)) for row in rows]

    def link(self) -> str:
        """The address in the latest mail."""
        found = re.search(r"/d/[\w-]+", self.mails()[0][1])
        assert found
        return found[0]


def _text(mail: bytes) -> str:
    part = message_from_bytes(mail, policy=policy.default).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.fixture
def case(home: Home) -> Iterator[Case]:
    with home.db.transaction() as conn:
        digest_id = world.digest(conn)
        added = members.add(conn, home.keys, ANN, digest_id=digest_id, now=NOW, hour=6)
        ann = added.subscriber_id or 0
    with serving.serve(home) as address, serving.client(address) as client:
        yield Case(home, client, digest_id, ann)


def test_a_copy_has_everything_and_is_had_once(case: Case) -> None:
    assert "message is there within a few minutes" in case.press("copy").text
    address, text = case.mails()[0]
    assert address == ANN
    assert "works for an hour, and once" in " ".join(text.split())
    link = case.link()
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        case.client.request(method, link)
    answer = case.client.post(link)
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    told: dict[str, Any] = answer.json()
    assert told["email"] == ANN
    assert told["subscriptions"][0]["hour"] == 6
    assert told["consent"][0]["what"] == "added"
    assert case.client.post(link).status_code == 410


def test_an_erasure_leaves_bare_numbers_and_a_mark(case: Case) -> None:
    with case.home.db.transaction() as conn:
        sequence = world.publish(conn, "safety")
        edition = world.freeze(conn, case.digest_id, "weekly")
        world.plan_row(conn, edition, case.ann, [sequence])
        world.complete(conn, edition)
    case.press("erase")
    assert "You are erased" in case.client.post(case.link()).text
    with case.home.db.reading() as conn:
        with pytest.raises(NotFound):
            records.find(conn, ANN)
        row = conn.execute(sa.select(metadata.tables["deliveries"])).one()
        assert (row.subscriber_id, row.state, row.code) == (case.ann, State.SKIPPED, "left")
        assert conn.execute(sa.select(tables.sent_links)).all() == []
        assert conn.scalars(sa.select(metadata.tables["notices"].c.address)).all() == [None]
        assert suppression.reason(conn, suppression.address_hash(case.home.keys, ANN)) == "erased"
    assert [line["what"] for line in journal.read(case.home.path)] == ["erased"]
    assert ANN not in (case.home.path / "journal" / "people.jsonl").read_text()
    with case.home.db.transaction() as conn:
        assert members.add(conn, case.home.keys, ANN, digest_id=case.digest_id, now=NOW).what == "suppressed"


def test_everything_in_every_table_forgets_an_address_that_is_erased(case: Case) -> None:
    case.press("copy")
    departures.erase(case.home, case.ann, how=Origin(source="test"), now=NOW)
    with case.home.db.reading() as conn:
        for table in metadata.sorted_tables:
            for row in conn.execute(sa.select(table)):
                assert "ann@" not in repr(tuple(row)), table.name


def test_another_address_counts_when_its_own_mailbox_said_yes(case: Case) -> None:
    case.press("address")
    first = case.link()
    assert "The new address" in case.client.get(first).text
    assert "message is there" in case.client.post(first, data={"email": NEW}).text
    address, _ = case.mails()[0]
    assert address == NEW
    with case.home.db.reading() as conn:
        assert records.find(conn, ANN).subscriber_id == case.ann
    second = case.link()
    assert "a•••••@example.org" in case.client.get(second).text
    assert "We told the old one" in case.client.post(second).text
    with case.home.db.reading() as conn:
        assert records.find(conn, NEW).subscriber_id == case.ann
    address, text = case.mails()[0]
    assert address == ANN
    assert "goes to another address" in " ".join(text.split())
    assert NEW not in text


def test_an_address_of_somebody_else_is_not_taken(case: Case) -> None:
    with case.home.db.transaction() as conn:
        members.add(conn, case.home.keys, NEW, digest_id=case.digest_id, now=NOW)
    case.press("address")
    case.client.post(case.link(), data={"email": NEW})
    answer = case.client.post(case.link())
    assert answer.status_code == 400
    assert "has a subscription of its own" in answer.text
    with case.home.db.reading() as conn:
        assert records.find(conn, ANN).subscriber_id == case.ann


def test_nonsense_for_an_address_costs_nothing(case: Case) -> None:
    case.press("address")
    link = case.link()
    assert case.client.post(link, data={"email": "nonsense"}).status_code == 400
    assert case.client.post(link, data={"email": NEW}).status_code == 200


def test_links_end_after_an_hour_and_three_a_day_are_sent(case: Case) -> None:
    with case.home.db.transaction() as conn:
        for n in range(5):
            sent = own_data.ask(conn, case.home, "copy", case.digest_id, case.ann, now=NOW - timedelta(hours=2))
            assert sent == (n < 3)
    assert case.client.get(case.link()).status_code == 410
    assert case.client.get("/d/nonsense").status_code == 400


def test_a_link_of_one_kind_is_no_link_of_another(case: Case) -> None:
    case.press("copy")
    token = case.link().removeprefix("/d/")
    for letter in "upc":
        assert case.client.get(f"/{letter}/{token}").status_code == 400
        assert case.client.post(f"/{letter}/{token}").status_code == 400
    with case.home.db.reading() as conn:
        assert records.find(conn, ANN).state == "active"


@pytest.mark.parametrize("spelling", ["Eric@BÜCHER.example", "eric@xn--bcher-kva.example", "eric@bu\u0308cher.example"])
def test_an_erasure_takes_back_what_was_asked_in_any_spelling(case: Case, spelling: str) -> None:
    with case.home.db.transaction() as conn:
        eric = members.add(conn, case.home.keys, "eric@bücher.example", digest_id=case.digest_id, now=NOW).subscriber_id
        for email in (spelling, "other@example.org"):
            wanted = Ask(asking.SIGN_UP, case.digest_id, email, Choices(), Origin())
            asking.ask(conn, case.home.keys, case.home.settings.sign_up, wanted, now=NOW)
    assert eric is not None
    departures.erase(case.home, eric, how=Origin(), now=NOW)
    with case.home.db.reading() as conn:
        assert list(conn.scalars(sa.select(tables.asks.c.email))) == ["other@example.org"]
