"""A stand-in for SendGrid's Web API v3, mail/send, as a process of its own: strict as the service, and as forgetful.

What it accepts it appends to a file, one line a reader, and syncs before the 202: so the file is the truth about who
got a mail. It is not idempotent: the same body twice is two mails. It validates as the service does (see
`sendgrid_rules`), reports all faults in one 400 and accepts nothing in part; it drops mail to suppressed addresses
silently, merges headers and custom arguments, and substitutes literally. What fails, `sendgrid_script` says. Each
request leaves a line in FILE.requests. Keys are never written anywhere. `send_at` is checked and not waited for.

    python -m tests.standins.sendgrid_server FILE [--script FILE] [--certificate PEM] [--refuse] [--until-stdin-ends]

Prints its port. With --refuse it refuses connections until a line comes on its standard input.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from tests.standins import sendgrid_script
from tests.standins.sendgrid_handler import Handler
from tests.standins.sendgrid_rules import merged
from tests.standins.sendgrid_script import Script

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kept:
    """One accepted mail; `dropped` says why the service throws it away, when it does."""

    address: str
    did: str
    message_id: str
    subject: str
    sha256: str  # of the HTML and the text, as the reader sees them
    dropped: str
    request: str  # X-Message-Id
    headers: Mapping[str, str]
    visible: Sequence[str]  # whose addresses the reader sees: to and cc
    args: Mapping[str, Any]  # custom arguments
    tracking: Mapping[str, Any]


def read(file: Path) -> list[Kept]:
    """What was accepted so far, in the order of arrival."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [Kept(**json.loads(line)) for line in lines]


def requests(file: Path) -> list[dict[str, Any]]:
    """The requests so far: n, connection, method, path, fate, status, size (personalizations)."""
    path = file.with_name(f"{file.name}.requests")
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def as_read(request: Mapping[str, Any], person: Mapping[str, Any]) -> tuple[str, str]:
    """Subject, and the SHA-256 of HTML and text, of one reader's mail."""
    parts = {part["type"]: part["value"] for part in request.get("content", ())}
    texts = [
        person.get("subject") or request.get("subject", ""),
        parts.get("text/html", ""),
        parts.get("text/plain", ""),
    ]
    for marker, value in person.get("substitutions", {}).items():
        texts = [text.replace(marker, value) for text in texts]
    return texts[0], sha256((texts[1] + texts[2]).encode("utf-8", "surrogatepass")).hexdigest()


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection; the file is shared."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, file: Path, script: Script, certificate: Path | None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._record = os.open(file, flags, 0o600)
        self._seen = os.open(file.with_name(f"{file.name}.requests"), flags, 0o600)
        self.script = script
        self.batches: set[str] = set()
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self._lock = threading.Lock()
        self._numbers = {"request": -1, "connection": -1}
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server_bind()

    def next(self, what: str) -> int:
        """The next number, from 0."""
        with self._lock:
            self._numbers[what] += 1
            return self._numbers[what]

    def accept(self, request: Mapping[str, Any]) -> str:
        """Keeps the mails of a request for good; returns its id."""
        name = secrets.token_urlsafe(16)
        lines = [self._line(name, request, person) for person in request["personalizations"]]
        os.write(self._record, b"".join(lines))
        os.fsync(self._record)
        return name

    def see(self, **what: object) -> None:
        """Notes a request."""
        os.write(self._seen, json.dumps(what).encode("ascii") + b"\n")

    def _line(self, name: str, request: Mapping[str, Any], person: Mapping[str, Any]) -> bytes:
        subject, digest = as_read(request, person)
        headers = merged(request, person, "headers")
        kept = {
            "address": person["to"][0]["email"],
            "did": str(merged(request, person, "custom_args").get("did", "")),
            "message_id": headers.get("Message-ID", ""),
            "subject": subject,
            "sha256": digest,
            "dropped": self.script.suppressed.get(person["to"][0]["email"].lower(), ""),
            "request": name,
            "headers": headers,
            "visible": [one["email"] for kind in ("to", "cc") for one in person.get(kind, ())],
            "args": merged(request, person, "custom_args"),
            "tracking": request.get("tracking_settings", {}),
        }
        return json.dumps(kept).encode("ascii") + b"\n"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is expected: only other errors are shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    port: int
    process: subprocess.Popen[str]
    tls: bool

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Ends the refusing."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("listen\n")
        self.process.stdin.flush()
        self.process.stdout.readline()


@contextlib.contextmanager
def running(
    file: Path,
    script: Mapping[str, Any] | None = None,
    *,
    certificate: Path | None = None,
    refuse: bool = False,
) -> Iterator[Running]:
    """A server as a process of its own for the length of the block."""
    command = [sys.executable, "-m", "tests.standins.sendgrid_server", str(file), "--until-stdin-ends"]
    if script is not None:
        path = file.with_name(f"{file.name}.script")
        path.write_text(json.dumps(script), encoding="utf-8")
        command += ["--script", str(path)]
    command += ["--certificate", str(certificate)] if certificate else []
    command += ["--refuse"] if refuse else []
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Running(int(process.stdout.readline()), process, certificate is not None)
        finally:
            process.terminate()


def stop_with_stdin(server: Server) -> None:
    sys.stdin.read()
    server.shutdown()


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Takes mail as SendGrid does, and keeps a record of it.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--certificate", type=Path, help="a PEM file with certificate and key")
    parser.add_argument("--refuse", action="store_true")
    parser.add_argument("--until-stdin-ends", action="store_true")
    options = parser.parse_args(arguments)
    with Server(options.file, sendgrid_script.read(options.script), options.certificate) as server:
        port = cast("tuple[str, int]", server.server_address)[1]
        if options.refuse:
            say(port)
            sys.stdin.readline()
        server.server_activate()
        say(port)
        if options.until_stdin_ends:
            threading.Thread(target=stop_with_stdin, args=(server,), daemon=True).start()
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
