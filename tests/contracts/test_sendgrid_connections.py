"""Connections to SendGrid: kept open, encrypted, to the right region, led nowhere else; and the key, shown nowhere."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from digest.config import SendGridSection
from digest.delivery.transports.base import Answer, Receipt, Transport
from digest.delivery.transports.sendgrid import wire
from digest.delivery.transports.sendgrid.account import Account, open_account
from digest.delivery.transports.sendgrid.bulk import SendGrid
from tests.contracts import sendgrid_world
from tests.contracts.sendgrid_world import KEY, World, address, deliver
from tests.contracts.test_sendgrid import FATES, Whole
from tests.contracts.test_transports import UID
from tests.standins import certificates
from tests.standins.certificates import Certificates

HOSTS = {"global": "api.sendgrid.com", "eu": "api.eu.sendgrid.com"}
MAIL = Whole(UID)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with sendgrid_world.opened(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for 127.0.0.1 and for the service's hosts."""
    folder = tmp_path_factory.mktemp("certificates")
    return certificates.make(folder, names=tuple(HOSTS.values()), addresses=("127.0.0.1",))


def pem(files: Certificates, folder: Path) -> Path:
    """Certificate and key in one file."""
    path = folder / "server.both.pem"
    path.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    return path


def both(world: World, **options: Any) -> Iterator[Transport]:
    """In bulk, and one at a time."""
    yield world.open(**options)
    yield world.single(**options)


def codes(told: dict[int, Receipt]) -> set[tuple[Answer, str]]:
    return {(receipt.answer, receipt.code) for receipt in told.values()}


ACCEPTED = {(Answer.ACCEPTED, "202")}

# --- kept open


def test_each_connection_carries_many_requests(world: World) -> None:
    world.start(addresses={address(7): ["400 to"], address(33): ["413"]})
    told = deliver(world.open(connections=3), range(100))
    assert {receipt.answer for receipt in told.values()} == {Answer.ACCEPTED, Answer.HARD, Answer.POLICY}
    assert len(world.requests()) > 20
    assert world.connections() <= 3


def test_one_at_a_time_all_go_over_one_connection(world: World) -> None:
    world.start(addresses={address(1): ["400 to"], address(2): ["503"]})
    deliver(world.single(), range(6), MAIL)
    assert len(world.requests()) == 6
    assert world.connections() == 1


def test_no_connection_is_opened_before_it_is_needed(world: World) -> None:
    world.start()
    before = set(threading.enumerate())
    transport = world.open(connections=6)
    for start in range(0, 15, 5):
        deliver(transport, range(start, start + 5))
    assert world.connections() <= 3
    assert len(set(threading.enumerate()) - before) <= 3


@pytest.mark.parametrize("bulk", [True, False])
def test_a_connection_that_the_server_has_ended_is_not_used_again(world: World, bulk: bool) -> None:
    world.start(requests=["bye"] * 3)
    transport = world.open(group=1) if bulk else world.single()
    assert codes(deliver(transport, range(4), MAIL)) == ACCEPTED
    assert world.connections() == 4


@pytest.mark.parametrize("bulk", [True, False])
def test_a_connection_that_has_long_been_idle_is_not_trusted(
    world: World, monkeypatch: pytest.MonkeyPatch, bulk: bool
) -> None:
    world.start()
    transport = world.open(group=1) if bulk else world.single()
    assert codes(deliver(transport, [1], MAIL)) == ACCEPTED
    monkeypatch.setattr(wire, "IDLE", 0.0)
    assert codes(deliver(transport, [2], MAIL)) == ACCEPTED
    assert world.connections() == 2


def test_while_nobody_listens_all_wait_and_when_it_does_they_go(world: World) -> None:
    world.start(refuse=True)
    transports = list(both(world))
    for transport in transports:
        receipt = deliver(transport, [1], MAIL)[1]
        assert (receipt.answer, receipt.code) == (Answer.AWAY, "connect")
        assert "refused" in receipt.text
    assert world.server is not None
    world.server.listen()
    for transport in transports:
        assert codes(deliver(transport, [1], MAIL)) == ACCEPTED


def test_a_name_that_cannot_be_looked_up_is_told(world: World) -> None:
    for transport in both(world, account=Account("http://no-such-host.invalid:1", KEY)):
        assert codes(deliver(transport, range(3), MAIL)) == {(Answer.AWAY, "connect")}


def test_each_address_of_the_name_is_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start()
    assert world.server is not None
    here = socket.getaddrinfo("127.0.0.1", world.server.port, type=socket.SOCK_STREAM)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nowhere = socket.getaddrinfo("127.0.0.1", gone.getsockname()[1], type=socket.SOCK_STREAM)
    monkeypatch.setattr("socket.getaddrinfo", lambda *host, **kind: [*nowhere, *here])
    for transport in both(world):
        assert codes(deliver(transport, range(3), MAIL)) == ACCEPTED


