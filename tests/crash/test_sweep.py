"""Killed at 25 of the system calls of a send, and answered with an error at a few; the sweep takes every one of them.

`python -m tests.crash.sweep` is the whole: some 470 kills into a mailbox, some 600 over SMTP.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.crash import sweep
from tests.crash.cells import Case
from tests.crash.workshop import Outcome, Workshop

KILLED = {  # at the n-th of these calls, from the first to nearly the last
    "pwrite64": (1, 12, 27, 42, 57, 72, 87, 101, 115, 130, 145),
    "fsync": (1, 14, 29, 45, 60),
    "write": (2, 13, 30),
    "link": (1, 17),
    "unlink": (3, 25),
    "rename": (1, 8),  # what a kill leaves of a feed file is removed by the next build
}
ANSWERED = (
    "pwrite64/EIO/40",
    "pwrite64/EIO/120",
    "fsync/EIO/30",
    "link/EIO/9",
    "pwrite64/ENOSPC/90",
    "write/ENOSPC/20",
)


def perform(workshop: Workshop, names: list[str]) -> list[Outcome]:
    done = [workshop.perform(Case.parse(f"sqlite/maildir/{name}")) for name in names]
    assert {f"python -m tests.crash --run {one.case}": one.faults for one in done if one.faults} == {}
    assert [str(one.case) for one in done if one.missed] == []
    return done


@pytest.mark.crash
@pytest.mark.parametrize("call", KILLED)
def test_killed_at_a_system_call_it_goes_on(call: str, workshop: Workshop, traced: None) -> None:
    done = perform(workshop, [f"{call}/kill/{n}" for n in KILLED[call]])
    assert [one.kills for one in done] == [1] * len(KILLED[call])


@pytest.mark.crash
def test_an_error_of_the_disk_pauses_or_is_said_and_the_next_start_goes_on(workshop: Workshop, traced: None) -> None:
    perform(workshop, list(ANSWERED))


def test_a_sweep_is_whole_only_when_a_run_ended_unhurt_for_each_call() -> None:
    cases = sweep.cases(Counter(pwrite64=2), "maildir", "kill")
    assert [case.seed for case in cases] == [1, 2, 3, 4, 5]
    done = [Outcome(case, "", missed=case.seed > 4) for case in cases]
    assert sweep.unfinished(done) == []
    assert sweep.unfinished(done[:4]) == ["pwrite64"]
