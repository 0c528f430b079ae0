"""What SendGrid's replies mean: the table of answers, and what must never be concluded."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.sendgrid import replies
from digest.delivery.transports.sendgrid.gate import REST, Gate
from digest.delivery.transports.sendgrid.replies import Meaning, Reply, understand

NOW = 1_780_000_000.0
TO = (
    "The to array is required for all personalization objects, and must have at least one email object with a valid "
    "email address."
)
DUPLICATE = (
    "Each email address in the personalization block should be unique between to, cc, and bcc. We found the first "
    "duplicate instance of [x@example.org] in the personalizations.2.to field."
)


def errors(*found: tuple[str, object], help: object = None) -> bytes:
    return json.dumps({"errors": [{"message": m, "field": f, "help": help} for m, f in found]}).encode()


def meaning(status: int, body: bytes = b"", *, size: int = 5, cut: bool = False, **headers: str) -> Meaning:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return understand(Reply(status, named, body, cut), size=size, now=NOW)


def answers(told: Meaning) -> dict[int, tuple[Answer, str]]:
    return {place: (receipt.answer, receipt.code) for place, receipt in told.named.items()}


# --- accepted


def test_202_with_an_id_is_accepted_under_it() -> None:
    told = meaning(202, x_message_id="Xj5LmNkWSOqRbdvOpR34BA")
    assert (told.receipt.answer, told.receipt.provider_id) == (Answer.ACCEPTED, "Xj5LmNkWSOqRbdvOpR34BA")
    assert (told.named, told.again, told.halve, told.pause) == ({}, False, False, 0)


def test_202_whose_body_was_cut_off_is_accepted_all_the_same() -> None:
    assert meaning(202, b"{", cut=True, x_message_id="abc").receipt.answer is Answer.ACCEPTED


@pytest.mark.parametrize("name", ["", "  ", "\x00\x1f"])
def test_202_without_an_id_is_unsure(name: str) -> None:
    assert meaning(202, x_message_id=name).receipt.answer is Answer.UNSURE
    assert meaning(202).receipt.answer is Answer.UNSURE


@pytest.mark.parametrize("status", [101, 200, 201, 204, 206])
def test_any_other_success_is_unsure(status: int) -> None:
    told = meaning(status, b'{"message":"success"}', x_message_id="abc")
    assert (told.receipt.answer, told.receipt.provider_id) == (Answer.UNSURE, None)
    assert told.receipt.text


# --- refused in part


def test_400_that_names_readers_answers_them_and_asks_again_for_the_others() -> None:
    told = meaning(400, errors((TO, "personalizations.1.to"), ("bad", "personalizations.3.headers.List-Unsubscribe")))
    assert answers(told) == {1: (Answer.HARD, "400 reader"), 3: (Answer.POLICY, "400 reader")}
    assert told.again
    assert told.receipt.answer is Answer.RELAY
    assert told.named[1].text == TO


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("personalizations.0.to", Answer.HARD),
        ("personalizations.0.to.0.email", Answer.HARD),
        ("personalizations.0.to.0", Answer.HARD),
        ("personalizations[0].to[0].email", Answer.HARD),
        ("personalizations.0.to.0.name", Answer.POLICY),
        ("personalizations.0.substitutions", Answer.POLICY),
        ("personalizations.0.custom_args", Answer.POLICY),
        ("personalizations.0.from.email", Answer.POLICY),
        ("personalizations.0.top", Answer.POLICY),
        ("personalizations.0", Answer.POLICY),
    ],
)
def test_only_a_fault_of_the_address_is_the_readers_own(where: str, answer: Answer) -> None:
    assert answers(meaning(400, errors(("It is wrong.", where)))) == {0: (answer, "400 reader")}


@pytest.mark.parametrize("where", [None, "null", "personalizations.2.to", ""])
def test_a_duplicate_that_is_named_only_in_the_text_is_found_and_not_the_addresss_fault(where: object) -> None:
    told = meaning(400, errors((DUPLICATE, where), help={}))
    assert answers(told) == {2: (Answer.POLICY, "400 reader")}
    assert told.again


def test_of_two_faults_of_one_reader_the_address_counts() -> None:
    found = (("x", "personalizations.1.headers"), (TO, "personalizations.1.to"), ("y", "personalizations.1.subject"))
    assert answers(meaning(400, errors(*found))) == {1: (Answer.HARD, "400 reader")}


def test_if_something_is_wrong_for_everyone_too_nobody_is_asked_for_again() -> None:
    told = meaning(400, errors((TO, "personalizations.1.to"), ("Does not contain a valid address.", "from.email")))
    assert answers(told) == {1: (Answer.HARD, "400 reader")}
    assert not told.again
    assert told.receipt.answer is Answer.RELAY
    assert "Does not contain a valid address." in told.receipt.text


def test_what_is_said_of_one_reader_is_not_told_of_the_others() -> None:
    told = meaning(400, errors((DUPLICATE, None), ("Does not contain a valid address.", "from.email")))
    assert "x@example.org" in told.named[2].text
    assert told.receipt.text == "Does not contain a valid address."


@pytest.mark.parametrize(
    "body",
    [
        errors(("The content value must be a string at least one character in length.", "content.0.value")),
        errors(("Bad Request", None)),
        errors((TO, "personalizations.5.to")),
        errors((TO, "personalizations.99999.to")),
        b"",
        b"<html>Bad Request</html>",
        b"[]",
        b'{"errors": {}}',
        b'{"errors": [1, null, []]}',
        b'{"errors": []}',
        b"\xff\xfe",
    ],
)
def test_400_that_names_nobody_of_the_request_stops_the_run(body: bytes) -> None:
    told = meaning(400, body)
    assert (told.receipt.answer, told.receipt.code, told.named, told.again) == (Answer.RELAY, "400", {}, False)


def test_of_a_400_that_was_cut_off_the_whole_entries_count() -> None:
    body = errors((TO, "personalizations.1.to"), (TO, "personalizations.2.to"))
    assert answers(meaning(400, body[:-40], cut=True)).keys() == {1}
    told = meaning(400, body[:30], cut=True)
    assert (told.receipt.answer, told.named) == (Answer.AWAY, {})


# --- refused whole


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, errors(("The provided authorization grant is invalid, expired, or revoked", None)), "401 key"),
        (401, errors(("Maximum credits exceeded", None)), "401 credits"),
        (401, b"", "401 key"),
        (403, errors(("access forbidden", None)), "403"),
        (404, b"", "404"),
        (405, b"", "405"),
        (406, b"", "406"),
        (415, b"", "415"),
        (422, b"what", "422"),
        (301, b"", "301"),
        (302, b"", "302"),
        (307, b"", "307"),
    ],
)
def test_a_refusal_of_everyone_stops_the_run_with_the_services_words(status: int, body: bytes, code: str) -> None:
    told = meaning(status, body, location="https://elsewhere.example.org/", x_message_id="abc")
    assert (told.receipt.answer, told.receipt.code) == (Answer.RELAY, code)
    assert not told.again
    if body.startswith(b"{"):
        assert json.loads(body)["errors"][0]["message"] in told.receipt.text


def test_too_large_is_asked_for_in_halves() -> None:
    told = meaning(413)
    assert told.halve
    assert told.receipt.answer is Answer.POLICY


@pytest.mark.parametrize(
    ("reset", "wait"),
    [
        (str(int(NOW) + 42), 42.0),
        (str(int(NOW) - 5), 1.0),
        (str(int(NOW) + 99_999), 300.0),
        (None, 30.0),
        ("soon", 30.0),
        ("-1", 30.0),
        ("1e9", 30.0),
        ("9" * 40, 30.0),
    ],
)
def test_429_waits_for_the_reset_as_far_as_that_is_to_be_believed(reset: str | None, wait: float) -> None:
    headers = {"x-ratelimit-reset": reset} if reset is not None else {}
    told = understand(Reply(429, headers, errors(("too many requests", None))), size=5, now=NOW)
    assert (told.receipt.answer, told.receipt.wait, told.pause) == (Answer.AWAY, wait, wait)
    assert told.receipt.text == "too many requests"


def test_nothing_left_of_the_limit_pauses_after_a_success() -> None:
    limits: dict[str, Any] = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOW) + 7)}
    told = meaning(202, x_message_id="abc", **limits)
    assert (told.receipt.answer, told.pause) == (Answer.ACCEPTED, 7.0)
    limits["x_ratelimit_remaining"] = "1"
    assert meaning(202, x_message_id="abc", **limits).pause == 0


# --- in doubt


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599])
@pytest.mark.parametrize(
    "body", [b"", b"<html><h1>502 Bad Gateway</h1></html>", errors(("no", "personalizations.0.to"))]
)
def test_a_server_that_failed_leaves_everyone_unsure(status: int, body: bytes) -> None:
    told = meaning(status, body)
    assert (told.receipt.answer, told.named, told.again, told.halve) == (Answer.UNSURE, {}, False, False)
    assert told.receipt.text


def test_a_request_that_did_not_arrive_whole_was_not_accepted() -> None:
    assert meaning(408).receipt.answer is Answer.AWAY


@pytest.mark.parametrize(
    ("error", "answer", "code"),
    [
        (ConnectionRefusedError(111, "Connection refused"), Answer.AWAY, "connect"),
        (socket.gaierror(-2, "Name or service not known"), Answer.AWAY, "connect"),
        (TimeoutError("timed out"), Answer.AWAY, "connect"),
        (ssl.SSLError(1, "wrong version number"), Answer.AWAY, "connect"),
        (UnicodeError("label too long"), Answer.AWAY, "connect"),
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), Answer.RELAY, "certificate"),
    ],
)
def test_what_fails_before_anything_was_written_was_not_accepted(error: Exception, answer: Answer, code: str) -> None:
    receipt = replies.unreached(error)
    assert (receipt.answer, receipt.code) == (answer, code)


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), ssl.SSLError(1, "bad"), ValueError("x")])
def test_what_fails_afterwards_is_unsure(error: Exception) -> None:
    assert replies.lost(error).answer is Answer.UNSURE


# --- texts


def test_texts_are_kept_as_they_came_on_one_line_without_keys() -> None:
    body = errors(("Line one\r\nline\x00 two \u202e of SG.abcdefgh.ijklmnop", None))
    text = meaning(403, body).receipt.text
    assert text.startswith("Line one line two of SG....")
    assert "abcdefgh" not in text
    assert len(meaning(500, b"x" * 60_000).receipt.text) == 500


@given(status=st.integers(100, 599), body=st.binary(max_size=300), size=st.integers(1, 1000), cut=st.booleans())
def test_whatever_comes_only_a_named_202_is_an_acceptance(status: int, body: bytes, size: int, cut: bool) -> None:
    told = understand(Reply(status, {}, body, cut), size=size, now=NOW)
    receipts = [told.receipt, *told.named.values()]
    assert Answer.ACCEPTED not in {receipt.answer for receipt in receipts}
    assert all(len(receipt.text) <= 500 for receipt in receipts)
    assert not {category(sign) for receipt in receipts for sign in receipt.text} & {"Cc", "Cs", "Zl", "Zp"}
    assert all(place < size for place in told.named)


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=40)
KEYS = st.sampled_from(["errors", "message", "field", "help"])


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_no_json_confuses_it(plain: object) -> None:
    for status in (400, 401, 429):
        understand(Reply(status, {}, json.dumps(plain).encode()), size=3, now=NOW)


# --- the gate


def of(answer: Answer, pause: float = 0.0) -> Meaning:
    return Meaning(Receipt(answer), pause=pause)


def test_the_gate_is_open_at_first_and_after_one_doubt() -> None:
    gate = Gate()
    assert gate.closed(0) is None
    gate.learn(of(Answer.UNSURE), 0)
    assert gate.closed(0) is None


def test_two_doubts_in_a_row_shut_it_for_a_minute_and_the_next_one_shuts_it_again() -> None:
    gate = Gate()
    gate.learn(of(Answer.UNSURE), 0)
    gate.learn(of(Answer.UNSURE), 10)
    told = gate.closed(10)
    assert told is not None
    assert (told.answer, told.code, told.wait) == (Answer.AWAY, "unsure", REST)
    assert told.text
    assert gate.closed(10 + REST) is None
    gate.learn(of(Answer.UNSURE), 100)
    assert gate.closed(100) is not None


def test_a_certain_answer_between_two_doubts_keeps_it_open() -> None:
    gate = Gate()
    for answer in (Answer.UNSURE, Answer.ACCEPTED, Answer.UNSURE, Answer.RELAY, Answer.UNSURE):
        gate.learn(of(answer), 0)
    assert gate.closed(0) is None


def test_a_limit_shuts_it_until_the_reset_and_the_later_moment_counts() -> None:
    gate = Gate()
    gate.learn(of(Answer.AWAY, 30), 0)
    gate.learn(of(Answer.ACCEPTED, 5), 10)
    told = gate.closed(10)
    assert told is not None
    assert (told.answer, told.code, told.wait) == (Answer.AWAY, "429", 20)
    assert gate.closed(30) is None
