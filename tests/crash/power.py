"""Power loss: a send of some 400 commits, and what the next start finds when the power failed at any moment of it.

    python -m tests.crash.power [--states 1000] [--seed 1] [--resumed 20]

A send on SQLite is written down by strace: every write, every sync, and every mail as it leaves. From that log states
of the disk are made (`tests.crash.disk`): the power fails between two calls, chosen at random. Each state is opened as
the next start would open it. It must be sound, and whoever's mail had left before must not be `planned`, since that
is sent again. Some states are gone on with: the product sends the rest, and nobody may have two copies. The same with
`PRAGMA synchronous=NORMAL` must show losses, or the method would see none.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from digest.db import sqlite_module
from digest.tables import State
from tests.crash import strace, tap, world
from tests.crash.disk import OPTIONS, Asked, Disk, read
from tests.crash.forkserver import ForkServer
from tests.crash.receivers import SMTP
from tests.crash.workshop import fast_folder

READERS = 400
PATIENCE = 300.0  # seconds
SLOWLY = {"CRASH_WINDOW": "1", "CRASH_STEP": "50", "DIGEST_TRANSPORT__SMTP__CONNECTIONS": "1"}  # a commit for each mail
RECEIVER = SMTP
NAMED = re.compile(rb"RCPT TO:<reader(\d+)@", re.IGNORECASE)


@dataclass
class Log:
    """One send, written down."""

    folder: Path  # of the home, as the log names it
    before: dict[str, bytes]  # the database's files when it began
    asked: list[Asked]
    left: dict[int, int]  # subscriber -> place in `asked` where the mail has left
    commits: int


@dataclass
class Found:
    """What states of the disk held."""

    states: int = 0
    unsound: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)  # states in which a mail that had left was planned again
    mails: int = 0  # of how many such mails
    resumed: int = 0
    twice: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.unsound or self.forgotten or self.twice)


def write_down(forks: ForkServer, folder: Path, synchronous: str, readers: int = READERS) -> Log:
    """Sends an edition, watched."""
    folder.mkdir()
    with world.template(folder / "home", readers=readers) as made, RECEIVER.running(folder, forks) as receiving:
        home = made.home
        before = {path.name: path.read_bytes() for path in home.glob("digest.db*") if path.suffix != ".turnstile"}
        environment = _environment(home, receiving.port or 0, CRASH_PRAGMA=f"synchronous={synchronous}")
        process = forks.start(["run", "--until-idle"], environment, folder / "log", held=True)
        try:
            tracer = strace.take_hold(process, OPTIONS, folder / "strace")
            code = process.wait(PATIENCE)
            strace.let_go(tracer)
        finally:
            process.end()
        assert code == 0, (folder / "log").read_text()[-2000:]
    asked = list(read(folder / "strace"))
    (folder / "strace").unlink()
    return Log(home, before, asked, _left(asked), _commits(asked, home))


def _environment(home: Path, port: int, **more: str) -> dict[str, str]:
    settings = {**RECEIVER.settings(port, home), **more}
    return world.World(home, "", {"DIGEST_HOME": str(home)}).process_environment(**(settings | SLOWLY))


def _left(asked: Sequence[Asked]) -> dict[int, int]:
    """When the mail of each reader had left: its last dot was written to a connection."""
    left: dict[int, int] = {}
    connections: dict[str, Conversation] = {}
    for place, each in enumerate(asked):
        if each.what == "send" and each.file.startswith(("socket:", "TCP:")):
            for reader in connections.setdefault(each.file, Conversation()).hear(each.data):
                left.setdefault(reader, place)
    return left


class Conversation:
    """What a client says on one connection to a mail server."""

    def __init__(self) -> None:
        self._cutter = tap.smtp()
        self._piece = next(self._cutter)
        self._named = 0

    def hear(self, data: bytes) -> Iterator[int]:
        """The readers whose mail has left with this."""
        self._piece = self._cutter.send(data)
        while self._piece != (b"", tap.MORE):
            piece, what = self._piece
            if named := NAMED.match(piece):
                self._named = int(named.group(1))
            if what == tap.WHOLE:
                yield self._named
            self._piece = next(self._cutter)


def _commits(asked: Sequence[Asked], home: Path) -> int:
    """Each commit writes a last page to the log of SQLite, after which comes something else."""
    log = str(home / "digest.db-wal")
    ends = pairwise(asked)
    return sum(
        one.what == "write" and one.file == log and not (then.file == log and then.what == "write")
        for one, then in ends
    )


def replay(log: Log, states: int, seed: int, *, resumed: int = 0, forks: ForkServer | None = None) -> Found:
    """Lets the power fail at so many places, and looks at what is left."""
    dice = random.Random(f"{seed} {states}")
    places = sorted(dice.randrange(1, len(log.asked)) for _ in range(states))
    gone_on = set(dice.sample(range(states), resumed))
    disk = Disk()
    for name, content in log.before.items():
        disk.begin(str(log.folder / name), content)
    found, done = Found(), 0
    with tempfile.TemporaryDirectory(prefix="crash-", dir=fast_folder()) as scratch:
        for number, place in enumerate(places):
            for each in log.asked[done:place]:
                disk.take(each)
            done = place
            left = {Path(name).name: content for name, content in disk.after_power_loss(dice).items()}
            folder = Path(scratch) / "state"
            folder.mkdir()
            _lay_out(folder, left)
            handed = {reader for reader, at in log.left.items() if at < place}
            _look(found, folder, handed, f"state {number} (after call {place})")
            if number in gone_on and forks is not None:
                _go_on(found, forks, log, folder, left, handed, f"state {number} (after call {place})")
            shutil.rmtree(folder)
    return found


def _lay_out(folder: Path, files: dict[str, bytes]) -> None:
    for name in ("digest.db", "digest.db-wal", "digest.db-journal"):
        if name in files:
            (folder / name).write_bytes(files[name])


def _look(found: Found, folder: Path, handed: set[int], where: str) -> None:
    found.states += 1
    module = sqlite_module()
    with contextlib.closing(module.connect(folder / "digest.db")) as connection:
        try:
            said = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            said += [str(row) for row in connection.execute("PRAGMA foreign_key_check")]
            rows = dict(connection.execute("SELECT subscriber_id, state FROM deliveries"))
        except module.DatabaseError as error:
            found.unsound.append(f"{where}: {error}")
            return
    if said != ["ok"]:
        found.unsound.append(f"{where}: {'; '.join(said)[:200]}")
    if again := [reader for reader in handed if rows.get(reader, State.PLANNED) == State.PLANNED]:
        found.mails += len(again)
        found.forgotten.append(f"{where}: {len(again)} mails that had left are planned again")


def _go_on(
    found: Found, forks: ForkServer, log: Log, folder: Path, files: dict[str, bytes], handed: set[int], where: str
) -> None:
    """The product starts on what is left, and sends the rest."""
    home = folder / "home"
    shutil.copytree(log.folder, home, ignore=shutil.ignore_patterns("digest.db*"))
    _lay_out(home, files)
    with RECEIVER.running(folder, forks) as receiving:
        process = forks.start(["run", "--until-idle"], _environment(home, receiving.port or 0), folder / "log")
        try:
            code = process.wait(PATIENCE)
        finally:
            process.end()
        again = set(RECEIVER.copies(receiving.record)) & {f"reader{reader}@example.org" for reader in handed}
    found.resumed += 1
    if code != 0:
        found.unsound.append(f"{where}: going on ended with {code}: {(folder / 'log').read_text()[-500:]}")
    if again:
        found.twice.append(f"{where}: {len(again)} readers got it twice")


# --- the command -----------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.power", description="What a power loss leaves.")
    parser.add_argument("--states", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resumed", type=int, default=20, help="states that the product goes on with")
    options = parser.parse_args()
    if why := strace.missing():
        print(why, file=sys.stderr)
        return 1
    found = {}
    with ForkServer() as forks, tempfile.TemporaryDirectory(prefix="crash-", dir=fast_folder()) as folder:
        for mode in ("FULL", "NORMAL"):
            began = time.monotonic()
            log = write_down(forks, Path(folder) / mode, mode)
            syncs = sum(each.what == "sync" for each in log.asked)
            found[mode] = replay(log, options.states, options.seed, resumed=options.resumed, forks=forks)
            print(f"synchronous={mode}: {log.commits} commits, {len(log.left)} mails, {syncs} syncs")
            show(found[mode], time.monotonic() - began)
    if found["NORMAL"].good:
        print("synchronous=NORMAL lost nothing: then this method would see no loss at all.")
    return 0 if found["FULL"].good and not found["NORMAL"].good else 1


def show(found: Found, seconds: float) -> None:
    print(
        f"  {found.states} states, {len(found.unsound)} not sound, {len(found.forgotten)} in which {found.mails} mails "
        f"that had left are planned again; {found.resumed} gone on with, {len(found.twice)} with two copies; "
        f"{seconds:.0f} s"
    )
    for fault in (found.unsound + found.forgotten + found.twice)[:3]:
        print(f"    {fault}")


if __name__ == "__main__":
    sys.exit(main())
