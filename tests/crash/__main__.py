"""The crash matrix: `python -m tests.crash --runs 400`; exit code 1 when anything that must hold did not.

    python -m tests.crash [--runs N] [--seed S] [--only sqlite/smtp/k7 ...] [--jobs 2] [--list]

One line for each run, a table of the cells, and for each failure the command that repeats exactly that run, which is
`python -m tests.crash --run NAME`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from tests.crash import cells, strace
from tests.crash.cells import Case
from tests.crash.workshop import Outcome, outcomes

# --- the command -----------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="The crash matrix.")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[], metavar="CELL", help="such as sqlite/smtp/k7")
    parser.add_argument("--run", nargs="+", default=[], metavar="NAME", help="exactly these runs")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="the cells, and why others are left out")
    options = parser.parse_args()
    if options.list:
        return show_cells()
    cases = [Case.parse(name) for name in options.run] or cells.chosen(options.runs, options.seed, options.only)
    if (why := strace.missing()) and any(case.point == "k11" for case in cases):
        print(f"LEFT OUT: k11. {why}")
        cases = [case for case in cases if case.point != "k11"]
    began = time.monotonic()
    done = []
    for outcome in outcomes(cases, options.jobs):
        done.append(outcome)
        print(f"{'ok    ' if not outcome.faults else 'FAILED'} {outcome.case!s:32} {outcome.line}", flush=True)
        for fault in outcome.faults:
            print(f"       {fault}", flush=True)
    return summary(done, time.monotonic() - began)


def show_cells() -> int:
    for cell in cells.cells():
        print("/".join(cell))
    return 0


def summary(done: Sequence[Outcome], seconds: float) -> int:
    """The table of the cells, and how to repeat what failed."""
    columns = sorted({(one.case.transport, one.case.database) for one in done})
    rows: dict[tuple[str, str], dict[tuple[str, str], list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for one in done:
        rows[one.case.point, one.case.action][one.case.transport, one.case.database].append(one)
    print("\n" + "point action " + " ".join(f"{'-'.join(column):>17}" for column in columns))
    for point in cells.POINTS:
        for action in cells.ACTIONS:
            if found := rows.get((point, action)):
                print(f"{point:5} {action:6} " + " ".join(f"{_cell(found[column]):>17}" for column in columns))
    failed = [one for one in done if one.faults]
    kills = sum(one.kills for one in done)
    print(f"\n{len(done)} runs, {kills} kills, {len(failed)} failed, {seconds:.0f} s")
    for one in failed:
        print(f"Repeat with: python -m tests.crash --run {one.case}")
    return 1 if failed else 0


def _cell(found: Sequence[Outcome]) -> str:
    good = sum(not one.faults for one in found)
    return f"{good}/{len(found)}" if found else "-"


if __name__ == "__main__":
    sys.exit(main())
