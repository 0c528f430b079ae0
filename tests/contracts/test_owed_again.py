"""What fails for no fault of the reader's is owed again, at every cadence; failures come from the `Faulty` transport.

A record server keeps what was handed over, so that the end of each story is told by somebody else's record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digest import review
from digest.db import Database
from digest.delivery.sender import Sender
from digest.editions import Edition
from tests.contracts.oracle import CADENCES
from tests.stage import Stage
from tests.standins import record_server
from tests.standins.faulty import Faulty

READERS = ("ann", "bob", "cy")
Story = Callable[["Line"], Edition]
ONCE = dict.fromkeys(READERS, 1)


class Line(Stage):
    """Three readers who get everything at one cadence; `fates` says what becomes of bob's mails, one by one."""

    def __init__(self, db: Database, cadence: str, record: tuple[str, int], file: Path) -> None:
        super().__init__(db, CADENCES)
        self.cadence, self.file = cadence, file
        self.fates: list[str] = []
        self.faulty = Faulty(record, self._fate, connections=1)
        for name in READERS:
            self.join(name, f"*={cadence}")
        self.publish("one", "hiring")

    def _fate(self, reader: int, attempt: int) -> str:
        return self.fates.pop(0) if reader == self.ids["bob"] and self.fates else "accepted"

    def sender(self) -> Sender:
        """A sender over the failing transport."""
        return Sender(self.db, self.faulty, self.people, clock=lambda: self.now, owner="test", key=bytes(32))

    def begin(self, *fates: str) -> Edition:
        """An edition of the item, planned and tried once."""
        edition = self.cycle(self.cadence)
        self.try_again(edition, *fates)
        return self.find(edition)

    def try_again(self, edition: Edition, *fates: str) -> None:
        """Delivers what is due by now; bob's mails fare as told."""
        self.fates = list(fates)
        self.deliver(edition)

    def owed(self) -> dict[str, list[str]]:
        """`send --owed`, to the end; who got what."""
        edition = self.freeze(self.cadence, owed=True)
        self.plan(edition)
        assert self.see_through(edition).state == "sent"
        return self.lists(edition)

    def copies(self) -> dict[str, int]:
        """How many mails the record server has for each."""
        names = {number: name for name, number in self.ids.items()}
        return dict(Counter(names[mail.subscriber_id] for mail in record_server.read(self.file)))


ON_POSTGRES = pytest.param(("weekly", "postgres"), marks=pytest.mark.postgres)


@pytest.fixture(params=[*((cadence, "sqlite") for cadence in CADENCES), ON_POSTGRES], ids=" on ".join)
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Line]:
    """At every cadence on SQLite, and weekly on PostgreSQL."""
    cadence, kind = request.param
    file = tmp_path / "record"
    db = request.getfixturevalue("db") if kind == "sqlite" else Database(request.getfixturevalue("postgres_url"))
    with record_server.running(file) as port:
        stage = Line(db, cadence, ("127.0.0.1", port), file)
        yield stage
        stage.faulty.close()
    if kind == "postgres":
        db.close()


# --- an edition that closes with something left ----------------------------------------------------------------


def put_off_for_ever(line: Line) -> Edition:
    edition = line.begin("transient")
    for minutes in (1.5, 6.5, 18.5, 73):
        line.later(minutes=minutes)
        line.try_again(edition, "transient")
    return edition


def past_its_deadline(line: Line) -> Edition:
    edition = line.begin("transient")
    line.later(hours=13)
    line.expire(edition)
    return edition


def refused_for_policy(line: Line) -> Edition:
    return line.begin("policy")


def refused_by_the_relay_until_the_deadline(line: Line) -> Edition:
    edition = line.begin("relay")
    assert edition.shown_state == "paused"
    line.later(hours=13)
    with line.db.transaction() as conn:
        review.resume(conn, edition.id)
    line.expire(edition)
    return edition


def cut_and_not_arrived(line: Line) -> Edition:
    edition = line.begin("cut")
    line.later(minutes=20)
    line.settle(edition, arrived=False)
    return edition


