"""The witness of the crash runs sees what it is there to see."""

from __future__ import annotations

import pytest

from digest.tables import State
from tests.crash.witness import Snapshot, faults

P, T, A, S, F, U = State


def snapshot(*states: State, planned_all: bool = True) -> Snapshot:
    """One batch whose counters fit its rows."""
    counts = (len(states), *(states.count(one) for one in (A, S, F, U)))
    return Snapshot("sending", planned_all, {n: (1, one) for n, one in enumerate(states)}, {1: counts})


GOOD = snapshot(P, T, A, S, F, U)


@pytest.mark.parametrize("after", [GOOD, snapshot(T, P, A, S, F, A), snapshot(A, U, A, S, F, F)])
def test_it_finds_nothing_where_all_is_well(after: Snapshot) -> None:
    assert faults(after, GOOD) == []


@pytest.mark.parametrize("counters", [{}, {1: (5, 1, 1, 1, 1)}, {1: (6, 2, 1, 1, 1)}, {1: (6, 1, 1, 1, 0)}])
def test_it_finds_counters_that_differ_from_the_rows(counters: dict[int, tuple[int, ...]]) -> None:
    assert faults(Snapshot("sending", True, GOOD.rows, counters))


def test_it_finds_too_many_rows_under_way() -> None:
    assert faults(snapshot(*[T] * 200)) == []
    assert faults(snapshot(*[T] * 201))


@pytest.mark.parametrize(
    "after",
    [
        snapshot(P, T, P, S, F, U),
        snapshot(P, T, A, S, P, U),
        snapshot(P, T, A, A, F, U),
        snapshot(P, T, A, S, F, T),
        snapshot(P, T, A, S, F),
        snapshot(P, T, A, S, F, U, P),
    ],
)
def test_it_finds_rows_that_go_back_get_lost_or_come_after_the_plan(after: Snapshot) -> None:
    assert faults(after, GOOD)


def test_rows_may_come_while_the_plan_is_made() -> None:
    assert faults(snapshot(P, P, P), snapshot(P, P, planned_all=False)) == []
