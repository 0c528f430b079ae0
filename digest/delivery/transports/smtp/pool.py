"""The connections of one transport to its mail server: how many, when another is tried, and when to give up.

Promises: connections are opened as mail waits, up to the number allowed; one at a time until the first has succeeded
and after a failure. While one lives, nothing is reported about those that fail. When none could be had for `give_up`
seconds all that waits is told to wait elsewhere; a server that refuses everyone for good is told at once. A try whose
connection stands is waited for as long as its greeting may take. Refuses nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.smtp.connection import Connection
from digest.delivery.transports.smtp.mail import Mail, Post
from digest.delivery.transports.smtp.reconnects import Reconnects
from digest.delivery.transports.smtp.relay import Relay
from digest.delivery.transports.smtp.replies import Unavailable, away

NONE_YET = away("no connection", "No connection to the mail server could be had.")


class Owner(Post[Connection], Protocol):
    """What the pool asks of the transport, beside what its connections do."""

    @property
    def waiting(self) -> int:
        """Mails that no connection has taken."""


class Pool:
    """The connections of one transport."""

    def __init__(self, owner: Owner, relay: Relay) -> None:
        self._owner, self._relay, self._limits = owner, relay, relay.timeouts
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reconnects = Reconnects(self._limits.pause, self._limits.longest_pause)
        self._alone_since: float | None = None  # since when mail waits and no connection has answered for any
        self._gave_up = False  # and nobody has answered since
        self._why = NONE_YET  # the last reason why a connection failed

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_resting(self) -> bool:
        """Whether a connection stands with nothing under way."""
        return any(connection.ready and not connection.busy for connection in self._open)

    def drive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gives what waits to idle connections, and opens more as it is needed and may be."""
        for connection in tuple(self._open):
            if not connection.busy:
                connection.go()
        waiting = self._owner.waiting
        if not waiting:
            self._alone_since = None
            return
        now = time.monotonic()
        opening = sum(not connection.ready for connection in self._open)
        if self._alone_since is None and opening == len(self._open):
            self._alone_since = now
        missing = min(self._relay.connections - len(self._open), waiting - opening)
        while missing > 0 and self._reconnects.may(now, opening=opening):
            self._connect(loop, now)
            missing, opening = missing - 1, opening + 1

    def look(self) -> None:
        """Looks at the deadlines of connections, and of having none."""
        now = time.monotonic()
        for connection in tuple(self._open):
            connection.look(now)
        stands = any(connection.connected for connection in self._open)
        if self._owner.waiting and not stands and self._has_waited(now):
            self._give_up()

    def ended(self, connection: Connection, why: Receipt | None) -> None:
        """One connection less."""
        self._open.discard(connection)
        if connection.answered:
            self._alone_since, self._gave_up = None, False
        if connection.accepted:
            self._reconnects.earned()
        elif why is not None:
            self._failed(connection, why)

    def give_way(self) -> None:
        """All that waited was answered: who comes next begins with one try."""
        self._gave_up, self._alone_since = True, None
        self._reconnects.start_over()

    def recall(self) -> list[Mail]:
        """The mails that connections have taken and whose last dot was not written; nothing waits any more."""
        self._alone_since = None
        return [mail for connection in tuple(self._open) for mail in connection.recall()]

    def quit(self) -> None:
        """Ends all: with QUIT where nothing is under way."""
        for task in self._tasks:
            task.cancel()
        for connection in tuple(self._open):
            connection.quit()

    def drop(self) -> None:
        """Ends all at once."""
        for connection in tuple(self._open):
            connection.lost(NONE_YET)

    def _connect(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        connection = Connection(self._owner, self._relay, began=now)
        self._open.add(connection)
        task = loop.create_task(self._shake_hands(loop, connection, replaces=self._reconnects.began()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shake_hands(self, loop: asyncio.AbstractEventLoop, connection: Connection, *, replaces: bool) -> None:
        try:
            await connection.open(loop)
        except Unavailable as unavailable:
            connection.lost(unavailable.receipt)
        except asyncio.CancelledError:
            connection.lost(NONE_YET)
            raise
        except Exception as error:  # a fault of ours must not stay in the task
            connection.broke(error)
        else:
            self._reconnects.opened(connection.began, replaces=replaces)
            self.drive(loop)

    def _failed(self, connection: Connection, why: Receipt) -> None:
        now = time.monotonic()
        self._why = why
        self._reconnects.failed(connection.began, now)
        if self._open:
            return
        if why.answer is Answer.RELAY:
            self._owner.refused(why)
        elif self._gave_up or self._has_waited(now):
            self._give_up()

    def _has_waited(self, now: float) -> bool:
        return self._alone_since is not None and now - self._alone_since >= self._limits.give_up

    def _give_up(self) -> None:
        self._owner.refused(Receipt(Answer.AWAY, self._why.code, self._why.text))
