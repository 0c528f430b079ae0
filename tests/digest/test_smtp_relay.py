"""The mail server as the settings describe it."""

from __future__ import annotations

import pytest

from digest import home as homes
from digest.config import SmtpSection, TransportSection
from digest.delivery.bounce_address import BounceAddresses
from digest.delivery.transports import base
from digest.delivery.transports.smtp.bulk import Smtp
from digest.delivery.transports.smtp.relay import Timeouts, is_loopback, relay_of
from digest.delivery.transports.smtp.replies import Stage
from digest.errors import Refused
from tests.contracts.test_transports import UID


def home_with(home: homes.Home, section: SmtpSection) -> homes.Home:
    transport = TransportSection(kind="smtp", smtp=section)
    settings = home.settings.model_copy(update={"transport": transport})
    return homes.Home(home.path, settings, home.keys, home.db)


def test_the_settings_make_a_transport(home: homes.Home) -> None:
    transport = base.open_transport("smtp", home_with(home, SmtpSection(connections=3)))
    assert isinstance(transport, Smtp)
    assert transport.connections == 3
    assert list(transport.outcomes(5)) == []
    transport.close()


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_the_kind_of_encryption(home: homes.Home, security: str, port: int) -> None:
    assert relay_of(home_with(home, SmtpSection.model_validate({"security": security}))).port == port
    assert relay_of(home_with(home, SmtpSection.model_validate({"security": security, "port": 2525}))).port == 2525


def test_the_password_is_read_and_never_shown(home: homes.Home) -> None:
    (home.path / "smtp.password").write_text("s3cret pass\n")
    for file in ("smtp.password", str(home.path / "smtp.password")):
        relay = relay_of(home_with(home, SmtpSection(username="u", password_file=file)))
        assert relay.password == "s3cret pass"
        assert "s3cret" not in repr(relay)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"username": "u"}, "set password_file"),
        ({"username": "u", "password_file": "missing"}, "cannot be read: No such file"),
        ({"username": "u", "password_file": "."}, "cannot be read: Is a directory"),
        ({"username": "u", "password_file": "empty"}, "is empty"),
        ({"username": "u", "password_file": "binary"}, "it is no text"),
        ({"username": "u", "password_file": "empty", "security": "none", "host": "a.example"}, "unencrypted"),
        ({"envelope_domain": "no domain"}, "envelope_domain"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_it_is_opened(
    home: homes.Home, fields: dict[str, str], says: str
) -> None:
    (home.path / "empty").write_text("\n")
    (home.path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(Refused, match=says):
        base.open_transport("smtp", home_with(home, SmtpSection.model_validate(fields)))


def test_bounces_come_to_the_domain_that_is_set(home: homes.Home) -> None:
    relay = relay_of(home_with(home, SmtpSection(envelope_domain="faß.example")))
    assert isinstance(relay.bounces, BounceAddresses)
    assert relay.bounces.address(UID, 7).endswith("@xn--fa-hia.example")
    assert relay_of(home_with(home, SmtpSection())).bounces is None


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("LOCALHOST.", True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True),
     ("::1%lo", True), ("localhost.example.org", False), ("10.0.0.1", False), ("", False)],
)  # fmt: skip
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_no_time_limit_is_below_the_least_of_the_standard() -> None:
    """RFC 5321 s.4.5.3.2, in minutes."""
    least = {Stage.GREETING: 5, Stage.EHLO: 5, Stage.MAIL: 5, Stage.RCPT: 5, Stage.DATA: 2, Stage.DOT: 10}
    for stage, minutes in least.items():
        assert Timeouts().of(stage) >= minutes * 60, stage
    assert Timeouts().block >= 180


def test_this_machine_is_named_without_a_look_up(home: homes.Home, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"box.example.org": "box.example.org", "box": "[127.0.0.1]", "fuß.example": "xn--fu-hia.example"}
    for name, hello in names.items():
        monkeypatch.setattr("digest.delivery.transports.smtp.relay.gethostname", lambda name=name: name)
        assert relay_of(home_with(home, SmtpSection())).hello == hello
