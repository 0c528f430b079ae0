"""How much of each entry fits into a mail that mail programs show whole.

Promises: at most `LIMIT` bytes of HTML as sent. In this order go: long excerpts, then everything but one line per
item, then the last items.
"""

from __future__ import annotations

from collections.abc import Sequence

from digest.render.entries import FULL, LINE, SHORT

LIMIT = 85_000  # Gmail clips at 102 kB
SLOT_ROOM = 240  # that one filled slot may take

_STEPS = ((FULL, ""), (SHORT, "excerpts"), (LINE, "lines"))


def levels(sizes: Sequence[Sequence[int]], most: int, room: int, gap: int) -> tuple[list[int], str]:
    """The level of each entry that is shown, given its sizes by level, and the name of what was taken."""
    for level, name in _STEPS:
        chosen = [level if place < most else LINE for place in range(len(sizes))]
        if sum(size[at] + gap for size, at in zip(sizes, chosen, strict=True)) <= room:
            return chosen, name
    kept = []
    for size in sizes:
        room -= size[LINE] + gap
        if room < 0:
            break
        kept.append(LINE)
    return kept, "more"
