"""A test of a mail, to whoever asks for it and to nobody else; and what became of the last one, in words.

Promises: it is the mail that is looked at, marked as a test, with links that do nothing; it stands in the record; one
person can ask for twenty within an hour. Refuses: more than that, and a test of a mail that there is not.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import Connection

from digest.delivery import staff_mail
from digest.errors import Refused
from digest.staff import activity
from digest.staff.accounts import Account
from digest.tables import State
from digest.web.console import frame, preview
from digest.web.console.preview import Mail
from digest.web.look import Site
from subscribers import explaining, limits

MOST = ((20, timedelta(hours=1)),)
DEED = "sent themselves a test of"
LATELY = timedelta(days=1)  # for how long the last one is told of

_FATES = {
    State.TRYING: "is being handed over to the mail server",
    State.ACCEPTED: "was taken by the mail server",
    State.UNSURE: "was handed over, and the mail server went silent: it may or may not arrive",
}


def send(conn: Connection, site: Site, account: Account, thing: str, mail: Mail, *, reader: int | None) -> None:
    """Queues the mail to the address of this account. Raises Refused."""
    now = site.clock()
    if mail.rendered is None:
        raise Refused(preview.nothing(mail.why))
    if later := limits.allow(conn, limits.of_tests(site.home.keys, account.id), MOST, now=now):
        raise Refused(f"Twenty tests within an hour are enough. The next can go after {frame.hour(site, later)}.")
    occasion = secrets.token_hex(8)
    staff_mail.test_mail(
        conn, site.home, mail.rendered, mail.shell, account.email, occasion=occasion, slots=mail.slots, now=now
    )
    after = {"as": f"person {reader}" if reader else "everything", "occasion": occasion}
    activity.record(conn, account, DEED, thing, now=now, after=after)


def told(conn: Connection, site: Site, account: Account, thing: str) -> str:
    """What became of this account's last test of this, if there was one of late."""
    line = next(iter(activity.lines(conn, thing=thing, deed=DEED, staff_id=account.id, limit=1)), None)
    if line is None or line.at < site.clock() - LATELY:
        return ""
    fate = staff_mail.fate_of_test(conn, str((line.after or {}).get("occasion", "")))
    return "" if fate is None else _words(account.email, frame.moment(site, line.at), fate.state, fate.code)


def _words(address: str, when: str, state: State, code: str | None) -> str:
    test, why = f"The test to {address} ({when})", explaining.reason(code)
    if state is State.PLANNED:
        waits = f"was put off: {why}. It is tried again" if code else "goes with the next pass of the clock"
        return f"{test} {waits}."
    return f"{test} {_FATES.get(state) or f'failed: {why}'}."
