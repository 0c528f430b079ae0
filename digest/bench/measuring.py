"""How a benchmark is timed and told: CPU of this process, its peak of memory, the ledger's share, lines for people.

Promises: `cpu_us` is user and system time of all threads of one process, its children not counted; memory is the
highest that this process ever had, whatever its parent had before. Refuses nothing.
"""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from sqlalchemy import Connection

from digest.db import Database
from digest.delivery.message import Recipient
from digest.editions import Edition
from digest.keys import Keyring
from subscribers.audience import Audience


@dataclass(frozen=True)
class Measured:
    """One measurement: `rate` a second of wall time, `cpu_us` per piece of work, `peak_mb` of the whole process."""

    n: int
    wall_s: float
    rate: float
    cpu_us: float
    peak_mb: float
    parts: Mapping[str, float | str] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)


class Figures(TypedDict):
    """What every measurement has; see `Measured`."""

    n: int
    wall_s: float
    rate: float
    cpu_us: float
    peak_mb: float


@dataclass
class Timer:
    """Seconds of wall time and of CPU."""

    wall: float = 0.0
    cpu: float = 0.0

    def of(self, n: int) -> Figures:
        """The figures of `n` pieces of work; memory is as it is now."""
        return {
            "n": n,
            "wall_s": round(self.wall, 3),
            "rate": round(n / max(self.wall, 1e-9), 1),
            "cpu_us": each(self.cpu, n),
            "peak_mb": peak_mb(),
        }


@contextmanager
def timed(timer: Timer | None = None) -> Iterator[Timer]:
    """What the block takes, in all threads of this process; added to `timer` when one is given."""
    timer = timer or Timer()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield timer
    finally:
        timer.wall += time.perf_counter() - wall
        timer.cpu += time.process_time() - cpu


@contextmanager
def _in_thread(timer: Timer) -> Iterator[None]:
    """What the block takes in its own thread: others go on beside it."""
    wall, cpu = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        timer.wall += time.perf_counter() - wall
        timer.cpu += time.thread_time() - cpu


def each(seconds: float, n: int) -> float:
    """Microseconds for each of `n`."""
    return round(seconds / max(n, 1) * 1e6, 2)


def peak_mb() -> float:
    """The most memory that this process had so far, in MB of 1024 * 1024 bytes.

    Linux says it for the program that runs now; what `getrusage` says there may be the parent's, from before exec.
    """
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        if found:
            return round(int(found[1]) / 1024, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


class Watched(Database):
    """A database that knows what its write transactions took: the ledger's share of sending."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.ledger = Timer()
        self.commits = 0

    @contextmanager
    def transaction(self, *, bulk: bool = False) -> Iterator[Connection]:
        """As any other, and timed with its commit and its wait for a turn."""
        self.commits += 1
        with _in_thread(self.ledger), super().transaction(bulk=bulk) as conn:
            yield conn


class WatchedPeople(Audience):
    """An address book that knows what its answers took, links included."""

    def __init__(self, keyring: Keyring, site_url: str) -> None:
        super().__init__(keyring, site_url)
        self.answers = Timer()

    def resolve(self, conn: Connection, edition: Edition, ids: Sequence[int]) -> Mapping[int, Recipient | str]:
        """As the audience does."""
        with _in_thread(self.answers):
            return super().resolve(conn, edition, ids)


def lines(measured: Measured, what: str) -> Iterator[str]:
    """The measurement, for people; `what` names the pieces of work."""
    yield f"{measured.n} {what}: {measured.wall_s} s in all, {measured.rate} a second"
    yield f"  CPU {measured.cpu_us} us each, peak {measured.peak_mb} MB"
    for name, value in measured.parts.items():
        yield f"  {name.replace('_', ' ')}: {value}"
    for name, peer in measured.beside.items():
        times = peer["cpu_us"] / max(measured.cpu_us, 1e-9)
        yield f"  beside, {name}: {peer['cpu_us']} us CPU each ({times:.1f} times ours), {peer['rate']} a second"
