"""One connection to a mail server until mail can go: the handshake, the reading of replies, and deadlines.

Promises: a reply counts only in its turn. Whatever comes before it was asked for ends the connection, so nothing that
was slipped in before encryption is taken for the server's word after it (CVE-2011-0411), and no early 250 for a mail's.
Waits have deadlines that the owner looks at, without a timer each. Refuses, with Unavailable: what cannot be used.
"""

from __future__ import annotations

import asyncio
import math
import time
from abc import abstractmethod
from typing import cast

from digest.delivery.transports.base import Receipt
from digest.delivery.transports.smtp import dial
from digest.delivery.transports.smtp.handshake import ENCRYPTED, Offer, Step, handshake
from digest.delivery.transports.smtp.relay import Relay, is_loopback
from digest.delivery.transports.smtp.replies import Reply, ReplyReader, Stage, Unavailable, away


class Wire(asyncio.Protocol):
    """The line to a server. Subclasses say what becomes of replies after the handshake, and of the end."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.connected = self.ready = False
        self.over: Receipt | None = None  # why it ended
        self.deadline = math.inf  # monotonic
        self.offer = Offer()
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._early = False  # whether more than the reply in hand has come
        self._asked: asyncio.Future[Reply] | None = None
        self._asked_at = Stage.GREETING

    async def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connects and shakes hands. Raises Unavailable with the reason."""
        self._asked = loop.create_future()  # the greeting may come before the connection is reported
        await dial.connect(loop, self.relay, self)
        self.connected = True
        talk = handshake(self.relay, local=self._is_local())
        step = next(talk)
        while True:
            reply = await self._perform(loop, step)
            try:
                step = talk.send(reply)
            except StopIteration as done:
                self.offer = done.value
                break
        self._asked = None
        self.deadline, self.ready = math.inf, True

    @abstractmethod
    def replied(self, reply: Reply) -> None:
        """A reply came in its turn after the handshake; `_early` tells whether more came with it."""

    @abstractmethod
    def rest(self) -> None:
        """All replies that came are dealt with: what is awaited next has its deadline from now."""

    @abstractmethod
    def lost(self, why: Receipt) -> None:
        """The connection is of no more use. Called once at least, maybe again."""

    @abstractmethod
    def broke(self, error: Exception) -> None:
        """Our own code failed at a reply."""

    def wait_for(self, stage: Stage) -> None:
        """Sets the deadline of the reply at `stage`."""
        self.deadline = time.monotonic() + self.relay.timeouts.of(stage)

    # --- asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        """Replies in their turn; what cannot be understood, or was not asked for, ends the connection."""
        reader = self._reader
        replies = reader.feed(data)
        last = len(replies) - 1
        try:
            for at, reply in enumerate(replies):
                if self.over is not None:
                    return
                self._early = at < last or reader.unfinished
                if self.ready:
                    self.replied(reply)
                else:
                    self._answer(reply)
            if self.ready:
                self.rest()
        except Exception as error:  # a fault of ours must not stay in the loop's log
            self.broke(error)
        if reader.fault:
            self.lost(away("no SMTP", reader.fault))

    def connection_lost(self, exc: Exception | None) -> None:
        why = f" ({exc})" if exc is not None and str(exc) else ""
        self.lost(away("connection lost", f"The mail server closed the connection{why}."))

    # --- the handshake

    def refuse(self, why: Receipt) -> None:
        """Ends the handshake that is waited for."""
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(Unavailable(why))
            self._asked.exception()  # seen: nobody may be waiting for it yet

    def _answer(self, reply: Reply) -> None:
        """A reply of the handshake: exactly one, and only when it is waited for."""
        asked = self._asked
        if asked is None or asked.done() or self._early:
            text = f"It said more than it was asked for, at {self._asked_at.value}; someone may be between."
            self.lost(away("unasked", text))
        else:
            asked.set_result(reply)

    async def _perform(self, loop: asyncio.AbstractEventLoop, step: Step) -> Reply:
        transport = self._line()
        if step.stage is Stage.TLS:
            await self._encrypt(loop, transport)
            return ENCRYPTED
        self._asked_at = step.stage
        if self._asked is None or step.stage is not Stage.GREETING:
            self._asked = loop.create_future()
        self.wait_for(step.stage)
        if step.line:
            transport.write(step.line)
        return await self._asked

    async def _encrypt(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self.deadline = math.inf  # the start of encryption has a time limit of its own
        try:
            self._transport = await dial.encrypt(loop, self.relay, transport, self)
        except OSError as error:
            raise Unavailable(self.over or dial.unencrypted(self.relay, error)) from error

    def _line(self) -> asyncio.Transport:
        if self.over is not None or self._transport is None:
            raise Unavailable(self.over or away("connection lost", "The mail server closed the connection."))
        return self._transport

    def _is_local(self) -> bool:
        """Whether the server that answers is on this machine, whatever its name says."""
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return peer is not None and is_loopback(str(peer[0]))
