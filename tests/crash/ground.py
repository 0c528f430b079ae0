"""What crash runs begin with and are compared to, made when the first of a kind asks and kept for the others."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from tests.crash import cells, world
from tests.crash.forkserver import ForkServer
from tests.crash.points import STRUCK, VARIABLE, Strike
from tests.crash.receivers import MAILDIR, WINDOW, Copies, Receiver
from tests.standins import postgres

PATIENCE = 60.0  # seconds
PLANNED = Strike("k4/done", 1, "kill")


@dataclass(frozen=True)
class Start:
    """Where runs of one kind begin, and what one of them leaves that nobody hurts."""

    template: world.Template
    moment: str  # of the clock that stands still; empty when it goes
    copies: Copies
    names: frozenset[str]  # of the files in its home
    usual: float  # seconds


@dataclass
class Ground:
    """One database's templates."""

    folder: Path
    forks: ForkServer
    server: postgres.Server | None  # None: SQLite
    readers: int = cells.READERS
    feeds: bool = True  # the files are built before
    _stack: ExitStack = field(default_factory=ExitStack)
    _templates: dict[str, world.Template] = field(default_factory=dict)
    _starts: dict[tuple[str, str], Start] = field(default_factory=dict)

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, stage: str, receiver: Receiver) -> Start:
        """The start of runs from this stage (due, frozen, planned) with this receiver."""
        key = (stage, receiver.name)
        if key not in self._starts:
            self._starts[key] = self._unhurt(stage, receiver)
        return self._starts[key]

    def template(self, stage: str) -> world.Template:
        if stage not in self._templates:
            self._templates[stage] = self._planned() if stage == "planned" else self._made(stage)
        return self._templates[stage]

    def _made(self, stage: str) -> world.Template:
        home = self.folder / stage
        made = world.template(home, readers=self.readers, server=self.server, frozen=stage != "due", feeds=self.feeds)
        return self._stack.enter_context(made)

    def _planned(self) -> world.Template:
        """The frozen one after a process that was killed when it had planned."""
        frozen = self.template("frozen")
        copy = self._stack.enter_context(frozen.copy(self.folder / "planned"))
        asked = {VARIABLE: str(PLANNED), STRUCK: str(self.folder / "struck")}
        code = self._run(copy, {**MAILDIR.settings(0, copy.home), **asked}, [])
        assert code < 0, "the plan was not made"
        return frozen.after(copy)

    def _unhurt(self, stage: str, receiver: Receiver) -> Start:
        template = self.template(stage)
        moment = template.moment.isoformat() if stage == "due" else ""
        folder = self.folder / f"unhurt-{stage}-{receiver.name}"
        folder.mkdir()
        with template.copy(folder / "home") as copy, receiver.running(folder, self.forks) as receiving:
            settings = dict(receiver.settings(receiving.port or 0, copy.home))
            if moment:
                settings["CRASH_MOMENT"] = moment
            began = monotonic()
            code = self._run(copy, settings, ["--at", moment] if moment else [])
            usual = monotonic() - began
            assert code == 0, (folder / "log").read_text()[-2000:]
            copies = receiver.copies(receiving.record)
            assert sorted(copies) == sorted(template.addresses), "not everybody has a mail although nobody was hurt"
            return Start(template, moment, copies, names(copy.home), usual)

    def _run(self, copy: world.World, settings: dict[str, str], more: list[str]) -> int:
        plan = {"CRASH_STEP": str(cells.STEP), "CRASH_WINDOW": str(WINDOW)}
        environment = copy.process_environment(**settings, **plan)
        process = self.forks.start(["run", "--until-idle", *more], environment, copy.home.parent / "log")
        try:
            return process.wait(PATIENCE)
        finally:
            process.end()


def names(home: Path) -> frozenset[str]:
    """The files of a home. The database's own come and go, and who has which mail is asked elsewhere."""
    found = (path.relative_to(home) for path in home.rglob("*") if path.is_file())
    own = ("digest.db", "mail/new/", "mail/cur/", "journal/")
    return frozenset(str(path) for path in found if not str(path).startswith(own))
