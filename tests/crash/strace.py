"""strace(1) on one worker: to strike it at a system call, and to write down what it asks of the disk."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.crash.forkserver import Process

PATIENCE = 30.0  # seconds that it may take to take hold, and to end

WRITES = ("pwrite64", "write", "writev", "fsync", "fdatasync", "ftruncate", "unlink", "rename", "link")
TALKS = ("sendto", "sendmsg", "recvfrom", "recvmsg", "read")
CALLS = (*WRITES, *TALKS)  # at whose entry the sweep kills
SIGNALS = {"kill": "KILL", "term": "TERM"}
ERRORS = ("EIO", "ENOSPC")  # what the second pass answers instead


@cache
def missing() -> str:
    """Why it cannot be used here; empty when it can."""
    if not shutil.which("strace"):
        return "There is no strace. Debian: apt-get install strace"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], check=False, capture_output=True, text=True)
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


def at_call(call: str, nth: int, action: str, *, path: Path | None = None) -> list[str]:
    """The options that strike at the n-th of these calls, on one file if `path` is given.

    kill and term: at its entry, so it is not done. EIO: it is not done and says so, once. ENOSPC: from then on.
    """
    fault = f"signal={SIGNALS[action]}:when={nth}" if action in SIGNALS else f"error={action}:when={nth}"
    again = "+" if action == "ENOSPC" else ""
    where = ["-P", str(path)] if path else []
    return [*where, "-e", f"trace={call}", "-e", f"inject={call}:{fault}{again}"]


def struck(log: Path, action: str) -> bool:
    """Whether it was, by what was written down."""
    said = log.read_text(errors="replace")
    if action in SIGNALS:
        return f"--- SIG{SIGNALS[action]} " in said or f"killed by SIG{SIGNALS[action]}" in said
    return "(INJECTED)" in said


def count(log: Path) -> Counter[str]:
    """How often each call was made."""
    return Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(errors="replace"), re.MULTILINE))


def take_hold(process: Process, options: Sequence[str], log: Path) -> subprocess.Popen[str]:
    """Attaches to a held worker and lets it go on; what strace sees goes to `log`. It counts from here."""
    process.wait_stopped(PATIENCE)
    command = ["strace", "-f", "-p", str(process.pid), "-o", str(log), *options]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.kill()
        raise RuntimeError(f"strace could not take hold: {said.strip()}")
    process.signal(signal.SIGCONT)
    return tracer


def let_go(tracer: subprocess.Popen[str]) -> None:
    """Waits for its end, which follows that of the worker."""
    tracer.communicate(timeout=PATIENCE)
