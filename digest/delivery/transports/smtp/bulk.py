"""Hands mail over to a mail server, over as many connections as the settings allow, without threads.

The transport owns an event loop that runs only inside `outcomes`, in the caller's thread; `begin` only queues.
Promises: whatever the server does, each mail gets one answer; accepted only by the server's own word, unsure when its
last dot was written and no word came, and everything else is proof that nothing was accepted. A mail that only had its
envelope sent when a connection broke goes out over another. Refuses: to deliver in the clear to another machine unless
told so, and to let a certificate pass that is not valid.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable

from digest.delivery.transports.base import Answer, Group, Receipt, Transport
from digest.delivery.transports.smtp import replies
from digest.delivery.transports.smtp.connection import Connection
from digest.delivery.transports.smtp.mail import Mail
from digest.delivery.transports.smtp.pool import Pool
from digest.delivery.transports.smtp.relay import Relay, relay_of
from digest.delivery.transports.smtp.single import SmtpSingle
from digest.home import Home

MOST_TRIES = 5  # connections that may break under one mail's envelope
TOGETHER = 100  # outcomes told in one go
LINGER = 0.005  # seconds that the first outcome waits for more


def smtp(home: Home) -> Smtp:
    """The transport to the mail server of the settings. Raises Refused when they cannot work."""
    return Smtp(relay_of(home))


class Smtp:
    """The transport; see the module."""

    name = "smtp"
    group = 1
    repeatable = False

    def __init__(self, relay: Relay) -> None:
        self.connections = relay.connections
        self._relay = relay
        self._pool = Pool(self, relay)
        self._queue: deque[Mail] = deque()
        self._known: deque[tuple[int, Receipt]] = deque()
        self._untold = 0  # mails begun whose outcome was not told
        self._until = math.inf
        self._failure: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: asyncio.AbstractEventLoop | None = None  # while it should go on running
        self._ended = False  # whether connections wait to be closed
        self._closed = False

    # --- what the sender asks

    def begin(self, group: Group) -> None:
        """Queues the mails; the work is done in `outcomes`."""
        for position, recipient in zip(group.positions, group.recipients, strict=True):
            self._queue.append(Mail(position, group.variant, recipient))
            self._untold += 1

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        """What is known, after waiting at most `timeout` seconds for the first. Raises what a body raised."""
        if self._closed or not self._untold:
            return
        if not self._known:
            self._run(timeout)
        known = self._known
        while known:
            self._untold -= 1
            yield known.popleft()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def recall(self) -> Iterable[int]:
        """Everything whose last dot was not written; envelopes that are out are cancelled."""
        mails = list(self._queue)
        self._queue.clear()
        mails += self._pool.recall()
        self._untold -= len(mails)
        if self._loop is not None and not self._closed:
            self._close_ended(self._loop)
        return [mail.position for mail in mails]

    def hold(self, until: float) -> None:
        """No envelope and no body is written after it."""
        self._until = until

    def single(self) -> Transport:
        """One that opens a connection for each mail."""
        return SmtpSingle(self._relay)

    def close(self) -> None:
        """Says QUIT where nothing is under way, and breaks off the rest."""
        if self._closed:
            return
        self._closed = True
        self._queue.clear()
        self._known.clear()
        self._untold = 0
        if self._loop is None:
            return
        self._pool.quit()
        until = time.monotonic() + self._relay.timeouts.quit
        while len(self._pool) and time.monotonic() < until:
            self._turn(self._loop, 0.01)
        self._pool.drop()
        self._turn(self._loop, 0)
        self._loop.close()

    # --- what the pool and its connections ask

    @property
    def waiting(self) -> int:
        """Mails that no connection has taken and that may be begun now."""
        return 0 if self._closed or self.held() else len(self._queue)

    def take(self) -> Mail | None:
        """The next mail, unless none may be begun now."""
        return None if not self._queue or time.monotonic() >= self._until else self._queue.popleft()

    def held(self) -> bool:
        """Whether no body may be written now."""
        return time.monotonic() >= self._until

    def settle(self, mail: Mail, receipt: Receipt) -> None:
        """Keeps an outcome; the loop goes on for a moment, since others come with it."""
        if self._closed:
            return
        known = self._known
        known.append((mail.position, receipt))
        count = len(known)
        if count >= TOGETHER or count >= self._untold:
            self._stop()
        elif count == 1 and self._running is not None:
            self._running.call_later(LINGER, self._stop)

    def put_back(self, mail: Mail, why: Receipt, *, blamed: bool) -> None:
        """To the head of the queue, unless connections break under this very mail again and again."""
        if self._closed:
            return
        mail.tries += blamed
        if mail.tries < MOST_TRIES:
            self._queue.appendleft(mail)
        else:
            text = f"The connection ended {mail.tries} times before the mail itself was sent. {why.text}"
            self.settle(mail, Receipt(Answer.TRANSIENT, why.code, text[: replies.TEXT]))

    def refused(self, why: Receipt) -> None:
        """Answers all that waits with it."""
        self._pool.give_way()
        while self._queue:
            self.settle(self._queue.popleft(), why)

    def broke(self, error: Exception, mail: Mail | None = None) -> None:
        """Keeps the error for the caller of `outcomes`."""
        if mail is not None and not self._closed:
            self._queue.appendleft(mail)
        self._failure = error
        self._stop()

    def ended(self, connection: Connection, why: Receipt | None) -> None:
        """One connection less; another one may be needed."""
        self._ended = True
        self._pool.ended(connection, why)
        if self._running is not None:
            self._pool.drive(self._running)

    # --- the loop

    def _run(self, timeout: float) -> None:
        """Runs the loop until something is known, in slices, so that deadlines are looked at between them."""
        loop = self._loop = self._loop or _new_loop()
        until = time.monotonic() + timeout
        if self._pool.is_resting:
            self._turn(loop, 0)  # what came while the loop stood still is read before anything is written
        while not self._known:
            self._pool.drive(loop)
            if self._known:
                return
            left = until - time.monotonic()
            self._turn(loop, max(0.0, min(left, self._relay.timeouts.look)))
            self._pool.look()
            if self._failure is not None or not self._untold or time.monotonic() >= until:
                return

    def _turn(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._running = loop
        timer = loop.call_later(seconds, self._stop)
        try:
            loop.run_forever()
        finally:
            timer.cancel()
            self._running = None
        self._close_ended(loop)

    def _close_ended(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connections that were ended are closed now, not when the loop runs again: that may never be."""
        if self._ended:
            self._ended = False
            loop.call_soon(loop.stop)
            loop.run_forever()

    def _stop(self) -> None:
        """Ends the turn. Asked for once only: uvloop would keep a second one for the next turn."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
