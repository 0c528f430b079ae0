"""Starts the far end of a benchmark, in processes of its own on loopback, and counts what came there.

Promises: `sink.c` compiled where a C compiler is (it takes the least CPU from what is measured), else `sink.py` in
several processes; `how` says which. Both are gone when the block ends. Refuses: to guess a count, when one process of
the far end has ended.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from digest.bench import processes
from digest.bench.processes import Part

SOURCE = Path(__file__).with_name("sink.c")
AWAKE_US = 1_000  # how long the one in C stays awake after anything came, where it has a core of its own


@dataclass(frozen=True)
class Counts:
    """What came so far; `faults` is what no client should do. A mail of a provider's request counts as a message."""

    messages: int
    bytes: int
    connections: int
    requests: int
    faults: int

    def since(self, before: Counts) -> Counts:
        """What came after `before`."""
        return Counts(*(now - then for now, then in zip(vars(self).values(), vars(before).values(), strict=True)))


@dataclass(frozen=True)
class Sink:
    """A far end that is up: its port on 127.0.0.1, and what it is made of."""

    port: int
    how: str
    _parts: Sequence[Part]

    def counts(self) -> Counts:
        """The sum over its processes. Raises Refused when one has ended."""
        found: Counter[str] = Counter()
        for part in self._parts:
            found.update(part.ask())
        return Counts(**{name: found[name] for name in Counts.__dataclass_fields__})


@contextmanager
def started(kind: str, folder: Path, *, compiled: bool = True) -> Iterator[Sink]:
    """A far end of this kind ("smtp" or "http"); `compiled` allows C, built in `folder`."""
    program = _compile(folder) if compiled else None
    spare = (os.cpu_count() or 1) - 1
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        listening.setblocking(False)
        descriptor = listening.fileno()
        words = [kind, str(descriptor)]
        if program:
            size, command = 1, [str(program), *words, str(AWAKE_US if spare else 0)]
        else:
            size, command = min(4, max(2, spare)), processes.module("sink", *words)
        parts = [stack.enter_context(processes.running(command, keep=[descriptor])) for _ in range(size)]
        for part in parts:
            part.ask()  # it is up
        how = "C, one process" if program else f"Python, {size} processes"
        yield Sink(listening.getsockname()[1], how, parts)


def _compile(folder: Path) -> Path | None:
    """The program, or None where it cannot be built: there is no compiler, or no epoll."""
    compiler = shutil.which("cc")
    program = folder / "sink"
    if compiler is None:
        return None
    built = subprocess.run([compiler, "-O2", "-o", program, SOURCE], capture_output=True, check=False)
    return program if built.returncode == 0 else None
