"""Killed anywhere, restarted: nobody gets it twice, nobody is forgotten, and what is not known is said.

A few runs with few readers belong to every test; CRASH_RUNS=full makes 46 with 2,000 readers each. The table of the
runs is printed at the end, and added to the file that CRASH_TABLE names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from digest.tables import State
from tests.crash import kills, world
from tests.crash.kills import HEAD, Plan, Result
from tests.crash.witness import WINDOW

FULL = os.environ.get("CRASH_RUNS") == "full"
READERS = 2_000 if FULL else 500
WAIT = "0-50" if FULL else "0-5"
TRIES = 5  # until a run's kill hits what it is aimed at

MANY = {
    ("sqlite", "maildir"): {"trying": 6, "planning": 6, "recovery": 3, "random": 4, "closing": 3},
    ("sqlite", "faulty"): {"trying": 5, "planning": 2, "recovery": 2, "random": 4},
    ("postgres", "maildir"): {"trying": 2, "planning": 2, "recovery": 1, "random": 1},
    ("postgres", "faulty"): {"trying": 2, "planning": 1, "recovery": 1, "random": 1},
}
FEW = {
    ("sqlite", "maildir"): {"trying": 1, "planning": 1},
    ("sqlite", "faulty"): {"recovery": 1, "random": 1},
    ("postgres", "maildir"): {"planning": 1},
    ("postgres", "faulty"): {"trying": 1},
}


def plans() -> list[object]:
    found: list[object] = []
    for (database, transport), points in (MANY if FULL else FEW).items():
        marks = [pytest.mark.postgres] if database == "postgres" else []
        for point, times in points.items():
            for seed in range(1, times + 1):
                plan = Plan(database, transport, point, seed)
                found.append(pytest.param(plan, id=str(plan), marks=marks))
    return found


@dataclass
class Ground:
    """What the runs on one database begin with, made when the first asks."""

    request: pytest.FixtureRequest
    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)
    made: dict[str, tuple[world.Template, dict[int, list[str]], float]] = field(default_factory=dict)

    def of(self, database: str) -> tuple[world.Template, dict[int, list[str]], float]:
        """The template, the mails of a run that nobody hurt, and how long it took."""
        if database not in self.made:
            server = self.request.getfixturevalue("postgres_server") if database == "postgres" else None
            made = world.template(self.folder / database, readers=READERS, server=server)
            template = self.stack.enter_context(made)
            self.made[database] = (template, *kills.unhurt(template, self.folder / f"{database}-unhurt"))
        return self.made[database]


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    ground = Ground(request, tmp_path_factory.mktemp("crash"))
    with ground.stack:
        yield ground


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    lines: list[str] = []
    yield lines
    if reporter := request.config.pluginmanager.get_plugin("terminalreporter"):
        for line in ("", HEAD, *lines):
            reporter.write_line(line)
    if path := os.environ.get("CRASH_TABLE"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in (HEAD, *lines))


@pytest.mark.crash
@pytest.mark.timeout(600)
@pytest.mark.parametrize("plan", plans())
def test_a_killed_run_goes_on_and_everybody_is_accounted_for(
    plan: Plan, ground: Ground, table: list[str], tmp_path: Path
) -> None:
    template, mails, usual = ground.of(plan.database)
    result = run_until_hit(plan, template, tmp_path, usual)
    table.append(result.line())
    check(result)
    if plan.transport == "maildir":
        check_maildir(result, mails)
    else:
        check_faulty(result, mails)


def run_until_hit(plan: Plan, template: world.Template, folder: Path, usual: float) -> Result:
    """A run in which a kill hit. After a miss the kills come sooner: the machine is faster than it was at first."""
    for n in range(TRIES):
        result = kills.run(plan, template, folder / str(n), usual=usual, wait=WAIT, haste=2**n)
        if result.hit:
            return result
    pytest.fail(f"no kill hit in {TRIES} tries")


def check(result: Result) -> None:
    """What holds for every transport: the equation at every look, and an edition that is closed and says so."""
    end = result.end
    assert result.faults == []
    assert result.looks > 5
    assert end is not None
    assert end.state == "sent"
    assert len(end.rows) == READERS
    assert end.remaining == 0
    shown = {name: result.shown[name] for name in ("planned", "accepted", "skipped", "failed", "unsure", "remaining")}
    assert shown == {
        "planned": READERS,
        "accepted": end.count(State.ACCEPTED),
        "skipped": end.count(State.SKIPPED),
        "failed": end.count(State.FAILED),
        "unsure": end.count(State.UNSURE),
        "remaining": 0,
    }
    assert result.leftovers == []


def check_maildir(result: Result, mails: dict[int, list[str]]) -> None:
    """Exactly one copy each, with the bytes of a run that was not hurt."""
    assert result.end is not None
    assert Counter(map(len, mails.values())) == {1: READERS}
    assert result.copies == mails
    assert result.end.count(State.ACCEPTED) == READERS


def check_faulty(result: Result, mails: dict[int, list[str]]) -> None:
    """Nobody twice; who is accepted was kept, who was kept is accepted or unsure; unsure within the bound, by name."""
    assert result.end is not None
    unsure = {reader for reader, (_, state) in result.end.rows.items() if state is State.UNSURE}
    accepted = {reader for reader, (_, state) in result.end.rows.items() if state is State.ACCEPTED}
    assert {reader: digests for reader, digests in result.copies.items() if digests != mails[reader]} == {}
    assert accepted <= result.copies.keys() <= accepted | unsure
    assert accepted | unsure == mails.keys()
    assert len(unsure) <= WINDOW * len(result.kills)
    assert len(unsure) == sum(kill.left.trying for kill in result.kills)
    named = [one["email"] for one in result.shown["exceptions"] if one["state"] == "unsure"]
    assert sorted(named) == sorted(f"reader{reader}@example.org" for reader in unsure)


@pytest.mark.crash
def test_the_many_runs_are_enough_of_each_kind() -> None:
    by_point: Counter[str] = Counter()
    for points in MANY.values():
        by_point.update(points)
    on_postgres = sum(sum(points.values()) for (database, _), points in MANY.items() if database == "postgres")
    assert by_point.total() >= 40
    assert by_point["trying"] >= 10
    assert by_point["planning"] >= 10
    assert by_point["recovery"] >= 5
    assert on_postgres >= 10
