"""The account at SendGrid: where its service is, and the key that opens it.

Promises: the key is shown nowhere, in no repr and in no error. Refuses, saying what to do: no key, what is no key, and
an address of the service over which the key would travel in the clear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from digest.config import SendGridSection, is_loopback
from digest.errors import Refused

REGIONS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
MAIL_SEND = "/v3/mail/send"

_KEY = re.compile(r"SG\.[!-~]{8,}")
_MADE_BY = "Make a key with the right to send mail in SendGrid's settings (API Keys), and write it into a file"


@dataclass(frozen=True, repr=False)
class Account:
    """One account. `base` is the address of the service, without a slash at its end."""

    base: str
    key: str

    def __repr__(self) -> str:
        return f"Account({self.base!r})"

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted: always, except to this machine."""
        return self.base.startswith("https:")

    @property
    def host(self) -> str:
        """The host's name, for the connection and its certificate."""
        return urlsplit(self.base).hostname or ""

    @property
    def port(self) -> int:
        """The port, 443 (or 80) unless the address says."""
        return urlsplit(self.base).port or (443 if self.tls else 80)

    @property
    def authority(self) -> str:
        """Host and port as a request names them (RFC 9112 s.3.2)."""
        return urlsplit(self.base).netloc

    @property
    def path(self) -> str:
        """The path of the call that sends mail."""
        return urlsplit(self.base).path + MAIL_SEND

    def headers(self) -> dict[str, str]:
        """What a request must say beside its length; without Accept the service answers 406."""
        return {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "digest-mailer",
        }


def open_account(section: SendGridSection, home: Path) -> Account:
    """The account that the settings name; a file without a leading slash is looked for in `home`. Raises Refused."""
    return Account(_base(section), _key(section.api_key_file, home))


def _base(section: SendGridSection) -> str:
    base = section.base_url.strip().rstrip("/") or REGIONS[section.region]
    parts = urlsplit(base)
    try:
        bad_port = parts.port == 0
    except ValueError:
        bad_port = True
    if bad_port or not parts.hostname or parts.username or parts.query or parts.fragment or not base.isascii():
        raise Refused("[transport.sendgrid] base_url is no address such as https://api.sendgrid.com. Correct it.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(base)):
        raise Refused(
            "[transport.sendgrid] base_url must begin with https://: the key would travel in the clear. "
            "Only a server on this machine may go without."
        )
    return base


def _key(file: str, home: Path) -> str:
    if not file:
        raise Refused(f"[transport.sendgrid] api_key_file is empty. {_MADE_BY} that it names.")
    path = home / Path(file).expanduser()
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Refused(f"The key file {path} cannot be read. {_MADE_BY} there, readable by this account.") from None
    if not _KEY.fullmatch(key):
        raise Refused(f'The file {path} holds no key: one begins with "SG." and has no space in it. {_MADE_BY} there.')
    return key
