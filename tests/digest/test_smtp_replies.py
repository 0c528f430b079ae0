"""Replies of mail servers: what is one, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.transports.base import Answer
from digest.delivery.transports.smtp import replies
from digest.delivery.transports.smtp.replies import Reply, ReplyReader, Stage, judge

RCPT, DATA, DOT, MAIL = Stage.RCPT, Stage.DATA, Stage.DOT, Stage.MAIL
RECIPIENT_STAGES = (RCPT, DATA, DOT)


def reply(text: str) -> Reply:
    (one,) = ReplyReader().feed(text.encode("utf-8", "surrogateescape") + b"\r\n")
    return one


@pytest.mark.parametrize(
    ("stages", "text", "answer"),
    [
        # later, for this reader
        (RECIPIENT_STAGES, "450 4.2.1 Busy", Answer.TRANSIENT),
        (RECIPIENT_STAGES, "451 4.7.1 Greylisted", Answer.TRANSIENT),
        (RECIPIENT_STAGES, "452 4.2.2 Full for now", Answer.TRANSIENT),
        (RECIPIENT_STAGES, "452 4.5.3 Too many recipients", Answer.TRANSIENT),
        (RECIPIENT_STAGES, "450", Answer.TRANSIENT),
        (RECIPIENT_STAGES, "450 5.1.1 A contradiction", Answer.TRANSIENT),
        ((RCPT,), "552 5.5.3 Too many recipients", Answer.TRANSIENT),
        ((RCPT,), "552 Too many recipients", Answer.TRANSIENT),
        ((DOT,), "421 4.3.2 Closing", Answer.TRANSIENT),
        # a full mailbox
        (RECIPIENT_STAGES, "552 5.2.2 Full", Answer.FULL),
        (RECIPIENT_STAGES, "550 5.2.2 Full", Answer.FULL),
        # the address
        (RECIPIENT_STAGES, "550 5.1.1 No such user", Answer.HARD),
        (RECIPIENT_STAGES, "550 5.1.2 No such domain", Answer.HARD),
        (RECIPIENT_STAGES, "553 5.1.3 Bad syntax", Answer.HARD),
        (RECIPIENT_STAGES, "551 5.1.6 Moved", Answer.HARD),
        (RECIPIENT_STAGES, "556 5.1.10 Null MX", Answer.HARD),
        (RECIPIENT_STAGES, "550 5.2.1 Disabled", Answer.HARD),
        ((RCPT,), "550 5.1.0 Address rejected", Answer.HARD),
        ((RCPT,), "554 5.1.4 Ambiguous", Answer.HARD),
        ((RCPT,), "550-5.1.1 No such\r\n550 5.1.1 user", Answer.HARD),
        # the sender, in the words of an address
        (RECIPIENT_STAGES, "550 5.1.7 Bad sender address", Answer.POLICY),
        (RECIPIENT_STAGES, "553 5.1.8 Sender domain not found", Answer.POLICY),
        # refused at the address without saying why
        ((RCPT,), "550 No", Answer.DOUBTFUL),
        ((RCPT,), "551 User not local", Answer.DOUBTFUL),
        ((RCPT,), "553 No", Answer.DOUBTFUL),
        ((RCPT,), "550 4.1.1 A contradiction", Answer.DOUBTFUL),
        ((RCPT,), "550 5.0.0 Something", Answer.DOUBTFUL),
        ((RCPT,), "550 5.4.1 Access denied", Answer.DOUBTFUL),
        ((RCPT,), "550 5.2.0 Something with the mailbox", Answer.DOUBTFUL),
        # what we are or sent
        (RECIPIENT_STAGES, "550 5.7.1 Spam", Answer.POLICY),
        (RECIPIENT_STAGES, "554 5.7.26 Not authenticated", Answer.POLICY),
        (RECIPIENT_STAGES, "550 5.7.515 Access denied", Answer.POLICY),
        (RECIPIENT_STAGES, "552 5.3.4 Too big", Answer.POLICY),
        (RECIPIENT_STAGES, "550 5.2.3 Too long", Answer.POLICY),
        (RECIPIENT_STAGES, "550 5.6.0 Bad content", Answer.POLICY),
        (RECIPIENT_STAGES, "554 Blocked", Answer.POLICY),
        (RECIPIENT_STAGES, "501 5.5.4 Syntax", Answer.POLICY),
        (RECIPIENT_STAGES, "503 Bad sequence", Answer.POLICY),
        (RECIPIENT_STAGES, "555 Parameters", Answer.POLICY),
        ((DATA, DOT), "550 No", Answer.POLICY),
        ((DATA, DOT), "552 No", Answer.POLICY),
        ((DATA, DOT), "550 5.4.1 No", Answer.POLICY),
        ((DATA, DOT), "550 5.1.0 No", Answer.POLICY),
        # everyone, until a person mends it
        (RECIPIENT_STAGES, "530 5.7.0 Authentication required", Answer.RELAY),
        (RECIPIENT_STAGES, "535 5.7.8 Credentials", Answer.RELAY),
        ((MAIL, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH), "550 5.1.1 No", Answer.RELAY),
        ((MAIL, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH), "502 5.5.1 No", Answer.RELAY),
        # everyone, for now
        ((MAIL, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH), "451 4.3.0 Later", Answer.AWAY),
        ((MAIL, Stage.GREETING), "421 4.3.2 Closing", Answer.AWAY),
        # this mail alone
        ((MAIL,), "552 Too big", Answer.POLICY),
        ((MAIL,), "550 5.3.4 Too big", Answer.POLICY),
    ],
)
def test_what_a_refusal_means(stages: tuple[Stage, ...], text: str, answer: Answer) -> None:
    for stage in stages:
        assert judge(stage, reply(text)).answer is answer, stage


@given(st.sampled_from(list(Stage)), st.integers(400, 599), st.text(max_size=60))
def test_no_words_change_what_a_refusal_means(stage: Stage, code: int, words: str) -> None:
    plain = Reply(code, (b"",))
    wordy = Reply(code, (b"x " + words.encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b""),))
    assert judge(stage, plain).answer is judge(stage, wordy).answer is not Answer.ACCEPTED


def test_both_codes_and_clean_words_are_kept() -> None:
    receipt = judge(RCPT, reply("550-5.1.1 The \x00user\u202e is\r\n550 5.1.1  not @@here@@ " + "x" * 600))
    assert receipt.code == "550 5.1.1"
    assert receipt.text.startswith("The user is not @here@ xxx")
    assert len(receipt.text) == 500


def test_a_refusal_of_everyone_says_where_it_was_said() -> None:
    assert judge(Stage.AUTH, reply("535 5.7.8 Bad password")).text == "At AUTH it said: Bad password"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("250 2.0.0 Ok: queued as 4XyZ12", "4XyZ12"),
        ("250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as A1B2.", "A1B2"),
        ("250 Ok: 12345", "12345"),
        ("250 2.6.0 Ok: <abc.1@example.org>", "abc.1@example.org"),
        ("250 OK id=1rXyz-0001-AB", "1rXyz-0001-AB"),
        ("250 2.0.0 Ok", None),
        ("250 Ok: queued", None),
        ("250 Ok: queued as " + "x1" * 33, None),
        ("250 queued as \x00\x071", None),
        ("250", None),
    ],
)
def test_the_name_that_the_server_gives_a_mail(text: str, name: str | None) -> None:
    receipt = replies.accepted(reply(text))
    assert (receipt.answer, receipt.provider_id) == (Answer.ACCEPTED, name)


def fed(data: bytes, size: int) -> tuple[list[Reply], str]:
    reader, replies = ReplyReader(), []
    for at in range(0, len(data), size):
        replies += reader.feed(data[at : at + size])
        if reader.fault:
            break
    return replies, reader.fault


@given(
    st.lists(st.tuples(st.integers(200, 599), st.lists(st.binary(max_size=30), min_size=1, max_size=4)), max_size=5),
    st.integers(1, 40),
)
def test_replies_are_read_alike_however_they_are_cut(replies: list[tuple[int, list[bytes]]], size: int) -> None:
    expected, data = [], b""
    for code, texts in replies:
        lines = [text.replace(b"\r", b"").replace(b"\n", b"") for text in texts]
        expected.append(Reply(code, tuple(lines)))
        for at, line in enumerate(lines):
            data += b"%d%b%b\r\n" % (code, b" " if at == len(lines) - 1 else b"-", line)
    assert fed(data, size) == (expected, "")


@given(st.binary(max_size=300), st.integers(1, 50))
def test_nothing_that_a_server_sends_breaks_the_reader(data: bytes, size: int) -> None:
    replies, _ = fed(data, size)
    assert all(200 <= one.code <= 599 and one.lines for one in replies)
    for one in replies:
        assert judge(DOT, one).text.isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b"OK\r\n", b"25 Ok\r\n", b"2500 Ok\r\n", b"150 Ok\r\n", b"600 Ok\r\n", b"250_Ok\r\n", b"\r\n", b" 250 Ok\r\n",
        b"250 O\nk\r\n", b"250 O\rk\r\n", b"250-Ok\r\n251 Ok\r\n", "２５０ Ok\r\n".encode(), b"250 " + b"x" * 5000,
        b"250 " + b"x" * 5000 + b"\r\n", b"250-x\r\n" * 101,
    ],
)  # fmt: skip
def test_what_is_no_reply_is_a_fault(data: bytes) -> None:
    replies, fault = fed(data, len(data))
    assert replies == []
    assert fault


def test_a_reply_before_a_fault_is_read_and_nothing_behind_it() -> None:
    assert fed(b"250 Ok\r\nwhat?\r\n250 Ok\r\n", 100)[0] == [Reply(250, (b"Ok",))]


def test_a_code_alone_is_a_reply() -> None:
    assert reply("250") == Reply(250, (b"",))
    assert reply("250-\r\n250") == Reply(250, (b"", b""))
