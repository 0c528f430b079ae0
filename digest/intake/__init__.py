"""The ways in: each yields drafts, and this brings them to the shelf and says what became of each.

Promises: one bad draft never stops the rest, since each is brought in behind a savepoint; however many come, they are
not all held at once, and nobody else waits long for the database; a dry run reports what a real one would, and leaves
nothing. Refuses nothing itself: what is wrong with a draft is reported with its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from digest import items
from digest.db import Database
from digest.errors import BadInput, DigestError, Problem
from digest.items import Draft

TURN, TURN_SIZE = 500, 8_000_000  # drafts, and characters of their bodies, in one transaction
MOST_PROBLEMS = 1_000


@dataclass(frozen=True)
class Report:
    """What an import came to. `problems` also holds remarks about items that did come in."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    news: int = 0  # log entries written
    problems: tuple[Problem, ...] = ()  # the first MOST_PROBLEMS
    more_problems: int = 0

    def __add__(self, other: Report) -> Report:
        problems = (*self.problems, *other.problems)
        return Report(
            self.created + other.created,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.refused + other.refused,
            self.news + other.news,
            problems[:MOST_PROBLEMS],
            self.more_problems + other.more_problems + len(problems[MOST_PROBLEMS:]),
        )


Told = Callable[[int, Report], None]


def bring_in_turns(
    db: Database,
    drafts: Iterable[Draft | Problem],
    *,
    now: datetime,
    zone: str,
    known: bool = False,
    dry_run: bool = False,
    told: Told = lambda turn, report: None,
    most: int = TURN,
) -> Report:
    """Puts each draft on the shelf, `most` in one transaction; a fault in the midst leaves what came before it.

    The drafts are made between the transactions, so that reading and fetching keep nobody waiting. In a dry run, a
    draft does not meet those of earlier transactions. After each transaction `told` hears how many drafts it had,
    and what all so far came to.
    """
    report = Report()
    for turn in _turns(drafts, most):
        report += db.run(partial(bring_in, drafts=turn, now=now, zone=zone, known=known, dry_run=dry_run))
        told(len(turn), report)
    return report


def _turns(drafts: Iterable[Draft | Problem], most: int) -> Iterator[list[Draft | Problem]]:
    turn: list[Draft | Problem] = []
    size = 0
    for draft in drafts:
        turn.append(draft)
        size += len(draft.body) if isinstance(draft, Draft) else 0
        if len(turn) >= most or size >= TURN_SIZE:
            yield turn
            turn, size = [], 0
    if turn:
        yield turn


def bring_in(
    conn: Connection,
    drafts: Iterable[Draft | Problem],
    *,
    now: datetime,
    zone: str,
    known: bool = False,
    waiting: bool = False,
    adopt: bool = False,
    dry_run: bool = False,
) -> Report:
    """Puts each draft on the shelf; a problem in their place counts as refused. A dry run takes everything back.

    `known`, `waiting` and `adopt` are as for `items.put`.
    """
    report = Report()
    put = partial(items.put, conn, now=now, zone=zone, known=known, waiting=waiting, adopt=adopt)
    with conn.begin_nested() as whole:
        for draft in drafts:
            what, news, problems = _bring_one(conn, draft, put)
            report += Report(news=news, problems=problems, **{what: 1})
        if dry_run:
            whole.rollback()
    return report


def _bring_one(
    conn: Connection, draft: Draft | Problem, put: Callable[[Draft], items.Outcome]
) -> tuple[str, int, tuple[Problem, ...]]:
    if isinstance(draft, Problem):
        return "refused", 0, (draft,)
    try:
        with conn.begin_nested():
            outcome = put(draft)
    except DigestError as error:
        return "refused", 0, (_problem(draft, error),)
    return outcome.what, outcome.news, draft.remarks


def _problem(draft: Draft, error: DigestError) -> Problem:
    where = draft.where or draft.slug
    if isinstance(error, BadInput):
        return error.problem.within(where)
    why, _, remedy = str(error).partition(". ")
    return Problem(where, why.rstrip(".") + ".", remedy)
