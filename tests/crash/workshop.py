"""Performs crash runs, one after the other or several processes at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import shutil
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from digest.tables import State
from tests.crash import strace
from tests.crash.cells import Case
from tests.crash.forkserver import ForkServer, die_with
from tests.crash.ground import Ground
from tests.crash.invariants import Evidence, violations
from tests.crash.runs import Missed, Run
from tests.crash.unsubscribing import Unsubscribing
from tests.standins import postgres

TRIES = 3  # until a strike hits
SWEPT_READERS = 30


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    case: Case
    line: str
    faults: tuple[str, ...] = ()
    kills: int = 0
    missed: bool = False  # no strike hit


class Workshop:
    """All that one process needs for one run after the other."""

    def __init__(self, folder: Path, forks: ForkServer, server: postgres.Server | None = None) -> None:
        """Without `server`, a PostgreSQL server is started when one is needed."""
        self.forks = forks
        self._folder, self._server = folder, server
        self._stack = contextlib.ExitStack()
        self._grounds: dict[str, Ground] = {}

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def perform(self, case: Case) -> Outcome:
        """One run; what it raises is a fault of the run."""
        tries = 1 if is_swept(case) else TRIES
        try:
            for n in range(1, tries + 1):
                with contextlib.suppress(Missed):
                    found = self._run(case)
                    kills = sum(one.action == "kill" for one in found.ended)
                    return Outcome(case, line(found, n), tuple(violations(found)), kills)
        except Exception:
            return Outcome(case, "", (traceback.format_exc(limit=-6),))
        fault = () if is_swept(case) else (f"no strike hit in {tries} tries",)
        return Outcome(case, "ended unhurt", fault, missed=True)

    def _run(self, case: Case) -> Evidence:
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._folder))
        kind = Unsubscribing if case.point == "k12" else Run
        try:
            return kind(case, self.ground(case), self.forks, folder).go()
        finally:
            shutil.rmtree(folder)

    def ground(self, case: Case) -> Ground:
        """What the run begins with; a sweep has few readers, and builds the feeds on the way."""
        key = f"{case.database}-swept" if is_swept(case) else case.database
        if key not in self._grounds:
            folder = self._folder / f"ground-{key}"
            folder.mkdir()
            server = self._postgres() if case.database == "postgres" else None
            ground = Ground(folder, self.forks, server)
            if is_swept(case):
                ground = Ground(folder, self.forks, server, readers=SWEPT_READERS, feeds=False)
            self._grounds[key] = self._stack.enter_context(ground)
        return self._grounds[key]

    def _postgres(self) -> postgres.Server:
        if self._server is None:
            self._server = postgres.start()
            self._stack.callback(self._server.stop)
        return self._server


def is_swept(case: Case) -> bool:
    """Whether the run is one of a sweep: struck at a system call."""
    return case.point in strace.CALLS


def line(found: Evidence, tries: int) -> str:
    """What a run came to, in a line."""
    unsure = {f"reader{reader}@example.org" for reader, (_, state) in found.end.rows.items() if state is State.UNSURE}
    struck = " ".join(f"{one.action} with {one.left.trying} under way" for one in found.ended)
    arrived = len(unsure & set(found.copies))
    again = f"; hit at try {tries}" if tries > 1 else ""
    copies = sum(map(len, found.copies.values()))
    return f"{struck}; {copies} copies, {len(unsure)} unsure, {arrived} of them arrived{again}"


# --- in several processes at once ------------------------------------------------------------------------------


def outcomes(cases: Sequence[Case], jobs: int) -> Iterator[Outcome]:
    """Performs the runs, so many at once."""
    todo: multiprocessing.Queue[Case | None] = multiprocessing.Queue()
    done: multiprocessing.Queue[Outcome] = multiprocessing.Queue()
    for each in (*cases, *(None for _ in range(jobs))):
        todo.put(each)
    with tempfile.TemporaryDirectory(prefix="crash-", dir=fast_folder()) as folder:
        workers = [multiprocessing.Process(target=_work, args=(folder, todo, done)) for _ in range(jobs)]
        for worker in workers:
            worker.start()
        for _ in cases:
            yield _next(done, workers)
        for worker in workers:
            worker.join()


def _next(done: multiprocessing.Queue[Outcome], workers: Sequence[multiprocessing.Process]) -> Outcome:
    while True:
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=1)
        if not any(worker.is_alive() for worker in workers):
            raise RuntimeError("the processes that perform the runs have ended")


def _work(folder: str, todo: multiprocessing.Queue[Case | None], done: multiprocessing.Queue[Outcome]) -> None:
    die_with(os.getppid())
    own = Path(tempfile.mkdtemp(prefix="job-", dir=folder))
    with ForkServer() as forks, Workshop(own, forks) as workshop:
        while case := todo.get():
            done.put(workshop.perform(case))


def fast_folder() -> str | None:
    """Kills of processes lose nothing that was written, so a file system in memory serves as well as a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30 else None
