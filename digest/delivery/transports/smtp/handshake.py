"""What is said between the greeting and the first mail: EHLO, STARTTLS, AUTH. Without any input or output of its own.

`handshake` is a generator of steps; whoever holds the connection writes each line, and sends the reply in. Promises:
nothing but EHLO and STARTTLS goes out unencrypted, unless the settings say so or the server is on this machine;
offers that were made before encryption are forgotten (RFC 3207 s.4.2). Refuses, with Unavailable: what cannot go on.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

from digest.delivery.transports.smtp import replies
from digest.delivery.transports.smtp.relay import Relay
from digest.delivery.transports.smtp.replies import Reply, Stage, Unavailable

READY, DONE, LOGGED_IN, GO_ON = 220, 250, 235, 334


class Step(NamedTuple):
    """A line to write (none for the greeting), and what its reply answers. TLS: encrypt, then send in ENCRYPTED."""

    stage: Stage
    line: bytes = b""


ENCRYPTED = Reply(READY, ())

Talk = Generator[Step, Reply, "Offer"]


@dataclass(frozen=True)
class Offer:
    """What the server offers in its answer to EHLO. `size` 0: it names no limit."""

    pipelining: bool = False
    size: int | None = None
    eight_bit: bool = False
    dsn: bool = False
    utf8: bool = False
    starttls: bool = False
    auth: frozenset[str] = frozenset()

    @classmethod
    def read(cls, reply: Reply) -> Offer:
        """The offer in a reply to EHLO; its first line is the server's name."""
        words: dict[str, list[str]] = {}
        for line in reply.lines[1:]:
            keyword, *values = line.decode("ascii", "replace").upper().replace("AUTH=", "AUTH ").split() or [""]
            words.setdefault(keyword, []).extend(values)
        limit = words.get("SIZE")
        return cls(
            pipelining="PIPELINING" in words,
            size=None if limit is None else _number(limit),
            eight_bit="8BITMIME" in words,
            dsn="DSN" in words,
            utf8="SMTPUTF8" in words,
            starttls="STARTTLS" in words,
            auth=frozenset(words.get("AUTH", ())),
        )


def _number(values: list[str]) -> int:
    return int(values[0]) if values and values[0].isascii() and values[0].isdigit() and len(values[0]) < 20 else 0


def handshake(relay: Relay, *, local: bool) -> Talk:
    """The steps until mail can go; `local` says that the server is on this machine. Returns what it offers."""
    encrypted = relay.security == "tls"
    _expect(READY, Stage.GREETING, (yield Step(Stage.GREETING)))
    offer = yield from _hello(relay)
    if relay.security == "starttls" and offer.starttls:
        _expect(READY, Stage.STARTTLS, (yield Step(Stage.STARTTLS, b"STARTTLS\r\n")))
        yield Step(Stage.TLS)
        encrypted = True
        offer = yield from _hello(relay)
    elif relay.security == "starttls" and not local:
        raise Unavailable(
            replies.relay_wide(
                "no STARTTLS",
                f"{relay.host} offers no encryption, so nothing was sent. Set [transport.smtp] security to "
                '"tls" if its port expects encryption from the start, or to "none" if you trust the network to it.',
            )
        )
    if relay.username:
        yield from _log_in(relay, offer, in_clear=not encrypted and not local)
    return offer


def _hello(relay: Relay) -> Talk:
    reply = yield Step(Stage.EHLO, f"EHLO {relay.hello}\r\n".encode("ascii"))
    _expect(DONE, Stage.EHLO, reply)
    return Offer.read(reply)


def _log_in(relay: Relay, offer: Offer, *, in_clear: bool) -> Generator[Step, Reply, None]:
    """PLAIN (RFC 4616) when it is offered, else LOGIN."""
    if in_clear:
        raise Unavailable(replies.relay_wide("no encryption", "The password is never sent unencrypted."))
    user, password = relay.username.encode(), relay.password.encode()
    if "PLAIN" in offer.auth:
        reply = yield Step(Stage.AUTH, b"AUTH PLAIN " + b64encode(b"\0" + user + b"\0" + password) + b"\r\n")
    elif "LOGIN" in offer.auth:
        reply = yield Step(Stage.AUTH, b"AUTH LOGIN\r\n")
        for secret in (user, password):
            _expect(GO_ON, Stage.AUTH, reply)
            reply = yield Step(Stage.AUTH, b64encode(secret) + b"\r\n")
    else:
        raise Unavailable(
            replies.relay_wide(
                "no AUTH",
                f"{relay.host} does not ask for a password by PLAIN or LOGIN. If it needs none, leave "
                "[transport.smtp] username empty.",
            )
        )
    _expect(LOGGED_IN, Stage.AUTH, reply)


def _expect(code: int, stage: Stage, reply: Reply) -> None:
    if reply.code == code:
        return
    if reply.code < 400:
        text = f"It gave an answer that has no meaning there, {reply.code}, at {stage.value}."
        raise Unavailable(replies.away(str(reply.code), text))
    raise Unavailable(replies.judge(stage, reply))
