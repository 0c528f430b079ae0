"""What the entries of a feed are here: each once, the oldest first, and known as it was before its feed moved.

Promises: what became known first stands first in the publication log; an id that a feed has twice names one item, so
that the two never overwrite each other in turn. Refuses nothing: that an entry was passed over is remarked on the
other. Decides which entries are old; asks one question, which identities there are already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta

from digest.drafts import Draft
from digest.errors import Problem
from digest.intake import feed
from digest.intake.categories import Rules
from digest.intake.feed import Feed
from digest.intake.identity import identities

GRACE = timedelta(days=7)
TWICE = Problem("id", "Another entry of this feed has the same id, and was passed over.", "Tell its publisher.")


def drafts(
    found: Feed,
    *,
    address: str,
    now: datetime,
    rules: Rules,
    language: str,
    origin: str = "",
    is_known: Callable[[str, str], bool] = lambda source, foreign_id: False,
) -> list[Draft | Problem]:
    """The entries as drafts, and a problem in the place of each that is none. `origin` as for `feed.draft`."""
    whole: dict[tuple[str, str | None], Draft] = {}
    problems: list[Draft | Problem] = []
    for entry in found.entries:
        made = feed.draft(entry, address=address, now=now, rules=rules, language=language, origin=origin)
        if isinstance(made, Problem):
            problems.append(made)
            continue
        names = identities(origin or address, address, entry.called)
        source, foreign_id = next((name for name in names[1:] if not is_known(*names[0]) and is_known(*name)), names[0])
        if (source, foreign_id) in whole:  # feeds begin with what is newest
            first = whole[source, foreign_id]
            whole[source, foreign_id] = dataclasses.replace(first, remarks=(TWICE.within(first.where),))
        else:
            whole[source, foreign_id] = dataclasses.replace(made, source=source, foreign_id=foreign_id)
    oldest_first = [*reversed(whole.values())]
    return [*problems, *sorted(oldest_first, key=lambda one: one.published_at or now)]


def is_old(entry: Draft | Problem, watched_since: datetime) -> bool:
    """Whether an entry was out before anybody watched its feed, although it was seen later.

    A feed shows its newest entries: when one is taken out, or when it is made longer, old ones come to light that are
    no news. Those of the last week before count as new, since a feed may lag behind its site.
    """
    at = entry.published_at if isinstance(entry, Draft) else None
    return at is not None and at < watched_since - GRACE
