"""Another writer beside what is measured: commits one small row every 50 ms, as a page of the site would.

Promises: it says how long it waited until its turn came, and ends when its standard input does; what its own commit
takes is its own affair. Refuses nothing.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

import sqlalchemy as sa

from digest.db import Database

EVERY = 0.05  # seconds


def main(url: str) -> None:
    """Knocks until it is asked; its answer is what it waited, in seconds, in rising order."""
    database = Database(url)
    waits: list[float] = []
    while not select.select([0], [], [], EVERY)[0]:
        began = time.perf_counter()
        with database.transaction() as conn:
            waits.append(time.perf_counter() - began)
            conn.execute(sa.text("UPDATE digests SET description = :text"), {"text": str(len(waits))})
    database.close()
    if os.read(0, 1):
        print(json.dumps(sorted(waits)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
