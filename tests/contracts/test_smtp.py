"""What becomes of each mail over SMTP, against a server that fails by script: every refusal, every broken line."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from digest.delivery.bounce_address import BounceAddresses
from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Group, Receipt, Transport
from digest.delivery.transports.smtp.single import SmtpSingle
from digest.keys import Keyring
from tests.contracts import smtp_world
from tests.contracts.smtp_world import World, address, deliver
from tests.contracts.test_transports import UID, Mail, answers, begin, person
from tests.standins.smtp_script import OFFERS, Script

KEYRING = Keyring({1: bytes(32)}, bytes(range(32)))

FATES = {
    "ok": (Answer.ACCEPTED, "250"),
    "greylisted": (Answer.TRANSIENT, "451 4.7.1"),
    "rcpt:450 4.2.1 Busy": (Answer.TRANSIENT, "450 4.2.1"),
    "rcpt:452 4.5.3 Too many recipients": (Answer.TRANSIENT, "452 4.5.3"),
    "rcpt:552 5.5.3 Too many recipients": (Answer.TRANSIENT, "552 5.5.3"),
    "rcpt:452 4.2.2 Full": (Answer.TRANSIENT, "452 4.2.2"),
    "full": (Answer.FULL, "552 5.2.2"),
    "hard": (Answer.HARD, "550 5.1.1"),
    "dot:550 5.1.1 Gone after all": (Answer.HARD, "550 5.1.1"),
    "doubtful": (Answer.DOUBTFUL, "550"),
    "policy": (Answer.POLICY, "554 5.7.1"),
    "rcpt:550 5.7.1 Relaying denied": (Answer.POLICY, "550 5.7.1"),
    "data:451 4.3.0 Not now": (Answer.TRANSIENT, "451 4.3.0"),
    "data:554 No": (Answer.POLICY, "554"),
    "dot:552 5.3.4 Too big": (Answer.POLICY, "552 5.3.4"),
    "dot:451 4.3.0 Disk full": (Answer.TRANSIENT, "451 4.3.0"),
    "closing dot": (Answer.TRANSIENT, "421 4.3.2"),
    "let in": (Answer.HARD, "550 5.1.1"),
    "dropped": (Answer.ACCEPTED, "250"),
    "lost": (Answer.UNSURE, "no answer"),
    "cut": (Answer.UNSURE, "no answer"),
    "garbage": (Answer.UNSURE, "no answer"),
    "dot:354 Go on": (Answer.UNSURE, "354"),
    "dot:250-Endless\r\n" + "250-more\r\n" * 200: (Answer.UNSURE, "no answer"),
    "dot:250 Ok\r\n250 Ok": (Answer.ACCEPTED, "250"),
    "dot:250-Two\r\n251 lines": (Answer.UNSURE, "no answer"),
    "dot:" + "2" * 9000: (Answer.UNSURE, "no answer"),
}
KEPT = {"ok", "dropped", "lost"}
NO_PIPELINING = OFFERS[1:]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with smtp_world.opened(tmp_path) as opened:
        yield opened


def fates(*more: str) -> Script:
    """Each fate for one person, in order, with ordinary ones between them."""
    named = {address(2 * at): fate for at, fate in enumerate([*FATES, *more])}
    return Script(addresses=named)


@pytest.mark.parametrize("offers", [OFFERS, NO_PIPELINING], ids=["pipelining", "no pipelining"])
@pytest.mark.parametrize("connections", [1, 5])
def test_each_fate_gives_its_answer_and_touches_nobody_else(
    world: World, offers: tuple[str, ...], connections: int
) -> None:
    world.start(Script(offers, fates().addresses))
    told = deliver(world.open(connections=connections), range(2 * len(FATES)))
    for at, (fate, (answer, code)) in enumerate(FATES.items()):
        receipt = told[2 * at]
        wanted = code if code != "354" else "no answer"
        assert (receipt.answer, receipt.code) == (answer, wanted), (fate[:40], receipt)
        assert told[2 * at + 1].answer is Answer.ACCEPTED, (fate[:40], told[2 * at + 1])
        assert world.kept_of(2 * at) == (fate in KEPT), fate[:40]
        assert world.kept_of(2 * at + 1) == 1


def test_one_mail_at_a_time_gives_the_same_answers(world: World) -> None:
    world.start(fates())
    single = SmtpSingle(world.relay())
    told = deliver(single, [2 * at for at in range(len(FATES))])
    for at, (fate, (answer, code)) in enumerate(FATES.items()):
        receipt = told[2 * at]
        if fate.startswith("dot:250 Ok\r\n"):  # more than one answer to one mail
            answer, code = Answer.UNSURE, "no answer"
        assert (receipt.answer, receipt.code) == (answer, code), (fate[:40], receipt)
        assert world.kept_of(2 * at) == (fate in KEPT), fate[:40]


def test_the_reply_and_the_servers_name_for_the_mail_are_kept(world: World) -> None:
    world.start(Script(addresses={address(1): "rcpt:550-5.1.1 No \x07\u202esuch\r\n550 5.1.1 user @@here@@"}))
    told = deliver(world.open(), [0, 1])
    assert told[0].provider_id == sha256(Mail(UID).join(person(0))).hexdigest()[:12]
    assert told[0].text == f"2.0.0 Ok: queued as {told[0].provider_id}"
    assert (told[1].text, told[1].provider_id) == ("No such user @here@", None)


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_a_mail_whose_envelope_was_on_a_line_that_closed_goes_out_over_another(world: World, stage: str) -> None:
    world.start(Script(addresses={address(3): [f"closing {stage}", f"closing {stage}", "ok"]}))
    told = deliver(world.open(connections=2), range(8))
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED}
    assert sorted(kept.address for kept in world.kept()) == sorted(map(address, range(8)))


def test_a_mail_that_closes_every_line_is_put_off_and_the_others_go(world: World) -> None:
    world.start(Script(addresses={address(3): "closing rcpt"}))
    told = deliver(world.open(connections=1), range(8))
    put_off = told.pop(3)
    assert (put_off.answer, put_off.code) == (Answer.TRANSIENT, "421 4.3.2")
    assert "5 times" in put_off.text
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED}


def test_a_250_that_came_before_the_body_is_no_acceptance(world: World) -> None:
    world.start(Script(addresses={address(1): "early"}))
    told = deliver(world.open(), range(3))
    assert told[1].answer is Answer.TRANSIENT
    assert [world.kept_of(subscriber) for subscriber in range(3)] == [1, 0, 1]


def test_no_answer_to_the_last_dot_in_time_is_unsure(world: World) -> None:
    world.start(Script(addresses={address(1): "silent"}))
    told = deliver(world.open(connections=1, limits={"dot": 0.3}), range(4))
    assert (told[1].answer, told[1].code) == (Answer.UNSURE, "no answer")
    assert "in time" in told[1].text
    assert [told[subscriber].answer for subscriber in (0, 2, 3)] == [Answer.ACCEPTED] * 3
    single = SmtpSingle(world.relay(limits={"dot": 0.3}))
    assert deliver(single, [1])[1].answer is Answer.UNSURE


@pytest.mark.parametrize("script", [Script(one_by_one=True), Script(connections=["drip"] * 4)], ids=["single", "drip"])
def test_replies_that_come_piece_by_piece_are_put_together(world: World, script: Script) -> None:
    world.start(script)
    told = deliver(world.open(connections=4), range(12))
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED}
    assert len(world.kept()) == 12


def test_a_large_body_that_was_not_taken_whole_goes_out_again(world: World) -> None:
    """Its last dot was held back, so a line that broke in its middle proves that it was not accepted."""
    body = b"Subject: x\r\n\r\n" + b"y" * 12_000_000 + b"\r\n"
    world.start(Script(["PIPELINING", "8BITMIME"], addresses={address(1): ["half", "half", "ok"]}))
    told = deliver(world.open(connections=1), range(3), Mail(UID, {1: body}))
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED}
    assert [kept.sha256 for kept in world.kept() if kept.address == address(1)] == [sha256(body).hexdigest()]


def test_what_the_server_cannot_take_is_answered_without_sending_it(world: World) -> None:
    bodies = {1: b"x" * 2000, 2: b"Subject: \xc3\xa4\r\n\r\n", 3: b"a\n.\r\nMAIL FROM:<evil@example.org>\r\n"}
    world.start(Script(["PIPELINING", "SIZE 1000"]))
    transport = world.open()
    told = deliver(transport, [1, 2, 3, 4], Mail(UID, bodies | {4: b"Subject: x\r\n\r\n"}))
    assert [(told[one].answer, told[one].code) for one in (1, 2, 3)] == [
        (Answer.POLICY, "too big"), (Answer.POLICY, "8bit"), (Answer.POLICY, "line end"),
    ]  # fmt: skip
    assert told[4].answer is Answer.ACCEPTED
    assert len(world.kept()) == 1


def one_to(transport: Transport, to: str) -> Receipt:
    mail = Mail(UID, {1: b"Subject: x\r\n\r\n"})
    transport.begin(Group([0], mail, [Recipient(1, to, "", {})]))
    return answers(transport, 1)[0]


def test_an_international_address_needs_a_server_that_takes_it(world: World) -> None:
    world.start(Script([offer for offer in OFFERS if offer != "SMTPUTF8"]))
    transport = world.open()
    assert one_to(transport, "zoë@example.org").answer is Answer.HARD
    assert one_to(transport, "two words@example.org").answer is Answer.HARD
    assert one_to(transport, "zoe@faß.example").answer is Answer.ACCEPTED
    assert one_to(transport, "zoe@example.org>\r\nRCPT TO:<evil@example.org").answer is Answer.HARD
    assert [kept.address for kept in world.kept()] == ["zoe@xn--fa-hia.example"]


@pytest.mark.parametrize("bulk", [True, False])
def test_an_international_address_is_written_as_it_is_where_that_is_offered(world: World, bulk: bool) -> None:
    world.start()
    transport: Transport = world.open() if bulk else SmtpSingle(world.relay())
    assert one_to(transport, "zoë@faß.example").answer is Answer.ACCEPTED
    assert one_to(transport, "zoë\r\n@example.org").answer is Answer.HARD
    assert [kept.address for kept in world.kept()] == ["zoë@xn--fa-hia.example"]


def test_bounces_name_their_delivery(world: World) -> None:
    bounces = BounceAddresses(KEYRING, "bounces.example.org")
    world.start()
    assert deliver(world.open(bounces=bounces), [5, 6])[5].answer is Answer.ACCEPTED
    assert deliver(SmtpSingle(world.relay(bounces=bounces)), [7])[7].answer is Answer.ACCEPTED
    kept = world.kept()
    assert sorted(bounces.read(mail.mail_from) or ("", 0) for mail in kept) == [(UID, 5), (UID, 6), (UID, 7)]
    assert sorted(mail.envid for mail in kept) == [f"{UID}-5", f"{UID}-6", f"{UID}-7"]


def test_without_a_domain_for_bounces_they_go_to_the_sender(world: World) -> None:
    world.start(Script(["PIPELINING"]))
    body = b"Message-ID: <1@example.org>\r\n\r\n"
    assert deliver(world.open(), [5], Mail(UID, {5: body}))[5].answer is Answer.ACCEPTED
    (kept,) = world.kept()
    assert (kept.mail_from, kept.envid, kept.message_id) == ("digest@example.org", "", "<1@example.org>")


class Broken(Mail):
    """A mail that cannot be made for one person, by a fault of ours."""

    def join(self, recipient: Recipient) -> bytes:
        if recipient.subscriber_id == 3:
            raise KeyError("unsubscribe")
        return super().join(recipient)


def collect_until_it_fails(transport: Transport, told: dict[int, Receipt]) -> None:
    while True:
        for position, receipt in transport.outcomes(5):
            told[position] = receipt


def test_a_fault_in_making_a_mail_reaches_the_sender_and_loses_none(world: World) -> None:
    world.start()
    transport = world.open(connections=1)
    begin(transport, Broken(UID), range(6))
    told: dict[int, Receipt] = {}
    with pytest.raises(KeyError):
        collect_until_it_fails(transport, told)
    recalled = set(transport.recall())
    told |= answers(transport, 6 - len(recalled) - len(told))
    assert 3 in recalled
    assert recalled | told.keys() == set(range(6))
    assert {address(position) for position in told} == {kept.address for kept in world.kept()}
