"""What is asked of SendGrid: the service's rules find nothing wrong with it, and nothing of a reader leaks."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import render
from digest.delivery import message
from digest.delivery.message import Compiled, Recipient
from digest.delivery.notices import _Whole
from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.sendgrid import payload
from digest.errors import BadInput
from tests.digest.mail_example import DATE, ENTRIES, KEY, READER, SEQUENCES, SHELL, SITE, UID
from tests.standins import sendgrid_rules
from tests.standins.sendgrid_server import as_read

DIGEST = render.Press(SHELL, "en", ENTRIES).variant(SEQUENCES, most=12)
PLAIN = render.Rendered("Subject", "<p>Hello</p>", "Hello")


def compiled(rendered: render.Rendered = DIGEST, shell: render.Shell = SHELL) -> Compiled:
    return message.compile(rendered, shell, uid=UID, variant=1, key=KEY, date=DATE)


def request(variant: Compiled, *people: Recipient) -> dict[str, Any]:
    """The request for these people, after the service's own look at it."""
    form = payload.form(variant)
    made, refused = form.personalizations(people)
    assert not refused
    asked: dict[str, Any] = json.loads(form.body(made))
    assert sendgrid_rules.faults(asked, now=time.time()) == []
    return asked


def refusal(variant: Compiled, person: Recipient) -> Receipt:
    made, refused = payload.form(variant).personalizations([READER, person, READER])
    assert len(made) == 2
    assert refused.keys() == {1}
    return refused[1]


def reader(**changes: Any) -> Recipient:
    slots = dict(READER.slots) | changes.pop("slots", {})
    return READER._replace(slots=slots, **changes)


# --- what all share


def test_text_comes_first_then_html_and_both_are_as_rendered() -> None:
    assert request(compiled(), READER)["content"] == [
        {"type": "text/plain", "value": DIGEST.text},
        {"type": "text/html", "value": DIGEST.html},
    ]


def test_an_empty_part_is_left_out_since_the_service_takes_none() -> None:
    assert [part["type"] for part in request(compiled(replace(PLAIN, text="")), READER)["content"]] == ["text/html"]


def test_the_services_own_tracking_and_unsubscribing_are_off_in_every_request() -> None:
    assert request(compiled(), READER)["tracking_settings"] == {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    }


