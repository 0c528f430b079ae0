"""A transport that fails by script: not repeatable, several hand-overs under way at once, as SMTP or an API is.

What it hands over is kept by a record server, a process of its own, so a killed sender leaves the truth behind. The
script names a fate for each (subscriber, attempt): the answers of the contract, "lost" (kept, but the answer never
reaches us) or "cut" (the connection breaks in the middle: not kept, but nobody can know). A worker process uses it
with DIGEST_TRANSPORT__KIND=tests.standins.faulty:faulty, FAULTY_RECORD=host:port and, when not all goes well,
FAULTY_PLAN=file.json: {"subscribers": {"7": ["transient", "accepted"]}, "chances": {"lost": 0.01}, "seed": 1}.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue

from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Body, Group, Receipt
from digest.home import Home

Script = Callable[[int, int], str]  # (subscriber, attempt from 0) to a fate
LOST, CUT = "lost", "cut"
PATIENCE = 10.0  # seconds that an answer is waited for


def all_well(subscriber_id: int, attempt: int) -> str:
    """The script without a fault."""
    return "accepted"


def by_subscriber(fates: Mapping[int, str | Sequence[str]], default: str = "accepted") -> Script:
    """A fate for each subscriber, or one for each attempt, of which the last stays."""

    def script(subscriber_id: int, attempt: int) -> str:
        fate = fates.get(subscriber_id, default)
        return fate if isinstance(fate, str) else fate[min(attempt, len(fate) - 1)]

    return script


def by_chance(chances: Mapping[str, float], seed: int, otherwise: Script = all_well) -> Script:
    """Fates by probability, the same for the same seed, subscriber and attempt in every process."""

    def script(subscriber_id: int, attempt: int) -> str:
        dice = random.Random(f"{seed} {subscriber_id} {attempt}").random()
        for fate, chance in chances.items():
            dice -= chance
            if dice < 0:
                return fate
        return otherwise(subscriber_id, attempt)

    return script


@dataclass
class _Connection:
    """What one thread has open to the record server."""

    address: tuple[str, int]
    socket: socket.socket | None = None
    answers: Iterable[bytes] = ()

    def hand_over(self, lines: Sequence[bytes]) -> Receipt:
        """Kept and answered; or proof that it was not; or unsure."""
        if self.socket is None:
            try:
                self.socket = socket.create_connection(self.address, timeout=PATIENCE)
            except OSError:
                return Receipt(Answer.TRANSIENT, "connect", "The record server does not listen.")
            self.answers = self.socket.makefile("rb")
        try:
            self.socket.sendall(b"".join(lines))
            if all(next(iter(self.answers), b"") == b"kept\n" for _ in lines):
                return Receipt(Answer.ACCEPTED, "kept")
        except OSError:
            pass
        self.close()
        return Receipt(Answer.UNSURE, "no-answer", "The record server did not answer.")

    def cut(self, line: bytes) -> None:
        """Sends half of it, then breaks off."""
        with contextlib.suppress(OSError), socket.create_connection(self.address, timeout=PATIENCE) as half:
            half.sendall(line[: len(line) // 2])

    def break_off(self) -> None:
        """From another thread: the one that waits for an answer gets none."""
        if connected := self.socket:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        self.answers = ()


class Faulty:
    """Hands over to the record server what the script lets pass; see the module."""

    name = "faulty"
    repeatable = False

    def __init__(
        self, record: tuple[str, int], script: Script = all_well, *, connections: int = 8, group: int = 1
    ) -> None:
        self.connections, self.group = connections, group
        self._script = script
        self._attempts: Counter[tuple[str, int]] = Counter()
        self._todo: SimpleQueue[Group | None] = SimpleQueue()
        self._known: SimpleQueue[tuple[int, Receipt]] = SimpleQueue()
        self._under_way = 0
        self._until = math.inf
        self._record = record
        self._lock = threading.Lock()
        self._open = [_Connection(record) for _ in range(connections)]
        self._threads: list[threading.Thread] = []

    def begin(self, group: Group) -> None:
        """Takes the group; a free connection begins with it at once."""
        if not self._threads:
            self._threads = [threading.Thread(target=self._work, args=(one,), daemon=True) for one in self._open]
            for thread in self._threads:
                thread.start()
        self._under_way += len(group.positions)
        for at in range(0, len(group.positions), self.group):
            these = slice(at, at + self.group)
            self._todo.put(Group(group.positions[these], group.variant, group.recipients[these]))

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        """Waits `timeout` for the first answer, and takes with it what else is known."""
        if not self._under_way:
            return
        with contextlib.suppress(Empty):
            yield self._told(self._known.get(timeout=max(timeout, 0.001)))
            while True:
                yield self._told(self._known.get_nowait())

    def recall(self) -> Iterable[int]:
        """The groups that no connection has begun with."""
        positions: list[int] = []
        with contextlib.suppress(Empty):
            while True:
                group = self._todo.get_nowait()
                positions += group.positions if group else ()
        self._under_way -= len(positions)
        return positions

    def hold(self, until: float) -> None:
        """No connection begins with a group after it."""
        self._until = until

    def single(self) -> Faulty:
        """Another one that keeps what it hands over in the same record."""
        return Faulty(self._record, self._script, connections=1)

    def close(self) -> None:
        """Breaks what is under way."""
        self.recall()
        self._under_way = 0
        for _ in self._threads:
            self._todo.put(None)
        for connection in self._open:
            connection.break_off()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._threads = []

    def _told(self, outcome: tuple[int, Receipt]) -> tuple[int, Receipt]:
        self._under_way -= 1
        return outcome

    def _work(self, connection: _Connection) -> None:
        while group := self._todo.get():
            self._carry(connection, group)
        connection.close()

    def _carry(self, connection: _Connection, group: Group) -> None:
        if time.monotonic() >= self._until:
            late = Receipt(Answer.AWAY, "late")
            for position in group.positions:
                self._known.put((position, late))
            return
        lines: dict[int, tuple[str, bytes]] = {}
        for position, recipient in zip(group.positions, group.recipients, strict=True):
            fate = self._fate(group.variant.uid, recipient.subscriber_id)
            if fate in ("accepted", LOST):
                lines[position] = fate, _line(group.variant, recipient)
            elif fate == CUT:
                connection.cut(_line(group.variant, recipient))
                self._known.put((position, Receipt(Answer.UNSURE, CUT)))
            else:
                self._known.put((position, Receipt(Answer(fate), f"faulty-{fate}", "By script.")))
        if lines:
            receipt = connection.hand_over([line for _, line in lines.values()])
            for position, (fate, _) in lines.items():
                self._known.put((position, Receipt(Answer.UNSURE, LOST) if fate == LOST else receipt))

    def _fate(self, uid: str, subscriber_id: int) -> str:
        with self._lock:
            attempt = self._attempts[uid, subscriber_id]
            self._attempts[uid, subscriber_id] += 1
        return self._script(subscriber_id, attempt)


def faulty(home: Home) -> Faulty:
    """The transport of a worker process, as the environment describes it."""
    host, _, port = os.environ["FAULTY_RECORD"].rpartition(":")
    plan = json.loads(Path(path).read_text(encoding="utf-8")) if (path := os.environ.get("FAULTY_PLAN")) else {}
    named = by_subscriber({int(subscriber): fates for subscriber, fates in plan.get("subscribers", {}).items()})
    script = by_chance(plan.get("chances", {}), plan.get("seed", 0), named)
    return Faulty((host, int(port)), script, connections=plan.get("connections", 8), group=plan.get("group", 1))


def _line(variant: Body, recipient: Recipient) -> bytes:
    digest = sha256(variant.join(recipient)).hexdigest()
    return f"{variant.uid} {recipient.subscriber_id} {digest}\n".encode("ascii")
