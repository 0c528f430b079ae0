"""Struck anywhere, started again: nobody gets it twice, nobody is forgotten, and what is not known is said.

Here are 27 runs of the crash matrix; `python -m tests.crash --runs 400` performs the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.crash import cells
from tests.crash.cells import ACTIONS, DATABASES, POINTS, Case
from tests.crash.receivers import RECEIVERS
from tests.crash.workshop import Workshop

RUNS = {
    "sqlite": (
        ("maildir", "k1/kill", "k6/kill", "k7/stop", "k9/term"),
        ("smtp", "k5/stop", "k6/kill", "k7/kill", "k8/term", "k14/kill"),
        ("sendgrid", "k6/term", "k7/kill", "k10/kill", "k12/kill"),
    ),
    "postgres": (
        ("maildir", "k2/kill", "k3/stop", "k10/term"),
        ("smtp", "k3/kill", "k5/kill", "k7/kill", "k12/term", "k14/kill"),
        ("sendgrid", "k4/term", "k6/kill", "k8/stop", "k9/kill", "any/kill"),
    ),
}
TRACED = "sqlite/smtp/k11/kill"


def names(database: str) -> list[str]:
    return [f"{database}/{transport}/{run}" for transport, *runs in RUNS[database] for run in runs]


def perform(workshop: Workshop, runs: Sequence[str]) -> None:
    done = [workshop.perform(Case.parse(f"{run}/1")) for run in runs]
    assert {f"python -m tests.crash --run {one.case}": one.faults for one in done if one.faults} == {}


@pytest.mark.crash
def test_struck_anywhere_on_sqlite_everybody_is_accounted_for(workshop: Workshop) -> None:
    perform(workshop, names("sqlite"))


@pytest.mark.crash
@pytest.mark.postgres
def test_struck_anywhere_on_postgres_everybody_is_accounted_for(postgres_workshop: Workshop) -> None:
    perform(postgres_workshop, names("postgres"))


@pytest.mark.crash
def test_struck_in_a_checkpoint_everybody_is_accounted_for(workshop: Workshop, traced: None) -> None:
    perform(workshop, [TRACED])


def test_the_short_runs_pass_every_point_and_do_everything() -> None:
    runs = [run.split("/") for run in (*names("sqlite"), *names("postgres"), TRACED)]
    assert {run[0] for run in runs} == set(DATABASES)
    assert {run[1] for run in runs} == set(RECEIVERS)
    assert {run[2] for run in runs} == set(POINTS)
    assert {run[3] for run in runs} == set(ACTIONS)


def test_every_point_has_a_cell_for_each_transport_and_database_or_says_why_not() -> None:
    killed = {cell[:3] for cell in cells.cells() if cell[3] == "kill"}
    missing = {
        (database, transport, point)
        for database in DATABASES
        for transport in RECEIVERS
        for point in POINTS
        if (database, transport, point) not in killed
    }
    assert missing == {("postgres", transport, "k11") for transport in RECEIVERS}
    assert all(cells.why_left_out(*cell, "kill") for cell in missing)


def test_400_runs_go_to_every_cell_and_are_the_same_for_the_same_seed() -> None:
    runs = cells.chosen(400, seed=1)
    counted = Counter(run.cell for run in runs)
    assert set(counted) == {"/".join(cell) for cell in cells.cells()}
    assert len(set(runs)) == 400
    assert runs == cells.chosen(400, seed=1)
    assert runs != cells.chosen(400, seed=2)
