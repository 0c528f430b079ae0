"""A web host that means harm: each path answers with the bytes of a script, as fast or as slowly as the script likes.

It listens on one address of this machine; `asked` are the requests that came, with their bodies.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

Script = Callable[[], Iterator[bytes]]


class HostileHost:
    """The server; what it says is in `scripts`, by path."""

    def __init__(self, listener: socket.socket, scripts: Mapping[str, Script], tls: ssl.SSLContext | None) -> None:
        self.address, self.port = listener.getsockname()
        self.asked: list[bytes] = []
        self.over = threading.Event()
        self._listener, self._scripts, self._tls = listener, scripts, tls

    def serve(self) -> None:
        """Takes one connection after another until the listener is closed."""
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), line:
                self._speak(line)

    def _speak(self, line: socket.socket) -> None:
        line.settimeout(10)
        if self._tls is not None:
            line = self._tls.wrap_socket(line, server_side=True)
        with line:
            request = b""
            while b"\r\n\r\n" not in request:
                part = line.recv(4096)
                if not part:
                    return
                request += part
            request += self._body(line, request)
            self.asked.append(request)
            for piece in self._scripts[request.split()[1].decode()]():
                line.sendall(piece)

    @staticmethod
    def _body(line: socket.socket, request: bytes) -> bytes:
        """What of the body has not come yet, as long as its length is told."""
        head, _, begun = request.partition(b"\r\n\r\n")
        told = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
        rest = b""
        while told and len(begun) + len(rest) < int(told[1]):
            part = line.recv(4096)
            if not part:
                break
            rest += part
        return rest


@contextmanager
def listening(
    address: str, scripts: Mapping[str, Script], *, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[HostileHost]:
    """A hostile host at this address of this machine, gone afterwards."""
    with socket.create_server((address, port)) as listener:
        host = HostileHost(listener, scripts, tls)
        thread = threading.Thread(target=host.serve)
        thread.start()
        try:
            yield host
        finally:
            host.over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
