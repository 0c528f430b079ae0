"""python -m tests.attacks.timing [--n 600]: whether the time of an answer tells who is known.

Sign-ups for addresses that are active, pending, on the do-not-mail list, and unknown, in a random order; Welch's t
between each known kind and the unknown ones. Beyond 4 they could be told apart.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from digest.home import Home
from subscribers import members, suppression
from subscribers.newcomers import Choices
from tests.attacks.storm import new_home
from tests.conftest import NOW
from tests.digest.web import serving

KINDS = ("unknown", "active", "pending", "barred")
LIMIT = 4.0


def people(home: Home, number: int) -> None:
    """As many of each kind."""
    with home.db.transaction() as conn:
        for n in range(number):
            members.add(conn, home.keys, f"active{n}@example.org", digest_id=1, now=NOW)
            suppression.add(conn, home.keys, f"barred{n}@example.org", reason="complaint", now=NOW)
            address = suppression.address(f"pending{n}@example.org")
            members.expect(conn, home.keys, address, Choices(), digest_id=1, now=NOW)


def measure(client: httpx.Client, number: int) -> dict[str, list[float]]:
    """Seconds of each answer, by kind."""
    asks = [(kind, n) for kind in KINDS for n in range(number)]
    random.Random(7).shuffle(asks)
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for kind, n in asks:
        began = time.perf_counter()
        client.post("/subscribe", data={"email": f"{kind}{n}@example.org"})
        found[kind].append(time.perf_counter() - began)
    return found


def welch(one: list[float], other: list[float]) -> float:
    """Welch's t of two samples."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(spread)


def main() -> int:
    """Measures and judges."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.timing", description="Does time tell?")
    parser.add_argument("--n", type=int, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="timing-") as folder, new_home(Path(folder)) as home:
        people(home, options.n)
        with serving.serve(home) as address, serving.client(address) as client:
            found = measure(client, options.n)
    worst = 0.0
    for kind in KINDS[1:]:
        t = welch(found[kind], found["unknown"])
        worst = max(worst, abs(t))
        mean = statistics.fmean(found[kind]) * 1e3
        print(f"{kind:8} {mean:.2f} ms, unknown {statistics.fmean(found['unknown']) * 1e3:.2f} ms, t {t:+.2f}")
    return 0 if worst < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
