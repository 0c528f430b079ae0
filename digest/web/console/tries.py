"""How often somebody may try a password or a code: for one account, and from one network.

Promises: counted before anything is compared, in the database, for all processes; what an attacker tries from one
place does not lock the owner of an account out of another.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from digest.web.console import frame
from digest.web.look import Site
from subscribers import limits

QUARTER = timedelta(minutes=15)
FROM_ONE_PLACE = ((8, QUARTER),)  # for one account from one network
FOR_ONE = ((50, timedelta(hours=1)),)  # for one account from anywhere
AT_THE_DOOR = ((40, QUARTER),)  # from one network


def count(site: Site, email: str, ip: str) -> datetime | None:
    """Counts one try; or, when there were too many, says when the next may be."""
    return site.home.db.run(partial(_count, site, email, ip))


def _count(site: Site, email: str, ip: str, conn: Connection) -> datetime | None:
    keyring = site.home.keys
    for key, most in (
        (limits.of_door(keyring, ip), AT_THE_DOOR),
        (limits.of_sign_in(keyring, email, ip), FROM_ONE_PLACE),
        (limits.of_sign_in(keyring, email), FOR_ONE),
    ):
        if later := limits.allow(conn, key, most, now=site.clock()):
            return later
    return None


def forgive(site: Site, email: str, ip: str) -> None:
    """Somebody who is signed in has typed the right password: whoever sets much up is asked often."""
    site.home.db.run(partial(limits.clear, key=limits.of_sign_in(site.home.keys, email, ip)))


def locked(site: Site, until: datetime) -> str:
    """What is said of too many tries."""
    return f"Too many tries. Try again after {frame.hour(site, until)}."
