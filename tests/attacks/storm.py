"""python -m tests.attacks.storm [--asks 10000]: sign-ups for one victim, in many spellings, from forged networks.

The site is a real server; the limits of a network and of the site are set so high that only the victim's own mailbox
is left to guard itself. Then the clock passes, and what the victim got is counted.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from digest import config, keys
from digest.home import Home, open_home
from digest.tables import metadata
from subscribers import asking
from tests.conftest import NOW, SETTINGS, make_schema
from tests.digest.web import serving
from tests.subscribers import world

CLIENTS = 4
OPEN = "\n[sign_up]\nper_network = 1000000\nper_site = 1000000\n"


@dataclass(frozen=True)
class Outcome:
    """What a storm came to."""

    answers: dict[int, int]
    mails: int
    seconds: float
    memory_mb: float


def spellings(number: int, seed: int = 1) -> list[str]:
    """So many ways to write one mailbox: case, dots, plus tags, another name of the same house."""
    dice, found = random.Random(seed), set[str]()
    while len(found) < number:
        local = "".join(f"{sign}." if dice.random() < 0.3 else sign for sign in "victimsname").strip(".")
        local = "".join(sign.upper() if dice.random() < 0.5 else sign for sign in local)
        tag = f"+{dice.randrange(1000)}" if dice.random() < 0.5 else ""
        found.add(f"{local}{tag}@{dice.choice(('gmail.com', 'GMAIL.com', 'googlemail.com'))}".replace("..", "."))
    return sorted(found)


@contextlib.contextmanager
def new_home(folder: Path, limits: str = OPEN) -> Iterator[Home]:
    """A home with one digest."""
    (folder / config.FILE).write_text(SETTINGS + limits, encoding="utf-8")
    keys.make(folder)
    home = open_home(folder)
    make_schema(home.db)
    with home.db.transaction() as conn:
        world.digest(conn)
    try:
        yield home
    finally:
        home.close()


def storm(home: Home, asks: int, different: int = 500) -> Outcome:
    """Sends the asks with several clients at once, then lets the clock pass."""
    coming = itertools.islice(itertools.cycle(spellings(different)), asks)
    lock, answers = threading.Lock(), Counter[int]()
    began = time.monotonic()
    with serving.serve(home) as address:

        def client() -> None:
            with serving.client(address) as opened:
                for n in itertools.count():
                    with lock:
                        email = next(coming, None)
                    if email is None:
                        return
                    forged = {"x-forwarded-for": f"203.0.{n % 256}.{n % 199}", "forwarded": f"for=198.51.100.{n % 256}"}
                    answer = opened.post("/subscribe", data={"email": email}, headers=forged)
                    with lock:
                        answers[answer.status_code] += 1

        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    asking.work_off(home, now=NOW)
    with home.db.reading() as conn:
        mails = len(conn.execute(sa.select(metadata.tables["notices"])).all())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Outcome(dict(answers), mails, time.monotonic() - began, memory)


def main() -> int:
    """Runs one, and says what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.storm", description="Many asks for one victim.")
    parser.add_argument("--asks", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storm-") as folder, new_home(Path(folder)) as home:
        found = storm(home, options.asks)
    print(f"{options.asks} asks in 500 spellings, {found.seconds:.0f} s, answers {found.answers}")
    print(f"{found.mails} mails to the victim; {found.memory_mb:.0f} MB at the peak, clients included")
    return 0 if found.mails == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
