"""Foreign bytes are read apart: in a process of its own, with limits, whose death harms nobody.

Promises: the process may use so much memory and processor time and no more, writes into no file, and is told no
setting of ours; what it answers is bounded. Whatever ends it early is no answer. Refuses: to believe what it says:
whoever asked looks at the answer as at any foreign bytes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, cast

TOLD = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")  # of the environment: it may hold passwords
PARTING = 10.0  # seconds that a process has to end after its last word


@dataclass(frozen=True)
class Limits:
    """The most that one reading may cost."""

    seconds: int = 10  # of processor time
    memory: int = 1_000_000_000  # bytes of addresses
    answer: int = 20_000_000  # bytes; of one line, where lines are asked for


MODEST = Limits()


def ask(module: str, *arguments: str, data: bytes, limits: Limits = MODEST) -> bytes | None:
    """What `python -m module` writes when it is given `data`; None when it breaks, or takes too much of anything."""
    with _started(module, arguments, stdin=subprocess.PIPE) as (process, output):
        late = threading.Timer(3 * limits.seconds, process.kill)  # it may sleep instead of working
        late.start()
        sent = threading.Thread(target=_send, args=(process.stdin, data), daemon=True)
        sent.start()
        try:
            answer = output.read(limits.answer + 1)
            return answer if len(answer) <= limits.answer and _ended_well(process) else None
        finally:
            late.cancel()


def lines(module: str, *arguments: str, limits: Limits = MODEST) -> Iterator[bytes]:
    """The lines that `python -m module` writes, as it writes them. Raises EOFError when it broke before its end."""
    with _started(module, arguments, stdin=subprocess.DEVNULL) as (process, output):
        while line := output.readline(limits.answer):
            if not line.endswith(b"\n"):
                raise EOFError(module)
            yield line
        if not _ended_well(process):
            raise EOFError(module)


def confine(limits: Limits = MODEST) -> None:
    """Puts this process behind the limits: the first thing that a module does when it runs apart."""
    for what, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


@contextmanager
def _started(
    module: str, arguments: tuple[str, ...], *, stdin: int
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    told = {name: os.environ[name] for name in TOLD if name in os.environ}
    command = [sys.executable, "-P", "-m", module, *arguments]
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=told)
    try:
        with cast("IO[bytes]", process.stdout) as output:
            yield process, output
    finally:
        process.kill()
        process.wait()


def _ended_well(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(PARTING) == 0
    except subprocess.TimeoutExpired:
        return False


def _send(stdin: IO[bytes] | None, data: bytes) -> None:
    if stdin is not None:
        with suppress(OSError), stdin:  # it may have gone already
            stdin.write(data)
