"""Where a worker can be struck: at the n-th passing of a place it kills, ends or stops itself.

The product has no hooks for tests. Here, in the worker process only, one function of it is wrapped: the one that the
place needs. Places inside a transaction have three sides: `open` (the rows are written and more may follow), `ready`
(everything is written, COMMIT is not sent) and `done` (COMMIT was answered). What happens between the transport and
the receiver over a socket is struck from outside, by `tests.crash.tap`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from digest import editions, occurrences
from digest.db import Database
from digest.delivery import closing, leases, ledger, outcomes, planning
from digest.delivery.transports import base, local
from digest.delivery.transports.base import Group, Receipt, Transport
from subscribers import members

VARIABLE, STRUCK = "CRASH_POINT", "CRASH_STRUCK"
ACTIONS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}

Call = Callable[..., Any]


@dataclass(frozen=True)
class Strike:
    """What is to happen where: `place` as below, at its `nth` passing."""

    place: str
    nth: int
    action: str

    def __str__(self) -> str:
        return f"{self.place}:{self.nth}:{self.action}"

    @classmethod
    def parse(cls, text: str) -> Strike:
        place, nth, action = text.split(":")
        return cls(place, int(nth), action)


@dataclass
class Striker:
    """Counts the passings of its place and strikes; says so first, in the file `told`."""

    strike: Strike
    told: Path
    left: int = field(init=False)
    noted: bool = False  # the running transaction passed the place

    def __post_init__(self) -> None:
        self.left = self.strike.nth

    def passing(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.told.write_text(str(self.strike))
            os.kill(os.getpid(), ACTIONS[self.strike.action])


def _any(result: Any, *arguments: Any) -> bool:
    return True


def _result(result: Any, *arguments: Any) -> bool:
    return bool(result)


def _something_known(result: Any, *arguments: Any) -> bool:
    return bool(arguments[4])


def _taken_over(result: Any, *arguments: Any) -> bool:
    return result is not None and result > 1


# The function inside a transaction, and of which of its calls a place is made.
INSIDE: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "k1": (occurrences, "_note", _any),
    "k2": (editions, "propose", _any),
    "k3": (planning, "_insert", _any),
    "k4": (planning, "_complete", _result),
    "k5": (ledger, "mark", _result),
    "k9": (outcomes, "record", _something_known),
    "k10": (closing, "_close", _result),
    "k12": (members, "leave", _result),
    "k14": (leases, "recover", _any),
    "k14-plan": (planning, "_claim", _taken_over),
}


def arm(environment: dict[str, str]) -> None:
    """Wraps what the strike in the environment asks for; nothing when there is none."""
    if not (text := environment.get(VARIABLE)):
        return
    striker = Striker(Strike.parse(text), Path(environment[STRUCK]))
    place = striker.strike.place
    if place in OUTSIDE:
        OUTSIDE[place](striker)
    else:
        point, _, side = place.partition("/")
        _wrap_inside(striker, *INSIDE[point], side=side)


def _wrap_inside(striker: Striker, owner: Any, name: str, when: Callable[..., bool], *, side: str) -> None:
    original: Call = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        if when(result, *arguments):
            if side == "open":
                striker.passing()
            striker.noted = True
        return result

    setattr(owner, name, wrapped)
    if side != "open":
        _wrap_commit(striker, after=side == "done")


def _wrap_commit(striker: Striker, *, after: bool) -> None:
    original = Database.transaction

    @contextmanager
    def transaction(db: Database, *, bulk: bool = False) -> Iterator[Connection]:
        with original(db, bulk=bulk) as conn:
            striker.noted = False
            yield conn
            if striker.noted and not after:
                striker.passing()
        if striker.noted and after:
            striker.passing()
        striker.noted = False

    Database.transaction = transaction  # type: ignore[method-assign, assignment]


# --- the transport ---------------------------------------------------------------------------------------------


def _on_transport(change: Callable[[Striker, Any], None]) -> Callable[[Striker], None]:
    def install(striker: Striker) -> None:
        original = base.open_transport

        def opened(*arguments: Any, **named: Any) -> Transport:
            transport = original(*arguments, **named)
            change(striker, transport)
            return transport

        base.open_transport = opened

    return install


def _before_begin(striker: Striker, transport: Any) -> None:
    """A window is marked and this process believes that it holds the lease; the first of it is about to go."""
    original = transport.begin

    def begin(group: Group) -> None:
        striker.passing()
        original(group)

    transport.begin = begin


def _told(striker: Striker, transport: Any) -> None:
    """The transport has read an answer, the sender does not know it yet."""
    original = transport.outcomes

    def told(timeout: float) -> Iterable[tuple[int, Receipt]]:
        for outcome in original(timeout):
            striker.passing()
            yield outcome

    transport.outcomes = told


# --- the mailbox -----------------------------------------------------------------------------------------------


def _half_written(striker: Striker) -> None:
    """Half of a mail lies in tmp/."""
    original = local._write

    def write(path: Path, body: bytes) -> None:
        if striker.left == 1:
            original(path, body[: len(body) // 2])
            striker.passing()
            path.unlink()
        else:
            striker.passing()
        original(path, body)

    local._write = write


def _not_linked(striker: Striker) -> None:
    """A whole mail lies in tmp/."""
    _around_link(striker, before=True)


def _linked(striker: Striker) -> None:
    """The mail lies in new/; nobody was told, and the folder is not synced."""
    _around_link(striker, before=False)


def _around_link(striker: Striker, *, before: bool) -> None:
    original = os.link

    def link(*arguments: Any, **named: Any) -> None:
        if before:
            striker.passing()
        original(*arguments, **named)
        if not before:
            striker.passing()

    os.link = link


OUTSIDE: dict[str, Callable[[Striker], None]] = {
    "k5/begin": _on_transport(_before_begin),
    "k6/half": _half_written,
    "k6/whole": _not_linked,
    "k7/linked": _linked,
    "k8/told": _on_transport(_told),
}
