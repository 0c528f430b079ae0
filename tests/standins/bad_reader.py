"""A module that runs apart and misbehaves, as its argument says."""

from __future__ import annotations

import os
import sys
import time

from digest import apart

LIMITS = apart.Limits(seconds=1, memory=400_000_000, answer=1_000)


def _misbehave(how: str) -> None:
    sys.stdin.buffer.read()
    if how == "fill":
        sys.stdout.write(str(len(b"x" * LIMITS.memory)))
    elif how == "spin":
        while True:
            pass
    elif how == "sleep":
        time.sleep(60)
    elif how == "flood":
        sys.stdout.write("x" * 100_000)
    elif how == "die":
        sys.stdout.write("half a line")
        sys.stdout.flush()
        os.abort()
    elif how == "write":
        with open(sys.argv[2], "w") as file:  # noqa: PTH123
            file.write("kept")
    elif how == "tell":
        sys.stdout.write("\n".join(sorted(os.environ)))


if __name__ == "__main__":
    apart.confine(LIMITS)
    _misbehave(sys.argv[1])
    print()
