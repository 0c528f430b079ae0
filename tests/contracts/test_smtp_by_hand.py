"""The order of events on one SMTP line, played by hand: what is written when, and which reply counts for what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from digest.delivery.transports.base import Answer
from digest.delivery.transports.smtp.bulk import Smtp
from digest.delivery.transports.smtp.relay import Relay
from tests.contracts.smtp_world import FAST
from tests.contracts.test_transports import UID, Mail, begin
from tests.standins.smtp_by_hand import PLAIN_EHLO, ByHand, by_hand

BODIES = {number: b"Subject: %d\r\n\r\n" % number for number in range(10)}
MAIL = Mail(UID, BODIES)


@pytest.fixture
def server() -> Iterator[ByHand]:
    with by_hand() as server:
        yield server


@pytest.fixture
def transport(server: ByHand) -> Iterator[Smtp]:
    """One connection that gives up when its only server is gone."""
    limits = replace(FAST, give_up=1.0, pause=0.02)  # a busy machine may stand still for a while
    opened = Smtp(Relay("127.0.0.1", server.port, security="none", connections=1, timeouts=limits))
    yield opened
    opened.close()


def envelope(number: int) -> bytes:
    address = f"reader{number}@example.org"
    return (
        f"MAIL FROM:<digest@example.org> RET=HDRS ENVID={UID}-{number}\r\n"
        f"RCPT TO:<{address}> NOTIFY=FAILURE ORCPT=rfc822;{address}\r\nDATA\r\n"
    ).encode()


def test_one_round_trip_a_mail_and_nothing_behind_data(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1, 2])
    server.accept(transport)
    assert server.expect(transport, b"DATA\r\n") == envelope(1)
    server.run(transport, 0.05)
    server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    assert server.expect(transport, b"DATA\r\n") == BODIES[1] + b".\r\n" + envelope(2)
    server.say(b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n")
    assert server.expect(transport, b".\r\n") == BODIES[2] + b".\r\n"
    server.say(b"250 Ok\r\n")
    assert {receipt.answer for receipt in server.until(transport, 2).values()} == {Answer.ACCEPTED}
    transport.close()
    assert server.expect_end(transport) == b"QUIT\r\n"


def test_without_pipelining_each_command_waits(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1, 2])
    server.accept(transport, PLAIN_EHLO)
    for number in (1, 2):
        assert server.expect(transport, b"\r\n") == b"MAIL FROM:<digest@example.org>\r\n"
        server.say(b"250 Ok\r\n")
        assert server.expect(transport, b"\r\n") == f"RCPT TO:<reader{number}@example.org>\r\n".encode()
        server.say(b"250 Ok\r\n")
        assert server.expect(transport, b"\r\n") == b"DATA\r\n"
        server.say(b"354 Go\r\n")
        assert server.expect(transport, b".\r\n") == BODIES[number] + b".\r\n"
        server.say(b"250 Ok\r\n")
    assert {receipt.answer for receipt in server.until(transport, 2).values()} == {Answer.ACCEPTED}


def test_a_transaction_that_was_left_open_is_reset_in_the_next_group(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1, 2])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    server.say(b"250 Ok\r\n550 5.1.1 No\r\n554 No recipients\r\n")
    assert server.expect(transport, b"DATA\r\n") == b"RSET\r\n" + envelope(2)
    server.say(b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n")
    server.expect(transport, b".\r\n")
    server.say(b"250 Ok\r\n")
    told = server.until(transport, 2)
    assert [told[position].answer for position in (0, 1)] == [Answer.HARD, Answer.ACCEPTED]


def test_a_body_that_is_let_in_for_nobody_is_a_lone_dot_and_its_answer_counts_for_nothing(
    server: ByHand, transport: Smtp
) -> None:
    begin(transport, MAIL, [1, 2])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    server.say(b"250 Ok\r\n550 5.1.1 No\r\n354 Go\r\n")
    assert server.expect(transport, b"DATA\r\n") == b".\r\n" + envelope(2)
    server.say(b"250 Kept an empty mail\r\n250 Ok\r\n450 4.2.1 Busy\r\n354 Go\r\n")
    assert server.expect(transport, b".\r\n") == b".\r\n"
    told = server.until(transport, 2)
    assert [told[position].answer for position in (0, 1)] == [Answer.HARD, Answer.TRANSIENT]


def at_the_dot(server: ByHand, transport: Smtp, ehlo: bytes | None = None) -> None:
    """Plays on until the body of mail 1 is written and its answer awaited."""
    server.accept(transport, ehlo or b"250-x\r\n250 PIPELINING\r\n")
    server.expect(transport, b"DATA\r\n")
    server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    server.expect(transport, b".\r\n")


NO_ACCEPTANCE = {
    "no digits": b"OK\r\n",
    "two digits": b"25 Ok\r\n",
    "four digits": b"2500 Ok\r\n",
    "a class that does not exist": b"650 Ok\r\n",
    "a line feed alone": b"250 Ok\n250 Ok\r\n",
    "a carriage return within": b"250 O\rk\r\n",
    "two codes in one reply": b"250-Ok\r\n550 No\r\n",
    "a line without an end": b"250 " + b"O" * 100_000,
    "a reply without an end": b"250-Ok\r\n" * 5000,
    "354 again": b"354 Go on\r\n",
    "nothing but spaces": b"    \r\n",
    "an empty line first": b"\r\n250 Ok\r\n",
    "bytes that are no text": b"\xff\xfe\x00\r\n250 Ok\r\n",
    "a half reply": b"250 O",
    "nothing": b"",
}


@pytest.mark.parametrize("what", NO_ACCEPTANCE)
def test_what_is_no_reply_to_the_mail_leaves_it_unsure(server: ByHand, transport: Smtp, what: str) -> None:
    begin(transport, MAIL, [1])
    at_the_dot(server, transport)
    server.say(NO_ACCEPTANCE[what])
    if what in ("a half reply", "nothing"):
        server.hang_up()
    assert server.until(transport, 1)[0].answer is Answer.UNSURE


def test_a_reply_with_odd_text_counts_all_the_same(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1])
    at_the_dot(server, transport)
    server.say(b"250-\xff\x00\x1b[31m" + "\u202e".encode() + b"\r\n250\r\n")
    receipt = server.until(transport, 1)[0]
    assert receipt.answer is Answer.ACCEPTED
    assert receipt.text.isprintable()


TOO_EARLY = {
    "after the last reply of the group": b"250 Ok\r\n250 Ok\r\n354 Go\r\n250 Ok\r\n",
    "the start of one": b"250 Ok\r\n250 Ok\r\n354 Go\r\n250 O",
    "in the group": b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n",
    "a 354 in the place of another": b"250 Ok\r\n354 Go\r\n354 Go\r\n",
    "a 2xx to DATA": b"250 Ok\r\n250 Ok\r\n250 Ok\r\n",
    "a 3xx to MAIL": b"354 Go\r\n",
}


@pytest.mark.parametrize("what", TOO_EARLY)
def test_a_server_that_answers_before_it_is_asked_gets_no_body(server: ByHand, transport: Smtp, what: str) -> None:
    begin(transport, MAIL, [1])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    server.say(TOO_EARLY[what])
    assert server.expect_end(transport) == b""
    server.accept(transport)
    assert server.expect(transport, b"DATA\r\n") == envelope(1)


@pytest.mark.parametrize("replies", [b"250 Ok\r\n250 Ok\r\n", b"250 Ok\r\n250", b"250 Ok\r\n250 Ok\r\n354 Go\r\n"])
def test_without_pipelining_an_early_answer_is_not_taken_for_the_next_one(
    server: ByHand, transport: Smtp, replies: bytes
) -> None:
    begin(transport, MAIL, [1])
    server.accept(transport, PLAIN_EHLO)
    server.expect(transport, b"\r\n")
    server.say(replies)
    assert server.expect_end(transport) == b""


def test_a_stray_word_to_an_idle_line_ends_it_and_the_next_mail_goes_over_a_new_one(
    server: ByHand, transport: Smtp
) -> None:
    begin(transport, MAIL, [1])
    at_the_dot(server, transport)
    server.say(b"250 Ok\r\n")
    server.until(transport, 1)
    server.say(b"250 Ok\r\n250 Ok")
    begin(transport, MAIL, [2], first=1)
    server.expect_end(transport)
    at_the_dot(server, transport)
    server.say(b"250 Ok\r\n")
    assert server.until(transport, 2)[1].answer is Answer.ACCEPTED


def test_a_line_that_the_server_closed_while_idle_is_replaced_at_once(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1])
    at_the_dot(server, transport)
    server.say(b"250 Ok\r\n")
    server.until(transport, 1)
    server.say(b"421 4.4.2 Idle\r\n")
    server.hang_up()
    begin(transport, MAIL, [2], first=1)
    at_the_dot(server, transport)
    server.say(b"250 Ok\r\n")
    assert server.until(transport, 2)[1].answer is Answer.ACCEPTED


def test_nothing_is_begun_after_the_hold_and_it_goes_on_when_that_moves(server: ByHand, transport: Smtp) -> None:
    transport.hold(time.monotonic())
    begin(transport, MAIL, [1])
    server.run(transport, 0.1)
    transport.hold(time.monotonic() + 60)
    server.accept(transport)
    assert server.expect(transport, b"DATA\r\n") == envelope(1)


def test_a_body_that_is_asked_for_after_the_hold_waits(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    transport.hold(time.monotonic())
    server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    server.run(transport, 0.1)
    transport.hold(time.monotonic() + 60)
    assert server.expect(transport, b".\r\n") == BODIES[1] + b".\r\n"


def test_a_body_that_waits_can_be_recalled(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    transport.hold(time.monotonic())
    server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    server.run(transport, 0.1)
    assert list(transport.recall()) == [0]
    assert server.expect_end(transport) == b""
    assert list(transport.outcomes(0)) == []


def test_a_recalled_envelope_never_gets_its_body_and_the_mail_before_it_is_still_answered(
    server: ByHand, transport: Smtp
) -> None:
    begin(transport, MAIL, [1, 2, 3])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    server.expect(transport, b"DATA\r\n")
    assert sorted(transport.recall()) == [1, 2]
    server.say(b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n")
    assert server.until(transport, 1)[0].answer is Answer.ACCEPTED
    assert server.expect_end(transport) == b""
    assert list(transport.recall()) == []


def test_the_transport_is_of_use_after_a_recall(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    assert list(transport.recall()) == [0]
    begin(transport, MAIL, [2], first=1)
    at_the_dot(server, transport)
    server.say(b"250 Ok\r\n")
    assert server.until(transport, 1)[1].answer is Answer.ACCEPTED


def test_a_large_body_that_is_held_keeps_its_last_dot(server: ByHand, transport: Smtp) -> None:
    begin(transport, Mail(UID, {1: b"x" * 12_000_000 + b"\r\n"}), [1])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    server.run(transport, 0.1)
    transport.hold(time.monotonic())
    assert not server.expect_end(transport).endswith(b".\r\n")
    assert list(transport.recall()) == [0]


def test_a_large_body_can_be_recalled_before_its_last_dot(server: ByHand, transport: Smtp) -> None:
    begin(transport, Mail(UID, {1: b"x" * 12_000_000 + b"\r\n"}), [1])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    server.run(transport, 0.1)
    assert list(transport.recall()) == [0]
    assert not server.expect_end(transport).endswith(b".\r\n")


@pytest.mark.parametrize(("reply", "answer"), [(b"250 Ok\r\n", None), (b"552 5.3.4 Too big\r\n", Answer.POLICY)])
def test_an_answer_in_the_middle_of_a_large_body_refuses_but_never_accepts(
    server: ByHand, transport: Smtp, reply: bytes, answer: Answer | None
) -> None:
    begin(transport, Mail(UID, {1: b"x" * 12_000_000 + b"\r\n"}), [1])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    server.run(transport, 0.1)
    server.say(reply)
    server.expect_end(transport)
    assert [receipt.answer for receipt in server.told.values()] == ([answer] if answer else [])


def test_closing_breaks_off_what_is_under_way_and_nothing_is_told_after_it(server: ByHand, transport: Smtp) -> None:
    begin(transport, MAIL, [1, 2])
    server.accept(transport)
    server.expect(transport, b"DATA\r\n")
    transport.close()
    assert server.expect_end(transport) == b""
    assert list(transport.outcomes(1)) == []
    assert list(transport.recall()) == []


@pytest.mark.parametrize("ehlo", [b"250-x\r\n250 PIPELINING\r\n", b"250 x\r\n"])
def test_a_fault_of_ours_at_a_reply_reaches_the_caller(
    server: ByHand, transport: Smtp, ehlo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop would log it and go on waiting."""
    begin(transport, MAIL, [1])
    server.accept(transport, ehlo)
    server.expect(transport, b"\r\n")
    monkeypatch.setattr("digest.delivery.transports.smtp.exchange.judge", lambda *_: 1 // 0)
    server.say(b"550 No\r\n")
    with pytest.raises(ZeroDivisionError):
        server.until(transport, 1)
    assert list(transport.recall()) == [0]
