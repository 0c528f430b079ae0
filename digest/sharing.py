"""The pure rules of an edition: what a run comes to, which entries a group of readers gets, and in which order.

Promises: same input, same answer; no clock, no database. The list of a reader holds the latest entry of each item;
what may not go now stays owed. docs/why/log-not-dates.md gives the reasons. Refuses nothing: callers pass what they
have read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.items import Item
from digest.news import Entry

WAIVED_AFTER = 4  # runs skipped in a row for want of the fewest; the next one goes out all the same


@dataclass(frozen=True)
class Verdict:
    """What a run of a series comes to: a digest, the owed entries alone (`carries`), or nothing, with the reason."""

    kind: str  # digest, carries, skipped
    reason: str = ""
    for_want: bool = False  # what is new waits because it is fewer than the fewest


def decide(*, news: int, carries: bool, fewest: int, skipped_runs: int, by_hand: bool, owed: bool) -> Verdict:
    """What becomes of a run that found `news` new items; `owed` asks for the owed entries alone."""
    enough = news >= fewest or by_hand or skipped_runs >= WAIVED_AFTER
    if news and enough and not owed:
        return Verdict("digest")
    if carries:
        return Verdict("carries", for_want=bool(news) and not enough)
    if owed:
        return Verdict("skipped", "Nothing is owed to anyone.")
    if not news:
        return Verdict("skipped", "Nothing new.")
    noun = "item" if news == 1 else "items"
    wait = "It waits" if news == 1 else "They wait"
    return Verdict(
        "skipped", f"{news} new {noun}, and this digest needs at least {fewest}. {wait} for the next run.", True
    )


@dataclass(frozen=True)
class Share:
    """What one group of readers gets, in no order yet, and what stays in their carry."""

    entries: frozenset[int]
    keep: tuple[int, ...]
    titles: frozenset[int] = frozenset()  # those of the entries that come as a title only


@dataclass(frozen=True)
class Material:
    """All that the sharing out needs to know of an edition and of the entries that may be owed."""

    cadence: str
    last: int
    own: frozenset[int]  # the edition's contents
    log: Mapping[int, Entry]  # contents and whatever a carry names
    published: Collection[int]  # item ids that may be sent now
    held: Collection[int]  # sequences held back in this series
    stale_before: datetime | None = None  # entries written before this moment come as titles


def entries_for(
    material: Material,
    *,
    wants: Callable[[tuple[str, ...]], str],
    floor: int,
    carry: Sequence[int],
    had: Collection[int] = (),
    titles_upto: int = 0,
) -> Share:
    """The entries of readers with these choices, whose entries up to `floor` are behind them.

    From the carry comes what is not above the edition's last entry, not held back, and published; withdrawn ones are
    dropped and the others stay in the carry. The latest entry of an item wins within the list. `had` names entries
    that come again although these readers have the item. What is owed up to `titles_upto` (from a pause) comes as a
    title only, as does what is past the age limit.
    """
    own = {s for s in material.own if s > floor and wants(material.log[s].topics) == material.cadence}
    waiting = {s for s in carry if s > material.last or s in material.held}
    owed = {s for s in carry if s not in waiting and material.log[s].item_id in material.published}
    latest = _latest(own | owed, material.log)
    newest = {material.log[s].item_id: s for s in latest}
    keep = tuple(sorted(s for s in waiting if newest.get(material.log[s].item_id, 0) < s))
    entries = frozenset(latest - set(had))
    stale = {s for s in entries if material.stale_before and material.log[s].at < material.stale_before}
    return Share(entries, keep, frozenset(stale | {s for s in entries & owed if s <= titles_upto}))


def _latest(sequences: Iterable[int], log: Mapping[int, Entry]) -> set[int]:
    best: dict[int, int] = {}
    for sequence in sequences:
        item = log[sequence].item_id
        best[item] = max(best.get(item, 0), sequence)
    return set(best.values())


def reading_order(
    sequences: Iterable[int],
    log: Mapping[int, Entry],
    by_id: Mapping[int, Item],
    titles: Collection[int] = (),
    placed: Sequence[int] = (),
) -> tuple[int, ...]:
    """Featured first, then the newest, then by topic; updates of older items after all that is new. Total, so stable.

    Items that staff have `placed` (by id) stand before all others, in that order. What comes as a title only stands
    last.
    """
    places = {item: place for place, item in enumerate(placed)}

    def rank(sequence: int) -> tuple[object, ...]:
        entry, item = log[sequence], by_id[log[sequence].item_id]
        day = item.published_at.timestamp() if item.published_at else 0.0
        update = entry.what == "update"
        place = places.get(item.id, len(places))
        return (sequence in titles, place, update, not item.featured, -day, min(item.topics, default=""), -sequence)

    return tuple(sorted(sequences, key=rank))
