"""What whoever looks at something that waits for approval is told: who sent it, who may approve it, for whom it is.

Promises: the number of people is that of planning; who cannot approve learns who can, and where nobody can, what to
do. Changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from digest import letter_drafts, letters, publications
from digest.editions import REVIEW, Edition
from digest.staff import approvals
from digest.staff.accounts import Account
from digest.web.console import frame, letter_form
from digest.web.look import Site
from subscribers import letter_reach

NAMED = 3  # colleagues


@dataclass(frozen=True)
class Others:
    """Who else can approve, as a sentence; `alone`: nobody."""

    said: str
    alone: bool


@dataclass(frozen=True)
class Review:
    """An edition in review as somebody of the staff sees it; `others`, where it must be somebody else."""

    may: bool
    others: Others | None
    starts: str
    missed: str
    terms: tuple[str, ...] = ()  # whom a letter is for
    people: int | None = None  # to how many a letter goes
    draft_id: int | None = None


def look(conn: Connection, site: Site, account: Account, edition: Edition) -> Review | None:
    """What is to be said of an edition in review; None of any other."""
    if edition.state != REVIEW:
        return None
    found = approvals.outlook(conn, site.home.settings, account, edition.sender)
    review = Review(found.may, others(found), _starts(site, edition), missed(site, edition))
    if not edition.is_letter:
        return review
    segment = letters.of(conn, edition.id).segment
    return replace(
        review,
        terms=tuple(letter_form.terms(conn, site, segment)),
        people=letter_reach.count(conn, publications.by_id(conn, edition.digest_id), segment).gets,
        draft_id=letter_drafts.of_edition(conn, edition.id),
    )


def others(found: approvals.Outlook) -> Others | None:
    """Who else can approve it; None where it need not be somebody else."""
    if found.others is None:
        return None
    if not found.others:
        return Others("Nobody else here can approve it yet. Invite a second person, since approval needs two.", True)
    names, more = list(found.others[:NAMED]), len(found.others) - NAMED
    if more > 0:
        names.append("1 other" if more == 1 else f"one of {more} others")
    listed = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    return Others(f"{listed} can approve it.", False)


def for_what_i_send(conn: Connection, site: Site, account: Account) -> Others | None:
    """Who can approve what this account sends; None where nobody need."""
    return others(approvals.outlook(conn, site.home.settings, account, approvals.colleague(account)))


def _starts(site: Site, edition: Edition) -> str:
    """When it starts once it is approved; empty where that goes without saying."""
    if edition.sender is None:
        return ""
    now, minutes = site.clock(), site.home.settings.staff.undo_minutes
    if edition.starts_at and edition.starts_at > now + timedelta(minutes=minutes):
        return f"on {frame.moment(site, edition.starts_at)}"
    if not minutes:
        return "at once"
    return f"{minutes} {'minute' if minutes == 1 else 'minutes'} after it is approved"


def missed(site: Site, edition: Edition) -> str:
    """What is said when the moment that was chosen for it has passed while it waits."""
    starts, now = edition.starts_at, site.clock()
    at_once = edition.created_at + timedelta(minutes=site.home.settings.staff.undo_minutes + 1)
    if edition.sender is None or starts is None or not at_once < starts <= now:
        return ""
    return f"Its moment was {frame.moment(site, starts)}. It goes out when it is approved."
