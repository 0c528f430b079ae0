"""The stand-in for SendGrid and transports to it, for one test: everything is closed with it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from digest.delivery.transports.base import Receipt, Transport
from digest.delivery.transports.sendgrid.account import Account
from digest.delivery.transports.sendgrid.bulk import SendGrid
from tests.contracts.test_transports import UID, Mail, answers, begin, person
from tests.standins import sendgrid_server
from tests.standins.sendgrid_server import Kept, Running

KEY = "SG.a-key-that-nobody-may-see.0123456789abcdefghijklmnopqrstuvwxyz"


class Hurried(SendGrid):
    """Its clock can be moved on, as a test moves the sender's, so that nobody waits for the gate to open."""

    def __init__(self, account: Account, **options: Any) -> None:
        self.ahead = 0.0  # seconds
        super().__init__(account, **{"clock": lambda: time.monotonic() + self.ahead} | options)

    def hold(self, until: float) -> None:
        """The sender's moment, on this clock."""
        super().hold(until + self.ahead)


class World:
    """One server, and what is opened to it."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.record = folder / "sendgrid"
        self._stack = stack
        self._server = stack.enter_context(contextlib.ExitStack())
        self.server: Running | None = None

    def start(self, *, certificate: Path | None = None, refuse: bool = False, **script: Any) -> World:
        """Starts the server with this script."""
        running = sendgrid_server.running(self.record, script or None, certificate=certificate, refuse=refuse)
        self.server = self._server.enter_context(running)
        return self

    def stop(self) -> None:
        """Ends the server."""
        self._server.close()

    def account(self, key: str = KEY, host: str = "127.0.0.1") -> Account:
        """The account there."""
        assert self.server is not None
        return Account(self.server.url.replace("127.0.0.1", host), key)

    def open(self, *, account: Account | None = None, **options: Any) -> Hurried:
        """A transport to it: five readers in a request over one connection, unless told otherwise."""
        usual: dict[str, Any] = {"group": 5, "connections": 1, "whole": 10.0}
        transport = Hurried(account or self.account(), **usual | options)
        self._stack.callback(transport.close)
        return transport

    def single(self, **options: Any) -> Transport:
        """A transport for one mail at a time."""
        transport = self.open(**options).single()
        self._stack.callback(transport.close)
        return transport

    def kept(self) -> list[Kept]:
        """What the server accepted."""
        return sendgrid_server.read(self.record)

    def copies(self, subscriber: int) -> int:
        """How many copies it accepted for one person."""
        return sum(kept.address == address(subscriber) for kept in self.kept())

    def requests(self) -> list[dict[str, Any]]:
        """The requests that came whole."""
        return sendgrid_server.requests(self.record)

    def fates(self) -> list[str]:
        """What became of them, in order."""
        return [request["fate"] for request in self.requests()]

    def connections(self) -> int:
        """Over how many connections requests came."""
        return len({request["connection"] for request in self.requests()})


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[World]:
    """A world for the length of the block."""
    with contextlib.ExitStack() as stack:
        yield World(folder, stack)


def address(subscriber: int) -> str:
    return person(subscriber).address


def deliver(transport: Transport, subscribers: Iterable[int], mail: Mail | None = None) -> dict[int, Receipt]:
    """What becomes of a mail to each of them."""
    people = list(subscribers)
    begin(transport, mail or Mail(UID), people)
    told = answers(transport, len(people))
    assert sorted(told) == list(range(len(people)))
    return {subscriber: told[position] for position, subscriber in enumerate(people)}
