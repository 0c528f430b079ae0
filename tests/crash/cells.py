"""The cells of the crash matrix: point x action x transport x database, and the runs that a seed picks from them.

Points, in the order in which a send passes them:

k1   the run of the calendar is written down          k8   the answer was read, nothing is settled
k2   the edition is half frozen                       k9   inside the commit that settles
k3   inside the plan                                  k10  all is settled, the edition is not closed
k4   planned, nothing is leased                       k11  inside a checkpoint of SQLite's log
k5   a window is marked, nothing of it is out         k12  inside the answer to an unsubscribe request
k6   half of a hand-over has passed                   k14  in the recovery from a kill, twice
k7   the receiver has the mail, nobody was told       any  any moment, three times

Actions: `kill` (SIGKILL), `term` (SIGTERM), `stop` (SIGSTOP until the lease has run out and another process has
finished; then SIGCONT). A run is named by its cell and its seed, and is the same whenever it is named.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.crash.receivers import RECEIVERS, Receiver

DATABASES = ("sqlite", "postgres")
POINTS = ("k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11", "k12", "k14", "any")
ACTIONS = ("kill", "term", "stop")

READERS = 90
STEP = 18  # rows in one batch, and in one transaction of the plan

# Left out, and why: (database, transport, point, action), None for all.
LEFT_OUT: dict[tuple[str | None, str | None, str | None, str | None], str] = {
    ("postgres", None, "k11", None): "the server writes its checkpoints, not the process that is killed",
    (None, None, "any", "term"): "between two passes SIGTERM ends the process as the system does, with nothing begun",
}
# Only where a process holds a lease outside a transaction can it be stopped and lose it.
LEASED = ("k3", "k5", "k7", "k8")


@dataclass(frozen=True)
class Case:
    """One run as it is meant."""

    database: str
    transport: str
    point: str
    action: str
    seed: int

    def __str__(self) -> str:
        return f"{self.cell}/{self.seed}"

    @property
    def cell(self) -> str:
        return f"{self.database}/{self.transport}/{self.point}/{self.action}"

    @property
    def receiver(self) -> Receiver:
        return RECEIVERS[self.transport]

    @cached_property
    def dice(self) -> random.Random:
        """What is left to chance, the same for the same name."""
        return random.Random(str(self))

    @classmethod
    def parse(cls, text: str) -> Case:
        database, transport, point, action, seed = text.split("/")
        return cls(database, transport, point, action, int(seed))


def why_left_out(database: str, transport: str, point: str, action: str) -> str:
    """Why there is no such cell; empty when there is one."""
    if action == "stop" and point not in LEASED:
        return "no lease is held outside a transaction there"
    here = (database, transport, point, action)
    for pattern, why in LEFT_OUT.items():
        if all(wanted in (None, given) for wanted, given in zip(pattern, here, strict=True)):
            return why
    return ""


def cells() -> Iterator[tuple[str, str, str, str]]:
    """Every cell that makes sense."""
    for point in POINTS:
        for action in ACTIONS:
            for transport in RECEIVERS:
                for database in DATABASES:
                    if not why_left_out(database, transport, point, action):
                        yield database, transport, point, action


def chosen(runs: int, seed: int, only: Sequence[str] = ()) -> list[Case]:
    """So many runs, evenly over the cells (`term` every other time), each round in an order of its own.

    `only` keeps the cells that have one of its words (such as "sqlite/smtp/k7"), all parts of it.
    """
    wanted = [cell for cell in cells() if not only or any(set(word.split("/")) <= set(cell) for word in only)]
    found: list[Case] = []
    turn = 0
    while wanted and len(found) < runs:
        of_turn = [cell for cell in wanted if turn % 2 == 0 or cell[3] != "term" or only]
        random.Random(f"{seed} {turn}").shuffle(of_turn)
        found += [Case(*cell, seed + turn) for cell in of_turn]
        turn += 1
    return found[:runs]
