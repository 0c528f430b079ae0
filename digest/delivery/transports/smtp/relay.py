"""The mail server that mail is handed over to, as the settings describe it, and how long each of its answers may take.

Promises: everything that can be known to be wrong without asking the server is Refused here, with the setting to
change: a password that cannot be read, or one that would travel in the clear to another machine.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from socket import gethostname
from urllib.parse import urlsplit

from digest.config import SmtpSection
from digest.delivery import headers
from digest.delivery.bounce_address import BounceAddresses
from digest.delivery.transports.smtp.replies import Stage
from digest.errors import BadInput, Refused
from digest.home import Home

PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class Timeouts:
    """Seconds. Those of RFC 5321 s.4.5.3.2 are its least ones: a shorter one behind the last dot makes doubles."""

    connect: float = 30.0
    greeting: float = 300.0
    hello: float = 300.0  # EHLO, STARTTLS, AUTH
    tls: float = 60.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0  # while a large body is not taken
    dot: float = 600.0
    idle: float = 60.0  # then QUIT is said
    quit: float = 1.0
    give_up: float = 30.0  # without any connection; then nobody is waited for
    pause: float = 1.0  # before the next try after a failed one, doubled each time; never less
    longest_pause: float = 60.0
    look: float = 0.25  # how often deadlines are looked at

    def of(self, stage: Stage) -> float:
        """How long the reply at `stage` may take."""
        seconds: float = _LIMITS.get(stage, _HELLO)(self)
        return seconds


_HELLO = attrgetter("hello")
_LIMITS = {
    Stage.GREETING: attrgetter("greeting"),
    Stage.MAIL: attrgetter("mail"),
    Stage.RCPT: attrgetter("rcpt"),
    Stage.DATA: attrgetter("data"),
    Stage.DOT: attrgetter("dot"),
    Stage.LONE_DOT: attrgetter("dot"),
    Stage.QUIT: attrgetter("quit"),
}


@dataclass(frozen=True, repr=False)
class Relay:
    """One mail server. `password` is never shown; `bounces` makes envelope senders where a domain for them is set."""

    host: str = "localhost"
    port: int = 587
    security: str = "starttls"  # starttls, tls, none
    username: str = ""
    password: str = ""
    connections: int = 8
    hello: str = "[127.0.0.1]"  # how we name ourselves, RFC 5321 s.4.1.1.1
    bounces: BounceAddresses | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Certificates and host names are checked; SSL_CERT_FILE in the environment adds an authority of one's own."""
        return ssl.create_default_context()

    def __repr__(self) -> str:
        return f"Relay({self.host}:{self.port})"


def relay_of(home: Home) -> Relay:
    """The mail server of a home. Raises Refused when its settings cannot work."""
    section = home.settings.transport.smtp
    domain = section.envelope_domain
    return Relay(
        host=section.host,
        port=section.port or PORTS[section.security],
        security=section.security,
        username=section.username,
        password=_password(home.path, section),
        connections=section.connections,
        hello=_hello(gethostname(), home.settings.site.url),
        bounces=BounceAddresses(home.keys, _bounce_domain(domain)) if domain else None,
    )


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address, is this machine."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _password(folder: Path, section: SmtpSection) -> str:
    if not section.username:
        return ""
    if section.security == "none" and not is_loopback(section.host):
        raise Refused(
            f"[transport.smtp] would send the password to {section.host} unencrypted. "
            'Set security to "starttls" or "tls", or leave username empty.'
        )
    if not section.password_file:
        raise Refused(
            "[transport.smtp] username is set and password_file is not. Write the password into a file "
            "that only Digest's account can read, and set password_file to it."
        )
    path = folder / section.password_file
    try:
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Refused(
            f"The password file {path} cannot be read: {why}. Write the mail server's password into it, "
            "readable by Digest's account, or correct [transport.smtp] password_file."
        ) from error
    if not password:
        raise Refused(f"The password file {path} is empty. Write the mail server's password into it.")
    return password


def _hello(machine: str, site: str) -> str:
    """This machine's full name, else the site's, else the address that is always true. No look-up is made for it."""
    for name in (machine, urlsplit(site).hostname or ""):
        if "." in name and not name.replace(".", "").isdigit():
            try:
                return headers.domain(name)
            except BadInput:
                continue
    return "[127.0.0.1]"


def _bounce_domain(domain: str) -> str:
    try:
        return headers.domain(domain)
    except BadInput as error:
        raise Refused(
            f"[transport.smtp] envelope_domain {domain!r} is no domain name. Set the domain where bounces arrive."
        ) from error
