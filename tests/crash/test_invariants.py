"""The checks of the crash runs see what they are there to see: each finding named by its invariant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from digest.tables import State
from tests.crash.invariants import Ended, Evidence, violations
from tests.crash.receivers import MAILDIR, SMTP
from tests.crash.witness import Snapshot

A, U, F, P, S = State.ACCEPTED, State.UNSURE, State.FAILED, State.PLANNED, State.SKIPPED
ADDRESSES = [f"reader{n}@example.org" for n in range(1, 6)]


def snapshot(*states: State, owed: frozenset[int] = frozenset(), trying: int = 0) -> Snapshot:
    rows = {n: (1, state) for n, state in enumerate(states, 1)}
    rows |= {n + 100: (1, State.TRYING) for n in range(trying)}
    return Snapshot("sent", True, rows, {}, owed, 1)


def evidence(**changes: Any) -> Evidence:
    """Five readers; the second is unsure and has it, the third is unsure and has it not."""
    counts = {"planned": 5, "accepted": 3, "skipped": 0, "failed": 0, "unsure": 2, "remaining": 0}
    exceptions = [{"email": ADDRESSES[n], "state": "unsure"} for n in (1, 2)]
    unhurt = {address: [f"bytes for {address}"] for address in ADDRESSES}
    good = Evidence(
        receiver=SMTP,
        addresses=ADDRESSES,
        unhurt=unhurt,
        copies={address: copies for address, copies in unhurt.items() if address != ADDRESSES[2]},
        end=snapshot(A, U, U, A, A),
        shown={"state": "sent", **counts, "exceptions": exceptions},
        editions=[{}],
        occurrences=1,
        ended=[Ended("kill", -9, 0.1, snapshot(trying=2))],
    )
    return replace(good, **changes)


def test_nothing_is_found_where_all_is_well() -> None:
    assert violations(evidence()) == []


COPIES = evidence().copies
SHOWN = evidence().shown
KILL = evidence().ended
TERM = Ended("term", 0, 1.0, snapshot(A))

BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("I1", {"faults": ["batch 1: rows and counters differ"]}),
    ("I1", {"shown": {**SHOWN, "accepted": 4}}),
    ("I1", {"shown": {**SHOWN, "state": "sending"}}),
    ("I1", {"addresses": [*ADDRESSES, "reader6@example.org"]}),
    ("I2", {"copies": {**COPIES, ADDRESSES[0]: ["bytes for reader1@example.org"] * 2}}),
    ("I2", {"copies": {**COPIES, ADDRESSES[0]: ["half of them"]}}),
    ("I3", {"copies": {address: copies for address, copies in COPIES.items() if address != ADDRESSES[0]}}),
    ("I3", {"copies": {**COPIES, "stranger@example.org": []}}),
    ("I3", {"end": snapshot(A, F, U, A, A)}),
    ("I3", {"end": snapshot(A, U, P, A, A)}),
    ("I3", {"shown": {**SHOWN, "exceptions": []}}),
    ("I4", {"ended": []}),
    ("I4", {"receiver": MAILDIR}),
    ("I4", {"ended": [Ended("kill", -9, 0.1, snapshot(trying=9))]}),
    ("I4", {"ended": [*KILL, replace(TERM, code=1)]}),
    ("I4", {"ended": [*KILL, replace(TERM, seconds=26.0)]}),
    ("I4", {"ended": [*KILL, replace(TERM, left=snapshot(trying=3))]}),
    ("I5", {"opted_out": {ADDRESSES[0]}, "journaled": {ADDRESSES[0]}}),
    ("I5", {"opted_out": {"reader9@example.org"}}),
    ("I6", {"editions": [{}, {}]}),
    ("I6", {"occurrences": 2}),
    ("I7", {"woken": (snapshot(A, U), snapshot(U, U))}),
    ("I7", {"woken": (snapshot(P, U), snapshot(A, U))}),
    ("I7", {"woken": (snapshot(A), replace(snapshot(A), state="sending"))}),
    ("I7", {"ended": [*KILL, Ended("stop", 1, 0.1, snapshot(A))]}),
    ("I8", {"database": ["row 7 missing from index"]}),
    ("I8", {"leftovers": ["mail/tmp/x"]}),
    ("I9", {"resumed": 61.0}),
    ("I10", {"printed": "sent to reader1@example.org"}),
    ("I10", {"printed": "x\nTraceback (most recent call last)\n"}),
]


@pytest.mark.parametrize(("invariant", "changes"), BROKEN)
def test_what_does_not_hold_is_named(invariant: str, changes: dict[str, Any]) -> None:
    assert invariant in {fault.split()[0] for fault in violations(evidence(**changes))}


@pytest.mark.parametrize(
    "changes",
    [
        lambda: {"woken": (snapshot(A, U, U), snapshot(A, A, F)), "ended": [Ended("stop", 0, 1.0, snapshot(trying=2))]},
        lambda: {"ended": [*KILL, Ended("term", 0, 1.0, snapshot(trying=2))]},  # which the kill had left
        lambda: {"ended": [*KILL, Ended("kill", -9, 0.1, snapshot(trying=10))]},  # eight more than before
        lambda: {"shown": SHOWN},
    ],
)
def test_what_may_be_is_not_found(changes: Callable[[], dict[str, Any]]) -> None:
    assert violations(evidence(**changes())) == []


def test_what_a_woken_process_proves_is_owed_and_not_forgotten() -> None:
    shown = {**SHOWN, "failed": 1, "unsure": 1, "exceptions": [{"email": ADDRESSES[1], "state": "unsure"}]}
    proven = {"end": snapshot(A, U, F, A, A), "shown": shown, "woken": (snapshot(A), snapshot(A))}
    stopped = {"ended": [Ended("stop", 0, 1.0, snapshot(trying=2))]}
    assert violations(evidence(**proven, **stopped)) == ["I3 neither accepted nor unsure: reader3@example.org"]
    proven["end"] = snapshot(A, U, F, A, A, owed=frozenset({3}))
    assert violations(evidence(**proven, **stopped)) == []
