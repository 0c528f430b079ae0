"""The ways in: each yields drafts, and this brings them to the shelf and says what became of each.

Promises: one bad draft never stops the rest, since each is brought in behind a savepoint; a dry run reports what a
real one would, and leaves nothing. Refuses nothing itself: what is wrong with a draft is reported with its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from digest import items
from digest.errors import BadInput, DigestError, Problem
from digest.items import Draft


@dataclass(frozen=True)
class Report:
    """What an import came to. `problems` also holds remarks about items that did come in."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    news: int = 0  # log entries written
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Report) -> Report:
        names = [field.name for field in dataclasses.fields(self)]
        return Report(**{name: getattr(self, name) + getattr(other, name) for name in names})


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
            report = dataclasses.replace(
                report,
                **{what: getattr(report, what) + 1},
                news=report.news + news,
                problems=(*report.problems, *problems),
            )
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
