"""Sends by hand: an edition of what is new, or of what is owed to some, at once or after a while to stop it.

Promises: an open edition of the series is adopted; until `starts_at` nobody is counted, and undo works; where a second
person approves what is sent, it waits in review for that and staff are told. Refuses: when nothing is new and nothing
is owed, when the settings are not fit for sending, after a jump of the clock that nobody has answered, and to send in
nobody's name what somebody else must approve.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from digest import clock_watch, config, editions, news, publications, second_person
from digest.delivery import staff_mail
from digest.editions import Edition, Run
from digest.errors import Refused
from digest.home import Home
from digest.publications import Digest, Series
from digest.second_person import Colleague
from subscribers.audience import Audience


def send(
    conn: Connection,
    home: Home,
    people: Audience,
    slug: str,
    *,
    cadence: str = "",
    owed: bool = False,
    sender: Colleague | None = None,
    starts_at: datetime,
    now: datetime,
) -> Edition:
    """The edition: locked, or in review. Raises Refused, or NotFound for a digest that is not there."""
    if faults := config.sending_faults(home.settings):
        raise Refused(" ".join(faults))
    clock_watch.refuse_jump(conn)
    ask = second_person.reason(home.settings, sender)
    news.counter(conn)
    digest, series = which(conn, slug, cadence)
    carries = people.owed(conn, digest.id, series.cadence, now=now)
    run = Run(now=now, starts_at=starts_at, by_hand=True, owed=owed, carries=carries, ask=ask, sender=sender)
    edition = editions.compile(conn, home.settings, digest, series, run)
    if ask and edition.state == editions.REVIEW:
        staff_mail.needs_approval(conn, home, edition, now=now)
    return edition


def which(conn: Connection, slug: str, cadence: str = "") -> tuple[Digest, Series]:
    """The digest and its series of this cadence, by default the usual one. Raises NotFound or Refused."""
    digest = publications.find(conn, slug)
    offered = [one for one in publications.series(conn, digest.id) if one.offered]
    have = [one.cadence for one in offered]
    series = next((one for one in offered if one.cadence == (cadence or publications.usual(have))), None)
    if series is None:
        raise Refused(f"{slug} has no {cadence} edition; it has {', '.join(have)}.")
    return digest, series
