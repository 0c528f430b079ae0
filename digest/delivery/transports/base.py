"""What a transport is: the contract between the sender and whoever carries the mail.

A transport takes groups of deliveries (`begin`) and tells what became of each (`outcomes`), in any order, each
exactly once. It decides nothing about retries, never looks at the database, and never raises for one recipient's
fate: that is a Receipt. Four answers are all the sender needs: accepted, try later, never (with whose fault it is),
and unsure. Anything else it raises means that nothing after the last reported outcome is known: those are unsure.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from digest.delivery.message import Recipient
from digest.errors import BadInput, Refused
from digest.home import Home

ENTRY_POINTS = "digest.transports"  # where an installed package names its transports: a function from Home to Transport
OURS = {"maildir": "digest.delivery.transports.local:maildir"}  # known in a checkout that is not installed, too


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


class Body(Protocol):
    """What is handed over: a compiled variant, or a mail that is whole already."""

    @property
    def uid(self) -> str:
        """Names the edition or the notice: with the subscriber it names one delivery for ever."""

    def join(self, recipient: Recipient) -> bytes:
        """The whole message for this recipient, with CRLF line ends."""


@dataclass(frozen=True)
class Group:
    """Deliveries of one variant that are handed over together; `positions` name them to the sender."""

    positions: Sequence[int]
    variant: Body
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

    def recall(self) -> Iterable[int]:
        """Takes back what certainly was not handed over yet, and names it; the rest stays under way."""

    def close(self) -> None:
        """Ends connections; nothing is handed over or told after it. What had no outcome until then is unsure."""


def unfit(error: BadInput) -> Receipt:
    """The answer for an address that no mail can be made for: the person's own reason, and nobody else's."""
    return Receipt(Answer.HARD, "unfit address", str(error)[:500])


class Sequential:
    """A transport that delivers one after the other in the caller's thread: subclasses write `deliver`."""

    name = "sequential"
    group = 50  # they come in one call, and go one by one
    connections = 1
    repeatable = False

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Body, Recipient]] = deque()

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        """Hands one mail over and says what became of it."""
        raise NotImplementedError

    def begin(self, group: Group) -> None:
        """Queues the group; the work is done in `outcomes`."""
        self._waiting.extend(
            (position, group.variant, recipient)
            for position, recipient in zip(group.positions, group.recipients, strict=True)
        )

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        """Delivers what is queued until `timeout` is over, yielding each receipt as soon as it is known."""
        until = time.monotonic() + timeout
        while self._waiting:
            position, variant, recipient = self._waiting.popleft()
            try:
                receipt = self.deliver(variant, recipient)
            except BadInput as error:
                receipt = unfit(error)
            yield position, receipt
            if time.monotonic() >= until:
                return

    def recall(self) -> Iterable[int]:
        """Everything that waits: nothing is ever half done between two outcomes."""
        positions = [position for position, _, _ in self._waiting]
        self._waiting.clear()
        return positions

    def close(self) -> None:
        """Forgets what waits."""
        self._waiting.clear()


def open_transport(kind: str, home: Home) -> Transport:
    """The transport that the settings name: a kind of ours, an installed package's, or "module:function" for one that
    is importable but not installed. Raises Refused, naming the known kinds, when there is none.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    found |= {name: EntryPoint(name, reference, ENTRY_POINTS) for name, reference in OURS.items()}
    known = ", ".join(sorted(found))
    if ":" in kind:
        found[kind] = EntryPoint(kind, kind, ENTRY_POINTS)
    if kind not in found:
        raise Refused(f'There is no transport "{kind}". Set [transport] kind to one of: {known}.')
    try:
        factory: Callable[[Home], Transport] = found[kind].load()
    except (ImportError, AttributeError, TypeError) as error:
        raise Refused(f'The transport "{kind}" cannot be loaded: {error}. Known are: {known}.') from error
    return factory(home)
