"""A mail server that a test plays by hand, step by step, in the test's own thread.

The transport's loop runs only when the test lets it, so every order of events can be had without waiting for luck.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator

from digest.delivery.transports.base import Receipt, Transport

PATIENCE = 10.0  # seconds that a step may take
EHLO = b"250-mail.example.org\r\n250-PIPELINING\r\n250 DSN\r\n"
PLAIN_EHLO = b"250 mail.example.org\r\n"


class ByHand:
    """The server's side of one transport; `told` are the outcomes so far."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self.told: dict[int, Receipt] = {}
        self._connection: socket.socket | None = None
        self._seen = b""

    def accept(self, transport: Transport, ehlo: bytes = EHLO) -> None:
        """Takes the next connection, up to the first mail."""
        self.connect(transport)
        self.say(b"220 Hello\r\n")
        self.expect(transport, b"EHLO [127.0.0.1]\r\n")
        self.say(ehlo)

    def connect(self, transport: Transport) -> None:
        """Takes the next connection, and says nothing."""
        self.hang_up()
        self._wait(transport, self._listener)
        self._connection, _ = self._listener.accept()
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._seen = b""

    def expect(self, transport: Transport, end: bytes) -> bytes:
        """Lets the transport run until what it wrote ends so; gives what it wrote since the last time."""
        connection = self._open()
        while not self._seen.endswith(end):
            self._wait(transport, connection)
            data = connection.recv(1 << 20)
            assert data, f"the line was closed after {self._seen[-80:]!r}"
            self._seen += data
        seen, self._seen = self._seen, b""
        return seen

    def expect_end(self, transport: Transport) -> bytes:
        """Lets the transport run until it closes the line; gives what it wrote before."""
        connection = self._open()
        with contextlib.suppress(ConnectionResetError):
            while True:
                self._wait(transport, connection)
                data = connection.recv(1 << 20)
                if not data:
                    break
                self._seen += data
        seen, self._seen = self._seen, b""
        return seen

    def say(self, data: bytes) -> None:
        """Sends it at once."""
        self._open().sendall(data)

    def hang_up(self) -> None:
        """Closes the line."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def stop(self) -> None:
        """Takes no connections any more."""
        self._listener.close()

    def run(self, transport: Transport, seconds: float = 0.01) -> None:
        """Lets the transport run for a moment."""
        for position, receipt in transport.outcomes(seconds):
            assert position not in self.told
            self.told[position] = receipt

    def until(self, transport: Transport, count: int) -> dict[int, Receipt]:
        """Lets the transport run until so many outcomes were told."""
        end = time.monotonic() + PATIENCE
        while len(self.told) < count and time.monotonic() < end:
            self.run(transport)
        assert len(self.told) == count
        return self.told

    def _open(self) -> socket.socket:
        assert self._connection is not None
        return self._connection

    def _wait(self, transport: Transport, readable: socket.socket) -> None:
        end = time.monotonic() + PATIENCE
        while not select.select([readable], [], [], 0)[0]:
            assert time.monotonic() < end, f"nothing came after {self._seen[-80:]!r}"
            self.run(transport)


@contextlib.contextmanager
def by_hand() -> Iterator[ByHand]:
    """A server on this machine for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # so that a large body does not fit
        server = ByHand(listener)
        try:
            yield server
        finally:
            server.hang_up()
