"""Which strikes a run of the crash matrix consists of, and where its home begins; a run's name decides everything."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tests.crash import cells, strace
from tests.crash.cells import Case
from tests.crash.points import Strike
from tests.crash.tap import HALF, WHOLE

TAPPED = {"k6/passed": HALF, "k7/passed": WHOLE}  # struck from outside, on the way to the receiver
CHECKPOINT, CALL = "k11/checkpoint", "call/"  # struck by strace
ANY = "any"  # struck by the clock


def is_traced(strike: Strike) -> bool:
    """Whether strace strikes."""
    return strike.place == CHECKPOINT or strike.place.startswith(CALL)


def stage(case: Case) -> str:
    """Where the home of a run begins: the calendar's run is due, the edition is frozen, or it is planned."""
    if case.point in ("k1", "k2"):
        return "due"
    if case.point in ("k3", "k4", "any", *strace.CALLS):
        return "frozen"
    if case.point in ("k12", "k14"):
        return random.Random(f"{case} stage").choice(("frozen", "planned"))
    return "planned"


def strikes(case: Case) -> list[Strike]:
    """What is to happen in this run, one process after the other."""
    if case.point == "any":
        return [Strike(ANY, 1, case.action)] * 3
    if case.point == "k14":
        return _twice_in_recovery(case)
    if case.point in strace.CALLS:
        return [Strike(f"{CALL}{case.point}", case.seed, case.action)]
    return [_strike(case)]


def _twice_in_recovery(case: Case) -> list[Strike]:
    """A kill, and a strike in each of the two recoveries that follow."""
    if stage(case) == "frozen":
        first, point = Strike("k3/done", case.dice.randint(1, cells.READERS // cells.STEP - 1), "kill"), "k14-plan"
    else:
        first, point = Strike("k8/told", case.dice.randint(1, 15), "kill"), "k14"
    side = case.dice.choice(("open", "ready"))
    second = Strike(f"{point}/{side}", 1, case.action)
    # What is asked to end in a recovery ends it first, and leaves none to the next.
    return [first, second, Strike(f"{point}/done", 1, "kill")] if case.action == "kill" else [first, second]


def _strike(case: Case) -> Strike:
    side, most = case.dice.choice(_places(case))
    return Strike(f"{case.point}/{side}", case.dice.randint(1, most), case.action)


def _places(case: Case) -> list[tuple[str, int]]:
    """The sides of the point, and how often each is passed at least."""
    in_mailbox, stopped = case.receiver.reader is None, case.action == "stop"
    blocks = cells.READERS // cells.STEP
    windows = blocks if in_mailbox else 2 * blocks  # a mailbox takes a whole batch at once
    requests = cells.READERS // case.receiver.group // 2
    places: Mapping[str, list[tuple[str, int]]] = {
        "k1": [("open", 1), ("ready", 1), ("done", 1)],
        "k2": [("open", 1)],
        "k3": [("done", blocks)] if stopped else [("open", blocks), ("ready", blocks), ("done", blocks)],
        "k4": [("ready", 1), ("done", 1)],
        "k5": [("done", windows), ("begin", windows)] + ([] if stopped else [("ready", windows)]),
        "k6": [("half", requests), ("whole", requests)] if in_mailbox else [("passed", requests)],
        "k7": [("linked", requests)] if in_mailbox else [("passed", requests)],
        "k8": [("told", requests)],
        "k9": [("open", windows), ("ready", windows)],
        "k10": [("open", 1), ("ready", 1)],
        "k11": [("checkpoint", 12)],
    }
    return places[case.point]
