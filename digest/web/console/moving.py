"""One run at another moment: what follows is said in numbers and words before it is moved, and it goes back again.

Promises: nothing is moved but to the moment whose consequences were shown; who would have two mails within an hour is
counted; what was typed is kept when it is refused. Refuses: a moment without a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response
from sqlalchemy import Connection

from digest import editions, items, moving, occurrences
from digest.errors import BadInput, DigestError, NotFound
from digest.schedules import Occurrence
from digest.staff import activity
from digest.staff.accounts import EDITOR
from digest.web import look
from digest.web.console import door, frame, moving_outlook, schedule
from digest.web.console.moving_outlook import Step
from digest.web.console.schedule import HERE
from digest.web.forms import Form
from digest.web.look import WebRequest
from subscribers import tally

LONG = 200  # characters of a field


@dataclass(frozen=True)
class Typed:
    """What was typed, as it was typed."""

    day: str
    hour: str
    why: str = ""


def show(request: WebRequest) -> Response[Any]:
    """Asks where to."""
    return _page(request)


def _page(
    request: WebRequest, typed: Typed | None = None, *, status: int = 200, wrong: dict[str, str] | None = None
) -> Response[Any]:
    site, faults = look.of(request), wrong or {}
    now = site.clock()
    with site.home.db.reading() as conn:
        digest, series = schedule.series_of(conn, request)
        run, calendar = occurrences.coming(conn, digest, series, now), occurrences.calendar(conn, digest, series)
        follows = None
        if typed and calendar and not faults:
            step = Step(digest, series, run, calendar, *_understood(typed))
            follows = moving_outlook.outlook_of(conn, site, step)
        waiting = editions.waiting(conn, series)
        told = items.by_ids(conn, {entry.item_id for entry in waiting})
        people = follows.people if follows else tally.takers(conn, digest.id, series.cadence)
        moved = moving.find(conn, series, run.moment)
    there = run.at.astimezone(ZoneInfo(digest.zone))
    return frame.page(
        request,
        "move.html",
        status=status,
        here=HERE,
        digest=digest,
        series=series,
        run=run,
        moved=moved,
        after=calendar.next(run.at).at if calendar else None,
        typed=typed or Typed(there.date().isoformat(), str(there.hour)),
        follows=follows,
        seen=_mark(run, follows.step.to) if follows else "",
        titles=[told[entry.item_id].title for entry in waiting],
        people=people,
        hours=[(str(hour), frame.oclock(hour)) for hour in range(24)],
        wrong=faults,
    )


def _mark(run: Occurrence, to: datetime) -> str:
    """Stands in the form for the move whose consequences were shown."""
    return f"{run.moment} {to.timestamp():.0f}"


# --- deeds -----------------------------------------------------------------------------------------------------


def move(request: WebRequest, form: Form) -> Response[Any]:
    """Shows what follows; moves the run when that was shown for this very moment."""
    site = look.of(request)
    typed = Typed(**form.typed("day", "hour", "why"))
    if wrong := form.faults("day", "hour", "why", most=LONG):
        return _page(request, typed, status=400, wrong=wrong)
    try:
        done = site.home.db.run(partial(_move, request, typed, form.one("seen")))
    except NotFound:
        raise
    except BadInput as error:
        where = {"to": "day"}.get(error.problem.where, error.problem.where)
        return _page(request, typed, status=400, wrong={where: f"{error.problem.why} {error.problem.remedy}"})
    except DigestError as error:
        return _page(request, typed, status=409, wrong={"day": str(error)})
    return frame.redirect(f"{HERE}?done=moved") if done else _page(request, typed)


def _move(request: WebRequest, typed: Typed, seen: str, conn: Connection) -> bool:
    """Whether it was moved; else what follows is to be shown first. Raises BadInput for what cannot be understood."""
    site, account, now = look.of(request), door.of(request).account, look.of(request).clock()
    digest, series = schedule.series_of(conn, request)
    run, calendar = moving.coming(conn, digest, series, now=now)
    to = Step(digest, series, run, calendar, *_understood(typed)).to
    moving.check(run, calendar, to, now=now)
    if not typed.why:
        raise BadInput("why", "Say why, for your colleagues.", "A few words will do.")
    if seen != _mark(run, to):
        return False
    reason = f"Moved by {account.name}. {typed.why}"
    done = moving.move(conn, digest, series, run.moment, to=to, why=reason, now=now)
    before, after = frame.moment(site, run.at), frame.moment(site, done.due_at)
    thing = f"the {series.cadence} run of {digest.slug} on {frame.moment(site, done.planned_at)}"
    activity.record(
        conn, account, "moved", thing, now=now, before={"at": before}, after={"at": after, "why": typed.why}
    )
    return True


def _understood(typed: Typed) -> tuple[date, int]:
    """The day and the hour. Raises BadInput naming what is none."""
    try:
        day = date.fromisoformat(typed.day)
    except ValueError:
        raise BadInput("day", "This is no day.", "Write it as 2026-09-16.") from None
    if not 2000 < day.year < 3000:
        raise BadInput("day", "This day is too far away.", "Write it as 2026-09-16.")
    if typed.hour not in map(str, range(24)):
        raise BadInput("hour", "This is no full hour.", "Choose one.")
    return day, int(typed.hour)


def back(request: WebRequest, form: Form) -> Response[Any]:
    """Takes a moved run to its own moment."""
    look.of(request).home.db.run(partial(_back, request, form.one("moment")))
    return frame.redirect(f"{HERE}?done=moved-back")


def _back(request: WebRequest, moment: str, conn: Connection) -> None:
    site, account = look.of(request), door.of(request).account
    digest, series = schedule.series_of(conn, request)
    done = moving.move_back(conn, digest, series, moment, now=site.clock())
    thing = f"the {series.cadence} run of {digest.slug} on {frame.moment(site, done.planned_at)}"
    before = {"at": frame.moment(site, done.due_at), "why": done.reason}
    activity.record(conn, account, "moved back", thing, now=site.clock(), before=before)


HANDLERS = [
    frame.page_at("/schedule/{digest:str}/{cadence:str}/move", EDITOR, show),
    frame.deed_at("/schedule/{digest:str}/{cadence:str}/move", EDITOR, move),
    frame.deed_at("/schedule/{digest:str}/{cadence:str}/move/back", EDITOR, back),
]
