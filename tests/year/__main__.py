"""python -m tests.year [--readers 10000] [--days 365] [--seed 1] [--postgres]"""

from __future__ import annotations

import argparse
import contextlib
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from digest import config, keys
from digest.home import Home, open_home
from tests.conftest import SETTINGS, make_schema
from tests.crash.workshop import fast_folder
from tests.standins import postgres
from tests.year import people, report
from tests.year.judge import judge
from tests.year.play import Year

START = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
SHOWN = 20  # faults


@contextlib.contextmanager
def new_home(folder: Path, url: str = "") -> Iterator[Home]:
    """A home that nobody used yet."""
    (folder / config.FILE).write_text(SETTINGS + (f'\n[database]\nurl = "{url}"\n' if url else ""), encoding="utf-8")
    keys.make(folder)
    home = open_home(folder)
    make_schema(home.db)
    try:
        yield home
    finally:
        home.close()


def live(home: Home, *, readers: int, days: int, seed: int) -> Year:
    """A whole year, or so many days of it."""
    everybody = people.everybody(seed, readers, days)
    year = Year(home, everybody, START)
    year.play(people.script(seed, everybody, START, days), START + timedelta(days=days))
    return year


def main() -> int:
    """Plays, judges and tells; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.year", description="A simulated year.")
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    began, busy = time.monotonic(), time.process_time()
    with contextlib.ExitStack() as stack:
        url = ""
        if options.postgres:
            server = postgres.start()
            stack.callback(server.stop)
            url = stack.enter_context(server.database())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="year-", dir=fast_folder())))
        home = stack.enter_context(new_home(folder, url))
        year = live(home, readers=options.readers, days=options.days, seed=options.seed)
        verdict = judge(year)
        for line in report.lines(year, verdict):
            print(line)
    acts = f"{year.acts.total()} acts ({', '.join(f'{n} {name}' for name, n in sorted(year.acts.items()))})"
    print(f"\nseed {options.seed}: {options.readers} readers in {len(people.ZONES)} zones, {options.days} days, {acts}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds, cpu = time.monotonic() - began, time.process_time() - busy
    print(f"{year.passes} passes, {verdict.mails.total()} mails with {verdict.entries} entries;", end=" ")
    print(f"{seconds:.0f} s, {cpu:.0f} s of CPU, {memory:.0f} MB")
    print(f"{len(verdict.faults)} faults: nobody twice, missed, at a wrong hour, or mailed while paused or gone")
    for fault in verdict.faults[:SHOWN]:
        print(f"  {fault}")
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
