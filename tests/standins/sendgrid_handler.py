"""How the stand-in for SendGrid answers: one connection, request after request, each with its fate."""

from __future__ import annotations

import json
import select
import socket
import socketserver
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import parse_headers, responses
from typing import TYPE_CHECKING, Any

from tests.standins.sendgrid_rules import LARGEST, faults
from tests.standins.sendgrid_shapes import Fault

if TYPE_CHECKING:
    from tests.standins.sendgrid_server import Server

MAIL_SEND, MAIL_BATCH = "/v3/mail/send", "/v3/mail/batch"
HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html"

UNAUTHORIZED = "The provided authorization grant is invalid, expired, or revoked"
UNVERIFIED = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. "
    "Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity "
    "requirements"
)
SAID = {  # fates that are a refusal, or a breakdown: status, message
    "401": (401, UNAUTHORIZED),
    "401 credits": (401, "Maximum credits exceeded"),
    "402": (402, "payment required"),
    "403": (403, "access forbidden"),
    "413": (413, "The JSON payload you have sent to us is too large"),
    "429": (429, "too many requests"),
    "500": (500, "Internal Server Error"),
}


@dataclass(frozen=True)
class Reply:
    """What is answered, when it is."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def data(self) -> bytes:
        """As it goes over the wire."""
        lines = [f"HTTP/1.1 {self.status} {responses[self.status]}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    number: int
    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Ruling:
    """What the request comes to: `fate` says in which manner the reply is given."""

    reply: Reply
    fate: str = "ok"
    size: int = 0  # personalizations


def errors(status: int, *found: Fault, **headers: str) -> Reply:
    """A refusal in the service's form; `help` is sometimes null."""
    members = [{"message": message, "field": where, "help": HELP if where else None} for message, where in found]
    return Reply(status, json.dumps({"errors": members}).encode(), {"Content-Type": "application/json", **headers})


def html(status: int) -> Reply:
    """What a proxy in between says."""
    page = f"<html>\r\n<head><title>{status} {responses[status]}</title></head>\r\n<body></body>\r\n</html>\r\n"
    return Reply(status, page.encode(), {"Content-Type": "text/html", "Server": "nginx"})


