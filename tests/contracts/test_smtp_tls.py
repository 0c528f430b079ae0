"""Encryption towards a mail server: what is required, what is checked, and what a server between may try."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.delivery.transports.base import Answer, Receipt, Transport
from digest.delivery.transports.smtp.bulk import Smtp
from digest.delivery.transports.smtp.relay import Relay
from digest.delivery.transports.smtp.single import SmtpSingle
from tests.contracts import smtp_world
from tests.contracts.smtp_world import World, deliver
from tests.contracts.test_transports import UID, Mail
from tests.standins import certificates
from tests.standins.certificates import Certificates
from tests.standins.smtp_script import OFFERS, Script


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with smtp_world.opened(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate for localhost and 127.0.0.1."""
    return certificates.make(tmp_path_factory.mktemp("certificates"), addresses=("127.0.0.1",))


@pytest.fixture
def trusted(files: Certificates, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    """And the program told to trust who signed it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    return files


def script(files: Certificates, tls: str, offers: tuple[str, ...] = OFFERS) -> Script:
    return Script(offers, tls=tls, certificate=str(files.certificate), key=str(files.key))


def answers_of(transport: Transport, count: int = 12, mail: Mail | None = None) -> set[Receipt]:
    """The answers that all of some mails have, without the names that the server gave them."""
    told = deliver(transport, range(count), mail)
    transport.close()
    return {Receipt(Answer.ACCEPTED) if one.answer is Answer.ACCEPTED else one for one in told.values()}


def both(relay: Relay) -> Iterator[tuple[Transport, int]]:
    """In bulk, and one at a time."""
    yield Smtp(relay), 12
    yield SmtpSingle(relay), 1


SECURITY = {"starttls": "starttls", "tls": "implicit"}


@pytest.mark.parametrize("security", SECURITY)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_mail_goes_encrypted_to_a_server_with_a_valid_certificate(
    world: World, trusted: Certificates, security: str, host: str
) -> None:
    world.start(script(trusted, SECURITY[security]))
    for transport, count in both(world.relay(security=security, host=host)):
        assert answers_of(transport, count) == {Receipt(Answer.ACCEPTED)}
    assert len(world.kept()) == 13


@pytest.mark.parametrize("security", SECURITY)
def test_large_bodies_go_encrypted_too(world: World, trusted: Certificates, security: str) -> None:
    world.start(script(trusted, SECURITY[security], ("PIPELINING", "8BITMIME")))
    mail = Mail(UID, dict.fromkeys(range(3), b"Subject: x\r\n\r\n" + b"y" * 3_000_000 + b"\r\n"))
    for transport, count in both(world.relay(security=security)):
        assert answers_of(transport, count, mail) == {Receipt(Answer.ACCEPTED)}


@pytest.mark.parametrize("security", SECURITY)
def test_a_certificate_of_an_unknown_authority_stops_the_run(world: World, files: Certificates, security: str) -> None:
    world.start(script(files, SECURITY[security]))
    for transport, count in both(world.relay(security=security, limits={"give_up": 60})):
        (receipt,) = answers_of(transport, count)
        assert (receipt.answer, receipt.code) == (Answer.RELAY, "TLS")
        assert "certificate of 127.0.0.1 is not valid" in receipt.text
        assert 'set security to "none"' in receipt.text
    assert world.kept() == []


@pytest.mark.parametrize("security", SECURITY)
def test_a_certificate_for_another_name_stops_the_run(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    files = certificates.make(tmp_path, names=("mail.example.org",))
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    world.start(script(files, SECURITY[security]))
    for transport, count in both(world.relay(security=security, host="localhost")):
        (receipt,) = answers_of(transport, count)
        assert (receipt.answer, receipt.code) == (Answer.RELAY, "TLS")
        assert "localhost" in receipt.text
    assert world.kept() == []


def test_garbage_instead_of_encryption_stops_the_run(world: World, trusted: Certificates) -> None:
    world.start(script(trusted, "garbage"))
    for transport, count in both(world.relay(security="starttls")):
        (receipt,) = answers_of(transport, count)
        assert (receipt.answer, receipt.code) == (Answer.RELAY, "TLS")
        assert "failed" in receipt.text


def test_a_port_that_speaks_in_the_clear_where_encryption_is_expected_is_told(world: World) -> None:
    world.start()
    for transport, count in both(world.relay(security="tls")):
        (receipt,) = answers_of(transport, count)
        assert (receipt.answer, receipt.code) == (Answer.RELAY, "TLS")
        assert "Check [transport.smtp] port and security" in receipt.text


def test_what_is_slipped_in_before_encryption_ends_the_connection(world: World, trusted: Certificates) -> None:
    """CVE-2011-0411: a server between answers STARTTLS and adds a reply in the clear."""
    world.start(script(trusted, "inject"))
    for transport, count in both(world.relay(security="starttls", limits={"give_up": 0.1})):
        (receipt,) = answers_of(transport, count)
        assert receipt.answer is Answer.AWAY
        assert "more than it was asked for" in receipt.text
    assert world.kept() == []


@pytest.mark.parametrize(
    ("reply", "answer"),
    [("454 4.7.0 Not now", Answer.AWAY), ("502 5.5.1 No", Answer.RELAY), ("221 Bye", Answer.AWAY)],
)
def test_a_server_that_offers_encryption_and_refuses_it_gets_nothing(
    world: World, trusted: Certificates, reply: str, answer: Answer
) -> None:
    given = script(trusted, "starttls")
    world.start(Script(OFFERS, tls="starttls", certificate=given.certificate, key=given.key,
                       connection_chances={f"starttls:{reply}": 1.0}))  # fmt: skip
    for transport, count in both(world.relay(security="starttls", limits={"give_up": 0.1})):
        (receipt,) = answers_of(transport, count)
        assert receipt.answer is answer
    assert world.kept() == []


def test_a_server_on_this_machine_may_go_without_encryption(world: World) -> None:
    world.start()
    for transport, count in both(world.relay(security="starttls")):
        assert answers_of(transport, count) == {Receipt(Answer.ACCEPTED)}


def test_encryption_works_with_the_standard_loop(
    world: World, trusted: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    world.start(script(trusted, "starttls", ("PIPELINING", "8BITMIME")))
    mail = Mail(UID, {1: b"Subject: x\r\n\r\n" + b"y" * 3_000_000 + b"\r\n"})
    assert answers_of(Smtp(world.relay(security="starttls")), 12, mail) == {Receipt(Answer.ACCEPTED)}


@pytest.mark.parametrize("tls", ["garbage", "inject", "unknown"])
def test_bad_encryption_is_told_with_the_standard_loop_too(
    world: World, files: Certificates, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    world.start(script(files, tls if tls != "unknown" else "starttls"))
    (receipt,) = answers_of(Smtp(world.relay(security="starttls", limits={"give_up": 0.1})))
    assert receipt.answer is (Answer.AWAY if tls == "inject" else Answer.RELAY)
