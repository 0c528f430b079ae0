"""One mail at a time to SendGrid, through its own package: confirmations, tests, word to staff.

Promises: a mail that is whole goes with its own headers, and the answers mean what they mean in bulk. The package
makes the request; the wire carries it, since the package by itself waits for ever, follows a redirect with the key in
its hand and takes an acceptance that was cut off for a failure. Refuses: to let the package log, which shows the key.
"""

from __future__ import annotations

import logging
import ssl
import time
from typing import cast
from urllib.request import Request

from python_http_client import Client
from sendgrid import SendGridAPIClient

from digest.delivery.message import Recipient
from digest.delivery.transports.base import Body, Receipt, Sequential
from digest.delivery.transports.sendgrid import payload
from digest.delivery.transports.sendgrid.account import Account
from digest.delivery.transports.sendgrid.replies import Reply, understand
from digest.delivery.transports.sendgrid.wire import WHOLE, Lost, Unreached, Wire


class Single(Sequential):
    """Hands over one mail after the other to one account. `whole`: seconds that each may take."""

    name = "sendgrid"
    group = 1

    def __init__(self, account: Account, context: ssl.SSLContext | None, *, whole: float = WHOLE) -> None:
        super().__init__()
        for name in ("python_http_client", "python_http_client.client"):
            logging.getLogger(name).setLevel(logging.INFO)  # at DEBUG it writes the key down
        self._wire = Wire(account, context, whole=whole)
        self._api = SendGridAPIClient(api_key=account.key, host=account.base)
        self._api.client = _Client.over(self._wire, self._api.client)

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        """Hands one mail over. Raises BadInput for what SendGrid cannot carry."""
        request = payload.whole(variant, recipient)
        try:
            answer = self._api.send(request)
        except (Unreached, Lost) as error:
            return error.receipt
        meaning = understand(cast("Reply", answer.headers), size=1, now=time.time())
        return meaning.named.get(0, meaning.receipt)

    def close(self) -> None:
        """Ends the connection, and forgets what waits."""
        super().close()
        self._wire.close()


class _Client(Client):  # type: ignore[misc]
    """The package's client, its requests carried by the wire. Its parts (`client.mail.send`) are of this class too."""

    wire: Wire

    @classmethod
    def over(cls, wire: Wire, like: Client) -> _Client:
        """A client that asks as `like` does."""
        made = cls(host=like.host, request_headers=like.request_headers, version=like._version, url_path=like._url_path)
        made.wire = wire
        return made

    def _build_client(self, name: str | None = None) -> _Client:
        return self.over(self.wire, super()._build_client(name))

    def _make_request(self, opener: object, request: Request, timeout: float | None = None) -> _Carried:
        return _Carried(self.wire.post(dict(request.header_items()), cast("bytes", request.data)))


class _Carried:
    """A reply in the shape that the package reads."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def getcode(self) -> int:
        """The status."""
        return self._reply.status

    def read(self) -> bytes:
        """The body."""
        return self._reply.body

    def info(self) -> Reply:
        """The reply itself: the package hands on what is called headers as it is, and has no place for a cut."""
        return self._reply
