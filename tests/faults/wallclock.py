"""A wall clock that can be moved under a running process, by libfaketime; the monotonic clock goes on as it is.

`Clock.environment` starts a program under it, `Clock.jump` moves the time from then on. The library is found where
Debian puts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


@dataclass(frozen=True)
class Clock:
    """The time of the processes that are started with its environment, as a distance from the real time."""

    file: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be under this clock."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    def jump(self, by: timedelta) -> None:
        """From now on the time is so far from the real one."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{by.total_seconds():+.0f}\n", encoding="ascii")
        fresh.replace(self.file)


def make(folder: Path) -> Clock:
    """A clock that is right as yet. Skips where there is no libfaketime."""
    found = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    if not found:
        pytest.skip("libfaketime is missing: the wall clock cannot be moved. Debian: apt-get install libfaketime")
    clock = Clock(folder / "clock", found[0])
    clock.jump(timedelta())
    return clock
