"""What is said to a mail server before the first mail."""

from __future__ import annotations

import pytest

from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.smtp.handshake import ENCRYPTED, Offer, Step, handshake
from digest.delivery.transports.smtp.relay import Relay
from digest.delivery.transports.smtp.replies import ReplyReader, Stage, Unavailable


def talk(relay: Relay, replies: list[str], *, local: bool = False) -> tuple[list[str], Offer]:
    """What is said to a server that answers so, and what is known of it then."""
    steps, said = handshake(relay, local=local), []
    step: Step = next(steps)
    try:
        while True:
            if step.stage is Stage.TLS:
                said.append("*")
                step = steps.send(ENCRYPTED)
            else:
                said.append(step.line.decode().strip())
                (reply,) = ReplyReader().feed(replies.pop(0).encode() + b"\r\n")
                step = steps.send(reply)
    except StopIteration as done:
        assert not replies
        return said, done.value


def refused(relay: Relay, replies: list[str], *, local: bool = False) -> Receipt:
    with pytest.raises(Unavailable) as caught:
        talk(relay, replies, local=local)
    return caught.value.receipt


HELLO = "220 mail.example.org"
EHLO = "EHLO [127.0.0.1]"


def test_what_was_offered_before_encryption_is_forgotten() -> None:
    before, after = "250-x\r\n250-STARTTLS\r\n250-DSN\r\n250 AUTH PLAIN", "250-x\r\n250 AUTH=LOGIN"
    relay = Relay(username="u", password="p")
    said, offer = talk(relay, [HELLO, before, "220 Go", after, "334 ", "334 ", "235 Ok"])
    assert said == ["", EHLO, "STARTTLS", "*", EHLO, "AUTH LOGIN", "dQ==", "cA=="]
    assert not offer.dsn


def test_no_encryption_is_no_mail_to_another_machine() -> None:
    receipt = refused(Relay(host="mail.example.org"), [HELLO, "250-x\r\n250 PIPELINING"])
    assert (receipt.answer, receipt.code) == (Answer.RELAY, "no STARTTLS")
    assert 'security to "tls"' in receipt.text


def test_no_encryption_is_accepted_on_this_machine_or_when_told_so() -> None:
    assert talk(Relay(), [HELLO, "250 x"], local=True)[0] == ["", EHLO]
    assert talk(Relay(security="none"), [HELLO, "250-x\r\n250 STARTTLS"])[0] == ["", EHLO]


def test_a_password_never_goes_unencrypted_to_another_machine() -> None:
    relay = Relay(security="none", username="u", password="p")
    assert refused(relay, [HELLO, "250-x\r\n250 AUTH PLAIN"]).code == "no encryption"
    assert talk(relay, [HELLO, "250-x\r\n250 AUTH PLAIN", "235 Ok"], local=True)[0][2] == "AUTH PLAIN AHUAcA=="


@pytest.mark.parametrize("reply", ["250 Ok", "354 Go", "221 Bye"])
def test_an_answer_without_meaning_in_the_handshake_is_worth_another_try(reply: str) -> None:
    assert refused(Relay(), [reply]).answer is Answer.AWAY
