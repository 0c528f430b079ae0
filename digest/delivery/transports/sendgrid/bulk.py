"""The transport that hands over by SendGrid's Web API v3: one request for many readers of one variant.

Promises: one personalization for each reader, so nobody sees another; a reader is answered as accepted only by a
request that the service has named; what was refused whole is asked for again only without those whom the refusal
names; what leaves a doubt is unsure and never asked for again by itself. Not repeatable: the service knows no
idempotency key, and the same request twice is two mails. Connections stay open, each with a thread of its own.
Refuses: to begin a request after `hold`, or while the service wants none.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from queue import Empty, SimpleQueue

from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Body, Group, Receipt, Transport
from digest.delivery.transports.sendgrid import payload
from digest.delivery.transports.sendgrid.account import Account, open_account
from digest.delivery.transports.sendgrid.gate import Gate
from digest.delivery.transports.sendgrid.payload import Form
from digest.delivery.transports.sendgrid.replies import Meaning, understand
from digest.delivery.transports.sendgrid.wire import WHOLE, Lost, Unreached, Wire, tls_context
from digest.home import Home

KEPT_FORMS = 64  # variants whose part of a request is kept at hand
PATIENCE = 15.0  # seconds that a thread is waited for when it may be looking up the host's name

_LATE = Receipt(Answer.AWAY, "late")
_TOO_LARGE = Meaning(Receipt(Answer.POLICY, "too large", "The mail is larger than SendGrid takes."), halve=True)


@dataclass(frozen=True, repr=False)
class _Part:
    """Readers that one request can be made for."""

    form: Form
    positions: Sequence[int]
    recipients: Sequence[Recipient]

    def without(self, places: Collection[int]) -> _Part:
        if not places:
            return self
        kept = [place for place in range(len(self.positions)) if place not in places]
        return _Part(self.form, [self.positions[p] for p in kept], [self.recipients[p] for p in kept])

    def halves(self) -> list[_Part]:
        middle = len(self.positions) // 2
        sides = (slice(middle), slice(middle, None))
        return [_Part(self.form, self.positions[side], self.recipients[side]) for side in sides]


_Told = list[tuple[Sequence[int], Receipt]]


@dataclass(frozen=True)
class _Failed:
    """A fault of ours: so many hand-overs have no outcome."""

    error: Exception
    count: int


class SendGrid:
    """Hands over to one account. `whole`: seconds that a request may take; `clock` tells monotonic seconds."""

    name = "sendgrid"
    repeatable = False

    def __init__(
        self,
        account: Account,
        *,
        group: int = 500,
        connections: int = 6,
        whole: float = WHOLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.group, self.connections = group, connections
        self._account, self._whole, self._clock = account, whole, clock
        self._context = tls_context(account)
        self._gate = Gate()
        self._until = math.inf
        self._forms: OrderedDict[int, tuple[Body, Form]] = OrderedDict()
        self._queue: deque[_Part] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._told: SimpleQueue[_Told | _Failed] = SimpleQueue()
        self._known: deque[tuple[int, Receipt]] = deque()
        self._under_way = 0  # without an outcome that reached `_known`
        self._workers: list[tuple[threading.Thread, Wire]] = []

    def begin(self, group: Group) -> None:
        """Queues the group; a free connection begins with it at once. Raises TypeError for a mail that is whole."""
        part = _Part(self._form(group.variant), group.positions, group.recipients)
        if len(self._workers) < self.connections and not self._closing:
            wire = Wire(self._account, self._context, whole=self._whole)
            thread = threading.Thread(target=self._work, args=(wire,), name="sendgrid", daemon=True)
            self._workers.append((thread, wire))
            thread.start()
        self._under_way += len(part.positions)
        with self._changed:
            self._queue.append(part)
            self._changed.notify()

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        """Waits `timeout` for the first request's end, and takes with it what else is known."""
        if not self._known and self._under_way:
            self._learn(max(timeout, 0.001))
        while self._known:
            yield self._known.popleft()
            if not self._known:
                self._learn(0)

    def recall(self) -> Iterable[int]:
        """The groups that no connection has begun with."""
        with self._changed:
            parts = list(self._queue)
            self._queue.clear()
        positions = [position for part in parts for position in part.positions]
        self._under_way -= len(positions)
        return positions

    def hold(self, until: float) -> None:
        """No connection begins a request after it: those who wait then are told that it is late."""
        self._until = until

    def single(self) -> Transport:
        """One mail at a time, through the `sendgrid` package."""
        # Here, since importing the package takes 80 ms and loads a cryptography library that bulk does not need.
        from digest.delivery.transports.sendgrid.single import Single

        return Single(self._account, self._context, whole=self._whole)

    def close(self) -> None:
        """Breaks what is under way and ends the threads."""
        with self._changed:
            self._closing = True
            self._queue.clear()
            self._changed.notify_all()
        for _, wire in self._workers:
            wire.break_off()
        for thread, _ in self._workers:
            thread.join(PATIENCE)
        self._workers.clear()
        self._known.clear()
        self._under_way = 0

    def _form(self, variant: Body) -> Form:
        """Variants are told apart by identity: the one that is kept here cannot share its number with another."""
        kept = self._forms.get(id(variant))
        if kept is None:
            kept = self._forms[id(variant)] = (variant, payload.form(variant))
            if len(self._forms) > KEPT_FORMS:
                self._forms.popitem(last=False)
        return kept[1]

    def _learn(self, timeout: float) -> None:
        """Takes one answer from the threads, when one comes in time. Raises what failed there."""
        with contextlib.suppress(Empty):
            told = self._told.get(timeout=timeout) if timeout else self._told.get_nowait()
            if isinstance(told, _Failed):
                self._under_way -= told.count
                raise told.error
            for positions, receipt in told:
                self._known.extend(zip(positions, repeat(receipt)))
                self._under_way -= len(positions)

    # --- in the threads

    def _work(self, wire: Wire) -> None:
        while (part := self._next()) is not None:
            parts = [part]
            try:
                while parts:
                    told, again = self._carry(wire, parts[-1])
                    parts[-1:] = again
                    self._told.put(told)
            except Exception as error:
                self._told.put(_Failed(error, sum(len(left.positions) for left in parts)))
        wire.close()

    def _next(self) -> _Part | None:
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            return None if self._closing else self._queue.popleft()

    def _carry(self, wire: Wire, part: _Part) -> tuple[_Told, list[_Part]]:
        """Asks once. What became known by it, and what is to be asked for again."""
        if (why := self._not_now()) is not None:
            return [(part.positions, why)], []
        made, unfit = part.form.personalizations(part.recipients)
        told, part = _answered(part, unfit)
        if not made:
            return told, []
        body = part.form.body(made)
        meaning = _TOO_LARGE if len(body) > payload.LARGEST else self._post(wire, body, len(made))
        if meaning.halve and len(made) > 1:
            return told, part.halves()
        named, rest = _answered(part, meaning.named)
        if meaning.again:
            return told + named, [rest] if rest.positions else []
        return [*told, *named, (rest.positions, meaning.receipt)], []

    def _not_now(self) -> Receipt | None:
        now = self._clock()
        return _LATE if now >= self._until else self._gate.closed(now)

    def _post(self, wire: Wire, body: bytes, size: int) -> Meaning:
        try:
            meaning = understand(wire.post(self._account.headers(), body), size=size, now=time.time())
        except Unreached as error:
            return Meaning(error.receipt)
        except Lost as error:
            meaning = Meaning(error.receipt)
        self._gate.learn(meaning, self._clock())
        return meaning


def _answered(part: _Part, answers: Mapping[int, Receipt]) -> tuple[_Told, _Part]:
    """The answers by position, and who is left."""
    return [([part.positions[place]], receipt) for place, receipt in answers.items()], part.without(answers)


def sendgrid(home: Home) -> SendGrid:
    """The transport that the settings describe. Raises Refused, saying what to do."""
    section = home.settings.transport.sendgrid
    return SendGrid(open_account(section, home.path), group=section.max_per_request, connections=section.connections)
