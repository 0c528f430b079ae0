"""Sends by hand: an edition of what is new, or of what is owed to some, at once or after a while to stop it.

Promises: an open edition of the series is adopted; until `starts_at` nobody is counted, and undo works. Refuses: when
nothing is new and nothing is owed, when the settings are not fit for sending, and after a jump of the clock that
nobody has answered.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from digest import clock_watch, config, editions, news, publications
from digest.editions import Edition, Run
from digest.errors import Refused
from digest.home import Home
from digest.publications import Digest, Series
from subscribers.audience import Audience


def send(
    conn: Connection,
    home: Home,
    people: Audience,
    slug: str,
    *,
    cadence: str = "",
    owed: bool = False,
    starts_at: datetime,
    now: datetime,
) -> Edition:
    """The edition, locked. Raises Refused, or NotFound for a digest that is not there."""
    if faults := config.sending_faults(home.settings):
        raise Refused(" ".join(faults))
    clock_watch.refuse_jump(conn)
    news.counter(conn)
    digest, series = which(conn, slug, cadence)
    carries = people.owed(conn, digest.id, series.cadence, now=now)
    run = Run(now=now, starts_at=starts_at, by_hand=True, owed=owed, carries=carries)
    return editions.compile(conn, home.settings, digest, series, run)


def which(conn: Connection, slug: str, cadence: str = "") -> tuple[Digest, Series]:
    """The digest and its series of this cadence, by default the usual one. Raises NotFound or Refused."""
    digest = publications.find(conn, slug)
    offered = [one for one in publications.series(conn, digest.id) if one.offered]
    have = [one.cadence for one in offered]
    series = next((one for one in offered if one.cadence == (cadence or publications.usual(have))), None)
    if series is None:
        raise Refused(f"{slug} has no {cadence} edition; it has {', '.join(have)}.")
    return digest, series
