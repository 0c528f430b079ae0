"""When the next connection to a mail server may be tried. Pure: time and chance are arguments.

Promises: after a failed try, no other within `pause` seconds, growing twofold (with jitter, so that many senders do not
come together) up to `longest`; and one at a time until one succeeds again. A connection that delivered and was then
closed, as servers do after some number of mails, may be replaced without the growing pause. Refuses nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable


class Reconnects:
    """The pace of one transport's connections. Moments are monotonic seconds."""

    def __init__(self, pause: float, longest: float, jitter: Callable[[], float] = random.random) -> None:
        self._pause, self._longest, self._jitter = pause, longest, jitter
        self._careful = True  # one at a time: at the start, and after a failure
        self._failures = 0
        self._failed_at = self._next_at = -math.inf
        self._earned = 0

    def may(self, now: float, *, opening: int) -> bool:
        """Whether another connection may be tried while `opening` are."""
        if not self._careful:
            return True
        if opening or now < self._failed_at + self._pause:
            return False
        return self._earned > 0 or now >= self._next_at

    def began(self) -> bool:
        """A try begins; True when it replaces a connection that delivered."""
        replaces = self._earned > 0
        self._earned -= replaces
        return replaces

    def opened(self, began_at: float, *, replaces: bool) -> None:
        """A try succeeded. One that only replaces another does not show that there is room for more."""
        if began_at >= self._failed_at and not (replaces and self._failures):
            self._careful, self._failures = False, 0

    def earned(self) -> None:
        """A connection ended after it had delivered."""
        self._earned += 1

    def failed(self, began_at: float, now: float) -> None:
        """A try failed, or its connection ended before it delivered anything. Tries side by side count as one."""
        if began_at >= self._failed_at:
            self._failures += 1
        self._careful, self._earned, self._failed_at = True, 0, now
        pause = min(self._longest, self._pause * 2 ** min(self._failures - 1, 30)) if self._failures else self._pause
        self._next_at = now + max(self._pause, pause * (0.75 + self._jitter() / 2))

    def start_over(self) -> None:
        """Nobody waits any more: the next one who comes need not wait for a pause that had grown long."""
        self._next_at = self._failed_at + self._pause
