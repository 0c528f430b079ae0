"""The finished message: what a mail program reads back, and what no value can break."""

from __future__ import annotations

import email
import email.policy
import os
import re
import time
from dataclasses import replace
from datetime import timedelta
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import example as case
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import keys, render
from digest.delivery import headers, message
from digest.delivery.message import Compiled, Recipient
from digest.errors import BadInput
from digest.render import quoted, shapes
from tests.digest.mail_example import DATE, ENTRIES, KEY, READER, SEQUENCES, SHELL, SITE, UID

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "mail" / "digest.eml"

DIGEST = render.Press(SHELL, "en", ENTRIES).variant(SEQUENCES, most=12)
SMALL = render.Rendered(
    "Subject",
    '<p>Hello @@masked@@, <a href="@@unsubscribe@@">leave</a>@@asked@@</p>\n',
    "@@asked@@\n@@unsubscribe@@\n.dot\nFrom here\n\n@@masked@@",
)


def compiled(rendered: render.Rendered = DIGEST, shell: render.Shell = SHELL, variant: int = 1) -> Compiled:
    return message.compile(rendered, shell, uid=UID, variant=variant, key=KEY, date=DATE)


def read(raw: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def body(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def fill(source: str, slots: dict[str, str]) -> str:
    return shapes.SLOT.sub(lambda found: slots[found[1]], source)


def lines(raw: bytes) -> tuple[list[bytes], list[bytes]]:
    head, _, rest = raw.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), rest.split(b"\r\n")


def test_the_example_mail_is_as_reviewed() -> None:
    raw = compiled().join(READER)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_bytes(raw)
    assert raw == GOLDEN.read_bytes()


def test_a_mail_program_reads_back_both_parts_exactly() -> None:
    parsed = read(compiled().join(READER))
    assert body(parsed, "html") == fill(DIGEST.html, dict(READER.slots))
    assert body(parsed, "plain") == fill(DIGEST.text, dict(READER.slots))
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert all(part["Content-Transfer-Encoding"] == "quoted-printable" for part in parsed.iter_parts())


def test_the_headers_of_a_digest() -> None:
    parsed = read(compiled().join(READER))
    assert str(parsed["To"]) == "Rosa Díaz <rosa@example.org>"
    assert parsed["From"].addresses == (Address("Path to Public Safety", "digest", "news.example.org"),)
    assert parsed["Subject"] == DIGEST.subject
    assert parsed["Date"].datetime == DATE
    assert str(parsed["Date"]).endswith("+0000")
    assert parsed["Reply-To"] == "help@example.org"
    assert parsed["List-Unsubscribe"] == f"<{READER.slots['unsubscribe']}>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed["List-Id"] == '"Monthly digest" <monthly.news.example.org>'
    assert parsed["List-Archive"] == f"<{SITE}/editions/>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["MIME-Version"] == "1.0"
    fields = parsed["Feedback-ID"].split(":")
    assert len(set(fields)) == len(fields) == 4
    assert 5 <= len(fields[-1]) <= 15
    names = [name.lower() for name in parsed.keys()]  # noqa: SIM118  # a message's keys may repeat
    assert len(set(names)) == len(names)
    assert not {"return-path", "received", "bcc", "sender"} & set(names)


def test_no_reply_address_no_header_for_it() -> None:
    parsed = read(compiled(shell=replace(SHELL, reply_to="")).join(READER))
    assert parsed["Reply-To"] is None
    assert parsed["List-Owner"] is None


def test_the_same_inputs_give_the_same_bytes_and_another_variant_another_boundary() -> None:
    assert compiled().join(READER) == compiled().join(READER)
    boundaries = {read(compiled(variant=n).join(READER)).get_boundary() for n in (1, 2)}
    assert len(boundaries) == 2
    later = message.compile(DIGEST, SHELL, uid=UID, variant=1, key=KEY, date=DATE + timedelta(days=7))
    assert later.message_id(READER) == compiled().message_id(READER)


def test_the_message_id_is_the_keyed_mac_of_edition_and_subscriber() -> None:
    expected = f"<{keys.mac(KEY, UID.encode(), b'7').hex()}@news.example.org>"
    assert compiled().message_id(READER) == expected
    assert read(compiled(variant=3).join(READER))["Message-ID"] == expected
    assert compiled().message_id(READER._replace(subscriber_id=8)) != expected


@pytest.mark.parametrize("length", [60, 76, 120, 900])
def test_the_one_click_link_stays_whole_at_any_length(length: int) -> None:
    link = f"{SITE}/u/".ljust(length, "x")
    raw = compiled().join(READER._replace(slots={**READER.slots, "unsubscribe": link}))
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in raw
    assert link in body(read(raw), "plain")
    head, rest = lines(raw)
    assert max(map(len, head)) <= 998
    assert max(map(len, rest)) <= 76


@pytest.mark.parametrize(
    "link", ["https://h/\r\nBcc: x", "https://h/>x", "https://h/ü", "https://h/a b", "", "x" * 999]
)
def test_a_link_that_would_break_its_header_is_refused(link: str) -> None:
    with pytest.raises(BadInput):
        compiled().join(READER._replace(slots={**READER.slots, "unsubscribe": link}))


@pytest.mark.parametrize(
    "address", ["a@b\r\nBcc: c@d", "a b@c.de", "ü@example.org", "a@b>,<c@d", "nobody", "@b.de", "a@"]
)
def test_an_address_that_no_header_can_carry_is_refused(address: str) -> None:
    with pytest.raises(BadInput):
        compiled().join(READER._replace(address=address))


@pytest.mark.parametrize(
    ("address", "expected"),
    [("info@exämple.org", "info@xn--exmple-cua.org"), ("info@faß.de", "info@xn--fa-hia.de")],
)
def test_international_domains_become_a_labels(address: str, expected: str) -> None:
    raw = compiled(shell=replace(SHELL, from_address=address)).join(READER._replace(address=address))
    parsed = read(raw)
    assert parsed["To"].addresses[0].addr_spec == expected
    assert parsed["From"].addresses[0].addr_spec == expected
    assert parsed["Message-ID"].endswith(f"@{expected.partition('@')[2]}>")


NAMES = [
    "",
    "Rosa",
    'O\'Neil, "Rosa" \\',
    "=?utf-8?q?x?=",
    "Ünïcödé " * 20,
    "日本語" * 40,
    "a" * 200,
    "x\r\nBcc: y@z",
    ";,:<>@",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_back_and_ends_no_line(name: str) -> None:
    raw = compiled(SMALL).join(READER._replace(name=name))
    parsed = read(raw)
    found = parsed["To"].addresses
    assert [each.addr_spec for each in found] == ["rosa@example.org"]
    # The modern parser puts spaces between encoded-words of a name; the older decoder joins them, as readers do.
    shown = str(make_header(decode_header(dict(email.message_from_bytes(raw).items())["To"])))
    assert shapes.clean(name)[: headers.NAME_LIMIT].strip() in (found[0].display_name, shown.rpartition(" ")[0])
    assert parsed["Bcc"] is None


@given(name=st.text(max_size=150), subject=st.text(max_size=250), value=st.text(max_size=120))
@case(name="\ud800", subject="\u2028\u0085\u202e", value="=\n.\nFrom x")
@settings(deadline=None)
def test_no_foreign_value_breaks_a_message(name: str, subject: str, value: str) -> None:
    mail = render.Rendered(subject, SMALL.html, SMALL.text)
    shell = replace(SHELL, from_name=name, digest_name=name)
    raw = compiled(mail, shell).join(READER._replace(name=name, slots={**READER.slots, "masked": value}))
    head, rest = lines(raw)
    known = (
        "From To Subject Date Message-ID Reply-To List-Unsubscribe List-Unsubscribe-Post List-Id List-Archive List-Help"
    )
    known += " Feedback-ID List-Owner Auto-Submitted MIME-Version Content-Type"
    assert [line.split(b":")[0].decode() for line in head if line[:1] != b" "] == known.split()
    assert all(line.strip() for line in head)
    assert max(map(len, head)) <= 998
    assert max(map(len, rest)) <= 76
    assert not any(line.startswith((b".", b"From ")) for line in rest)
    assert raw.isascii()
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^ \r]*\?=", raw))
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert shapes.clean(value) in body(read(raw), "plain")


@given(st.text(max_size=300))
@case("x" * 200)
@case("ü" * 200)
def test_any_subject_comes_back(subject: str) -> None:
    raw = headers.text("Subject", subject)
    found = email.message_from_bytes(raw + b"\r\n", policy=email.policy.default)["Subject"]
    expected = shapes.clean(subject)[: headers.TEXT_LIMIT].rstrip()
    assert str(found) == expected
    assert all(len(line) <= 76 for line in raw.split(b"\r\n")) or expected.isascii()


@given(st.lists(st.text(alphabet=st.sampled_from(". =Fromüx\n\t@"), max_size=160), min_size=1, max_size=4))
@case(["." * 80, "..", "From " * 30])
def test_parts_encoded_apart_decode_to_their_join(texts: list[str]) -> None:
    raw = b"".join(quoted.opened(text) for text in texts[:-1]) + quoted.encode(texts[-1])
    source = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    decoded = email.message_from_bytes(source + raw, policy=email.policy.default).get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert decoded.decode().replace("\r\n", "\n") == "".join(texts)
    assert all(len(line) <= 76 and not line.startswith((b".", b"From ")) for line in raw.split(b"\r\n"))


@given(st.text(alphabet=st.sampled_from(". =Fromüx\n@<"), max_size=400), st.integers(0, 400))
@case("x" * 400, 200)
@case("ü" * 200, 7)
def test_the_bound_of_a_text_holds_wherever_it_stands(text: str, cut: int) -> None:
    whole = len(quoted.encode(text.replace(".", "x")))
    assert whole <= quoted.bound(text[:cut]) + quoted.bound(text[cut:])


def test_slot_values_are_escaped_in_the_html_part_alone() -> None:
    reader = READER._replace(slots={**READER.slots, "asked": "<1 & 2>", "unsubscribe": f"{SITE}/u/x?a=1&b=2"})
    parsed = read(compiled(SMALL).join(reader))
    assert "&lt;1 &amp; 2&gt;" in body(parsed, "html")
    assert 'href="https://news.example.org/u/x?a=1&amp;b=2"' in body(parsed, "html")
    assert body(parsed, "plain").startswith("<1 & 2>\nhttps://news.example.org/u/x?a=1&b=2\n.dot\nFrom here\n")


def test_a_notice_carries_no_list_headers() -> None:
    notice = render.notice(SHELL, subject="A notice", heading="A notice", paragraphs=["It is so."])
    parsed = read(compiled(notice).join(Recipient(0, "staff@example.org", "", {})))
    assert not [name for name in parsed.keys() if name.startswith(("List-", "Feedback"))]  # noqa: SIM118
    assert parsed["To"] == "staff@example.org"
    assert parsed["Auto-Submitted"] == "auto-generated"


def test_a_missing_slot_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(KeyError):
        compiled().join(READER._replace(slots={}))


def test_joining_is_cheap() -> None:
    ready, reader = compiled(), READER._replace(name="Rosa Diaz")
    start = time.process_time()
    for _ in range(5000):
        ready.join(reader)
    assert (time.process_time() - start) / 5000 < 40e-6  # 6 us when measured; an EmailMessage takes milliseconds
