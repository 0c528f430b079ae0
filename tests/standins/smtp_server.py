"""A hostile mail server, a process of its own: it keeps what it accepts before it says so, and fails by script.

Every accepted mail is one JSON line (address, mail_from, message_id, envid, sha256 of the mail as it was joined, and
dropped when it is told to have been thrown away), appended and synced before the 250. So the file is the truth about
who got what. A client that breaks the protocol leaves a line with its violation. Prints its port; with
--until-stdin-ends it ends together with the process that started it.

    python -m tests.standins.smtp_server FILE [--script JSON] [--log FILE] [--until-stdin-ends]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.standins.smtp_script import Script
from tests.standins.smtp_session import Keeper, Session

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kept:
    """One mail as the server kept it."""

    address: str
    mail_from: str
    message_id: str
    envid: str
    sha256: str
    dropped: str = ""


def read(file: Path) -> list[Kept]:
    """What the server has kept so far, in the order of arrival. AssertionError when a client broke the protocol."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = [json.loads(line) for line in lines]
    violations = [line["violation"] for line in found if "violation" in line]
    assert not violations, violations
    return [Kept(**line) for line in found]


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection; concurrent syncs share the disk's work."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, file: Path, script: Script, log: Path | None) -> None:
        self._fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if log else None
        self.script = script
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._connected = self._open = 0
        self.keeper = Keeper(self._keep, self._attempt, script)
        super().__init__(("127.0.0.1", 0), Handler)

    def admit(self) -> str:
        """The fault of the connection that came just now; each has a line in the log, the moment it came."""
        with self._lock:
            number, self._connected, self._open = self._connected, self._connected + 1, self._open + 1
            full = self.script.limit and self._open > self.script.limit
        if self._log is not None:
            os.write(self._log, f"{time.monotonic():.4f}\n".encode())
        return "greeting:421 4.7.0 Too many connections" if full else self.script.fault(number)

    def leave(self) -> None:
        with self._lock:
            self._open -= 1

    def _keep(self, kept: dict[str, str]) -> None:
        os.write(self._fd, json.dumps(kept).encode() + b"\n")
        os.fsync(self._fd)

    def _attempt(self, address: str) -> int:
        with self._lock:
            self._attempts[address] += 1
            return self._attempts[address] - 1


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: Server

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fault = self.server.admit()
        try:
            Session(self.request, self.server.keeper, fault).run()
        finally:
            self.server.leave()


@contextlib.contextmanager
def running(file: Path, script: Script | None = None, *, log: Path | None = None) -> Iterator[int]:
    """A server as a process of its own for the length of the block; gives its port."""
    command = [sys.executable, "-m", "tests.standins.smtp_server", str(file), "--until-stdin-ends"]
    command += ["--script", (script or Script()).json(), *(["--log", str(log)] if log else [])]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def stop_with_stdin(server: Server) -> None:
    sys.stdin.read()
    server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description="A mail server that fails by script.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--script", default="{}", help="JSON; see tests/standins/smtp_script.py")
    parser.add_argument("--log", type=Path, help="where the moment of each connection is written")
    parser.add_argument("--until-stdin-ends", action="store_true")
    options = parser.parse_args()
    with Server(options.file, Script.read(options.script), options.log) as server:
        if options.until_stdin_ends:
            threading.Thread(target=stop_with_stdin, args=(server,), daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
