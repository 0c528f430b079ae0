"""What becomes of each reader over SendGrid's Web API, with a stand-in that fails by script: all answers, or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Group
from tests.contracts import sendgrid_world
from tests.contracts.sendgrid_world import World, address, deliver
from tests.contracts.test_transports import UID, Mail, answers, person

WHOLE = 1.0  # seconds that a request may take where one gets no answer
ALL, ONE = "all of the request", "that one"

# What happens to a request with the reader -> their answer, whether it is everyone's in the request, copies kept.
FATES = {
    "ok": (Answer.ACCEPTED, "202", ALL, 1),
    "short": (Answer.ACCEPTED, "202", ALL, 1),
    "drip": (Answer.ACCEPTED, "202", ALL, 1),
    "bye": (Answer.ACCEPTED, "202", ALL, 1),
    "spent": (Answer.ACCEPTED, "202", ALL, 1),
    "no-id": (Answer.UNSURE, "202", ALL, 1),
    "400 to": (Answer.HARD, "400 reader", ONE, 0),
    "400 headers": (Answer.POLICY, "400 reader", ONE, 0),
    "400 unnamed": (Answer.POLICY, "400 reader", ONE, 0),
    "400 from": (Answer.RELAY, "400", ALL, 0),
    "400 cut": (Answer.AWAY, "400", ALL, 0),
    "401": (Answer.RELAY, "401 key", ALL, 0),
    "401 credits": (Answer.RELAY, "401 credits", ALL, 0),
    "402": (Answer.RELAY, "402", ALL, 0),
    "403": (Answer.RELAY, "403", ALL, 0),
    "302": (Answer.RELAY, "302", ALL, 0),
    "413": (Answer.POLICY, "413", ONE, 0),
    "429": (Answer.AWAY, "429", ALL, 0),
    "500": (Answer.UNSURE, "500", ALL, 0),
    "502": (Answer.UNSURE, "502", ALL, 0),
    "503": (Answer.UNSURE, "503", ALL, 0),
    "504": (Answer.UNSURE, "504", ALL, 0),
    "500 kept": (Answer.UNSURE, "500", ALL, 1),
    "502 kept": (Answer.UNSURE, "502", ALL, 1),
    "503 kept": (Answer.UNSURE, "503", ALL, 1),
    "504 kept": (Answer.UNSURE, "504", ALL, 1),
    "reset": (Answer.UNSURE, "no answer", ALL, 1),
    "timeout": (Answer.UNSURE, "no answer", ALL, 1),
    "garbled": (Answer.UNSURE, "no answer", ALL, 1),
    "cut": (Answer.UNSURE, "no answer", ALL, 0),
    "half": (Answer.UNSURE, "no answer", ALL, 0),
    "garbage": (Answer.UNSURE, "no answer", ALL, 0),
}
SAID = {
    "400 to": "must have at least one email object with a valid email address",
    "400 from": "Does not contain a valid address.",
    "401": "The provided authorization grant is invalid, expired, or revoked",
    "401 credits": "Maximum credits exceeded",
    "403": "Verify the sender",
    "302": "it was not followed",
    "413": "too large",
    "429": "too many requests",
    "502": "502 Bad Gateway",
    "503": "It does not say",
    "timeout": "TimeoutError",
    "reset": "ConnectionResetError",
    "cut": "RemoteDisconnected",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with sendgrid_world.opened(tmp_path) as opened:
        yield opened


def test_each_fate_of_a_request_gives_its_answer_and_touches_no_other_request(world: World) -> None:
    """The third of five readers has the fate; a second request follows over the same connection, or over a new one."""
    world.start(addresses={address(10 * at + 2): [fate] for at, fate in enumerate(FATES)}, drip_ms=1)
    for at, (fate, (answer, code, whose, copies)) in enumerate(FATES.items()):
        transport = world.open(whole=WHOLE)
        if fate in ("429", "spent"):
            told = deliver(transport, range(10 * at, 10 * at + 5))
            transport.ahead += 60
            told |= deliver(transport, range(10 * at + 5, 10 * at + 10))
        else:
            told = deliver(transport, range(10 * at, 10 * at + 10))
        transport.close()
        struck = [2] if whose is ONE else [0, 1, 2, 3, 4]
        for reader in range(10):
            receipt, kept = told[10 * at + reader], world.copies(10 * at + reader)
            if reader in struck:
                assert (receipt.answer, receipt.code, kept) == (answer, code, copies), (fate, reader, receipt)
                assert SAID.get(fate, "") in receipt.text, (fate, receipt)
            else:
                assert (receipt.answer, kept) == (Answer.ACCEPTED, 1), (fate, reader, receipt)
    assert {(request["method"], request["path"]) for request in world.requests()} == {("POST", "/v3/mail/send")}


def test_one_mail_at_a_time_gives_the_same_answers(world: World) -> None:
    world.start(addresses={address(at): [fate] for at, fate in enumerate(FATES)}, drip_ms=1)
    single = world.single(whole=WHOLE)
    told = deliver(single, range(len(FATES)), Whole(UID))
    for at, (fate, (answer, code, _, copies)) in enumerate(FATES.items()):
        receipt = told[at]
        assert (receipt.answer, receipt.code, world.copies(at)) == (answer, code, copies), (fate, receipt)
        assert SAID.get(fate, "") in receipt.text, (fate, receipt)
    assert {(request["method"], request["path"]) for request in world.requests()} == {("POST", "/v3/mail/send")}


class Whole(Mail):
    """A mail that needs no filling in, as notices are."""

    def join(self, recipient: Recipient) -> bytes:
        return (
            f"From: Example <{self.sender}>\r\nTo: {recipient.address}\r\nSubject: Waiting\r\n"
            f"Message-ID: {self.message_id(recipient)}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\nHello.\r\n"
        ).encode()


def test_the_services_name_for_the_request_is_kept_for_each_of_it(world: World) -> None:
    world.start()
    told = deliver(world.open(), range(10))
    names = [told[reader].provider_id for reader in range(10)]
    assert names == [kept.request for kept in world.kept()]
    assert len(set(names)) == 2
    assert len(names[0] or "") == 22
    told = deliver(world.single(), [10], Whole(UID))
    assert told[10].provider_id == world.kept()[-1].request


# --- refused in part


def test_of_several_bad_readers_each_is_named_and_the_others_go_at_once(world: World) -> None:
    """As the service really finds them: addresses that its rules refuse and ours let pass."""
    world.start()
    long = "x" * 65 + "@example.org"
    people = [person(0), Recipient(1, long, "", {}), person(2), Recipient(3, "b@no-dot", "", {}), person(4)]
    transport = world.open()
    transport.begin(Group(range(5), Mail(UID), people))
    told = answers(transport, 5)
    assert [told[at].answer for at in range(5)] == [
        Answer.ACCEPTED, Answer.HARD, Answer.ACCEPTED, Answer.HARD, Answer.ACCEPTED,
    ]  # fmt: skip
    assert [request["size"] for request in world.requests()] == [5, 3]


def test_a_reader_whose_address_cannot_be_written_does_not_shift_the_others(world: World) -> None:
    """The one that never left is not counted when the service names places."""
    world.start(addresses={address(2): ["400 to"]})
    people = [Recipient(9, "zoë@example.org", "", {}), *map(person, range(4))]
    transport = world.open()
    transport.begin(Group(range(5), Mail(UID), people))
    told = answers(transport, 5)
    assert [(told[at].answer, told[at].code) for at in range(5)] == [
        (Answer.HARD, "unfit address"), (Answer.ACCEPTED, "202"), (Answer.ACCEPTED, "202"),
        (Answer.HARD, "400 reader"), (Answer.ACCEPTED, "202"),
    ]  # fmt: skip


def test_a_group_of_nobody_but_unfit_and_named_readers_ends_without_an_empty_request(world: World) -> None:
    world.start(addresses={address(0): ["400 to"]})
    transport = world.open()
    unfit = Recipient(9, "zoë@example.org", "", {})
    transport.begin(Group(range(2), Mail(UID), [unfit, unfit]))
    assert {receipt.code for receipt in answers(transport, 2).values()} == {"unfit address"}
    transport.begin(Group(range(2), Mail(UID), [unfit, person(0)]))
    assert {receipt.answer for receipt in answers(transport, 2).values()} == {Answer.HARD}
    assert [request["size"] for request in world.requests()] == [1]


def test_a_request_that_is_too_large_is_halved_until_it_fits(world: World) -> None:
    world.start(addresses={address(5): ["413", "413", "ok"]})
    told = deliver(world.open(group=8), range(8))
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED}
    assert sorted(request["size"] for request in world.requests()) == [2, 2, 4, 4, 8]
    assert sorted(kept.address for kept in world.kept()) == sorted(map(address, range(8)))


def test_what_is_larger_than_the_service_takes_is_not_sent_at_all(world: World) -> None:
    world.start()
    told = deliver(world.open(), range(3), Mail(UID, {0: b"x" * 29_000_000}))
    assert {(receipt.answer, receipt.code) for receipt in told.values()} == {(Answer.POLICY, "too large")}
    assert world.requests() == []


def test_what_fails_after_a_part_was_refused_leaves_only_the_rest_in_doubt(world: World) -> None:
    world.start(addresses={address(1): ["400 to"], address(3): ["reset"]})
    told = deliver(world.open(), range(5))
    assert [told[reader].answer for reader in range(5)] == [
        Answer.UNSURE, Answer.HARD, Answer.UNSURE, Answer.UNSURE, Answer.UNSURE,
    ]  # fmt: skip
    assert [world.copies(reader) for reader in range(5)] == [1, 0, 1, 1, 1]