def test_the_headers_that_all_share_stand_above_and_none_is_reserved() -> None:
    variant = compiled()
    shared = request(variant, READER)["headers"]
    assert shared == variant.sheet.headers
    assert shared["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert shared["Auto-Submitted"] == "auto-generated"
    sheet = replace(variant.sheet, headers={"Reply-To": "a@example.org", "Subject": "x", "List-Id": "<x.example.org>"})
    assert request(replace(variant, sheet=sheet), READER)["headers"] == {"List-Id": "<x.example.org>"}


def test_sender_reply_address_and_subject() -> None:
    asked = request(compiled(), READER)
    assert asked["from"] == {"email": "digest@news.example.org", "name": "Path to Public Safety"}
    assert asked["reply_to"] == {"email": "help@example.org"}
    assert asked["subject"] == DIGEST.subject
    assert "reply_to" not in request(compiled(shell=replace(SHELL, reply_to="")), READER)


@pytest.mark.parametrize(
    ("name", "sent"), [("Zoë’s Café", "Zoe's Cafe"), ("Новости", None), ("", None), ("Smith, John", "Smith, John")]
)
def test_a_senders_name_is_ascii_or_left_out(name: str, sent: str | None) -> None:
    assert request(compiled(shell=replace(SHELL, from_name=name)), READER)["from"].get("name") == sent


# --- what is a reader's own


def test_each_reader_has_a_personalization_with_their_own_headers_and_an_opaque_id() -> None:
    variant, other = compiled(), reader(subscriber_id=8, address="ana@example.org", name="")
    first, second = request(variant, READER, other)["personalizations"]
    assert first == {
        "to": [{"email": "rosa@example.org", "name": "Rosa Díaz"}],
        "custom_args": {"did": f"{UID}-7"},
        "headers": {
            "Message-ID": variant.message_id(READER),
            "List-Unsubscribe": f"<{READER.slots['unsubscribe']}>",
        },
        "substitutions": {f"@@{name}@@": value for name, value in READER.slots.items()},
    }
    assert second["to"] == [{"email": "ana@example.org"}]
    assert second["headers"]["Message-ID"] == variant.message_id(other) != variant.message_id(READER)


def test_only_slots_that_occur_are_filled_and_a_mail_without_a_way_out_has_no_link() -> None:
    one = request(compiled(replace(PLAIN, text="Hello @@masked@@")), READER)["personalizations"][0]
    assert one["substitutions"] == {"@@masked@@": "r•••••@example.org"}
    assert one["headers"].keys() == {"Message-ID"}
    assert "substitutions" not in request(compiled(PLAIN), READER)["personalizations"][0]


def test_what_the_reader_gets_is_what_other_carriers_would_give() -> None:
    asked = request(compiled(), READER)
    subject, digest = as_read(asked, asked["personalizations"][0])
    html, text = DIGEST.html, DIGEST.text
    for name, value in READER.slots.items():
        html, text = html.replace(f"@@{name}@@", value), text.replace(f"@@{name}@@", value)
    filled = {"content": [{"type": "text/html", "value": html}, {"type": "text/plain", "value": text}]}
    assert (subject, digest) == (DIGEST.subject, as_read(filled, {})[1])


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ('Ben & Jerry\'s <b>"best"</b>', "Ben  Jerrys bbest/b"),
        ("May 12,\r\nBcc: x@example.org", "May 12, Bcc: x@example.org"),
        ("@@unsubscribe@@", "@unsubscribe@"),
        ("back\\slash 100% \u202eevil\x00", "back\\slash 100% evil"),
        ("", ""),
    ],
)
def test_what_html_would_read_as_markup_is_left_out_of_a_value(value: str, sent: str) -> None:
    filled = request(compiled(), reader(slots={"asked": value}))["personalizations"][0]["substitutions"]
    assert filled["@@asked@@"] == sent


def test_in_a_link_it_is_percent_encoded_so_that_the_link_goes_on_working() -> None:
    link = f"{SITE}/o'neil/u/abc&d"
    one = request(compiled(), reader(slots={"unsubscribe": link}))["personalizations"][0]
    assert one["substitutions"]["@@unsubscribe@@"] == f"{SITE}/o%27neil/u/abc%26d"
    assert one["headers"]["List-Unsubscribe"] == f"<{link}>"


@pytest.mark.parametrize(
    "name", ["Doe, Jane; PhD", "Jane\r\nBcc: evil@example.org", 'J"ane\\', "\u202eenaJ", "J" * 500]
)
def test_any_name_can_be_sent(name: str) -> None:
    sent = request(compiled(), reader(name=name))["personalizations"][0]["to"][0]["name"]
    assert sent.isprintable()
    assert len(sent) <= 120


@pytest.mark.parametrize("address", ["o'neil+x@example.org", "a.b-c_d@sub.example.org", "x=y@faß.example.org"])
def test_addresses_that_can_be_written_in_ascii_are(address: str) -> None:
    sent = request(compiled(), reader(address=address))["personalizations"][0]["to"][0]["email"]
    assert sent == address.replace("faß", "xn--fa-hia")


# --- what cannot be


@pytest.mark.parametrize("address", ["zoë@example.org", "no address", "a b@example.org", "", "x@example.org\r\nBcc: y"])
def test_a_reader_with_an_address_that_sendgrid_cannot_take_is_unfit_and_the_others_go(address: str) -> None:
    receipt = refusal(compiled(), reader(address=address))
    assert (receipt.answer, receipt.code) == (Answer.HARD, "unfit address")
    assert address not in receipt.text or not address


def test_a_reader_whose_values_are_too_long_is_unfit() -> None:
    asked = compiled()
    assert request(asked, reader(slots={"asked": "x" * 9_700}))["personalizations"]
    assert refusal(asked, reader(slots={"asked": "x" * 10_000})).code == "unfit address"
    assert refusal(asked, reader(slots={"asked": "•" * 3_400})).code == "unfit address"


