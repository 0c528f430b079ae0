"""What goes round a mail: the MAIL and RCPT commands, and the body as DATA carries it. Pure.

Promises: parameters are used only where the server offers them (SIZE RFC 1870, 8BITMIME RFC 6152, DSN RFC 3461,
SMTPUTF8 RFC 6531); the body is altered only as transparency demands (RFC 5321 s.4.5.2): a dot more on lines that begin
with one, and a line end at the end. Refuses: what the server could not take, before anything of it is sent; and a line
that would end the mail for some servers and not for others.
"""

from __future__ import annotations

import re

from digest.delivery import headers
from digest.delivery.bounce_address import BounceAddresses
from digest.delivery.message import Compiled, Recipient
from digest.delivery.transports.base import Answer, Body, Receipt
from digest.delivery.transports.smtp.handshake import Offer
from digest.errors import BadInput

END = b".\r\n"

_DOT = re.compile(rb"(?:\A|\n)\.|\r(?!\n)")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_LOCAL_UTF8 = re.compile(r"[^\x00-\x20\x7f-\x9f()<>\[\]:;@\\,\"\s]+")
_SPECIAL = re.compile(r"[^!-*,-<>-~]")  # what xtext writes as +XX, RFC 3461 s.4


class Envelopes:
    """The envelopes for one server, as it offers."""

    def __init__(self, offer: Offer, bounces: BounceAddresses | None = None) -> None:
        self._offer, self._bounces = offer, bounces
        self._sizes, self._limit, self._dsn = offer.size is not None, offer.size or 0, offer.dsn

    def commands(self, variant: Body, recipient: Recipient, data: bytes) -> tuple[bytes, bytes] | Receipt:
        """MAIL and RCPT with their line ends, or the answer for a mail that this server cannot take.

        Raises BadInput for an address that cannot be mailed to.
        """
        if 0 < self._limit < len(data):
            text = f"The mail has {len(data)} bytes, and the mail server takes {self._limit} at most."
            return Receipt(Answer.POLICY, "too big", text)
        address = self._path(recipient.address)
        uid, person = variant.uid, recipient.subscriber_id
        sender = self._bounces.address(uid, person) if self._bounces else variant.sender
        mail, rcpt = f"MAIL FROM:<{sender}>", f"RCPT TO:<{address}>"
        if self._sizes:
            mail += f" SIZE={len(data)}"
        if self._dsn:
            mail += f" RET=HDRS ENVID={xtext(uid)}-{person}"
            rcpt += " NOTIFY=FAILURE"
        if not address.isascii():
            mail += " SMTPUTF8"
        elif self._dsn:
            rcpt += f" ORCPT=rfc822;{xtext(address)}"
        if not isinstance(variant, Compiled) and not data.isascii():  # a compiled one is quoted-printable
            if not self._offer.eight_bit:
                return Receipt(Answer.POLICY, "8bit", "The mail server takes mail in ASCII only (no 8BITMIME).")
            mail += " BODY=8BITMIME"
        return f"{mail}\r\n".encode(), f"{rcpt}\r\n".encode()

    def _path(self, address: str) -> str:
        try:
            return headers.mailbox("", address).decode("ascii")
        except BadInput:
            local, _, host = address.rpartition("@")
            if not self._offer.utf8 or local.isascii() or not _LOCAL_UTF8.fullmatch(local):
                raise
            return f"{local}@{headers.domain(host)}"


def transparent(variant: Body, data: bytes) -> bytes | Receipt:
    """The body as it stands between DATA and the last dot, or the answer for one that cannot.

    A compiled variant promises CRLF and no leading dot, so it is not searched: that would cost more than all the rest.
    """
    if isinstance(variant, Compiled):
        return data
    if _DOT.search(data):
        if _BARE.search(data):
            text = "A line of the mail ends in half a line end, which servers understand differently; it was not sent."
            return Receipt(Answer.POLICY, "line end", text)
        data = (b"." if data.startswith(b".") else b"") + data.replace(b"\r\n.", b"\r\n..")
    return data if not data or data.endswith(b"\r\n") else data + b"\r\n"


def xtext(value: str) -> str:
    """`value` as a parameter carries it (RFC 3461 s.4)."""
    if _SPECIAL.search(value) is None:
        return value
    return _SPECIAL.sub(lambda found: "".join(f"+{byte:02X}" for byte in found[0].encode()), value)
