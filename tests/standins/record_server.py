"""A process of its own that keeps what a transport hands over, as a mail server would, and outlives the sender.

Takes lines "uid subscriber sha256" on a loopback socket, appends each to a file, syncs it, and only then answers
"kept", after a random wait. So the file is the truth about who got a mail, whatever became of the sender. Prints its
port; with --until-stdin-ends it ends together with the process that started it.

    python -m tests.standins.record_server FILE [--wait 0-50] [--seed N] [--until-stdin-ends]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(rb"[0-9A-Za-z]+ \d+ [0-9a-f]{64}\n")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kept:
    """One mail as the server kept it."""

    uid: str
    subscriber_id: int
    sha256: str


def read(file: Path) -> list[Kept]:
    """What the server has kept so far, in the order of arrival."""
    lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    return [Kept(uid, int(subscriber), digest) for uid, subscriber, digest in map(str.split, lines)]


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection; concurrent syncs share the disk's work."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, file: Path, wait: tuple[float, float], seed: int) -> None:
        self.fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._wait, self._random = wait, random.Random(seed)
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    def pause(self) -> None:
        with self._lock:
            seconds = self._random.uniform(*self._wait) / 1000
        time.sleep(seconds)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is the very thing this server is for: only other errors are shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Handler(socketserver.StreamRequestHandler):
    """A half line, from a client that died, is not kept."""

    server: Server

    def handle(self) -> None:
        for line in self.rfile:
            if not LINE.fullmatch(line):
                return
            os.write(self.server.fd, line)
            os.fsync(self.server.fd)
            self.server.pause()
            self.wfile.write(b"kept\n")


@contextlib.contextmanager
def running(file: Path, *, wait: str = "0-5", seed: int = 0) -> Iterator[int]:
    """A server as a process of its own for the length of the block; gives its port."""
    command = [sys.executable, "-m", "tests.standins.record_server", str(file)]
    command += ["--wait", wait, "--seed", str(seed), "--until-stdin-ends"]
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
    parser = argparse.ArgumentParser(description="Keeps what is handed over, then answers.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--wait", default="0-50", help="milliseconds before the answer, from-to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until-stdin-ends", action="store_true")
    options = parser.parse_args()
    low, _, high = options.wait.partition("-")
    with Server(options.file, (float(low), float(high)), options.seed) as server:
        if options.until_stdin_ends:
            threading.Thread(target=stop_with_stdin, args=(server,), daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