class Handler(socketserver.StreamRequestHandler):
    """Answers until the client ends the connection, or a fate does."""

    server: Server
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Encrypts first, when the server has a certificate."""
        if self.server.context is not None:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()
        self._number = self.server.next("connection")

    def handle(self) -> None:
        while self._one():
            pass

    def _one(self) -> bool:
        """One request; whether the connection goes on."""
        line = self.rfile.readline(65_537).decode("latin-1").split()
        if len(line) != 3:
            return False
        headers, number = parse_headers(self.rfile), self.server.next("request")
        length = int(headers.get("Content-Length", 0))
        if self.server.script.by_number(number) == "stall":
            self._until_gone()
            return False
        if length >= LARGEST:
            self.wfile.write(errors(413, (SAID["413"][1], None), Connection="close").data())
            self._drain()
            return False
        asked = Asked(number, line[0], line[1], headers, self.rfile.read(length))
        if len(asked.body) < length:
            return False
        ruling = self._rule(asked)
        seen = {"method": asked.method, "path": asked.path, "fate": ruling.fate, "status": ruling.reply.status}
        self.server.see(n=number, connection=self._number, **seen, size=ruling.size)
        return self._give(ruling)

    # --- deciding

    def _rule(self, asked: Asked) -> Ruling:
        if (refused := self._refusal(asked)) is not None:
            return Ruling(refused)
        if asked.path == MAIL_BATCH:
            name = f"batch{asked.number}"
            self.server.batches.add(name)
            return Ruling(Reply(201, json.dumps({"batch_id": name}).encode()))
        try:
            request = json.loads(asked.body, parse_constant=_no_constant)
        except ValueError:
            return Ruling(errors(400, ("Bad Request", None)))
        people = _people(request)
        fate, place = self.server.script.of(asked.number, [_address(person) for person in people])
        if (refused := self._by_fate(fate, place, request)) is not None:
            return Ruling(refused, fate, len(people))
        found = faults(request, now=time.time(), batches=self.server.batches)
        if found:
            return Ruling(errors(400, *found), fate, len(people))
        if not self.server.script.verified(request["from"]["email"]):
            return Ruling(errors(403, (UNVERIFIED, "from")), fate, len(people))
        if request.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            return Ruling(Reply(200), fate, len(people))
        return Ruling(self._accepted(request, fate), fate, len(people))

    def _refusal(self, asked: Asked) -> Reply | None:
        """What is refused before the body is looked at."""
        if asked.path not in (MAIL_SEND, MAIL_BATCH):
            return errors(404, ("not found", None))
        if asked.method != "POST":
            return errors(405, ("method not allowed", None))
        kind, _, key = asked.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not key.startswith("SG.") or key in self.server.script.revoked:
            return errors(401, (UNAUTHORIZED, None))
        if key in self.server.script.powerless:
            return errors(403, ("access forbidden", None))
        if asked.headers.get_content_type() != "application/json":
            return errors(415, ("Content-Type should be application/json.", None))
        if "Accept" not in asked.headers:
            return errors(406, ("The Accept header is missing.", None))
        return None

    def _by_fate(self, fate: str, place: int, request: object) -> Reply | None:
        """The refusal or breakdown that the fate is."""
        kept = fate.endswith(" kept")
        word = fate.removesuffix(" kept")
        if kept:
            self.server.accept(request)  # type: ignore[arg-type]
        if word == "429":
            reset = str(int(time.time()) + self.server.script.reset_in)
            limits = {"X-RateLimit-Limit": "500", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
            return errors(429, (SAID["429"][1], None), **limits)
        if word == "302":
            return Reply(302, b"", {"Location": "/elsewhere"})
        if word in SAID:
            return errors(SAID[word][0], (SAID[word][1], "from" if word == "403" else None))
        if word == "503":
            return Reply(503)
        if word in ("502", "504"):
            return html(int(word))
        return errors(400, _fault(word, place)) if word.startswith("400") else None

    def _accepted(self, request: Mapping[str, Any], fate: str) -> Reply:
        if fate in ("cut", "half", "garbage"):
            return Reply(202)
        named = {"X-Message-Id": self.server.accept(request), "Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT")}
        if fate == "no-id":
            named.pop("X-Message-Id")
        if fate == "spent":
            reset = str(int(time.time()) + self.server.script.reset_in)
            named |= {"X-RateLimit-Limit": "500", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
        return Reply(202, b"{}        " if fate == "short" else b"", named)

    # --- giving

    def _give(self, ruling: Ruling) -> bool:
        data = ruling.reply.data()
        match ruling.fate if ruling.reply.status == 202 or ruling.fate == "400 cut" else "ok":
            case "reset":
                self._reset()
            case "timeout":
                self._until_gone()
            case "drip":
                self._drip(data)
                return True
            case "cut":
                pass
            case "garbage" | "garbled":
                self.wfile.write(b"\x16\x03 what is this?\r\n\r\n")
            case "bye":
                self.connection.send(data, socket.MSG_MORE)  # so that the end comes in the same packet
                self.connection.shutdown(socket.SHUT_WR)
            case "half":
                self.wfile.write(data[:12])
            case "short":
                self.wfile.write(data[:-5])
            case "400 cut":
                self.wfile.write(data[: -len(ruling.reply.body) + 20])
            case _:
                self.wfile.write(data)
                return True
        return False

    def _reset(self) -> None:
        """Ends the connection so that the client gets an error and not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()

    def _drip(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            time.sleep(self.server.script.drip_ms / 1000)

    def _until_gone(self) -> None:
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP)
        poll.poll()

    def _drain(self) -> None:
        """Reads on, so that the answer is not lost with the connection (RFC 9112 s.9.6)."""
        self.connection.shutdown(socket.SHUT_WR)
        while self.rfile.read1(65_536):
            pass


def _fault(word: str, place: int) -> Fault:
    path = f"personalizations.{place}"
    duplicate = (
        "Each email address in the personalization block should be unique between to, cc, and bcc. We found the first "
        f"duplicate instance of [a@example.org] in the {path}.to field."
    )
    return {
        "400 to": (
            "The to array is required for all personalization objects, and must have at least one email object with a "
            "valid email address.",
            f"{path}.to",
        ),
        "400 headers": ("A header's value must not contain control characters.", f"{path}.headers.List-Unsubscribe"),
        "400 unnamed": (duplicate, None),
        "400 from": ("Does not contain a valid address.", "from.email"),
        "400 cut": ("Does not contain a valid address.", "from.email"),
    }[word]


def _people(request: object) -> list[Any]:
    people = request.get("personalizations") if isinstance(request, dict) else None
    return people if isinstance(people, list) else []


def _address(person: object) -> str:
    try:
        return str(person["to"][0]["email"])  # type: ignore[index]
    except (TypeError, KeyError, IndexError):
        return ""


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
