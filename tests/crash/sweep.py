"""The exhaustive sweep: a whole send, killed at every one of its system calls that others can see.

    python -m tests.crash.sweep [--transport maildir] [--action kill, EIO or ENOSPC] [--jobs 2] [--every K]

30 recipients on SQLite, from the frozen edition through the plan, the hand-over and the feed files to the close. For
each system call that writes, syncs, names or removes a file, or talks to a receiver, one run is killed at the entry of
its first, one at its second, and so on until a run ends unhurt. After each kill another process goes on, and what
must hold is checked. The second pass answers with an error instead. `EIO` comes once: the edition pauses, or the
process says plainly that it failed. `ENOSPC` stays for a while: who waits for space goes on by itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.crash import cells, strace
from tests.crash.cells import Case
from tests.crash.forkserver import ForkServer
from tests.crash.receivers import RECEIVERS, WINDOW
from tests.crash.workshop import Outcome, Workshop, fast_folder, outcomes

BEYOND = 3  # runs past the last call that was counted, of which one at least must end unhurt
ANSWERED = ("pwrite64", "write", "fsync", "fdatasync", "ftruncate", "link", "rename")  # calls that can fail so
PATIENCE = 60.0  # seconds


def calls(workshop: Workshop, transport: str, folder: Path) -> Counter[str]:
    """How often an unhurt send makes each call."""
    case = Case("sqlite", transport, strace.CALLS[0], "kill", 0)
    template = workshop.ground(case).template("frozen")
    with template.copy(folder / "home") as world, case.receiver.running(folder, workshop.forks) as receiving:
        plan = {"CRASH_STEP": str(cells.STEP), "CRASH_WINDOW": str(WINDOW)}
        settings = case.receiver.settings(receiving.port or 0, world.home)
        environment = world.process_environment(**settings, **plan)
        process = workshop.forks.start(["run", "--until-idle"], environment, folder / "log", held=True)
        try:
            options = ["-e", f"trace={','.join(strace.CALLS)}"]
            tracer = strace.take_hold(process, options, folder / "strace")
            assert process.wait(PATIENCE) == 0
            strace.let_go(tracer)
        finally:
            process.end()
    return strace.count(folder / "strace")


def cases(counted: Counter[str], transport: str, action: str) -> list[Case]:
    """A run for each call, and a few more for each kind."""
    wanted = strace.CALLS if action == "kill" else ANSWERED
    return [
        Case("sqlite", transport, call, action, n)
        for call in wanted
        if counted[call]
        for n in range(1, counted[call] + BEYOND + 1)
    ]


def unfinished(done: Sequence[Outcome]) -> list[str]:
    """Calls of which even the last run was struck: there may be more of them."""
    ends: dict[str, bool] = defaultdict(bool)
    for outcome in done:
        ends[outcome.case.point] |= outcome.missed
    return [call for call, ended in ends.items() if not ended]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.sweep", description="Killed at every system call.")
    parser.add_argument("--transport", default="maildir", choices=sorted(RECEIVERS))
    parser.add_argument("--action", default="kill", choices=("kill", *strace.ERRORS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="only every K-th call")
    options = parser.parse_args()
    if why := strace.missing():
        print(why, file=sys.stderr)
        return 1
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="crash-", dir=fast_folder()) as folder,
        ForkServer() as forks,
        Workshop(Path(folder), forks) as workshop,
    ):
        counting = Path(folder) / "counting"
        counting.mkdir()
        counted = calls(workshop, options.transport, counting)
    print(f"An unhurt send makes {counted.total()} calls: {', '.join(f'{n} {call}' for call, n in counted.items())}")
    wanted = cases(counted, options.transport, options.action)[:: options.every]
    done = []
    for outcome in outcomes(wanted, options.jobs):
        done.append(outcome)
        if outcome.faults:
            print(f"FAILED {outcome.case} {outcome.line}")
            for fault in outcome.faults:
                print(f"       {fault}")
    return summary(done, options.action, time.monotonic() - began, whole=options.every == 1)


def summary(done: Sequence[Outcome], action: str, seconds: float, *, whole: bool) -> int:
    """How many calls were struck, and how to repeat what failed."""
    struck = Counter(one.case.point for one in done if not one.missed)
    failed = [one for one in done if one.faults]
    word = "killed at" if action == "kill" else f"answered {action} at"
    print(f"{word} {struck.total()} calls: {', '.join(f'{n} {call}' for call, n in struck.items())}")
    print(f"{len(failed)} failed, {seconds:.0f} s")
    for one in failed:
        print(f"Repeat with: python -m tests.crash --run {one.case}")
    if whole and (left := unfinished(done)):
        print(f"Not the end: every run was struck at {', '.join(left)}")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