# --- led elsewhere


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"])
def test_no_proxy_of_the_environment_gets_the_key(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    world.start()
    for transport in both(world):
        assert codes(deliver(transport, range(3), MAIL)) == ACCEPTED


# --- encrypted


def test_mail_goes_encrypted_to_a_server_with_a_valid_certificate(
    world: World, files: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    world.start(certificate=pem(files, tmp_path), requests=["ok", "503", "400 to"])
    for transport in both(world, group=1):
        assert {Answer.ACCEPTED} <= {receipt.answer for receipt in deliver(transport, range(6), MAIL).values()}
    assert len(world.kept()) == 10
    assert world.connections() == 2


def test_a_certificate_of_an_unknown_authority_stops_the_run_before_the_key_is_shown(
    world: World, files: Certificates, tmp_path: Path
) -> None:
    world.start(certificate=pem(files, tmp_path))
    for transport in both(world):
        told = deliver(transport, range(3), MAIL)
        assert codes(told) == {(Answer.RELAY, "certificate")}
        assert "not to be trusted" in told[0].text
    assert world.requests() == []


def test_a_certificate_for_another_name_stops_the_run(
    world: World, files: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    world.start(certificate=pem(files, tmp_path))
    for transport in both(world, account=world.account(host="localhost")):
        assert codes(deliver(transport, range(3), MAIL)) == {(Answer.RELAY, "certificate")}


def test_a_server_without_encryption_where_it_is_expected_is_not_told_the_key(world: World) -> None:
    heard: list[bytes] = []

    def answer_in_the_clear() -> None:
        for _ in range(2):
            connected, _ = server.accept()
            with connected:
                heard.append(connected.recv(65_536))
                connected.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_in_the_clear)
        thread.start()
        for transport in both(world, account=Account(f"https://127.0.0.1:{server.getsockname()[1]}", KEY)):
            assert codes(deliver(transport, [1], MAIL)) == {(Answer.AWAY, "connect")}
        thread.join(10)
    assert len(heard) == 2
    assert KEY.encode() not in b"".join(heard)


@pytest.mark.parametrize("region", HOSTS)
def test_the_region_in_the_settings_names_the_host(
    world: World, files: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    """The certificate is for this region's host alone: to another nothing would go."""
    only = tmp_path / "only"
    only.mkdir()
    made = certificates.make(only, names=(HOSTS[region],))
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    world.start(certificate=pem(made, only))
    assert world.server is not None
    there = partial(socket.getaddrinfo, "127.0.0.1", world.server.port)
    asked: list[tuple[str, int]] = []

    def look_up(host: str, port: int, **kind: Any) -> Any:
        asked.append((host, port))
        return there(**kind)

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    (tmp_path / "sendgrid.key").write_text(f"{KEY}\n")
    account = open_account(SendGridSection.model_validate({"api_key_file": "sendgrid.key", "region": region}), tmp_path)
    for transport in both(world, account=account):
        assert codes(deliver(transport, range(3), MAIL)) == ACCEPTED
    assert set(asked) == {(HOSTS[region], 443)}


# --- the key


@pytest.fixture
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever anybody wants to say is written down."""
    names = ("", "python_http_client", "python_http_client.client", "sendgrid", "urllib3", "http.client")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        caplog.set_level(logging.DEBUG, logger=name or None)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("everything_is_logged")
def test_the_key_stands_in_no_log_and_no_answer(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong, and whoever may write down all that they see."""
    monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 1)
    world.start(addresses={address(at): [fate] for at, fate in enumerate(FATES)}, drip_ms=1, revoked=[KEY[:-1]])
    receipts: list[Receipt] = []
    for transport in both(world, group=1, whole=1.0):
        for at in range(len(FATES)):
            receipts += deliver(transport, [at], MAIL).values()
            if isinstance(transport, sendgrid_world.Hurried):
                transport.ahead += 100
        structlog.get_logger().warning("transport", transport=transport, parts=vars(transport))
    for transport in both(world, account=Account(world.account().base, KEY[:-1])):
        receipts += deliver(transport, [1], MAIL).values()
    world.stop()
    for transport in both(world):
        receipts += deliver(transport, [1], MAIL).values()
    assert {receipt.answer for receipt in receipts} >= {Answer.ACCEPTED, Answer.UNSURE, Answer.RELAY, Answer.AWAY}
    written = "".join(capfd.readouterr()) + caplog.text + repr(receipts)
    assert "transport=" in written or "'transport'" in written
    assert KEY[3:12] not in written
    assert "Bearer" not in written


def test_neither_the_account_nor_a_transport_shows_it(world: World) -> None:
    account = Account("https://api.sendgrid.com", KEY)
    transport = SendGrid(account)
    assert KEY not in f"{account!r} {account} {transport!r} {vars(transport)!r}"
    transport.close()
