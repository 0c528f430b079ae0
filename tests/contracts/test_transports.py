"""What every transport promises the sender; a new one is finished when it passes here (and has a how-to page).

A case says how to open the transport and how to read, from outside of it, what it kept: all copies, each with the
SHA-256 of the mail as it was joined (or, where the carrier builds the mail, of the texts that it was given).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from digest.delivery.message import Compiled, Recipient, Sheet
from digest.delivery.transports import local
from digest.delivery.transports.base import Answer, Group, Receipt, Transport
from digest.delivery.transports.sendgrid.account import Account
from digest.delivery.transports.sendgrid.bulk import SendGrid
from digest.delivery.transports.smtp.bulk import Smtp
from digest.delivery.transports.smtp.relay import Relay
from tests.standins import faulty, record_server, sendgrid_server, smtp_script, smtp_server

UID = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"

HOSTILE = {
    "lines that begin with dots": b"Subject: x\r\n\r\n.\r\n..\r\n.=2E\r\n.\r\n",
    "lines that begin with From": b"Subject: x\r\n\r\nFrom here\r\n>From there\r\n",
    "no line end at the end": b"Subject: x\r\n\r\nlast words",
    "empty lines at the end": b"Subject: x\r\n\r\n\r\n\r\n\r\n",
    "bytes above 127 and NUL": b"Subject: x\r\n\r\n\x00\xff\xc3\xa4\xe2\x80\xa8\r\n",
    "a line of 998 and a large body": b"Subject: x\r\n\r\n" + b"y" * 998 + b"\r\n" + b"z" * 76 * 2000 + b"\r\n",
    "an end of data in the text": b"Subject: x\r\n\r\nQUIT\r\n.\r\nMAIL FROM:<a@example.org>\r\n",
    "nothing": b"",
}


@dataclass(frozen=True)
class Mail:
    """As much of a compiled variant as a transport may use."""

    uid: str
    bodies: dict[int, bytes] = field(default_factory=dict)
    sender: str = "digest@example.org"

    def message_id(self, recipient: Recipient) -> str:
        return f"<{recipient.subscriber_id}.{self.uid}@example.org>"

    @property
    def sheet(self) -> Sheet:
        """For a carrier that builds the mail: all readers share one body, the first that a test has set."""
        html = next(iter(self.bodies.values()), b"<p>Hello.</p>").decode()
        return Sheet("Example", self.sender, "", "News", "Hello.\n", html, {"Auto-Submitted": "auto-generated"})

    def join(self, recipient: Recipient) -> bytes:
        ordinary = f"To: {recipient.address}\r\nSubject: News\r\n\r\nHello {recipient.name}.\r\n"
        return self.bodies.get(recipient.subscriber_id, ordinary.encode())


def joined(mail: Mail, recipient: Recipient) -> bytes:
    """What a carrier keeps that is given the whole mail."""
    return mail.join(recipient)


def with_line_end(mail: Mail, recipient: Recipient) -> bytes:
    """What SMTP keeps: it cannot say that the last line has no end."""
    body = mail.join(recipient)
    return body if not body or body.endswith(b"\r\n") else body + b"\r\n"


def filled_in(mail: Mail, recipient: Recipient) -> bytes:
    """What a carrier keeps that builds the mail of texts."""
    return (mail.sheet.html + mail.sheet.text).encode()


@dataclass(frozen=True)
class Case:
    """One transport under test; `kept` is what it keeps of a mail, `cannot` bodies that it cannot carry, and why."""

    open: Callable[[], Transport]
    copies: Callable[[], list[tuple[str, int, str]]]
    kept: Callable[[Mail, Recipient], bytes] = joined
    cannot: Mapping[str, str] = field(default_factory=dict)


@pytest.fixture(
    params=[
        "outbox",
        "outbox without bodies",
        "maildir",
        "faulty",
        "faulty in groups",
        "sendgrid",
        "smtp",
        "smtp without pipelining",
    ]
)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    match request.param:
        case "outbox" | "outbox without bodies":
            outbox = local.Outbox(keep=request.param == "outbox")
            yield Case(lambda: outbox, lambda: outbox_copies(outbox))
        case "maildir":
            yield Case(lambda: local.Maildir(tmp_path / "mail"), lambda: maildir_copies(tmp_path / "mail"))
        case "sendgrid":
            with sendgrid_server.running(tmp_path / "record") as server:
                account = Account(server.url, "SG.contract-suite")
                yield Case(
                    lambda: SendGrid(account, group=7, connections=3),
                    lambda: sendgrid_copies(tmp_path / "record"),
                    kept=filled_in,
                    cannot={
                        "bytes above 127 and NUL": "JSON holds characters and not bytes (RFC 8259 s.8.1)",
                        "nothing": "the service takes no empty content",
                    },
                )
        case "smtp" | "smtp without pipelining":
            offers = smtp_script.OFFERS[request.param != "smtp" :]
            with smtp_server.running(tmp_path / "record", smtp_script.Script(offers)) as port:
                relay = Relay("127.0.0.1", port, security="none")
                yield Case(lambda: Smtp(relay), lambda: smtp_copies(tmp_path / "record"), kept=with_line_end)
        case _:
            group = 7 if request.param == "faulty in groups" else 1
            file = tmp_path / "record"
            with record_server.running(file) as port:
                yield Case(
                    lambda: faulty.Faulty(("127.0.0.1", port), group=group),
                    lambda: [(kept.uid, kept.subscriber_id, kept.sha256) for kept in record_server.read(file)],
                )


@pytest.fixture
def transport(case: Case) -> Iterator[Transport]:
    opened = case.open()
    yield opened
    opened.close()


def outbox_copies(outbox: local.Outbox) -> list[tuple[str, int, str]]:
    kept = {key: outbox.get(*key) or b"" for key in outbox}
    return [(*key, body.hex() if len(body) == 32 else sha256(body).hexdigest()) for key, body in kept.items()]


def sendgrid_copies(record: Path) -> list[tuple[str, int, str]]:
    copies = []
    for kept in sendgrid_server.read(record):
        uid, _, subscriber = kept.did.rpartition("-")
        copies.append((uid, int(subscriber), kept.sha256))
    return copies


def smtp_copies(record: Path) -> list[tuple[str, int, str]]:
    copies = []
    for kept in smtp_server.read(record):
        uid, _, subscriber = kept.envid.rpartition("-")
        copies.append((uid, int(subscriber), kept.sha256))
    return copies


def maildir_copies(folder: Path) -> list[tuple[str, int, str]]:
    copies = []
    for path in [*folder.glob("new/*"), *folder.glob("cur/*")]:
        uid, _, subscriber = path.name.partition(".digest")[0].partition("-")
        body = path.read_bytes()
        assert b"\r" not in body
        copies.append((uid, int(subscriber), sha256(body.replace(b"\n", b"\r\n")).hexdigest()))
    return copies


def person(subscriber_id: int) -> Recipient:
    return Recipient(subscriber_id, f"reader{subscriber_id}@example.org", "Zoë", {})


def begin(transport: Transport, mail: Mail, subscribers: Iterable[int], first: int = 0) -> range:
    """Hands over in groups as the transport takes them; gives the positions used."""
    people = [person(subscriber_id) for subscriber_id in subscribers]
    for start in range(0, len(people), transport.group):
        some = people[start : start + transport.group]
        positions = range(first + start, first + start + len(some))
        transport.begin(Group(positions, cast("Compiled", mail), some))
    return range(first, first + len(people))


def answers(transport: Transport, count: int) -> dict[int, Receipt]:
    """The first `count` outcomes; fails when one comes twice or some do not come in 30 s."""
    told: dict[int, Receipt] = {}
    until = time.monotonic() + 30
    while len(told) < count and time.monotonic() < until:
        for position, receipt in transport.outcomes(1.0):
            assert position not in told
            told[position] = receipt
    return told


def expected(case: Case, mail: Mail, subscribers: Iterable[int]) -> list[tuple[str, int, str]]:
    return [(mail.uid, one, sha256(case.kept(mail, person(one))).hexdigest()) for one in subscribers]


def test_it_states_what_the_sender_must_know(transport: Transport) -> None:
    assert isinstance(transport, Transport)
    assert transport.name
    assert transport.group >= 1
    assert transport.connections >= 1


def test_each_position_of_two_variants_is_answered_once_and_each_mail_kept_once(
    case: Case, transport: Transport
) -> None:
    one, two = Mail(UID), Mail(OTHER)
    begin(transport, one, range(1, 201))
    begin(transport, two, range(1, 51), first=200)
    told = answers(transport, 250)
    assert sorted(told) == list(range(250))
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED}
    assert list(transport.outcomes(0)) == []
    assert Counter(case.copies()) == Counter(expected(case, one, range(1, 201)) + expected(case, two, range(1, 51)))


@pytest.mark.parametrize("what", HOSTILE)
def test_content_is_kept_byte_for_byte(case: Case, transport: Transport, what: str) -> None:
    if what in case.cannot:
        pytest.skip(case.cannot[what])
    mail = Mail(UID, {7: HOSTILE[what]})
    begin(transport, mail, [6, 7, 8])
    assert len(answers(transport, 3)) == 3
    assert sorted(case.copies()) == sorted(expected(case, mail, [6, 7, 8]))


def test_a_second_hand_over_keeps_one_copy_exactly_when_the_transport_is_repeatable(
    case: Case, transport: Transport
) -> None:
    mail = Mail(UID)
    begin(transport, mail, [1, 2, 3])
    answers(transport, 3)
    begin(transport, mail, [2, 3], first=3)
    told = answers(transport, 2)
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED}
    copies = 1 if transport.repeatable else 2
    assert Counter(case.copies()) == Counter(expected(case, mail, [1]) + expected(case, mail, [2, 3]) * copies)


def test_a_restart_loses_none_and_doubles_none_when_the_transport_is_repeatable(
    case: Case, transport: Transport
) -> None:
    mail = Mail(UID)
    begin(transport, mail, range(1, 101))
    interrupted = next(iter(transport.outcomes(1.0)))
    transport.close()
    with closing(case.open()) as again:
        begin(again, mail, range(1, 101))
        assert len(answers(again, 100)) == 100
    assert interrupted[1].answer is Answer.ACCEPTED
    copies = Counter(case.copies())
    assert copies.keys() == set(expected(case, mail, range(1, 101)))
    assert max(copies.values()) <= (1 if transport.repeatable else 2)


def test_what_is_recalled_was_not_handed_over_and_the_rest_is_answered(case: Case, transport: Transport) -> None:
    mail = Mail(UID)
    positions = begin(transport, mail, range(1000, 1300))
    recalled = set(transport.recall())
    told = answers(transport, len(positions) - len(recalled))
    assert recalled
    assert recalled | told.keys() == set(positions)
    assert not recalled & told.keys()
    assert list(transport.outcomes(0)) == []
    assert sorted(case.copies()) == sorted(expected(case, mail, [1000 + position for position in told]))


def test_a_sender_that_stops_listening_after_one_receipt_misses_none(transport: Transport) -> None:
    begin(transport, Mail(UID), range(1, 121))
    told: list[int] = []
    while len(told) < 120:
        for position, _ in transport.outcomes(5.0):
            told.append(position)
            break
    assert sorted(told) == list(range(120))


def test_a_short_look_makes_progress_and_does_not_wait_for_all(transport: Transport) -> None:
    begin(transport, Mail(UID), range(1, 301))
    told = [position for position, _ in transport.outcomes(0)]
    assert len(told) < 300
    until = time.monotonic() + 30
    while len(told) < 300 and time.monotonic() < until:
        told += [position for position, _ in transport.outcomes(0)]
    assert sorted(told) == list(range(300))


def test_nothing_begun_is_known_at_once(transport: Transport) -> None:
    began = time.monotonic()
    assert list(transport.outcomes(60)) == []
    assert list(transport.recall()) == []
    assert time.monotonic() - began < 5


def test_nothing_goes_on_after_close(case: Case) -> None:
    before = set(threading.enumerate())
    opened = case.open()
    begin(opened, Mail(UID), range(1, 3_001))  # more than goes out between the first receipt and the close
    told = next(iter(opened.outcomes(5)))
    opened.close()
    assert set(threading.enumerate()) <= before
    assert list(opened.outcomes(0.02)) == []
    assert list(opened.recall()) == []
    assert told[0] < 3_000
    assert 1 <= len(case.copies()) < 3_000


def test_closing_twice_is_harmless(case: Case) -> None:
    opened = case.open()
    opened.close()
    opened.close()
