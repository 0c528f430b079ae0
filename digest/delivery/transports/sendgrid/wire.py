"""One connection to the service that stays open from request to request (HTTP/1.1, RFC 9112).

Promises: a request has a deadline as a whole, also against a server that sends a byte now and then; what failed before
anything was written (`Unreached`) is told apart from what failed after (`Lost`); an idle connection that the server
has ended, or may have, is not used; no redirect is followed and no proxy asked. Bodies of replies are read to 64 kB.
Refuses: certificates that the system does not trust. Looking up the host's name is the resolver's own time.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import cast

from digest.delivery.transports.base import Receipt
from digest.delivery.transports.sendgrid import replies
from digest.delivery.transports.sendgrid.account import Account
from digest.delivery.transports.sendgrid.replies import Reply

CONNECT = 10.0  # seconds, with the TLS handshake
WHOLE = 120.0  # seconds for a request, from its first byte to the reply's last
IDLE = 10.0  # seconds after which a connection is not trusted to be open still
BODY = 65_536  # bytes that are read of a reply


class Unreached(Exception):
    """Nothing was written: `receipt` says why."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        super().__init__(receipt.text)


class Lost(Exception):
    """Something was written, and no whole status line came back."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        super().__init__(receipt.text)


def tls_context(account: Account) -> ssl.SSLContext | None:
    """How connections to this account are encrypted; it can be shared by all of them."""
    return ssl.create_default_context() if account.tls else None


class Wire:
    """A connection, opened when it is needed. One thread posts; only `break_off` may be called from others."""

    def __init__(self, account: Account, context: ssl.SSLContext | None, *, whole: float = WHOLE) -> None:
        self._account, self._context, self._whole = account, context, whole
        self._socket: socket.socket | None = None
        self._used = 0.0
        self._broken = False

    def post(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """The reply to one call of mail/send. Raises Unreached, Lost."""
        try:
            connected = self._connected()
        except Exception as error:
            self.close()
            raise Unreached(replies.unreached(error)) from None
        try:
            return self._exchange(connected, self._head(headers, len(body)) + body)
        except Exception as error:
            self.close()
            raise Lost(replies.lost(error)) from None  # what it came from holds the key

    def break_off(self) -> None:
        """From another thread: whoever waits for this connection gets an error, now and ever after."""
        self._broken = True
        if (connected := self._socket) is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own: that drops the encryption first, and a write could slip through in the clear.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is not None and (time.monotonic() - self._used > IDLE or _is_readable(self._socket)):
            self.close()
        return self._socket or self._connect(time.monotonic() + CONNECT)

    def _connect(self, until: float) -> socket.socket:
        account = self._account
        connected = self._reach(until)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is None:
            return connected
        encrypted = self._context.wrap_socket(connected, server_hostname=account.host, do_handshake_on_connect=False)
        self._keep(encrypted, until)
        encrypted.do_handshake()
        return encrypted

    def _reach(self, until: float) -> socket.socket:
        """A connection to the first address of the host that takes one; they share the time that is left."""
        found = socket.getaddrinfo(self._account.host, self._account.port, type=socket.SOCK_STREAM)
        last: OSError = OSError("the name has no address")
        for left, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
            try:
                opened = socket.socket(family, kind, protocol)
                self._keep(opened, time.monotonic() + (until - time.monotonic()) / left)
                opened.connect(address)
            except OSError as error:
                self.close()
                last = error
            else:
                return opened
        raise last

    def _keep(self, opened: socket.socket, until: float) -> None:
        """Makes it the connection. In this order, so that a call of `break_off` is never missed."""
        self._socket = opened
        if self._broken:
            raise ConnectionAbortedError("closed")
        _limit(opened, until)

    def _head(self, headers: Mapping[str, str], length: int) -> bytes:
        account = self._account
        lines = [f"POST {account.path} HTTP/1.1", f"Host: {account.authority}", f"Content-Length: {length}"]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode("ascii")

    def _exchange(self, connected: socket.socket, request: bytes) -> Reply:
        until = time.monotonic() + self._whole
        if self._broken:
            raise ConnectionAbortedError("closed")
        sent = False
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it broke off
            _send(connected, request, until)
            sent = True
        reading = _Reading(connected, until)
        response = HTTPResponse(cast("socket.socket", reading), method="POST")
        try:
            response.begin()
        except Exception:
            if not isinstance(response.status, int):
                raise
        if not reading.lines:
            raise HTTPException("the status line was cut off")
        reply, whole = _reply(response, headers_cut=reading.ended or response.headers is None)
        self._used = time.monotonic()
        if response.will_close or not (whole and sent):
            self.close()
        return reply


class _Reading(io.RawIOBase):
    """Reads a socket until a moment (monotonic seconds), in the shape that HTTPResponse asks of a socket."""

    def __init__(self, connected: socket.socket, until: float) -> None:
        self._connected, self._until = connected, until
        self.lines = self.ended = False

    def makefile(self, mode: str) -> io.BufferedReader:
        """Itself, with a buffer."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """One read, which may take as long as is left."""
        _limit(self._connected, self._until)
        count = self._connected.recv_into(buffer)
        self.lines = self.lines or b"\n" in bytes(buffer[:count])
        self.ended = count == 0
        return count


def _reply(response: HTTPResponse, *, headers_cut: bool) -> tuple[Reply, bool]:
    """The reply, and whether nothing of it is left on the connection.

    The body of an acceptance says nothing, so its end is not waited for.
    """
    items = list((response.headers or {}).items())
    headers = {name.lower(): value for name, value in (items[:-1] if headers_cut else items)}
    if headers_cut:  # the last line may be half a line
        return Reply(response.status, headers, cut=True), False
    if response.status == 202:
        return Reply(202, headers), response.length == 0
    body, whole = _body(response)
    return Reply(response.status, headers, body, cut=not whole), whole


def _body(response: HTTPResponse) -> tuple[bytes, bool]:
    """As much of the body as came and is kept, and whether that is all."""
    body = bytearray()
    try:
        while len(body) < BODY and (part := response.read1(BODY - len(body))):
            body += part
    except (OSError, HTTPException, ValueError):
        return bytes(body), False
    return bytes(body), response.length == 0 or (response.length is None and response.isclosed())


def _send(connected: socket.socket, data: bytes, until: float) -> None:
    left = memoryview(data)
    while left:
        _limit(connected, until)
        left = left[connected.send(left) :]


def _limit(connected: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    connected.settimeout(left)


def _is_readable(connected: socket.socket) -> bool:
    """Whether something came unasked: the end of the connection, or a reply to no request."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))