@pytest.mark.parametrize(
    ("story", "code"),
    [
        (put_off_for_ever, "transient"),
        (past_its_deadline, "deadline"),
        (refused_for_policy, "policy"),
        (refused_by_the_relay_until_the_deadline, "deadline"),
        (cut_and_not_arrived, "not arrived"),
    ],
)
def test_who_missed_an_edition_for_no_fault_of_theirs_is_owed_it(line: Line, story: Story, code: str) -> None:
    edition = story(line)
    assert line.rows(edition)["bob"] == ("failed", code)
    assert line.close(edition)
    assert line.carries(line.cadence).keys() == {"bob"}
    assert line.owed() == {"bob": ["one"]}
    assert line.copies() == ONCE
    assert line.carries(line.cadence) == {}
    line.check_sums()


def test_what_was_decided_after_the_close_is_owed_at_once(line: Line) -> None:
    edition = line.begin("cut")
    assert line.close(edition)
    line.later(minutes=20)
    assert line.settle(edition, arrived=False).settled == 1
    assert line.owed() == {"bob": ["one"]}
    assert line.copies() == ONCE


def test_what_arrived_though_nobody_answered_is_not_owed(line: Line) -> None:
    edition = line.begin("lost")
    assert line.close(edition)
    line.later(minutes=20)
    assert line.settle(edition, arrived=True).settled == 1
    assert line.carries(line.cadence) == {}
    assert line.copies() == ONCE


def test_who_chose_otherwise_meanwhile_gets_it_as_they_chose(line: Line) -> None:
    edition = line.begin("policy")
    line.cadence = CADENCES[CADENCES.index(line.cadence) - 1]
    line.choose("bob", f"*={line.cadence}")
    assert line.close(edition)
    assert line.owed() == {"bob": ["one"]}
    assert line.copies() == ONCE


def test_who_pauses_while_it_is_under_way_gets_it_when_they_wake(line: Line) -> None:
    edition = line.begin("transient")
    line.pause("bob")
    assert line.rows(edition)["bob"] == ("skipped", "paused")
    assert line.close(edition)
    line.wake("bob")
    assert line.owed() == {"bob": ["one"]}
    assert line.copies() == ONCE


def test_what_staff_cancel_for_later_comes_later(line: Line) -> None:
    edition = line.begin("transient")
    assert line.cancel(edition).state == "cancelled"
    assert line.owed() == {"bob": ["one"]}
    assert line.copies() == ONCE


# --- a withdrawal inside a running edition, and its three answers ----------------------------------------------


def withdrawn(line: Line) -> Edition:
    """Ann and Cy have the item when it is withdrawn, and Bob's mail was put off."""
    edition = line.begin("transient")
    assert line.withdraw("one") == [edition.id]
    line.later(minutes=2)
    line.deliver(edition)
    assert line.find(edition).question
    assert line.copies() == {"ann": 1, "cy": 1}
    return edition


def test_without_it_a_mail_that_holds_nothing_else_is_skipped(line: Line) -> None:
    edition = withdrawn(line)
    line.answer(edition, as_is=False)
    assert line.see_through(edition).state == "sent"
    assert line.rows(edition)["bob"] == ("skipped", "withdrawn")
    line.republish("one")
    assert line.lists(line.send(line.cadence))["bob"] == ["one+"]
    assert line.copies() == ONCE


def test_as_it_is_everybody_gets_it(line: Line) -> None:
    edition = withdrawn(line)
    line.answer(edition, as_is=True)
    assert line.see_through(edition).state == "sent"
    assert line.copies() == ONCE


def test_cancelled_the_rest_is_owed_it_once_it_is_published_again(line: Line) -> None:
    edition = withdrawn(line)
    assert line.cancel(edition).state == "cancelled"
    line.republish("one")
    assert line.lists(line.send(line.cadence))["bob"] == ["one+"]
    assert line.copies() == ONCE
    assert line.carries(line.cadence) == {}
