"""`digest ...` as a process that a fault can hit, and waiting for conditions instead of for time.

Promises: every process is ended with its block, whatever happened; what it printed is at hand when a wait fails; no run
prints a traceback or names a reader.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.conftest import Mailbox
from tests.faults.ground import Ground

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0  # seconds for anything that is waited for, on a machine with much else to do
LOOK = 0.01  # seconds between two looks
PACE = 120  # mails a second, and rows under way: so that a fault finds the run under way
BEGUN = 40  # mails after which it certainly is


def until(holds: Callable[[], object], what: str, *, why: Callable[[], str] = str) -> None:
    """Waits until the condition holds; fails with `what` was waited for, and `why` it may never be."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"in {PATIENCE:.0f} s it never was that {what}. {why()}"
        time.sleep(LOOK)


@dataclass(frozen=True)
class Run:
    """A process of the product at work."""

    process: subprocess.Popen[bytes]
    printed: Path

    @property
    def text(self) -> str:
        """Standard output and error so far."""
        return self.printed.read_text(encoding="utf-8", errors="replace")

    @property
    def last_line(self) -> str:
        """What a person reads last."""
        return ([line for line in self.text.splitlines() if line.strip()] or [""])[-1]

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Waits for a condition, as long as the process is there to fulfil it."""
        until(lambda: holds() or self.is_over, what, why=lambda: self.text)
        assert holds(), f"it ended with {self.process.returncode} before it was that {what}. {self.text}"

    def until_under_way(self, mailbox: Mailbox) -> None:
        """Waits until some have their mail, and others not yet."""
        self.until(lambda: mailbox.total >= BEGUN, "the run is under way")

    def until_it_says(self, words: str, times: int = 1) -> None:
        """Waits for so many lines with these words."""
        self.until(lambda: self.text.count(words) >= times, f"it says {words!r}")

    def end(self, code: int = 0) -> str:
        """Waits until it ends by itself, with this exit code; what it printed."""
        try:
            ended = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end. {self.text}") from None
        assert ended == code, f"it ended with {ended}. {self.text}"
        return self.text

    def terminate(self) -> None:
        """Asks it to end gently."""
        self.process.terminate()

    @contextmanager
    def standing_still(self, rested: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Stopped for the length of the block, at a moment when `rested` holds: what is done in it strikes a run
        that is certainly under way."""
        while True:
            self._stop()
            if rested():
                break
            self.process.send_signal(signal.SIGCONT)
            time.sleep(LOOK)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        until(lambda: stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T", "the process stands still")


@contextmanager
def start(
    ground: Ground,
    folder: Path,
    *words: str,
    environment: Mapping[str, str],
    inside: Sequence[str] = (),
    pace: int = PACE,
) -> Iterator[Run]:
    """`digest --home HOME run --until-idle`, or these words; `inside` starts it somewhere (a mount namespace).

    For what it takes from the environment beside settings see `tests.faults.worker`.
    """
    sending = words or ("run", "--until-idle")
    command = [*inside, sys.executable, "-m", "tests.faults.worker", "--home", str(ground.home), *sending]
    paced = {"DIGEST_PACE__PER_SECOND": str(pace)} if pace else {}
    printed = folder / f"printed-{time.monotonic_ns()}"
    with printed.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **ground.environment, **paced, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    run = Run(process, printed)
    try:
        yield run
    finally:
        if not run.is_over:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "Traceback" not in run.text, run.text
    assert words or "@example.org" not in run.text, run.text


def ask(ground: Ground, folder: Path, *words: str, inside: Sequence[str] = (), code: int = 0) -> str:
    """What `digest ...` prints; it is not kept waiting for a database that is held."""
    with start(ground, folder, *words, environment={"FAULTS_BUSY": "0.2"}, inside=inside) as run:
        return run.end(code)
