"""Approving as one of the staff: who may let go what waits for approval, and the line that stands for it.

Promises: an approval stands in the record, with the hash of exactly what was approved, or it is not done; in the
console and on the command line alike it is for editors and owners. What was sent by hand starts no sooner than the
time to stop it after its approval. Refuses: what the rule of the second person refuses, and to let go what was sent
by hand while a jump of the clock waits for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from digest import clock_watch, editions, letters, review
from digest.config import Settings
from digest.editions import Edition
from digest.errors import Refused
from digest.home import Home
from digest.second_person import Colleague
from digest.staff import accounts, activity
from digest.staff.accounts import EDITOR, Account


@dataclass(frozen=True)
class Outlook:
    """Whether somebody may approve; `others`: the names of those who can, where somebody else must."""

    may: bool
    others: tuple[str, ...] | None = None


def approve(
    conn: Connection, home: Home, number: int, *, by: Account | str, seen: str | None = None, now: datetime
) -> tuple[Edition, bool]:
    """Approves what was `seen`, by the hash of its contents; True beside the edition when it is done.

    Raises what `review.approve` and `letters.approve` raise.
    """
    before = editions.find(conn, number)
    if before.sender:
        clock_watch.refuse_jump(conn)
    starts = now + timedelta(minutes=home.settings.staff.undo_minutes) if before.sender else None
    step = letters.approve if before.is_letter else review.approve
    approver = by if isinstance(by, str) else colleague(by)
    edition, done = step(conn, number, home.settings, by=approver, now=now, seen=seen, starts_at=starts)
    if done:
        was = {"state": before.shown_state} | ({"sent by": before.asked_by} if before.sender else {})
        told = {"state": edition.shown_state, "contents": edition.content_hash}
        activity.record(conn, by, "approved", f"edition {number}", now=now, before=was, after=told)
    return edition, done


def colleague(account: Account) -> Colleague:
    """One of the staff as an edition remembers them. Raises Refused when sending and approving is not for them."""
    if not account.may(EDITOR):
        raise Refused(f"{account.name} is {account.role} here; only editors and owners send and approve.")
    return Colleague(account.id, account.name)


def outlook(conn: Connection, settings: Settings, account: Account, sender: Colleague | None) -> Outlook:
    """Whether somebody may approve what this colleague sends, and who else can."""
    if not settings.staff.second_approval or sender is None:
        return Outlook(account.may(EDITOR))
    can = [one for one in accounts.every(conn) if one.may(EDITOR) and one.has_password]  # who never came in cannot
    others = [one for one in can if one.id != sender.id]
    return Outlook(any(one.id == account.id for one in others), tuple(one.name for one in others))
