"""Who works here, as somebody decides it: invited, let in anew, given another role, ended.

Promises: each deed stands in the record with its line or not at all, in the same words whether it was done in the
console or on the command line. Refuses: what accounts refuse, and to let somebody in whose account has ended.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from digest.staff import accounts, activity, links, second_factor, sessions
from digest.staff.accounts import Account


def invite(
    conn: Connection, by: Account | str, email: str, *, name: str, role: str, now: datetime
) -> tuple[Account, str]:
    """A new account, and the token of the link for its first sign-in. Raises BadInput or Refused."""
    account = accounts.add(conn, email, name=name, role=role, now=now)
    activity.record(conn, by, "invited", account.name, now=now, after={"role": account.role})
    return account, links.issue(conn, account.id, now=now)


def let_in(
    conn: Connection, by: Account | str, staff_id: int, *, without_second_step: bool, now: datetime
) -> tuple[Account, str]:
    """The token of a new link for somebody who lost their password, and perhaps the phone. Raises Refused."""
    account = accounts.standing(conn, staff_id)
    if without_second_step:
        second_factor.switch_off(conn, account)
    deed = "made a link without the second step for" if without_second_step else "made a link for"
    activity.record(conn, by, deed, account.name, now=now)
    return account, links.issue(conn, account.id, now=now)


def set_role(conn: Connection, by: Account | str, staff_id: int, role: str, *, now: datetime) -> Account:
    """Gives somebody another role; their sessions go on under new ids.

    Raises BadInput, or Refused for the last owner.
    """
    before = accounts.standing(conn, staff_id)
    after = accounts.set_role(conn, staff_id, role)
    if after.role != before.role:
        sessions.renew_all(conn, staff_id)
        roles = {"before": {"role": before.role}, "after": {"role": after.role}}
        activity.record(conn, by, "changed the role of", before.name, now=now, **roles)
    return after


def end(conn: Connection, by: Account | str, staff_id: int, *, now: datetime) -> Account:
    """Ends an account. Raises Refused for the last owner."""
    ended = accounts.end(conn, staff_id, now=now)
    activity.record(conn, by, "ended the account of", ended.name, now=now, before={"role": ended.role})
    return ended
