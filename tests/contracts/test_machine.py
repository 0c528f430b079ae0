"""A hypothesis state machine plays histories of a digest against the oracle, on both databases.

The long run: `MODEL=2000 python -m pytest --timeout 0 -s tests/contracts/test_machine.py`, perhaps with `MODEL_SEED`
and `MODEL_STEPS`; it says how many examples, steps, kills and mails there were.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from digest.db import Database
from tests.contracts.acts import Act
from tests.contracts.oracle import CADENCES, OFF
from tests.contracts.troupe import Troupe

Fresh = Callable[[], AbstractContextManager[Database]]

EXAMPLES = int(os.environ.get("MODEL", "0"))
SEED = int(os.environ.get("MODEL_SEED", "0"))
STEPS = int(os.environ.get("MODEL_STEPS", "40"))

TOPICS = ("a", "b", "ab")
OFFERS = [("weekly",), ("daily", "weekly"), ("instant", "weekly"), ("instant", "daily"), CADENCES, CADENCES]
topics, which, series = st.sampled_from(TOPICS), st.integers(0, 3), st.integers(0, 3)
how_often = st.sampled_from([*CADENCES, "weekly", OFF])
choices = st.fixed_dictionaries({"a": how_often, "b": how_often})
answers = st.lists(st.sampled_from(["ACCEPTED"] * 3 + ["TRANSIENT", "TRANSIENT", "POLICY", "UNSURE"]), max_size=4)
DEATHS = [None] * 90 + [*range(30)]  # at which statement the process is killed
days = st.sampled_from(["2026-09-01", "2026-09-01", "2026-09-01", "--06-04"])


def acts(name: str, *given: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    """Acts of one kind."""
    return st.tuples(st.just(name), *given)


READERS = st.one_of(
    acts("choose", which, choices),
    acts("choose", which, choices),
    acts("choose", which, choices),
    acts("pause", which),
    acts("wake", which, st.booleans()),
    acts("leave", which),
    acts("join", which, choices),
)
CONTENT = st.one_of(
    acts("publish", topics, days),
    acts("publish", topics, days),
    acts("publish", topics, days),
    acts("complete", which),
    acts("update", which, st.one_of(st.just(""), topics)),
    acts("move", which, topics),
    acts("withdraw", which),
    acts("republish", which),
    acts("hold", which),
    acts("hold", which),
    acts("arrange", which),
    acts("release", which),
)
STAFF = st.one_of(
    acts("offer", st.sampled_from(OFFERS)),
    acts("cap", st.integers(0, 2)),
    acts("fewest", series, st.integers(1, 2)),
    acts("stop", which),
    acts("go_on", which, st.booleans()),
    acts("go_on", which, st.booleans()),
    acts("cancel", which, st.booleans()),
    acts("cancel", which, st.just(value=False)),
    acts("approve", which),
    acts("approve", which),
    acts("undo", which),
)
BETWEEN = {
    "nothing": st.just(()),
    "choose": acts("choose", which, choices),
    "readers": READERS,
    "content": CONTENT,
    "cancel": acts("cancel", which, st.booleans()),
}
MEANWHILE = st.sampled_from(["nothing", "choose", "choose", "readers", "content", "cancel"]).flatmap(
    BETWEEN.__getitem__
)
WORK = acts("work", which, answers, MEANWHILE, st.sampled_from([0, 1, 1]))
RUNS = st.one_of(
    acts("freeze", series, st.just(value=True), st.just("")),
    acts("freeze", series, st.booleans(), st.sampled_from(["", "It came late."])),
)
NEWS = acts("publish", topics, st.just("2026-09-01"))
ENDS = st.one_of(
    acts("late", st.sampled_from([1, 13])),
    acts("close", which),
    acts("close", which),
    acts("settle", which, st.booleans()),
)

KINDS = {"readers": READERS, "content": CONTENT, "news": NEWS, "staff": STAFF, "runs": RUNS, "work": WORK, "ends": ENDS}
OFTEN = ["work"] * 8 + ["news"] * 3 + ["runs"] * 4 + ["readers"] * 3 + ["content"] * 3 + ["staff"] * 2 + ["ends"] * 3


class Machine(RuleBasedStateMachine):
    """One history; `fresh` gives its database, `ran` counts."""

    fresh: Fresh
    ran: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self._kept = type(self).fresh()
        self._db = self._kept.__enter__()
        self._broken = False

    @initialize(offered=st.sampled_from(OFFERS), first=st.lists(choices, min_size=2, max_size=2))
    def begin(self, offered: tuple[str, ...], first: list[dict[str, str]]) -> None:
        """Two readers to begin with."""
        self.troupe = Troupe(self._db, offered)
        for choice in first:
            self.troupe.join(0, choice)

    @rule(act=st.sampled_from(OFTEN).flatmap(KINDS.__getitem__), kill=st.sampled_from(DEATHS))
    def act(self, act: Act, kill: int | None) -> None:
        """Readers or staff change something, or the product goes on with what it has to do."""
        self._scene(act, kill)

    def _scene(self, act: Act, kill: int | None) -> None:
        self._broken = True
        self.troupe.scene(act, kill)
        self._broken = False
        self.ran["steps"] += 1
        self.ran[act[0]] += 1

    def teardown(self) -> None:
        """The end of the history, and the verdict."""
        try:
            if not self._broken and hasattr(self, "troupe"):
                self.troupe.drain()
                self.troupe.judge()
                self.ran["examples"] += 1
                self.ran["kills"] += self.troupe.kills
                self.ran["mails"] += len(self.troupe.stage.transport.handed)
        finally:
            self._kept.__exit__(None, None, None)


def play(fresh: Fresh, examples: int, steps: int) -> None:
    ran: Counter[str] = Counter()
    machine = type("Machine", (Machine,), {"fresh": staticmethod(fresh), "ran": ran})
    given = settings(
        max_examples=EXAMPLES or examples,
        stateful_step_count=STEPS if EXAMPLES else steps,
        deadline=None,
        database=None,
        derandomize=not EXAMPLES,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    seeded = hypothesis.seed(SEED)(machine) if EXAMPLES else machine
    run_state_machine_as_test(seeded, settings=given)
    print(f"seed {SEED}: {dict(ran)}")


def test_each_reader_gets_what_is_owed_once_whatever_happens(tmp_path: Path, sqlite_template: Path) -> None:
    @contextmanager
    def fresh() -> Iterator[Database]:
        path = tmp_path / "digest.db"
        for stale in tmp_path.iterdir():
            stale.unlink()
        shutil.copy(sqlite_template, path)
        db = Database(f"sqlite:///{path}")
        try:
            yield db
        finally:
            db.close()

    play(fresh, examples=12, steps=30)


@pytest.mark.postgres
def test_the_same_holds_on_postgresql(request: pytest.FixtureRequest) -> None:
    server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template")

    @contextmanager
    def fresh() -> Iterator[Database]:
        with server.database(template=template) as url:
            db = Database(url)
            try:
                yield db
            finally:
                db.close()

    play(fresh, examples=5, steps=25)
