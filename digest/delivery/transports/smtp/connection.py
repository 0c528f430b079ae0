"""One connection to a mail server at work: how it begins, what its owner asks of it, and how it ends.

Promises: when the connection ends, a mail whose last dot was written is unsure; one that only had its envelope sent, or
a part of a large body, goes back to the owner, and the owner learns of the end once. Refuses to write anything while it
is held: a body that was asked for meanwhile waits.
"""

from __future__ import annotations

import asyncio
import math

from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.smtp.exchange import Exchange
from digest.delivery.transports.smtp.mail import Mail, Opener, Post
from digest.delivery.transports.smtp.relay import Relay
from digest.delivery.transports.smtp.replies import Stage, away

CLOSED = away("closed", "The connection was closed.")
FAULT = away("fault", "The program failed at an answer; its log says how.")


class Connection(Exchange):
    """One connection that takes mail after mail from its owner."""

    def __init__(self, post: Post[Connection], relay: Relay, *, began: float) -> None:
        super().__init__(post, relay)
        self.began = began  # monotonic
        self._post = post

    async def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connects and shakes hands. Raises Unavailable with the reason."""
        await super().open(loop)
        self._opener = Opener(self._post, self.offer, self.relay.bounces)
        self._commands.pipelining = self.offer.pipelining

    def go(self) -> None:
        """Begins with the next mail, or goes on with one that was held, when nothing is under way."""
        if not self.ready or self.over is not None or self.busy:
            return
        if self._reader.unfinished:
            self.lost(away("unasked", "It said something without being asked."))
            return
        if self._parked:
            if self._post.held():
                return
            self._parked = False
            self._send_body()
        elif group := self._group():
            self._write(group)
        elif self.deadline < math.inf:
            return
        self.rest()

    def look(self, now: float) -> None:
        """Ends what waits too long."""
        if self.over is not None or now < self.deadline:
            return
        if self.ready and not self.busy:
            self.quit()
            return
        awaited = Stage.DOT if self._ending is not None or not self.ready else self._commands.next
        stage = awaited if self.ready else self._asked_at
        self.lost(away("timed out", f"The mail server did not answer {stage.value} in time."))

    def quit(self) -> None:
        """Says goodbye when nothing is under way, else breaks off."""
        if self.ready and self.over is None and not self.busy and not self._parked:
            self._commands.ask(Stage.QUIT)
            self._write(b"QUIT\r\n")
            self.rest()
        else:
            self._end(None)

    def recall(self) -> list[Mail]:
        """The mails whose envelope is out and whose last dot is not: they are not sent any more."""
        mails = [self._mail] if self._mail is not None else []
        self._mail = None
        if self._sent is not None and self._ending is not None:
            mails.append(self._sent)
            self._sent = None
        if mails:
            self._cancelled = True
            if self._sent is None:
                self._end(None)
        return mails

    def lost(self, why: Receipt) -> None:
        resting = self.ready and not self._commands and self._mail is None and self._sent is None
        self._end(None if resting or Stage.QUIT in self._commands else why)

    def broke(self, error: Exception) -> None:
        self._post.broke(error)
        self._end(FAULT)

    def _end(self, why: Receipt | None, *, blamed: bool = True) -> None:
        """Settles what is under way, and tells the owner; only the first end counts."""
        if self.over is not None:
            return
        self.over = reason = why or CLOSED
        self.refuse(reason)
        mail, sent, self._mail, self._sent = self._mail, self._sent, None, None
        self._commands.clear()
        blamed = blamed and why is not None
        if mail is not None:
            self._post.put_back(mail, reason, blamed=blamed)
        if sent is not None and self._ending is not None:
            self._post.put_back(sent, reason, blamed=blamed)
        elif sent is not None:
            self._post.settle(sent, Receipt(Answer.UNSURE, "no answer", reason.text))
        if self._transport is not None:
            self._transport.abort()
        self._post.ended(self, why)
