"""What a transport is: the contract between the sender and whoever carries the mail.

A transport takes groups of deliveries (`begin`) and tells what became of each (`outcomes`), in any order, each
exactly once. It decides nothing about retries, never looks at the database, and never raises for one recipient's
fate: that is a Receipt. Four answers are all the sender needs: accepted, try later, never (with whose fault it is),
and unsure. Anything else it raises means that nothing after the last reported outcome is known: those are unsure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from digest.delivery.message import Compiled, Recipient


class Answer(Enum):
    """What became of one hand-over."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"  # proof that nothing was accepted; may be tried again later
    HARD = "hard"  # the address does not exist: the person's own reason
    POLICY = "policy"  # refused for what we are or sent, not for who they are
    RELAY = "relay"  # the relay refuses everyone (configuration, credit): stop the run
    UNSURE = "unsure"  # handed over, no answer


@dataclass(frozen=True)
class Receipt:
    """The answer for one delivery: `code` is short and stable, `text` the reply as it came (cleaned, <= 500)."""

    answer: Answer
    code: str = ""
    text: str = ""
    provider_id: str | None = None


@dataclass(frozen=True)
class Group:
    """Deliveries of one variant that are handed over together; `positions` name them to the sender."""

    positions: Sequence[int]
    variant: Compiled
    recipients: Sequence[Recipient]


@runtime_checkable
class Transport(Protocol):
    """Who carries the mail. `repeatable`: handing over the same delivery again cannot double it."""

    name: str
    group: int  # recipients per request
    connections: int  # groups that may be under way at once
    repeatable: bool

    def begin(self, group: Group) -> None:
        """Takes a group for delivery; returns at once or after the delivery itself."""

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        """What became known since the last call, at least one when anything is under way and `timeout` (s) allows."""

    def close(self, grace: float) -> None:
        """Finishes within `grace` seconds; what has no outcome then is unsure."""


class Sequential:
    """A transport that delivers one after the other in the caller's thread: subclasses write `deliver`."""

    name = "sequential"
    group = 1
    connections = 1
    repeatable = False

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Compiled, Recipient]] = deque()

    def deliver(self, variant: Compiled, recipient: Recipient) -> Receipt:
        """Hands one mail over and says what became of it."""
        raise NotImplementedError

    def begin(self, group: Group) -> None:
        """Queues the group; the work is done in `outcomes`."""
        self._waiting.extend(
            (position, group.variant, recipient)
            for position, recipient in zip(group.positions, group.recipients, strict=True)
        )

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        """Delivers everything queued, yielding each receipt as soon as it is known."""
        while self._waiting:
            position, variant, recipient = self._waiting.popleft()
            yield position, self.deliver(variant, recipient)

    def close(self, grace: float) -> None:
        """Nothing is ever under way between two calls."""
        self._waiting.clear()
