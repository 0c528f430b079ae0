"""The envelope of a mail, and its body as SMTP carries it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery import message
from digest.delivery.message import Recipient
from digest.delivery.transports.base import Receipt
from digest.delivery.transports.smtp.envelope import Envelopes, transparent, xtext
from digest.delivery.transports.smtp.handshake import Offer
from digest.delivery.transports.smtp.replies import Reply
from digest.errors import BadInput
from digest.render import Rendered
from tests.contracts.test_transports import UID, Mail
from tests.digest.mail_example import DATE, KEY, SHELL

ALL = Offer(pipelining=True, size=1000, eight_bit=True, dsn=True, utf8=True)


def to(address: str) -> Recipient:
    return Recipient(7, address, "", {})


def commands(offer: Offer, address: str = "rosa@example.org", data: bytes = b"x") -> list[str]:
    found = Envelopes(offer).commands(Mail(UID), to(address), data)
    assert not isinstance(found, Receipt)
    return [line.decode() for line in found]


def test_nothing_is_asked_for_that_is_not_offered() -> None:
    assert commands(Offer()) == ["MAIL FROM:<digest@example.org>\r\n", "RCPT TO:<rosa@example.org>\r\n"]


def test_all_that_is_offered_is_used() -> None:
    assert commands(ALL, "rosa+news=x@example.org", b"\xc3\xa4") == [
        f"MAIL FROM:<digest@example.org> SIZE=2 RET=HDRS ENVID={UID}-7 BODY=8BITMIME\r\n",
        "RCPT TO:<rosa+news=x@example.org> NOTIFY=FAILURE ORCPT=rfc822;rosa+2Bnews+3Dx@example.org\r\n",
    ]


def test_an_international_address_has_no_form_for_the_original_recipient() -> None:
    mail, rcpt = commands(ALL, "zoë@faß.example")
    assert mail.endswith(" SMTPUTF8\r\n")
    assert rcpt == "RCPT TO:<zoë@xn--fa-hia.example> NOTIFY=FAILURE\r\n"


@pytest.mark.parametrize(
    "address", ["", "@", "a b@example.org", "zoë>\r\n@example.org", "<zoë@example.org", "zoë@", '"ö"@example.org']
)
def test_an_address_that_could_break_its_line_is_nobodys(address: str) -> None:
    with pytest.raises(BadInput):
        commands(ALL, address)


def test_a_size_is_a_limit_only_when_it_is_a_number() -> None:
    def answer(words: str) -> str:
        offer = Offer.read(Reply(250, (b"x", words.encode())))
        found = Envelopes(offer).commands(Mail(UID), to("rosa@example.org"), b"x" * 2000)
        return found.code if isinstance(found, Receipt) else found[0].decode()

    assert answer("SIZE 1999") == "too big"
    assert answer("size 2000").endswith("SIZE=2000\r\n")
    assert answer("SIZE").endswith("SIZE=2000\r\n")
    assert answer("SIZE 0").endswith("SIZE=2000\r\n")
    assert answer("SIZE -1").endswith("SIZE=2000\r\n")
    assert answer("SIZE ²").endswith("SIZE=2000\r\n")
    assert answer("SIZE " + "9" * 5000).endswith("SIZE=2000\r\n")
    assert "SIZE" not in answer("X")


@given(st.text(max_size=40))
def test_xtext_is_plain_and_says_the_same(value: str) -> None:
    written = xtext(value.encode("utf-8", "replace").decode())
    assert written.isascii()
    assert not set(written) & set(" =\r\n")
    parts = written.split("+")
    assert parts[0].encode() + b"".join(
        bytes.fromhex(part[:2]) + part[2:].encode() for part in parts[1:]
    ) == value.encode("utf-8", "replace")


lines = st.lists(st.sampled_from([b"", b".", b"..", b". x", b"x", b"x.", b".\x00", b"\xff"]), max_size=8)


@given(lines, st.booleans())
def test_a_body_comes_out_as_it_went_in(given_lines: list[bytes], ended: bool) -> None:
    body = b"\r\n".join(given_lines) + (b"\r\n" if ended else b"")
    sent = transparent(Mail(UID), body)
    assert not isinstance(sent, Receipt)
    whole = sent + b".\r\n"
    assert (b"\r\n" + whole).index(b"\r\n.\r\n") == len(whole) - 3
    received = (b"\r\n" + sent).replace(b"\r\n.", b"\r\n")[2:]
    assert received == body or (received == body + b"\r\n" and not body.endswith(b"\r\n"))


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b".", b"x"]), max_size=10).map(b"".join))
def test_no_body_ends_early_for_any_idea_of_a_line_end(body: bytes) -> None:
    """Servers differ in what they take for a line end; a mail must be one mail to all of them."""
    sent = transparent(Mail(UID), body)
    if isinstance(sent, Receipt):
        assert sent.code == "line end"
        return
    for end in (b"\n", b"\r"):
        first = (end + sent.replace(b"\r\n", end) + b"." + end).index(end + b"." + end)
        assert first == len(sent.replace(b"\r\n", end))


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=200))
def test_a_compiled_mail_never_needs_a_dot_more(name: str, masked: str, words: str) -> None:
    """What `transparent` relies on, since looking for it would cost more than all the rest."""
    rendered = Rendered(
        "Subject", f"<p>{words}@@masked@@</p>\n@@unsubscribe@@", f".{words}\n@@masked@@\n@@unsubscribe@@"
    )
    compiled = message.compile(rendered, SHELL, uid=UID, variant=1, key=KEY, date=DATE)
    slots = {"masked": masked, "unsubscribe": "https://news.example.org/u/x"}
    body = compiled.join(Recipient(7, "rosa@example.org", name, slots))
    assert transparent(compiled, body) is body
    assert transparent(Mail(UID), body) == body
    assert body.isascii()
