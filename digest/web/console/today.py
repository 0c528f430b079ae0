"""Today: is all well, and what goes out next.

Promises: whatever waits for a person is named first, with the one button that deals with it; what did not go out is
told beside what did, with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import clock_passes, coming, editions, items, occurrences, publications
from digest.coming import Coming
from digest.delivery import runs
from digest.delivery.runs import Listed
from digest.staff import approvals
from digest.staff.accounts import VIEWER, Account
from digest.web import look
from digest.web.console import charts, door, frame, reviewing, silence
from digest.web.console import editions as pages
from digest.web.look import Site, WebRequest
from subscribers import tally

DAYS, PAST = 28, 6
LETTERS = {"daily": "D", "weekly": "W", "monthly": "M"}


@dataclass(frozen=True)
class Need:
    """One thing that waits for a person."""

    state: str
    label: str
    title: str
    why: str
    link: str
    verb: str
    waits_for_others: bool = False


@dataclass(frozen=True)
class Past:
    """What went out, or did not: an edition, or a run that was skipped beforehand."""

    at: datetime
    one: Listed | None = None
    title: str = ""
    reason: str = ""


def show(request: WebRequest) -> Response[Any]:
    """What waits, what comes, what went out."""
    site, now = look.of(request), look.of(request).clock()
    with site.home.db.reading() as conn:
        ahead = coming.next_runs(conn, now=now)
        days = _days(conn, site)
        past = _past(conn, site)
        needs = _needs(conn, site, door.of(request).account)
        people = tally.of_people(conn, now=now)
        choices = {one: tally.choices(conn, one) for one in {one.digest.id for one in ahead}}
        takers = {id(one): choices[one.digest.id].takers(one.series.cadence) for one in ahead}
        anything = bool(items.kinds(conn))
        heard = clock_passes.look(conn, now=now)
    return frame.page(
        request,
        "today.html",
        here="/staff/",
        headline=_headline(site, ahead),
        now=now,
        needs=needs,
        strip=charts.calendar_strip(days, site.today),
        letters=sorted({letter for _, those in days for letter in those}),
        names=charts.NAMES,
        ahead=ahead,
        takers=lambda one: takers[id(one)],
        past=past,
        people=people,
        anything=anything,
        silence=silence.told(site, heard),
        cadences=frame.CADENCES,
        **pages.words(site),
    )


def _headline(site: Site, ahead: list[Coming]) -> str:
    if not ahead:
        return "Nothing is planned"
    first = ahead[0]
    there = first.at.astimezone(site.zone)
    day = (
        "today"
        if there.date() == site.today
        else f"{there:%A}"
        if _soon(site, there.date())
        else f"{there:%B} {there.day}"
    )
    return f"Next: the {frame.CADENCES[first.series.cadence]}, {day} at {frame.hour(site, first.at)}"


def _soon(site: Site, day: date) -> bool:
    return day - site.today < timedelta(days=7)


def _days(conn: Connection, site: Site) -> list[tuple[date, list[str]]]:
    zone = site.home.settings.site.time_zone
    due = coming.calendar(conn, now=site.clock(), days=DAYS, zone=zone)
    days = [site.today + timedelta(days=n) for n in range(DAYS)]
    return [(day, sorted({LETTERS[one.cadence] for one in due.get(day, ()) if not one.skipped})) for day in days]


def _past(conn: Connection, site: Site) -> list[Past]:
    """What ended last, and the runs among it that were skipped beforehand and so never made an edition."""
    ended = [one for one in runs.page(conn, limit=PAST + 4) if one.edition.state in editions.ENDED]
    found = [Past(one.edition.starts_at or one.edition.created_at, one) for one in ended]
    names = {digest.id: digest.name for digest in publications.all(conn)}
    for skip in occurrences.skips_past(conn, now=site.clock(), limit=PAST):
        title = f"{names[skip.digest_id]}, {frame.day(site, skip.due_at.astimezone(site.zone).date())}"
        found.append(Past(skip.due_at, title=title, reason=skip.reason))
    return sorted(found, key=lambda one: one.at, reverse=True)[:PAST]


def _needs(conn: Connection, site: Site, account: Account) -> list[Need]:
    waits = [need for one in runs.open_ones(conn) if (need := _of_edition(conn, site, account, one))]
    found = [need for need in waits if not need.waits_for_others]
    found += [_unsure(site, one) for one in runs.unsure(conn)]
    if yearless := items.without_year(conn):
        many = "1 item came" if yearless == 1 else f"{yearless} items came"
        why = "They stay out of digests until the date is complete."
        found.append(
            Need(
                "draft", "No year", f"{many} in with a day but no year", why, "/staff/items?state=yearless", "Add years"
            )
        )
    return found + [need for need in waits if need.waits_for_others]


def _of_edition(conn: Connection, site: Site, account: Account, one: Listed) -> Need | None:
    edition, link = one.edition, f"{pages.HERE}/{one.edition.id}"
    if edition.state == editions.REVIEW:
        return _review(conn, site, account, one)
    if edition.shown_state == "paused":
        return Need(
            "paused",
            "Paused",
            pages.name(site, one),
            edition.paused_why,
            link,
            "Decide" if edition.question else "Look",
        )
    return None


def _review(conn: Connection, site: Site, account: Account, one: Listed) -> Need:
    """What waits for approval; its author learns for whom it waits."""
    edition, title, link = one.edition, pages.name(site, one), f"{pages.HERE}/{one.edition.id}"
    found = approvals.outlook(conn, site.home.settings, account, edition.sender)
    others, missed = reviewing.others(found), reviewing.missed(site, edition)
    why = f"{edition.reason} {missed or 'It cannot go out without.'}"
    if found.may or others is None:
        return Need("review", "Review", title, why, link, "Review")
    said = f"{edition.reason} {missed} It waits for somebody else. {others.said}"
    if others.alone:
        return Need("review", "Review", title, said, "/staff/activity#staff", "Invite", True)
    return Need("review", "Review", title, said, link, "Look", True)


def _unsure(site: Site, one: Listed) -> Need:
    number = one.totals.unsure
    people = "1 person may not have" if number == 1 else f"{number} people may not have"
    why = "The mail server went silent after we handed the mail over."
    return Need(
        "unsure", "Unsure", f"{people} “{pages.name(site, one)}”", why, f"{pages.HERE}/{one.edition.id}", "Decide"
    )


HANDLERS = [frame.page_at("/", VIEWER, show)]
