"""A whole edition through a real Postfix: what arrives is what was composed, byte for byte, once for each."""

from __future__ import annotations

import re
from collections import Counter
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from digest import editions, tables
from digest.delivery.bounce_address import BounceAddresses
from digest.delivery.mails import Mails
from digest.delivery.message import Recipient
from digest.home import Home, open_home
from subscribers.audience import Audience
from tests.faults import ground, own_postfix, runs, truth
from tests.faults.conftest import Mailbox
from tests.faults.ground import EDITION, FULL

READERS = 10_000 if FULL else 2_000
BOUNCES = "bounces.example.org"
# What Postfix says of our talk and our mails. Its other warnings (a clock, a slow disk) are about the machine.
COMPLAINT = re.compile(r"reject|bounced|deferred|error:|fatal:|panic:|smtpd\[\d+\]: (warning|improper)")
ADDED = {"Return-Path", "X-Original-To", "Delivered-To", "Received"}  # by Postfix, above ours


class Arrived(NamedTuple):
    """One mail of the Maildir: what Postfix wrote above it, and the mail."""

    added: dict[str, str]
    mail: bytes

    @property
    def reader(self) -> str:
        return self.added["Delivered-To"]


def arrived(path: Path) -> Arrived:
    """Cut where our first header begins."""
    data = path.read_bytes()
    at = data.index(b"\nFrom: ") + 1
    lines = data[:at].decode("ascii").replace("\n\t", " ").splitlines()
    added = dict(line.split(": ", 1) for line in lines)
    assert len(added) == len(lines), "Postfix wrote a header twice"
    return Arrived(added, data[at:].replace(b"\n", b"\r\n"))


class Composed(NamedTuple):
    """One delivery as the product composes it, and what the ledger says of it."""

    mail: bytes
    message_id: str
    queue_id: str
    uid: str
    reader: int


def composed(home: Home) -> dict[str, Composed]:
    """Every delivery of the edition, by address: composed anew from the tables."""
    d, found = tables.deliveries, {}
    mails, people = Mails(home.db, home.keys.derive_fixed("message-id")), Audience(home.keys, home.settings.site.url)
    with home.db.reading() as conn:
        edition = editions.find(conn, EDITION)
        rows = conn.execute(sa.select(d.c.subscriber_id, d.c.variant_n, d.c.provider_id)).all()
        book = people.resolve(conn, edition, [row.subscriber_id for row in rows])
    for row in rows:
        recipient, variant = book[row.subscriber_id], mails.get(edition, row.variant_n)
        assert isinstance(recipient, Recipient)
        found[recipient.address] = Composed(
            variant.join(recipient), variant.message_id(recipient), row.provider_id, edition.uid, row.subscriber_id
        )
    return found


@pytest.mark.timeout(240 if FULL else 120)
def test_postfix_delivers_to_each_exactly_what_was_composed(tmp_path: Path) -> None:
    here = ground.make(tmp_path / "home", READERS)
    with own_postfix.running() as postfix:
        settings = Mailbox(postfix.port, tmp_path).environment
        settings["DIGEST_TRANSPORT__SMTP__ENVELOPE_DOMAIN"] = BOUNCES
        with runs.start(here, tmp_path, environment=settings, pace=0) as run:
            run.end()
        postfix.settle()
        mails = [arrived(path) for path in postfix.delivered]
        said = postfix.log
        postfix.stop()
        assert postfix.processes() == []
    assert [line for line in said.splitlines() if COMPLAINT.search(line)] == []
    truth.check_end(truth.look(here.url), Counter(one.reader for one in mails), here.addresses)

    home = open_home(here.home)
    expected, bounces = composed(home), BounceAddresses(home.keys, BOUNCES)
    home.close()
    for one in mails:
        ours = expected[one.reader]
        assert one.mail == ours.mail
        assert set(one.added) == ADDED
        assert f" id {ours.queue_id} " in one.added["Received"], "the ledger has another name for it"
        back = one.added["Return-Path"].strip("<>")
        assert back.endswith(f"@{BOUNCES}")
        assert bounces.read(back) == (ours.uid, ours.reader)
    check_headers(mails[0].mail, expected[mails[0].reader])


def check_headers(data: bytes, ours: Composed) -> None:
    """Read as a mail program does: the headers that lists and providers live by are whole."""
    mail = BytesParser(EmailMessage, policy=policy.default).parsebytes(data)
    assert isinstance(mail, EmailMessage)
    assert Counter(mail.keys()).most_common(1)[0][1] == 1, "a header is there twice"
    assert mail["Message-ID"] == ours.message_id
    assert mail["From"] == "Path <digest@example.org>"
    assert mail["Subject"] in ("What paper 3 found, and three more", "What paper 2 found, and one more")
    assert re.fullmatch(r"<http://127\.0\.0\.1:8080/u/[\w-]+>", mail["List-Unsubscribe"])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["MIME-Version"] == "1.0"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
