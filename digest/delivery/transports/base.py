"""What a transport is: the contract between the sender and whoever carries the mail.

A transport takes groups of deliveries (`begin`) and tells what became of each (`outcomes`), in any order, each
exactly once. It decides nothing about retries, never looks at the database, and never raises for one recipient's
fate: that is a Receipt. Accepted, try later, never (with whose fault it is), nobody now, nobody at all, and unsure are
all that the sender needs to know. Anything else it raises means that nothing after the last reported outcome is
known: those are unsure. Work goes on only inside `outcomes`, in the caller's thread or in threads of its own.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple, Protocol, Self, runtime_checkable

from digest.delivery.message import Recipient
from digest.errors import BadInput, Refused
from digest.home import Home

ENTRY_POINTS = "digest.transports"  # where an installed package names its transports: a function from Home to Transport
OURS = {  # known in a checkout that is not installed, too
    "maildir": "digest.delivery.transports.local:maildir",
    "smtp": "digest.delivery.transports.smtp.bulk:smtp",
    "sendgrid": "digest.delivery.transports.sendgrid.bulk:sendgrid",
}


class Answer(Enum):
    """What became of one hand-over."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"  # proof that nothing was accepted; this reader may be tried again later
    FULL = "full"  # the mailbox is full, says a final answer: owed, and after many editions the person's own reason
    HARD = "hard"  # the address does not exist: the person's own reason
    DOUBTFUL = "doubtful"  # refused at the address without saying why: hard when it happens in a second edition
    POLICY = "policy"  # refused for what we are or sent, not for who they are
    AWAY = "away"  # nobody can be handed over just now and nothing was accepted: wait, no try is counted
    RELAY = "relay"  # the relay refuses everyone (configuration, credit): stop the run, no try is counted
    UNSURE = "unsure"  # handed over, no answer


@dataclass(frozen=True)
class Receipt:
    """The answer for one delivery: `code` is short and stable, `text` the reply as it came (cleaned, <= 500).

    `provider_id` is the carrier's name for it, shared by all of one request where it is the request's; `wait` the
    seconds that an AWAY carrier asks for, 0 when it does not say.
    """

    answer: Answer
    code: str = ""
    text: str = ""
    provider_id: str | None = None
    wait: float = 0.0


class Body(Protocol):
    """What is handed over: a compiled variant, or a mail that is whole already."""

    @property
    def uid(self) -> str:
        """Names the edition or the notice: with the subscriber it names one delivery for ever."""

    @property
    def sender(self) -> str:
        """The address that the mail is from, its domain in ASCII: the envelope's too, unless the carrier sets one."""

    def join(self, recipient: Recipient) -> bytes:
        """The whole message for this recipient, with CRLF line ends."""


class Group(NamedTuple):
    """Deliveries of one variant that are handed over together; `positions` name them to the sender."""

    positions: Sequence[int]
    variant: Body
    recipients: Sequence[Recipient]


@runtime_checkable
class Transport(Protocol):
    """Who carries the mail. `repeatable`: handing over the same delivery again cannot double it."""

    name: str
    group: int  # recipients per request; 1: mail by mail, and a call of `begin` may bring several
    connections: int  # requests that may be under way at once
    repeatable: bool

    def begin(self, group: Group) -> None:
        """Takes a group for delivery; returns at once or after the delivery itself."""

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        """What became known since the last call, at least one when anything is under way and `timeout` (s) allows."""

    def recall(self) -> Iterable[int]:
        """Takes back what certainly was not handed over yet, and names it; the rest stays under way."""

    def hold(self, until: float) -> None:
        """Begins no hand-over after this monotonic second: the lease ends then. A later call moves it."""

    def single(self) -> Transport:
        """A transport of the same kind, with connections of its own, for mails about one affair, one at a time."""

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
        self._until = math.inf

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
        while self._waiting and time.monotonic() < self._until:
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

    def hold(self, until: float) -> None:
        """Nothing is delivered after it; what waits can be recalled."""
        self._until = until

    def single(self) -> Self:
        """A twin with a queue of its own; all else is shared."""
        twin = copy(self)
        twin._waiting, twin._until = deque(), math.inf
        return twin

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
