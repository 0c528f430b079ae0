"""One mail on its way to a mail server, and the commands that open its transaction.

Promises: a mail that no server of this kind could take is answered before anything of it is sent; a fault of the body
itself reaches the sender, and the mail is still to be had. What a connection asks of its owner is stated here (`Post`).
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from digest.delivery.bounce_address import BounceAddresses
from digest.delivery.message import Recipient
from digest.delivery.transports.base import Body, Receipt, unfit
from digest.delivery.transports.smtp.envelope import Envelopes, transparent
from digest.delivery.transports.smtp.handshake import Offer
from digest.errors import BadInput

C = TypeVar("C", contravariant=True)


class Mail:
    """One mail on its way. `tries` counts the connections that broke under its envelope."""

    __slots__ = ("body", "position", "recipient", "tries", "variant")

    def __init__(self, position: int, variant: Body, recipient: Recipient) -> None:
        self.position, self.variant, self.recipient = position, variant, recipient
        self.tries = 0
        self.body = b""


class Post(Protocol[C]):
    """What a connection (C) asks of its owner."""

    def take(self) -> Mail | None:
        """The next mail to begin with, if any may be begun now."""

    def held(self) -> bool:
        """Whether no body may be written now."""

    def settle(self, mail: Mail, receipt: Receipt) -> None:
        """What became of a mail."""

    def put_back(self, mail: Mail, why: Receipt, *, blamed: bool) -> None:
        """The connection ended before anything of the mail itself was handed over, maybe because of it."""

    def refused(self, why: Receipt) -> None:
        """Nobody will be taken: the answer for all that wait."""

    def broke(self, error: Exception, mail: Mail | None = None) -> None:
        """Our own code failed; nothing was handed over of `mail`."""

    def ended(self, connection: C, why: Receipt | None) -> None:
        """The connection is gone; None when it had nothing to do any more."""


class Opener:
    """Takes mail after mail from the owner, joined and with the commands that open its transaction."""

    def __init__(self, post: Post[C], offer: Offer, bounces: BounceAddresses | None) -> None:
        self._take, self._settle, self._broke = post.take, post.settle, post.broke
        self._commands = Envelopes(offer, bounces).commands

    def next(self) -> tuple[Mail, bytes, bytes] | None:
        """The next mail that can go, with MAIL and RCPT; None when there is none, or a body failed."""
        while (mail := self._take()) is not None:
            try:
                data = mail.variant.join(mail.recipient)
                found = self._commands(mail.variant, mail.recipient, data)
            except BadInput as error:
                found = unfit(error)
            except Exception as error:
                self._broke(error, mail)
                return None
            if not isinstance(found, Receipt):
                body = transparent(mail.variant, data)
                if not isinstance(body, Receipt):
                    mail.body = body
                    return (mail, *found)
                found = body
            self._settle(mail, found)
        return None
