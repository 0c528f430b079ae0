"""When SendGrid is not asked: while it wants nothing, after doubts, past the lease; and how a transport to it ends."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Body, Group, Receipt, Transport
from digest.delivery.transports.sendgrid.gate import REST
from tests.contracts import sendgrid_world
from tests.contracts.sendgrid_world import World, address, deliver
from tests.contracts.test_transports import UID, Mail, answers, begin, person


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with sendgrid_world.opened(tmp_path) as opened:
        yield opened


def codes(told: dict[int, Receipt]) -> set[tuple[Answer, str]]:
    return {(receipt.answer, receipt.code) for receipt in told.values()}


def nothing_is_waited_for(transport: Transport) -> None:
    """All that was begun has been answered or taken back."""
    began = time.monotonic()
    assert list(transport.outcomes(30)) == []
    assert time.monotonic() - began < 5


def test_after_a_429_nothing_is_asked_until_the_moment_that_it_named(world: World) -> None:
    world.start(requests=["429"], reset_in=100)
    transport = world.open(connections=3)
    told = deliver(transport, range(5))
    assert codes(told) == {(Answer.AWAY, "429")}
    assert 95 < told[0].wait <= 100
    told = deliver(transport, range(30))
    assert codes(told) == {(Answer.AWAY, "429")}
    assert 95 < min(receipt.wait for receipt in told.values()) <= max(receipt.wait for receipt in told.values()) <= 100
    transport.ahead += 90
    told = deliver(transport, range(5))
    assert 5 < told[0].wait <= 10
    assert world.fates() == ["429"]
    transport.ahead += 10
    assert codes(deliver(transport, range(30))) == {(Answer.ACCEPTED, "202")}
    assert len(world.kept()) == 30


def test_when_the_limit_is_spent_the_next_request_waits_without_being_refused_first(world: World) -> None:
    world.start(requests=["spent"], reset_in=100)
    transport = world.open()
    told = deliver(transport, range(10))
    assert codes({reader: told[reader] for reader in range(5)}) == {(Answer.ACCEPTED, "202")}
    assert codes({reader: told[reader] for reader in range(5, 10)}) == {(Answer.AWAY, "429")}
    transport.ahead += 101
    assert codes(deliver(transport, range(5, 10))) == {(Answer.ACCEPTED, "202")}
    assert len(world.requests()) == 2


@pytest.mark.parametrize("fate", ["503", "reset", "garbage"])
def test_after_two_doubts_in_a_row_nobody_else_is_put_at_risk_for_a_minute(world: World, fate: str) -> None:
    world.start(requests=["ok", fate, fate, fate])
    transport = world.open()
    told = deliver(transport, range(50))
    assert [told[reader].answer for reader in range(0, 20, 5)] == [
        Answer.ACCEPTED, Answer.UNSURE, Answer.UNSURE, Answer.AWAY,
    ]  # fmt: skip
    assert codes({reader: told[reader] for reader in range(15, 50)}) == {(Answer.AWAY, "unsure")}
    assert len(world.requests()) == 3
    transport.ahead += REST
    told = deliver(transport, range(100, 110))
    assert [told[reader].answer for reader in (100, 105)] == [Answer.UNSURE, Answer.AWAY]
    transport.ahead += REST
    assert codes(deliver(transport, range(200, 250))) == {(Answer.ACCEPTED, "202")}


def test_a_server_that_reads_nothing_is_not_waited_for_longer_than_the_deadline(world: World) -> None:
    world.start(requests=["stall"])
    began = time.monotonic()
    told = deliver(world.open(whole=0.5), range(5), Mail(UID, {0: b"x" * 20_000_000}))
    assert codes(told) == {(Answer.UNSURE, "no answer")}
    assert time.monotonic() - began < 5


def test_an_answer_that_comes_byte_by_byte_has_the_same_deadline_as_a_whole(world: World) -> None:
    world.start(requests=["drip"], drip_ms=100)
    began = time.monotonic()
    told = deliver(world.open(whole=0.5), range(5))
    assert codes(told) == {(Answer.UNSURE, "no answer")}
    assert time.monotonic() - began < 5
    assert len(world.kept()) == 5


# --- the lease, and faults of ours


def test_after_the_lease_no_request_is_begun_and_that_counts_for_the_second_half_too(world: World) -> None:
    world.start(addresses={address(1): ["400 to"]})
    moments = itertools.count(0, 40)
    transport = world.open(clock=lambda: float(next(moments)))
    transport.hold(60)
    told = deliver(transport, range(5))
    assert [(told[reader].answer, told[reader].code) for reader in (0, 1)] == [
        (Answer.AWAY, "late"), (Answer.HARD, "400 reader"),
    ]  # fmt: skip
    assert codes(deliver(transport, range(5, 20))) == {(Answer.AWAY, "late")}
    assert len(world.requests()) == 1
    transport.hold(float("inf"))
    assert codes(deliver(transport, range(5, 20))) == {(Answer.ACCEPTED, "202")}


class Broken(Mail):
    """A mail that cannot be made for one person, by a fault of ours."""

    def message_id(self, recipient: Recipient) -> str:
        if recipient.subscriber_id == 7:
            raise KeyError("unsubscribe")
        return super().message_id(recipient)


def test_a_fault_in_making_a_mail_reaches_the_sender_and_takes_only_its_own_request_along(world: World) -> None:
    world.start()
    transport = world.open()
    begin(transport, Broken(UID), range(15))
    told: dict[int, Receipt] = {}
    with pytest.raises(KeyError):
        collect_until_it_fails(transport, told)
    told |= answers(transport, 10 - len(told))
    assert sorted(told) == [*range(5), *range(10, 15)]
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED}
    nothing_is_waited_for(transport)


def collect_until_it_fails(transport: Transport, told: dict[int, Receipt]) -> None:
    while True:
        for position, receipt in transport.outcomes(5):
            told[position] = receipt


def test_a_mail_that_is_whole_is_for_the_other_road(world: World) -> None:
    class Joined:
        uid, sender = UID, "digest@example.org"

        def join(self, recipient: Recipient) -> bytes:
            return b""

    world.start()
    body: Body = Joined()
    with pytest.raises(TypeError, match="single"):
        world.open().begin(Group([0], body, [person(0)]))


# --- taking back, and the end


def under_way(world: World, transport: Transport) -> None:
    """Waits until the server has accepted a request that it will not answer."""
    until = time.monotonic() + 10
    while not world.kept():
        assert time.monotonic() < until
        assert list(transport.outcomes(0.02)) == []


def test_what_no_connection_has_begun_with_can_be_taken_back_and_nothing_else(world: World) -> None:
    world.start(requests=["timeout", "ok"])
    transport = world.open(whole=1.0)
    begin(transport, Mail(UID), range(25))
    under_way(world, transport)
    assert sorted(transport.recall()) == list(range(5, 25))
    assert codes(answers(transport, 5)) == {(Answer.UNSURE, "no answer")}
    nothing_is_waited_for(transport)
    assert codes(deliver(transport, range(5, 25))) == {(Answer.ACCEPTED, "202")}
    assert [world.copies(reader) for reader in range(25)] == [1] * 25


def test_closing_breaks_what_is_under_way_and_begins_nothing_more(world: World) -> None:
    world.start(requests=["timeout"] * 3)
    before = set(threading.enumerate())
    transport = world.open(connections=2, whole=60.0)
    begin(transport, Mail(UID), range(25))
    under_way(world, transport)
    began = time.monotonic()
    transport.close()
    assert time.monotonic() - began < 5
    assert set(threading.enumerate()) <= before
    assert list(transport.outcomes(0.1)) == []
    assert list(transport.recall()) == []
    assert len(world.requests()) <= 2


def test_what_is_asked_for_one_at_a_time_can_be_taken_back_and_held_too(world: World) -> None:
    world.start()
    single = world.single()
    begin(single, Mail(UID), range(3))
    single.hold(0)
    assert list(single.outcomes(1)) == []
    assert list(single.recall()) == [0, 1, 2]
    assert world.requests() == []
