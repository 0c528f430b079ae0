"""The far end of the benchmarks, in Python: `sink.c` for machines without a compiler.

Promises: the same answers and the same counts as `sink.c`; several of these may share one listening socket. It ends
when its standard input does, so it never outlives the benchmark. Refuses nothing: it takes everything, keeps nothing,
and counts as `faults` what no client should do (a command out of turn, a connection that ends inside a message).
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import sys
from collections.abc import Callable

ROOM = 1 << 18
LONGEST = 1 << 14  # of a command or a header
END = b"\r\n.\r\n"
DID = b'"did"'

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)

counts = dict.fromkeys(("messages", "bytes", "connections", "requests", "faults"), 0)


class Peer:
    """One connection; `state` is where its dialogue is."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = bytearray()
        self.state = "new"
        self.size = 0  # SMTP: bytes of this message so far; HTTP: of its body still to come
        self.answers: list[bytes] = []
        self.closing = False

    def refuse(self, answer: bytes) -> None:
        """Answers what no client should have said."""
        counts["faults"] += 1
        self.answers.append(answer)


def smtp(peer: Peer) -> None:
    """Takes the commands and the message that have come so far (RFC 5321, RFC 2920)."""
    while not peer.closing:
        if peer.state == "inside":
            if not _message(peer):
                return
            continue
        line, newline, rest = peer.buffer.partition(b"\n")
        if not newline:
            return
        peer.buffer = rest
        _command(peer, bytes(line[:9]).upper())
        if peer.state == "inside":
            counts["faults"] += bool(rest)  # nothing may follow DATA before its answer
            peer.buffer = bytearray(b"\r\n") + rest  # the line end of DATA may be the one before the final dot


def _message(peer: Peer) -> bool:
    at = peer.buffer.find(END)
    if at < 0:
        sure = max(0, len(peer.buffer) - 4)
        peer.size += sure
        del peer.buffer[:sure]
        return False
    counts["messages"] += 1
    counts["bytes"] += peer.size + at
    peer.state = "ready"
    del peer.buffer[: at + len(END)]
    peer.answers.append(b"250 2.0.0 Ok: queued as %d\r\n" % counts["messages"])
    return True


_GREETING = b"250-sink.example.org\r\n250-PIPELINING\r\n250-SIZE 31457280\r\n250 8BITMIME\r\n"
_TURNS = {  # word: the states it may come in, the state after it, the answer
    b"EHLO": (("new", "ready", "mail", "rcpt"), "ready", _GREETING),
    b"HELO": (("new", "ready", "mail", "rcpt"), "ready", b"250 sink.example.org\r\n"),
    b"RSET": (("ready", "mail", "rcpt"), "ready", b"250 2.0.0 Ok\r\n"),
    b"MAIL": (("ready",), "mail", b"250 2.1.0 Ok\r\n"),
    b"RCPT": (("mail", "rcpt"), "rcpt", b"250 2.1.5 Ok\r\n"),
    b"DATA": (("rcpt",), "inside", b"354 End data with <CR><LF>.<CR><LF>\r\n"),
}


def _command(peer: Peer, start: bytes) -> None:
    word = start[:4]
    if word == b"QUIT":
        peer.answers.append(b"221 2.0.0 Bye\r\n")
        peer.closing = True
    elif word == b"NOOP":
        peer.answers.append(b"250 2.0.0 Ok\r\n")
    elif word not in _TURNS:
        peer.refuse(b"502 5.5.2 Unknown command\r\n")
    elif peer.state not in _TURNS[word][0]:
        peer.refuse(b"503 5.5.1 Out of turn\r\n")
    else:
        peer.state = _TURNS[word][1]
        peer.size = 0
        peer.answers.append(_TURNS[word][2])


def http(peer: Peer) -> None:
    """Takes the requests that have come so far; a body is counted as it comes (RFC 9112)."""
    while not peer.closing:
        if peer.state == "new":
            head, blank, rest = peer.buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            peer.buffer = rest
            _request(peer, bytes(head))
        elif not _body(peer):
            return


def _request(peer: Peer, head: bytes) -> None:
    length = _LENGTH.search(head)
    if not head.startswith(b"POST /v3/mail/send ") or length is None:
        peer.refuse(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        peer.closing = True
        return
    peer.size = int(length[1])
    peer.state = "last" if _LAST.search(head) else "inside"
    counts["bytes"] += peer.size


def _body(peer: Peer) -> bool:
    whole = len(peer.buffer) >= peer.size
    here = peer.size if whole else len(peer.buffer)
    counts["messages"] += peer.buffer.count(DID, 0, here)
    if not whole:
        sure = max(0, here - len(DID) + 1)  # a mark may be cut in two
        peer.size -= sure
        del peer.buffer[:sure]
        return False
    del peer.buffer[:here]
    counts["requests"] += 1
    peer.closing = peer.state == "last"
    peer.state = "new"
    after = b"close" if peer.closing else b"keep-alive"
    peer.answers.append(
        b"HTTP/1.1 202 Accepted\r\nServer: sink\r\nContent-Length: 0\r\n"
        b"X-Message-Id: sink%018d\r\nConnection: %b\r\n\r\n" % (counts["requests"], after)
    )
    return True


def _serve(peer: Peer, take: Callable[[Peer], None]) -> bool:
    """Reads and answers once; False when the connection has ended."""
    try:
        some = peer.connection.recv(ROOM)
        if not some:
            counts["faults"] += peer.state in ("inside", "last")
            return False
        peer.buffer += some
        take(peer)
        if peer.answers:
            peer.connection.sendall(b"".join(peer.answers))
            peer.answers.clear()
    except OSError:
        counts["faults"] += peer.state in ("inside", "last")
        return False
    if len(peer.buffer) > LONGEST and peer.state not in ("inside", "last"):
        counts["faults"] += 1
        return False
    return not peer.closing


def _greet(listening: socket.socket, kind: str) -> Peer | None:
    try:
        connection, _ = listening.accept()
    except OSError:
        return None  # another of these was first
    connection.setblocking(True)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    counts["connections"] += 1
    if kind == "smtp":
        connection.sendall(b"220 sink.example.org ESMTP\r\n")
    return Peer(connection)


def main(kind: str, descriptor: int) -> None:
    """Serves until standard input ends; each byte on it asks for the counts."""
    take = {"smtp": smtp, "http": http}[kind]
    listening = socket.socket(fileno=descriptor)
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    if not os.read(0, 1):
                        return
                    print(json.dumps(counts), flush=True)
                elif key.fileobj is listening:
                    if peer := _greet(listening, kind):
                        selector.register(peer.connection, selectors.EVENT_READ, peer)
                elif not _serve(key.data, take):
                    selector.unregister(key.fileobj)
                    key.data.connection.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
