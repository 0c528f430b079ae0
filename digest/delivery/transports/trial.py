"""Tries the carrier that settings name, without a mail: whether it can be reached, and whether it knows us.

Promises: no mail goes to anybody; an answer comes within about half a minute, in the carrier's own words where it has
any. To a mail server it connects, encrypts, gives the account and says QUIT; to SendGrid it hands over a mail that is
only checked (`sandbox_mode` of its Web API v3); in a mailbox it writes a file and takes it away. Refuses, as opening
the transport does, what cannot work without being tried (`check`).
"""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass, replace

from digest.delivery.transports.base import open_transport
from digest.delivery.transports.sendgrid import replies, wire
from digest.delivery.transports.sendgrid.account import Account, open_account
from digest.delivery.transports.sendgrid.wire import Lost, Unreached, Wire
from digest.delivery.transports.smtp.relay import Timeouts, relay_of
from digest.delivery.transports.smtp.replies import Unavailable
from digest.delivery.transports.smtp.single import connected
from digest.errors import Refused
from digest.home import Home

SOON = Timeouts(connect=6, greeting=6, hello=6, tls=6)
WHOLE = 15.0  # seconds for the request to SendGrid


@dataclass(frozen=True)
class Found:
    """What a try came to, in a sentence or two."""

    good: bool
    said: str


def check(home: Home) -> None:
    """Raises Refused when these settings name no carrier that could be opened."""
    kind = home.settings.transport.kind
    if kind == "smtp":
        relay_of(home)
    elif kind == "sendgrid":
        open_account(home.settings.transport.sendgrid, home.path)
    else:
        open_transport(kind, home).close()


def attempt(home: Home, sender: str) -> Found:
    """Tries the carrier of these settings; `sender` is the address that mail is from."""
    kind = home.settings.transport.kind
    try:
        if kind == "smtp":
            return _smtp(home)
        if kind == "sendgrid":
            return _sendgrid(open_account(home.settings.transport.sendgrid, home.path), sender)
        if kind == "maildir":
            return _maildir(home)
        check(home)
    except Refused as error:
        return Found(False, str(error))
    return Found(True, "It can be opened. How to try it further, only its own package knows: send a test mail.")


def _smtp(home: Home) -> Found:
    relay = replace(relay_of(home), timeouts=SOON)
    try:
        with connected(relay) as (line, _):
            secure = "and encrypted" if line.is_encrypted else "and not encrypted, which is fine on this machine alone"
    except Unavailable as error:
        return Found(False, error.receipt.text)
    account = f" It took the account {relay.username}." if relay.username else " No account was asked for."
    return Found(True, f"{relay.host} answers on port {relay.port}; the connection stands, {secure}.{account}")


def _sendgrid(account: Account, sender: str) -> Found:
    mail = {
        "personalizations": [{"to": [{"email": sender}]}],
        "from": {"email": sender},
        "subject": "A try of the connection",
        "content": [{"type": "text/plain", "value": "This is checked and goes to nobody."}],
        "mail_settings": {"sandbox_mode": {"enable": True}},
    }
    connection = Wire(account, wire.tls_context(account), whole=WHOLE)
    try:
        reply = connection.post(account.headers(), json.dumps(mail).encode())
    except (Unreached, Lost) as error:
        return Found(False, error.receipt.text)
    finally:
        connection.close()
    if reply.status in (200, 202):
        return Found(True, f"SendGrid takes the key, and mail from {sender}.")
    receipt = replies.understand(reply, size=1, now=0.0).receipt
    return Found(False, f"SendGrid answers {reply.status}: {receipt.text}")


def _maildir(home: Home) -> Found:
    folder = home.mail / "tmp"
    file = folder / f"try-{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    except OSError as error:
        return Found(False, f"{home.mail} cannot be written: {error.strerror}. Give the program's account that right.")
    finally:
        with contextlib.suppress(OSError):
            file.unlink()
    return Found(True, f"{home.mail} can be written. Mail stays there, on this machine, and reaches nobody else.")
