"""One run of the crash matrix: a home of its own, processes that are struck, one that is not, and the evidence.

Promises: a run in which a strike did not hit what it was aimed at is no run (`Missed`). In half of the runs a witness
looks at the rows all the time; in the others nobody has the database open when a process dies, so that the next one
must mend what it finds.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digest import keys
from subscribers import journal, suppression
from tests.crash import cells, strace
from tests.crash.cells import Case
from tests.crash.forkserver import ForkServer, Process
from tests.crash.ground import Ground, Start, names
from tests.crash.invariants import POLITE, Ended, Evidence
from tests.crash.plans import ANY, CALL, CHECKPOINT, TAPPED, is_traced, stage, strikes
from tests.crash.points import ACTIONS, STRUCK, VARIABLE, Strike
from tests.crash.receivers import WINDOW, Receiving
from tests.crash.tap import Tap
from tests.crash.witness import Snapshot, Watch, Witness, look_aside
from tests.crash.world import World

PATIENCE = 60.0  # seconds that one process may take
LEASE = 0.6  # seconds of a lease that is to run out
BETWEEN = 0.01  # seconds between two looks at what strace has written
FULL = 0.8  # seconds that a disk stays full
PAGES = 8  # after which SQLite empties its log, for k11; 1,000 otherwise
STAFF = "staff@example.org"


class Missed(Exception):
    """A process ended without having been struck."""


@dataclass
class Run:
    """One run under way."""

    case: Case
    ground: Ground
    forks: ForkServer
    folder: Path
    ended: list[Ended] = field(default_factory=list)
    woken: tuple[Snapshot, Snapshot] | None = None
    opted_out: set[str] = field(default_factory=set)
    never_planned: set[str] = field(default_factory=set)
    _world: World = field(init=False)
    _receiving: Receiving = field(init=False)
    _start: Start = field(init=False)
    _process: Process | None = None
    _struck_at: float = 0.0

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def go(self) -> Evidence:
        """The whole run."""
        watched = self.case.dice.random() < 0.5 and self.case.point not in strace.CALLS
        self._start = self.ground.start(stage(self.case), self.case.receiver)
        with (
            self._start.template.copy(self.folder / "home") as self._world,
            self.case.receiver.running(self.folder, self.forks) as self._receiving,
        ):
            with contextlib.ExitStack() as stack:
                witness = stack.enter_context(contextlib.closing(Witness(self._world.url))) if watched else None
                watch = stack.enter_context(Watch(witness)) if witness else None
                self.crash()
                resumed = self.finish()
            return self._evidence(watch.faults if watch else [], resumed)

    def crash(self) -> None:
        """Everything that goes wrong in this run."""
        for strike in strikes(self.case):
            try:
                self.hurt(strike)
            except Missed:
                if strike.place != ANY or not self.ended:  # of several at any moment, the last may come too late
                    raise
        if self.case.action in strace.ERRORS:
            self._resume()

    # --- processes

    def environment(self, port: int | None, **more: str) -> dict[str, str]:
        settings = self.case.receiver.settings(port or 0, self._world.home)
        if self.case.action == "stop":
            more["CRASH_LEASE"] = str(LEASE)
        if self._start.moment:
            more["CRASH_MOMENT"] = self._start.moment
        plan = {"CRASH_STEP": str(cells.STEP), "CRASH_WINDOW": str(WINDOW)}
        return self._world.process_environment(**settings, **plan, **more)

    def arguments(self) -> list[str]:
        return ["run", "--until-idle", *(("--at", self._start.moment) if self._start.moment else ())]

    def hurt(self, strike: Strike) -> None:
        """One process, struck."""
        struck = self.folder / "struck"
        struck.unlink(missing_ok=True)
        self._struck_at = 0.0
        with self._on_the_way(strike) as (port, more):
            started = threading.Event()
            process = self._process = self.forks.start(
                self.arguments(), self.environment(port, **more), self.log, held=is_traced(strike)
            )
            started.set()
            try:
                self._see_it_struck(strike, process)
                if struck.exists():
                    self._struck_at = struck.stat().st_mtime
                if strike.action == "stop":
                    self._come_back(process)
                elif not self._struck_at:
                    raise Missed(f"{strike} was not passed; the process ended with {process.code}")
                else:
                    assert process.code is not None
                    seconds = time.time() - self._struck_at
                    self.ended.append(Ended(strike.action, process.code, seconds, look_aside(self._world)))
            finally:
                process.end()
        if self._start.moment:
            self._world.number_editions_again()

    @contextlib.contextmanager
    def _on_the_way(self, strike: Strike) -> Iterator[tuple[int | None, dict[str, str]]]:
        """The port that the process is to use, and what else its environment says."""
        if strike.place not in TAPPED:
            asked = {VARIABLE: str(strike), STRUCK: str(self.folder / "struck")}
            if strike.place == CHECKPOINT:
                asked = {"CRASH_PRAGMA": f"wal_autocheckpoint={PAGES}"}
            elif strike.place == ANY or is_traced(strike):
                asked = {}
            yield self._receiving.port, asked
            return
        assert self._receiving.port is not None
        assert self.case.receiver.reader is not None

        def hit() -> bool:
            assert self._process is not None
            self._struck_at = time.time()
            self._process.signal(ACTIONS[strike.action])
            return strike.action != "kill"

        with Tap(self._receiving.port, self.case.receiver.reader, TAPPED[strike.place], strike.nth, hit) as tap:
            yield tap.port, {}

    def _see_it_struck(self, strike: Strike, process: Process) -> None:
        if is_traced(strike):
            self._trace(strike, process)
        elif strike.place == ANY:
            self._at_any_moment(strike, process)
        elif strike.action == "stop":
            if not process.wait_stopped(PATIENCE):
                raise Missed(f"{strike} was not passed; the process ended with {process.code}")
        else:
            process.wait(PATIENCE)

    def _trace(self, strike: Strike, process: Process) -> None:
        """Strikes at a system call: the n-th of all, or the n-th page that goes into the database's own file."""
        log = self.folder / "strace"
        call = "pwrite64" if strike.place == CHECKPOINT else strike.place.removeprefix(CALL)
        path = self._world.home / "digest.db" if strike.place == CHECKPOINT else None
        tracer = strace.take_hold(process, strace.at_call(call, strike.nth, strike.action, path=path), log)
        if strike.action == "ENOSPC":
            self._give_space(process, tracer, log)
        process.wait(PATIENCE)
        strace.let_go(tracer)
        if strace.struck(log, strike.action):
            self._struck_at = time.time()

    def _give_space(self, process: Process, tracer: subprocess.Popen[str], log: Path) -> None:
        """The disk was full for a while; then there is space again, and who waited for it goes on."""
        until = time.monotonic() + PATIENCE
        while process.poll() is None and not strace.struck(log, "ENOSPC") and time.monotonic() < until:
            time.sleep(BETWEEN)
        with contextlib.suppress(TimeoutError):
            process.wait(FULL)
        if process.code is None:
            tracer.terminate()

    def _at_any_moment(self, strike: Strike, process: Process) -> None:
        """At a moment of the time that a run takes that nobody hurts."""
        with contextlib.suppress(TimeoutError):
            process.wait(self.case.dice.uniform(0, 0.8 * self._start.usual))
        process.signal(ACTIONS[strike.action])
        if process.wait(PATIENCE) == -signal.SIGKILL:
            self._struck_at = time.time()

    def _come_back(self, process: Process) -> None:
        """A stopped process loses its lease, another one finishes, and then it goes on."""
        left = look_aside(self._world)
        self.finish()
        before = look_aside(self._world)
        began = time.monotonic()
        process.signal(signal.SIGCONT)
        code = process.wait(PATIENCE)
        self.woken = before, look_aside(self._world)
        self.ended.append(Ended("stop", code, time.monotonic() - began, left))

    def _resume(self) -> None:
        """An edition that an error has paused waits for a person."""
        shown = self._asked("editions", "show", "1")
        if shown["state"] == "paused":
            self._asked("editions", "resume", "1")

    def finish(self) -> float:
        """One process to its end, unhurt; returns the seconds it took."""
        began = time.monotonic()
        # After an error one pass is enough, and word to staff that could not be kept waits a minute for its next try.
        arguments = ["run"] if self.case.action in strace.ERRORS else self.arguments()
        process = self.forks.start(arguments, self.environment(self._receiving.port), self.log)
        try:
            code = process.wait(PATIENCE + POLITE)
        finally:
            process.end()
        assert code == 0, f"the last process ended with {code}: {self.log.read_text()[-2000:]}"
        return time.monotonic() - began

    # --- evidence

    def _evidence(self, faults: list[str], resumed: float) -> Evidence:
        with contextlib.closing(Witness(self._world.url)) as witness:
            end, occurrences, database = witness.look(), witness.occurrences(), witness.faults()
        copies = self.case.receiver.copies(self._receiving.record)
        copies.pop(STAFF, None)  # word of a pause
        return Evidence(
            receiver=self.case.receiver,
            addresses=[one for one in self._start.template.addresses if one not in self.never_planned],
            unhurt=self._start.copies,
            copies=copies,
            end=end,
            shown=self._asked("editions", "show", str(end.edition)),
            editions=self._asked("editions", "list") if self._start.moment else [{}],
            occurrences=occurrences,
            ended=self.ended,
            woken=self.woken,
            opted_out=self.opted_out,
            journaled=self._journaled(),
            faults=faults,
            database=database,
            leftovers=sorted(names(self._world.home) - self._start.names),
            resumed=resumed,
            printed=self.log.read_text(errors="replace") if self.log.exists() else "",
        )

    def _journaled(self) -> set[str]:
        """Of those who opted out, whose address the journal knows by its mark."""
        marks = {line["hash"] for line in journal.read(self._world.home) if line["what"] == journal.LEFT}
        keyring = keys.load(self._world.home)
        return {one for one in self.opted_out if suppression.address_hash(keyring, one).hex() in marks}

    def _asked(self, *command: str) -> Any:
        output = self.folder / "-".join(command)
        output.unlink(missing_ok=True)
        process = self.forks.start([*command, "--json"], self.environment(None), self.log, output=output)
        assert process.wait(PATIENCE) == 0
        return json.loads(output.read_text())
