"""A stretch of wire between a program and PostgreSQL, on which the answer to a COMMIT can get lost.

It is a socket of its own in a folder; all goes through unchanged. Promises: when an answer is withheld the server has
given it, so the transaction is committed and the client cannot know (https://www.postgresql.org/docs/current/protocol-flow.html).
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

COMMIT = b"Q\0\0\0\x0bCOMMIT\0"  # the simple query
READY = b"Z\0\0\0\x05I"  # the server is done with it, and in no transaction
NAME = ".s.PGSQL.5432"


class Wire:
    """The stretch; `to_lose` answers get lost from now on, `lost` have."""

    def __init__(self, server: str, folder: Path) -> None:
        self._server, self.folder = server, folder
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / NAME))
        self._listening.listen(16)
        self.to_lose = self.lost = 0

    def serve(self) -> None:
        """Until it is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{self._server}/{NAME}")
                threading.Thread(target=self._upwards, args=(client, server), daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _upwards(self, client: socket.socket, server: socket.socket) -> None:
        """From the client to the server; the other direction has a thread of its own, which may be told to be deaf."""
        deaf = threading.Event()
        threading.Thread(target=self._downwards, args=(server, client, deaf), daemon=True).start()
        with contextlib.suppress(OSError), client, server:
            while data := client.recv(1 << 16):
                if data == COMMIT and self.to_lose > 0:
                    self.to_lose -= 1
                    deaf.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _downwards(self, server: socket.socket, client: socket.socket, deaf: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if not deaf.is_set():
                    client.sendall(data)
                elif data.endswith(READY):
                    self.lost += 1
                    break
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire(url: str) -> Iterator[tuple[Wire, str]]:
    """A wire to the server of this address, and the address that leads through it."""
    address = sa.make_url(url)
    host = address.query["host"]
    assert isinstance(host, str)
    with tempfile.TemporaryDirectory(prefix="digest-wire-") as folder:
        made = Wire(host, Path(folder))
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        try:
            yield made, address.set(query={"host": folder}).render_as_string(hide_password=False)
        finally:
            made.close()
            thread.join()
