"""A hostile mail server and transports to it, for one test: everything is closed with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from digest.delivery.transports.base import Receipt, Transport
from digest.delivery.transports.smtp.bulk import Smtp
from digest.delivery.transports.smtp.relay import Relay, Timeouts
from tests.contracts.test_transports import UID, Mail, answers, begin, person
from tests.standins import smtp_server
from tests.standins.smtp_script import Script
from tests.standins.smtp_server import Kept

FAST = Timeouts(
    connect=10, greeting=10, hello=10, tls=10, mail=10, rcpt=10, data=10, block=10, dot=10, quit=0.5,
    give_up=1.0, pause=0.05, longest_pause=0.2, look=0.02,
)  # fmt: skip


class World:
    """One server (or none), and what is opened to it."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._server = stack.enter_context(contextlib.ExitStack())
        self.port = 0

    def start(self, script: Script | None = None) -> World:
        """Starts the server."""
        running = smtp_server.running(self._folder / "record", script, log=self._folder / "log")
        self.port = self._server.enter_context(running)
        return self

    def stop(self) -> None:
        """Ends the server."""
        self._server.close()

    def relay(self, *, limits: Mapping[str, float] | None = None, **fields: Any) -> Relay:
        """The server as settings name it: in the clear, and with short time limits, unless told otherwise."""
        usual: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "security": "none"}
        return Relay(**usual | fields, timeouts=replace(FAST, **limits or {}))

    def open(self, *, limits: Mapping[str, float] | None = None, **fields: Any) -> Smtp:
        """A transport to it."""
        transport = Smtp(self.relay(limits=limits, **fields))
        self._stack.callback(transport.close)
        return transport

    def kept(self) -> list[Kept]:
        """What the server kept; that the transport broke no rule of the protocol is looked at, too."""
        return smtp_server.read(self._folder / "record")

    def kept_of(self, subscriber: int) -> int:
        """How many copies it kept for one person."""
        return sum(kept.address == address(subscriber) for kept in self.kept())

    def connections(self) -> list[float]:
        """The moments at which connections came."""
        log = self._folder / "log"
        return [float(line) for line in log.read_text().split()] if log.exists() else []


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
