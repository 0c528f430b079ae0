"""A silent clock in words: since when, and what is late.

Promises: says nothing while the clock goes. Serves the first page and the page on the health of the mail.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.clock_passes import EDITION, ITEM, NOTICE, RUN, Heard, Late
from digest.web.console import frame
from digest.web.look import Site


@dataclass(frozen=True)
class Silence:
    """What the note says."""

    head: str
    late: tuple[str, ...]


def told(site: Site, heard: Heard) -> Silence | None:
    """The note about a clock that is silent."""
    if not heard.silent:
        return None
    if heard.last is None:
        head = "The scheduler has never run here."
    else:
        head = f"The scheduler has been silent since {frame.moment(site, heard.last)}."
    return Silence(head, tuple(_line(site, one) for one in heard.late))


_WAITING = {
    EDITION: "an edition that is on its way",
    ITEM: "an item that was to appear",
    NOTICE: "a mail about a person's own affair, such as a confirmation",
}


def _line(site: Site, one: Late) -> str:
    if one.what == RUN:
        run = "alert" if one.cadence == "instant" else f"{one.cadence} run"
        what = f"{one.name}: the {run} of {frame.moment(site, one.at)}"
    else:
        what = f"{_WAITING[one.what]}, since {frame.moment(site, one.at)}"
    return f"{what[:1].upper()}{what[1:]}"
