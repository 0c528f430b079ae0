"""One mail at a time to the mail server, each over a connection of its own, in plain blocking steps.

For mails about one affair (confirmations, word to staff) and for checks of the settings. Promises: the same handshake,
envelope, time limits and judgment of replies as in bulk; a connection that breaks before the last dot was handed over
is proof that nothing was accepted. smtplib is not used: it starts its time limit anew with every byte and reads a reply
without an end for ever. Refuses: to take a mail for accepted, or for refused, without the server's word.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator

from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Body, Receipt, Sequential
from digest.delivery.transports.smtp import dial, replies
from digest.delivery.transports.smtp.envelope import END, Envelopes, transparent
from digest.delivery.transports.smtp.handshake import ENCRYPTED, Offer, Step, handshake
from digest.delivery.transports.smtp.relay import Relay, is_loopback
from digest.delivery.transports.smtp.replies import Reply, ReplyReader, Stage, Unavailable, away, judge


class SmtpSingle(Sequential):
    """Delivers one mail after the other to one mail server."""

    name = "smtp"
    group = 1

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        """Hands one mail over. Raises BadInput for an address that cannot be mailed to."""
        data = variant.join(recipient)
        body = transparent(variant, data)
        if isinstance(body, Receipt):
            return body
        try:
            with connected(self._relay) as (line, offer):
                commands = Envelopes(offer, self._relay.bounces).commands(variant, recipient, data)
                return commands if isinstance(commands, Receipt) else _transact(line, *commands, body)
        except Unavailable as unavailable:
            return unavailable.receipt


@contextlib.contextmanager
def connected(relay: Relay) -> Iterator[tuple[Line, Offer]]:
    """A line that mail can go over, and what the server offers. Raises Unavailable, saying why and what to do."""
    line = _dial(relay)
    try:
        yield line, _shake_hands(line, relay)
        with contextlib.suppress(OSError):
            line.ask(Stage.QUIT, b"QUIT\r\n")
    finally:
        line.close()


class Line:
    """A blocking line to the server. Its methods raise OSError when it is of no more use."""

    def __init__(self, relay: Relay, connection: socket.socket) -> None:
        self._relay, self._socket = relay, connection
        self._reader = ReplyReader()

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, whatever its name says."""
        return is_loopback(str(self._socket.getpeername()[0]))

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS stands."""
        return isinstance(self._socket, ssl.SSLSocket)

    def encrypt(self) -> None:
        """Goes on encrypted."""
        self._socket.settimeout(self._relay.timeouts.tls)
        self._socket = self._relay.tls.wrap_socket(self._socket, server_hostname=self._relay.host)

    def send_mail(self, data: bytes) -> None:
        """Hands all of it over to the system; when that fails, the end of `data` was not."""
        self._socket.settimeout(self._relay.timeouts.block)
        self._socket.sendall(data)

    def ask(self, stage: Stage, line: bytes) -> Reply:
        """Sends a command and waits for the answer to it."""
        self._socket.settimeout(self._relay.timeouts.of(stage))
        self._socket.sendall(line)
        return self.reply(stage)

    def reply(self, stage: Stage) -> Reply:
        """The one reply that is awaited, within the time that all of it may take."""
        until = time.monotonic() + self._relay.timeouts.of(stage)
        while (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("it closed the connection")
            replies = self._reader.feed(data)
            if self._reader.fault or len(replies) > 1 or (replies and self._reader.unfinished):
                raise ConnectionError(self._reader.fault or "it said more than it was asked for")
            if replies:
                return replies[0]
        raise TimeoutError("timed out")

    def close(self) -> None:
        self._socket.close()


def _dial(relay: Relay) -> Line:
    limits = relay.timeouts
    try:
        line = Line(relay, socket.create_connection((relay.host, relay.port), limits.connect))
    except (OSError, UnicodeError) as error:
        text = f"{relay.host} could not be reached: {dial.plain(error)}."
        raise Unavailable(away("DNS" if isinstance(error, socket.gaierror) else "no connection", text)) from error
    try:
        if relay.security == "tls":
            line.encrypt()
    except OSError as error:
        line.close()
        raise Unavailable(dial.unencrypted(relay, error)) from error
    return line


def _shake_hands(line: Line, relay: Relay) -> Offer:
    talk = handshake(relay, local=line.is_local)
    step: Step = next(talk)
    while True:
        try:
            if step.stage is Stage.TLS:
                line.encrypt()
                reply = ENCRYPTED
            else:
                reply = line.ask(step.stage, step.line)
        except OSError as error:
            if step.stage is Stage.TLS:
                raise Unavailable(dial.unencrypted(relay, error)) from error
            text = f"The connection ended at {step.stage.value}: {dial.plain(error)}."
            raise Unavailable(away("connection lost", text)) from error
        try:
            step = talk.send(reply)
        except StopIteration as done:
            offer: Offer = done.value
            return offer


def _transact(line: Line, mail: bytes, rcpt: bytes, body: bytes) -> Receipt:
    """The whole transaction; nothing was accepted unless the end of the body was handed over."""
    try:
        for stage, command, good in ((Stage.MAIL, mail, 2), (Stage.RCPT, rcpt, 2), (Stage.DATA, b"DATA\r\n", 3)):
            reply = line.ask(stage, command)
            if reply.code // 100 != good:
                return _refused(stage, reply)
        line.send_mail(body + END)
    except OSError as error:
        return away("connection lost", f"The connection ended before the mail was sent: {dial.plain(error)}.")
    try:
        reply = line.reply(Stage.DOT)
    except OSError as error:
        return Receipt(Answer.UNSURE, "no answer", f"No answer came to the mail: {dial.plain(error)}.")
    if reply.code < 300:
        return replies.accepted(reply)
    return judge(Stage.DOT, reply) if reply.code >= 400 else Receipt(Answer.UNSURE, reply.short, reply.text)


def _refused(stage: Stage, reply: Reply) -> Receipt:
    if reply.code < 400:
        return away(reply.short, f"It gave an answer that has no meaning there, {reply.code}, at {stage.value}.")
    return judge(Stage.MAIL if reply.code == 421 else stage, reply)
