"""Stands between a transport and its receiver and sees how far a hand-over is, to strike in the middle of it.

It reads what passes and changes nothing. `half`: a part of the message (or its envelope) has been let through, the
rest has not. `whole`: the receiver has the whole message and has answered, and the answer has not been let through.
What it does not know of a protocol it lets through. A reader of a protocol cuts what the client sends into pieces:
each is let through, and then named after what it completes.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Generator

HALF, WHOLE, MORE = "half", "whole", ""
PATIENCE = 60.0  # seconds

# Gets what the client sent, gives how many bytes of what is held complete something, and what; see `_Cutter`.
Reader = Callable[[], Generator[tuple[bytes, str], bytes, None]]


def lines() -> Generator[tuple[bytes, str], bytes, None]:
    """A line is a hand-over; it is half done in its middle."""
    held = yield from _until(b"", lambda data: b"\n" in data)
    while True:
        line, end, rest = held.partition(b"\n")
        yield line[: len(line) // 2], HALF
        yield line[len(line) // 2 :] + end, WHOLE
        held = yield from _until(rest, lambda data: b"\n" in data)


def smtp() -> Generator[tuple[bytes, str], bytes, None]:
    """Half: recipients are named, DATA is not. Whole: the final dot has passed (RFC 5321, section 4.1.1.4)."""
    held = b""
    while True:
        held = yield from _until(held, lambda data: b"\r\n" in data)
        command, end, held = held.partition(b"\r\n")
        if command.strip().upper() != b"DATA":
            yield command + end, MORE
            continue
        yield b"", HALF
        yield command + end, MORE
        held = yield from _until(held, _has_final_dot)
        place = 3 if held.startswith(b".\r\n") else held.index(b"\r\n.\r\n") + 5
        yield held[:place], WHOLE
        held = held[place:]


def _has_final_dot(data: bytes) -> bool:
    return data.startswith(b".\r\n") or b"\r\n.\r\n" in data


def http() -> Generator[tuple[bytes, str], bytes, None]:
    """Half: half of a request's body has passed. Only requests that send mail are told (POST .../mail/send)."""
    held = b""
    while True:
        held = yield from _until(held, lambda data: b"\r\n\r\n" in data)
        head, end, held = held.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        size = int(length.group(1)) if length else 0
        sends = head.startswith(b"POST ") and b"/mail/send" in head.partition(b"\r\n")[0]
        yield head + end, MORE
        if not size:
            continue
        held = yield from _until(held, _as_long_as(size // 2))
        yield held[: size // 2], HALF if sends else MORE
        held = yield from _until(held[size // 2 :], _as_long_as(size - size // 2))
        yield held[: size - size // 2], WHOLE if sends else MORE
        held = held[size - size // 2 :]


def _as_long_as(size: int) -> Callable[[bytes], bool]:
    return lambda data: len(data) >= size


def _until(held: bytes, enough: Callable[[bytes], bool]) -> Generator[tuple[bytes, str], bytes, bytes]:
    """Asks for more until there is enough."""
    while not enough(held):
        held += yield b"", MORE
    return held


class Tap:
    """Listens on a port of its own and leads to `port`; calls `strike` at the n-th passing of `place`."""

    def __init__(self, port: int, reader: Reader, place: str, nth: int, strike: Callable[[], bool]) -> None:
        self._upstream, self._reader = port, reader
        self._place, self._left, self._strike = place, nth, strike
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.struck = False

    def __enter__(self) -> Tap:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream), timeout=PATIENCE)
            except OSError:
                return
            passage = _Passage(self, client, server)
            self._open += [client, server]
            for work in (passage.forth, passage.back):
                self._threads.append(threading.Thread(target=work, daemon=True))
                self._threads[-1].start()

    def cutter(self) -> Generator[tuple[bytes, str], bytes, None]:
        return self._reader()

    def passing(self, place: str) -> bool:
        """Whether what passes on may go on; False after a kill."""
        if place != self._place:
            return True
        with self._lock:
            self._left -= 1
            now = self._left == 0
        if not now:
            return True
        self.struck = True
        return self._strike()


class _Passage:
    """One connection."""

    def __init__(self, tap: Tap, client: socket.socket, server: socket.socket) -> None:
        self._tap, self._client, self._server = tap, client, server
        self._whole = 0  # messages that have passed whole and are not answered yet

    def forth(self) -> None:
        with contextlib.suppress(OSError):
            self._forth()
        self._end()

    def _forth(self) -> None:
        cutter = self._tap.cutter()
        piece, what = next(cutter)
        while True:
            if what == WHOLE:
                self._whole += 1
            self._server.sendall(piece)
            if what == HALF and not self._tap.passing(HALF):
                return
            if piece or what:
                piece, what = next(cutter)
                continue
            data = self._client.recv(65536)
            if not data:
                return
            piece, what = cutter.send(data)

    def back(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(65536):
                while self._whole:
                    self._whole -= 1
                    if not self._tap.passing(WHOLE):
                        self._end()
                        return
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for each in (self._client, self._server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