@pytest.mark.parametrize("link", ["", "no link", f"{SITE}/u/a b", f"{SITE}/u/a\r\nBcc: x", f"{SITE}/é", "x" * 980])
def test_a_link_that_no_header_can_carry_stops_the_run_and_is_not_the_readers_fault(link: str) -> None:
    receipt = refusal(compiled(), reader(slots={"unsubscribe": link}))
    assert (receipt.answer, receipt.code) == (Answer.RELAY, "unsubscribe link")


def test_a_mail_that_is_whole_is_not_for_this_road() -> None:
    with pytest.raises(TypeError, match="single"):
        payload.form(_Whole("x", b""))


@given(
    name=st.text(max_size=200),
    asked=st.text(max_size=200),
    masked=st.text(max_size=50),
    local=st.text(min_size=1, max_size=20),
)
def test_whatever_a_reader_is_called_the_request_is_sound(name: str, asked: str, masked: str, local: str) -> None:
    person = reader(name=name, address=f"{local}@example.org", slots={"asked": asked, "masked": masked})
    form = payload.form(compiled())
    made, refused = form.personalizations([person, READER])
    request = json.loads(form.body(made))
    assert len(request["personalizations"]) == 2 - len(refused)
    assert sendgrid_rules.faults(request, now=time.time()) == []
    for one in request["personalizations"]:
        assert not set("".join(one["substitutions"].values())) & set("&<>\"'\r\n")
        assert "@@" not in "".join(one["substitutions"].values())


# --- a mail that is whole


def whole(
    rendered: render.Rendered = DIGEST, shell: render.Shell = SHELL, person: Recipient = READER
) -> dict[str, Any]:
    body = _Whole("n0tice", compiled(rendered, shell).join(person))
    asked = payload.whole(body, person)
    assert sendgrid_rules.faults(json.loads(json.dumps(asked)), now=time.time()) == []
    return asked


def test_a_whole_mail_is_sent_with_its_own_headers_texts_and_names() -> None:
    asked = whole()
    html, text = DIGEST.html, DIGEST.text
    for name, value in READER.slots.items():
        html, text = html.replace(f"@@{name}@@", value), text.replace(f"@@{name}@@", value)
    assert [part["value"] for part in asked["content"]] == [text, html]
    assert asked["from"] == {"email": "digest@news.example.org", "name": "Path to Public Safety"}
    assert asked["reply_to"] == {"email": "help@example.org"}
    assert asked["subject"] == DIGEST.subject
    person = asked["personalizations"][0]
    assert person["to"] == [{"email": "rosa@example.org", "name": "Rosa Díaz"}]
    assert person["custom_args"] == {"did": "n0tice-7"}
    assert asked["headers"]["Message-ID"] == compiled().message_id(READER)
    assert asked["headers"]["List-Unsubscribe"] == f"<{READER.slots['unsubscribe']}>"
    assert not {name.lower() for name in asked["headers"]} & {*sendgrid_rules.RESERVED, "mime-version", "date"}
    assert asked["tracking_settings"] == payload.UNTRACKED


def test_names_of_a_whole_mail_obey_the_services_limits() -> None:
    asked = whole(shell=replace(SHELL, from_name="Zoë", reply_to=""), person=reader(name="Doe, Jane; é"))
    assert asked["from"]["name"] == "Zoe"
    assert asked["personalizations"][0]["to"][0]["name"] == "Doe Jane é"
    assert "reply_to" not in asked


def test_a_mail_with_an_attachment_is_refused_and_not_cut() -> None:
    mail = (
        b"From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\nContent-Type: text/plain\r\n\r\nHello\r\n--q\r\n"
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--q--\r\n"
    )
    with pytest.raises(BadInput, match="attachments"):
        payload.whole(_Whole("x", mail), READER)


def test_a_form_keeps_no_reader() -> None:
    form = payload.form(compiled())
    form.personalizations([READER])
    assert READER.address not in repr(dataclasses.astuple(replace(form, variant=PLAIN)))  # type: ignore[arg-type]
