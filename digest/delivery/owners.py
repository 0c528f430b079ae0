"""Who holds a lease: a name for this process that tells, on the same machine, whether its owner is still alive.

Promises: a process that was killed is known to be gone at once (boot id, process namespace, pid and start time all
match or it is not the same). Refuses to guess: an owner on another machine or in another namespace is never gone,
its lease runs out by time.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def here() -> str:
    """This machine since its last boot, as its processes see it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - a namespace link is no path


def _started(pid: int) -> str | None:
    """The process's start time in clock ticks since boot, or None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def me() -> str:
    """This process's name as an owner."""
    return f"{here()}|{os.getpid()}|{_started(os.getpid())}"


def is_gone(owner: str | None) -> bool:
    """Whether the owner was a process of this machine that no longer runs."""
    if not owner:
        return True
    place, _, rest = owner.partition("|")
    pid, _, started = rest.partition("|")
    return place == here() and _started(int(pid)) != started
