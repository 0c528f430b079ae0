"""Starts workers in a few milliseconds: one process loads the product, and each worker is forked from it.

A crash run needs two to five processes, and loading the product takes most of a second. Promises: a worker is a
process like any other (its own pid, session, environment and files; it ends as an interpreter ends); the server has
no threads and no database open, so a fork copies nothing but loaded code; nothing outlives the server, which ends
with whoever started it. A worker can be made to wait until a tracer has taken hold of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKER = "tests.crash.worker"
SERVERS = ("tests.standins.record_server", "tests.standins.sendgrid_server", "tests.standins.smtp_server")
READY = "ready\n"
PATIENCE = 60.0  # seconds that a word of the server may take
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
MAY_BE_TRACED = 0x59616D61, -1  # PR_SET_PTRACER, PR_SET_PTRACER_ANY


# --- whoever starts workers ------------------------------------------------------------------------------------


class ForkServer:
    """The server as a process of its own, for the length of a `with` block."""

    def __enter__(self) -> ForkServer:
        self._folder = tempfile.TemporaryDirectory(prefix="crash-")
        self._path = f"{self._folder.name}/socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forkserver", self._path],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == READY, "the fork server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()
        self._folder.cleanup()

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        program: str = WORKER,
        output: Path | None = None,
        held: bool = False,
    ) -> Process:
        """A worker that runs `digest ARGUMENTS`; what it prints goes to `log`, its results to `output` if given.

        `held`: it stops itself first, so that a tracer can take hold of it, and goes on with SIGCONT. Another
        `program` is a module whose `main` is called.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(self._path)
        request = {
            "program": program,
            "arguments": list(arguments),
            "environment": dict(environment),
            "log": str(log),
            "output": str(output or log),
            "held": held,
        }
        connection.sendall(f"{json.dumps(request)}\n".encode())
        process = Process(connection)
        process.hear(time.monotonic() + PATIENCE)
        return process

    @contextlib.contextmanager
    def serving(self, program: str, arguments: Sequence[str], folder: Path) -> Iterator[int]:
        """A server for the length of the block; gives the port, which it prints when it listens."""
        output = folder / "port"
        output.touch()
        process = self.start(arguments, os.environ, folder / "server", program=program, output=output)
        try:
            until = time.monotonic() + PATIENCE
            while not (said := output.read_text()).endswith("\n"):
                assert process.poll() is None, (folder / "server").read_text()
                assert time.monotonic() < until, f"{program} does not start"
                time.sleep(0.002)
            yield int(said)
        finally:
            process.end()


@dataclass
class Process:
    """A worker, seen from outside."""

    _connection: socket.socket
    pid: int = 0
    code: int | None = None  # as subprocess has it: negative when a signal ended it
    stops: int = 0  # times that it was stopped by a signal
    _heard: bytes = field(default=b"", repr=False)

    def hear(self, until: float) -> bool:
        """Takes one word about it; False when none comes until then."""
        while b"\n" not in self._heard:
            left = until - time.monotonic()
            if not select.select([self._connection], [], [], max(left, 0))[0]:
                return False
            more = self._connection.recv(4096)
            if not more:
                raise RuntimeError("the fork server has ended")
            self._heard += more
        word, _, self._heard = self._heard.partition(b"\n")
        what, _, value = word.decode().partition(" ")
        match what:
            case "pid":
                self.pid = int(value)
            case "stopped":
                self.stops += 1
            case "exit":
                self.code = int(value)
                self._connection.close()
        return True

    def poll(self) -> int | None:
        """Its exit code, None while it lives."""
        while self.code is None and self.hear(0.0):
            pass
        return self.code

    def wait(self, timeout: float) -> int:
        """Its exit code. Raises TimeoutError."""
        until = time.monotonic() + timeout
        while self.code is None:
            if not self.hear(until):
                raise TimeoutError(f"process {self.pid} goes on after {timeout:.0f} seconds")
        return self.code

    def wait_stopped(self, timeout: float, *, stops: int = 1) -> bool:
        """Whether it was stopped so many times; False when it ended before."""
        until = time.monotonic() + timeout
        while self.code is None and self.stops < stops:
            if not self.hear(until):
                raise TimeoutError(f"process {self.pid} was not stopped within {timeout:.0f} seconds")
        return self.code is None

    def signal(self, number: int) -> None:
        """Sends it a signal, unless it has ended."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self) -> None:
        """Kills what is left of it."""
        if self.poll() is None:
            self.signal(signal.SIGKILL)
            self.wait(PATIENCE)


# --- the server ------------------------------------------------------------------------------------------------

_libc = ctypes.CDLL(None)


def serve(path: str) -> dict[str, object]:
    """Forks a worker for each request. Returns only in a worker, with the request."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    sys.stdout.write(READY)
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            sys.exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _supervise(connection, os.getppid())
        connection.close()


def _supervise(connection: socket.socket, server: int) -> dict[str, object]:
    """A process between server and worker: it tells what becomes of the worker. Returns only in the worker."""
    die_with(server)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as reader:
        request: dict[str, object] = json.loads(reader.readline())
    supervisor = os.getpid()
    worker = os.fork()
    if worker == 0:
        connection.close()
        die_with(supervisor)
        _become(request)
        return request
    try:
        connection.sendall(b"pid %d\n" % worker)
        while os.WIFSTOPPED(status := os.waitpid(worker, os.WUNTRACED)[1]):
            connection.sendall(b"stopped\n")
        connection.sendall(b"exit %d\n" % os.waitstatus_to_exitcode(status))
    except OSError:  # whoever asked is gone, and the worker goes with this process
        pass
    os._exit(0)


def die_with(parent: int) -> None:
    """Asks the kernel to kill this process when its parent ends."""
    _libc.prctl(DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _become(request: Mapping[str, object]) -> None:
    """The worker's own session, files and environment."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output, log = (
        os.open(str(request[name]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for name in ("output", "log")
    )
    for source, target in ((nothing, 0), (output, 1), (log, 2)):
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    sys.argv = ["digest", *request["arguments"]]  # type: ignore[misc]
    if request["held"]:
        _libc.prctl(*MAY_BE_TRACED, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    importlib.import_module(WORKER).warm()
    for name in SERVERS:
        importlib.import_module(name)
    importlib.import_module(str(serve(sys.argv[1])["program"])).main()
