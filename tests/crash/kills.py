"""Runs of `digest run --until-idle` that are killed with SIGKILL at chosen points, restarted, and counted from outside.

A run in which no kill hit what it was aimed at is no run: it is said to have missed, and is done again from the
start. Points: `trying` (rows are under way), `planning` (between two transactions of the plan), `recovery` (again,
right after the restart took over what the first kill left), `closing` (all rows are settled, the edition is not
closed), `random` (three times, at any moment).
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from digest.tables import State
from tests.crash.witness import WINDOW, Glance, Snapshot, Watch, Witness
from tests.crash.world import EDITION, ROOT, Template, World
from tests.standins import record_server

PROGRAM, IN_STEPS = "digest.cli", "tests.crash.worker"
PLAN_STEPS = 10  # transactions of the plan, when kills go between them
CONNECTIONS = 8  # of the failing transport
BETWEEN = 0.001  # seconds between two glances
PATIENCE = 200.0  # seconds that one process may take

Aim = Callable[[Glance], bool]


@dataclass(frozen=True)
class Plan:
    """One run as it is meant."""

    database: str  # sqlite, postgres
    transport: str  # maildir, faulty
    point: str
    seed: int

    def __str__(self) -> str:
        return f"{self.database}-{self.transport}-{self.point}-{self.seed}"


@dataclass(frozen=True)
class Kill:
    """One kill that hit a living process: when, and the ledger as the dead process left it."""

    point: str
    after: float  # seconds since the process began
    left: Snapshot


@dataclass
class Result:
    """What a run came to, counted from outside."""

    plan: Plan
    kills: list[Kill] = field(default_factory=list)
    looks: int = 0
    faults: list[str] = field(default_factory=list)
    end: Snapshot | None = None
    copies: dict[int, list[str]] = field(default_factory=dict)  # subscriber -> SHA-256 of each copy kept
    shown: dict[str, Any] = field(default_factory=dict)  # what the program says of the edition
    leftovers: list[str] = field(default_factory=list)

    @property
    def hit(self) -> bool:
        return any(kill.point == self.plan.point for kill in self.kills)

    def line(self) -> str:
        """One line of the table: when it was killed, what the ledger held then, and what was kept in the end."""
        assert self.end is not None
        times = " ".join(f"{kill.after:.2f}" for kill in self.kills)
        trying = " ".join(str(kill.left.trying) for kill in self.kills)
        rows = " ".join(str(len(kill.left.rows)) for kill in self.kills)
        copies = sum(map(len, self.copies.values()))
        unsure = {reader for reader, (_, state) in self.end.rows.items() if state is State.UNSURE}
        return (
            f"{self.plan.database:8} {self.plan.transport:7} {self.plan.point:8} {times:16} {trying:12} {rows:16} "
            f"{copies:6} {max(map(len, self.copies.values()), default=0):4} "
            f"{len(unsure):6} {len(unsure & self.copies.keys()):7} {self.looks:5}"
        )


HEAD = "database carrier point    killed at, s     trying then  rows then        copies most unsure arrived looks"


class Run:
    """One run in a world of its own."""

    def __init__(self, plan: Plan, world: World, readers: int, environment: dict[str, str]) -> None:
        self.plan, self._world, self._readers = plan, world, readers
        self._random = random.Random(f"{plan} {world.home.name}")  # another try, other moments
        self._environment = world.process_environment(
            **environment, CRASH_STEP=str(readers // PLAN_STEPS if plan.point == "planning" else 0)
        )
        self.result = Result(plan)
        self.witness = Witness(world.url)

    def go(self, usual: float) -> Result:
        """Kills as planned, then lets it end in peace; `usual` is how long work takes that nobody hurts, in seconds."""
        with contextlib.closing(self.witness):
            with Watch(self.witness) as watch:
                self._hurt(usual)
                self.finish()
            self.result.end = self.witness.look()
            self.result.looks, self.result.faults = watch.looks, watch.faults + self.witness.integrity()
        shown = self.start(["editions", "show", str(EDITION), "--json"], stdout=subprocess.PIPE)
        self.result.shown = json.loads(shown.communicate(timeout=PATIENCE)[0])
        return self.result

    def _hurt(self, usual: float) -> None:
        window = usual * WINDOW / self._readers  # seconds between two commits
        match self.plan.point:
            case "trying":
                self._kill("trying", self._under_way(), window)
            case "planning":
                rows = self._random.randrange(1, self._readers)
                self._kill("planning", lambda now: now.rows >= rows and not now.planned_all)
            case "recovery":
                self._kill("trying", self._under_way(), window)
                self._kill("recovery", self._leased(), window / 2)
            case "closing":
                self._kill("closing", lambda now: now.state == "sending" and now.remaining == 0)
            case _:
                for _ in range(3):
                    self._kill("random", self._leased(), usual)

    def _under_way(self) -> Aim:
        settled = self._random.randrange(self._readers * 9 // 10)
        return lambda now: now.trying > 0 and now.accepted >= settled

    def _leased(self) -> Aim:
        before = self.witness.glance().fence
        return lambda now: now.fence > before

    def _kill(self, point: str, aim: Aim, within: float = 0.0) -> None:
        """Starts the program, kills it at a random moment `within` seconds of the aim, and notes it when that hit."""
        process = self.start(["run", "--until-idle"])
        began = time.monotonic()
        while process.poll() is None and not aim(self.witness.glance()):
            assert time.monotonic() - began < PATIENCE
            time.sleep(BETWEEN)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._random.uniform(0, within))
        process.send_signal(signal.SIGKILL)
        after = time.monotonic() - began
        if process.wait() == -signal.SIGKILL and _struck(point, left := self.witness.look()):
            self.result.kills.append(Kill(point, after, left))

    def finish(self) -> None:
        """One run to its end, unhurt."""
        assert self.start(["run", "--until-idle"]).wait(PATIENCE) == 0

    def start(self, arguments: list[str], stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        module = IN_STEPS if self.plan.point == "planning" else PROGRAM
        with (self._world.home / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout == subprocess.DEVNULL else stdout,
                stderr=log,
            )


def _struck(point: str, left: Snapshot) -> bool:
    """Whether the process died where it was to die, from what it left."""
    match point:
        case "trying":
            return left.trying > 0
        case "planning":
            return bool(left.rows) and not left.planned_all
        case "closing":
            return left.state == "sending" and left.remaining == 0
        case _:
            return left.state in ("frozen", "sending")


def run(plan: Plan, template: Template, folder: Path, *, usual: float, wait: str, haste: int = 1) -> Result:
    """One run from the start; `wait` is what the record server lets a sender wait for, in milliseconds.

    `usual` is how long a run into a mailbox works; with `haste` the kills come that many times sooner.
    """
    if plan.transport == "faulty":
        low, high = map(float, wait.split("-"))
        usual = template.readers * (low + high) / 2 / 1000 / CONNECTIONS
    with template.copy(folder) as world, _transport(plan, folder, wait) as environment:
        result = Run(plan, world, template.readers, environment).go(usual / haste)
        result.copies = kept_by_record(folder) if plan.transport == "faulty" else kept_by_mailbox(world.home / "mail")
        result.leftovers = [path.name for path in (world.home / "mail").glob("tmp/*")]
        return result


@contextlib.contextmanager
def _transport(plan: Plan, folder: Path, wait: str) -> Iterator[dict[str, str]]:
    if plan.transport == "maildir":
        yield {"DIGEST_TRANSPORT__KIND": "maildir"}
        return
    with record_server.running(folder / "record", wait=wait, seed=plan.seed) as port:
        yield {"DIGEST_TRANSPORT__KIND": "tests.standins.faulty:faulty", "FAULTY_RECORD": f"127.0.0.1:{port}"}


def kept_by_record(folder: Path) -> dict[int, list[str]]:
    """What the record server's file holds."""
    copies: dict[int, list[str]] = {}
    for mail in record_server.read(folder / "record"):
        copies.setdefault(mail.subscriber_id, []).append(mail.sha256)
    return copies


def kept_by_mailbox(mail: Path) -> dict[int, list[str]]:
    """What lies in new/ and cur/, by the subscriber in the name, each mail with its line ends as they were joined."""
    copies: dict[int, list[str]] = {}
    for path in [*mail.glob("new/*"), *mail.glob("cur/*")]:
        subscriber = int(path.name.partition(".digest")[0].rpartition("-")[2])
        body = path.read_bytes().replace(b"\n", b"\r\n")
        copies.setdefault(subscriber, []).append(sha256(body).hexdigest())
    return copies


def unhurt(template: Template, folder: Path) -> tuple[dict[int, list[str]], float]:
    """The mails of a run that nobody kills, and how many seconds it works."""
    plan = Plan("", "maildir", "none", 0)
    with template.copy(folder) as world:
        quiet = Run(plan, world, template.readers, {"DIGEST_TRANSPORT__KIND": "maildir"})
        process, began = quiet.start(["run", "--until-idle"]), 0.0
        while process.poll() is None:
            began = began or (time.monotonic() if quiet.witness.glance().fence else 0.0)
            time.sleep(BETWEEN)
        usual = time.monotonic() - began
        quiet.witness.close()
        return kept_by_mailbox(world.home / "mail"), usual
