"""Whether a request may begin now: what the replies so far say about that, for all connections together.

Promises: while the service wants no requests (429, or nothing left of its limit) none begins; after two requests in a
row whose outcome nobody knows none begins for a minute, since each could make as many people unsure as it names, and
the first that ends so after that minute shuts the gate again. Time is an argument (monotonic seconds).
"""

from __future__ import annotations

import math
import threading
from dataclasses import replace

from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.sendgrid.replies import Meaning

DOUBTS = 2  # requests in a row
REST = 60.0  # seconds

_LIMITED = Receipt(Answer.AWAY, "429", "The service takes no more requests for the moment.")
_DOUBTFUL = Receipt(
    Answer.AWAY,
    "unsure",
    "Nobody knows what became of the last requests: no more are begun until the service may be itself again.",
)


class Gate:
    """Open at first. Any thread may ask and tell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = -math.inf
        self._why = _LIMITED
        self._doubts = 0

    def closed(self, now: float) -> Receipt | None:
        """The answer for those who would be asked for now, when they may not be."""
        with self._lock:
            return replace(self._why, wait=self._until - now) if now < self._until else None

    def learn(self, meaning: Meaning, now: float) -> None:
        """Takes note of what became of a request that was written."""
        with self._lock:
            if meaning.pause:
                self._shut(now + meaning.pause, _LIMITED)
            unsure = meaning.receipt.answer is Answer.UNSURE
            self._doubts = self._doubts + 1 if unsure else 0
            if self._doubts >= DOUBTS:
                self._doubts = DOUBTS - 1
                self._shut(now + REST, _DOUBTFUL)

    def _shut(self, until: float, why: Receipt) -> None:
        if until > self._until:
            self._until, self._why = until, why
