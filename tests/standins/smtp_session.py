"""One connection of the hostile mail server: it speaks SMTP as strictly as it can, until its script says otherwise."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn

from tests.standins.smtp_script import Script

DRIP = 0.002  # seconds between two bytes
_PATH = re.compile(r"(?:MAIL FROM|RCPT TO):<([^<>]*)>(.*)", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_NEEDS = {"SIZE": "SIZE", "BODY": "8BITMIME", "SMTPUTF8": "SMTPUTF8", "RET": "DSN", "ENVID": "DSN", "NOTIFY": "DSN"}


class Gone(Exception):
    """This connection is over."""


@dataclass(frozen=True)
class Keeper:
    """What a session needs of its server."""

    keep: Callable[[dict[str, str]], None]  # on disk when it returns
    attempt: Callable[[str], int]
    script: Script


class Session:
    """One connection."""

    def __init__(self, connection: socket.socket, keeper: Keeper, fault: str) -> None:
        self._socket, self._keeper, self._script = connection, keeper, keeper.script
        self._fault = dict([fault.split(":", 1)]) if ":" in fault else {fault: ""}
        self._drips = fault == "drip"
        self._buffer, self._out = b"", b""
        self._encrypted = self._script.tls == "implicit"
        self._logged_in = not self._script.username
        self._sender: str | None = None
        self._envid = ""
        self._recipient: str | None = None
        self._refused = False
        self._fate = "ok"
        self._mails = 0

    def run(self) -> None:
        """Until either side has enough."""
        with contextlib.suppress(Gone, OSError):
            if self._encrypted:
                self._encrypt()
            self._say_at("greeting", "220 mail.example.org ESMTP")
            while True:
                self._obey(self._line().decode("utf-8", "replace"))
        with contextlib.suppress(OSError):
            self._socket.close()

    # --- commands

    def _obey(self, line: str) -> None:
        word = line.split(" ")[0].upper()
        if self._buffer and "PIPELINING" not in self._script.offers:
            self._complain("a command before the answer to the one before it")
        known = {
            "EHLO": self._ehlo, "STARTTLS": self._starttls, "AUTH": self._auth, "MAIL": self._mail, "RCPT": self._rcpt,
            "DATA": self._data, "RSET": self._rset, "QUIT": self._quit,
        }  # fmt: skip
        known.get(word, self._unknown)(line)

    def _unknown(self, line: str) -> None:
        self._complain(f"no command: {line[:60]}")

    def _ehlo(self, line: str) -> None:
        offers = [*self._script.offers]
        if self._script.tls and not self._encrypted:
            offers.append("STARTTLS")
        if self._script.username:
            offers.append(f"AUTH {self._script.mechanisms}")
        lines = ["mail.example.org", *offers]
        reply = "\r\n".join(f"250{' ' if at == len(lines) - 1 else '-'}{text}" for at, text in enumerate(lines))
        self._say_at("ehlo", reply)

    def _starttls(self, line: str) -> None:
        if self._script.tls == "inject":
            self._say("220 Go\r\n250-mail.example.org\r\n250 AUTH PLAIN")
            self._flush()
            return
        self._say_at("starttls", "220 Go")
        self._flush()
        if self._script.tls == "garbage":
            self._socket.recv(1)  # it begins
            self._socket.sendall(b"this is not how encryption begins\r\n" * 3)
            self._wait_for_the_end()
        self._encrypt()

    def _encrypt(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._script.certificate, self._script.key)
        self._socket = context.wrap_socket(self._socket, server_side=True)
        self._encrypted = True

    def _auth(self, line: str) -> None:
        _, mechanism, *initial = line.split(" ")
        if mechanism.upper() == "PLAIN":
            _, user, password = base64.b64decode(initial[0]).decode().split("\0")
        else:
            user, password = self._secret("VXNlcm5hbWU6"), self._secret("UGFzc3dvcmQ6")
        self._logged_in = (user, password) == (self._script.username, self._script.password)
        self._say_at("auth", "235 2.7.0 Welcome" if self._logged_in else "535 5.7.8 Who are you?")

    def _secret(self, prompt: str) -> str:
        self._say(f"334 {prompt}")
        return base64.b64decode(self._line()).decode()

    def _mail(self, line: str) -> None:
        if not self._logged_in:
            self._say("530 5.7.0 Authentication required")
        elif self._sender is not None:
            self._complain("MAIL inside a transaction")
        elif (found := self._path(line)) is not None:
            self._sender, parameters = found
            self._envid = parameters.get("ENVID", "")
            self._say_at("mail", "250 2.1.0 Ok")

    def _rcpt(self, line: str) -> None:
        if self._sender is None:
            self._say("503 5.5.1 MAIL first")
            return
        found = self._path(line)
        if found is None:
            return
        address = found[0]
        self._fate = self._script.fate(address, self._keeper.attempt(address))
        if self._fate.startswith("rcpt:") or self._fate == "let in":
            self._refused = True
            self._say(self._fate[5:] if self._fate != "let in" else "550 5.1.1 No such user")
        else:
            self._recipient = address
            self._say("250 2.1.5 Ok")

    def _data(self, line: str) -> None:
        if self._buffer:
            self._complain("something behind DATA in its group")
        if self._recipient is None and self._fate != "let in":
            self._say("554 5.5.1 No valid recipients")
            return
        if self._fate.startswith("data:"):
            self._say(self._fate[5:])
            return
        self._say("354 End with a dot" + ("\r\n250 2.0.0 Ok: queued as EARLY1" if self._fate == "early" else ""))
        if self._fate == "half":
            self._flush()
            self._buffer = self._buffer or self._socket.recv(64)
            self._reset_connection()
        self._end_of_mail(self._body())

    def _body(self) -> bytes:
        """Up to the dot on a line of its own, the dots that transparency added taken off."""
        self._flush()
        data = bytearray(b"\r\n" + self._buffer)
        looked = 0
        while (end := data.find(b"\r\n.\r\n", looked)) < 0:
            looked = max(0, len(data) - 4)
            more = self._socket.recv(1 << 18)
            if not more:
                raise Gone
            data += more
        self._buffer = bytes(data[end + 5 :])
        return bytes(data[: end + 2].replace(b"\r\n.", b"\r\n")[2:])

    def _end_of_mail(self, data: bytes) -> None:
        fate, address = self._fate, self._recipient
        if fate == "cut":
            raise Gone
        if fate == "silent":
            self._wait_for_the_end()
        if fate.startswith("dot:"):
            self._say(fate[4:])
        elif address is None:
            self._say("554 5.5.1 No valid recipients")
        else:
            self._keep(address, data)
            if fate == "lost":
                raise Gone
            self._mails += 1
            self._say(f"250 2.0.0 Ok: queued as {sha256(data).hexdigest()[:12]}")
        self._clear()
        if self._script.close_after and self._mails >= self._script.close_after:
            self._say("421 4.7.0 Enough for one connection")

    def _keep(self, address: str, data: bytes) -> None:
        found = _MESSAGE_ID.search(data)
        kept = {
            "address": address,
            "mail_from": self._sender or "",
            "message_id": found[1].decode("ascii", "replace") if found else "",
            "envid": self._envid,
            "sha256": sha256(data).hexdigest(),
        }
        self._keeper.keep(kept | ({"dropped": "yes"} if self._fate == "dropped" else {}))

    def _rset(self, line: str) -> None:
        self._clear()
        self._say("250 2.0.0 Ok")

    def _quit(self, line: str) -> None:
        self._say("221 2.0.0 Bye")
        self._flush()
        raise Gone

    def _clear(self) -> None:
        self._sender = self._recipient = None
        self._refused, self._fate = False, "ok"

    def _path(self, line: str) -> tuple[str, dict[str, str]] | None:
        """The address and the parameters; one that was not offered is refused as real servers do."""
        found = _PATH.fullmatch(line)
        if found is None:
            self._say("501 5.5.4 Syntax")
            return None
        parameters = {key: value for key, _, value in (word.partition("=") for word in found[2].split())}
        offered = {offer.split(" ")[0] for offer in self._script.offers}
        if unknown := {key for key in parameters if _NEEDS.get(key, "DSN") not in offered}:
            self._say(f"555 5.5.4 Not offered: {', '.join(unknown)}")
            return None
        if not found[1].isascii() and "SMTPUTF8" not in offered:
            self._say("553 5.6.7 ASCII only")
            return None
        return found[1], parameters

    # --- the line

    def _line(self) -> bytes:
        """The next line without its end; what was said goes out when there is none yet."""
        while b"\r\n" not in self._buffer:
            self._flush()
            data = self._socket.recv(1 << 16)
            if not data:
                raise Gone
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _say_at(self, stage: str, reply: str) -> None:
        """The usual reply, unless this connection has another one coming at this stage."""
        if "silent" in self._fault:
            self._wait_for_the_end()
        self._say(self._fault.pop(stage, reply))

    def _say(self, reply: str) -> None:
        self._out += reply.encode("utf-8", "surrogateescape") + b"\r\n"
        if self._script.one_by_one or self._drips:
            self._flush()
        if reply.startswith("421"):
            self._flush()
            raise Gone

    def _flush(self) -> None:
        out, self._out = self._out, b""
        if self._drips:
            for at in range(len(out)):
                self._socket.sendall(out[at : at + 1])
                time.sleep(DRIP)
        elif out:
            self._socket.sendall(out)

    def _complain(self, what: str) -> NoReturn:
        """The client broke the protocol: that is written down, for the test to find."""
        self._keeper.keep({"violation": what})
        raise Gone

    def _wait_for_the_end(self) -> NoReturn:
        self._flush()
        while self._socket.recv(1 << 16):
            pass
        raise Gone

    def _reset_connection(self) -> NoReturn:
        """As a server does that dies: what it has not read is answered with RST."""
        self._socket.close()
        raise Gone
