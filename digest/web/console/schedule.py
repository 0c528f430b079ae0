"""Schedule: what runs when, over three months; one run is skipped here, and taken back. `moving` moves one.

Promises: the moments are those at which the clock will act, with what a change of clocks does to them in words; a run
is skipped after a page that says what follows, and with a reason that everybody reads. Refuses: to skip another run
than the one that was shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import coming, editions, items, moving, occurrences, publications, rules, schedules, timetable
from digest.delivery import runs
from digest.errors import BadInput, DigestError, NotFound
from digest.moving import Move
from digest.occurrences import Skip
from digest.publications import Digest, Series
from digest.schedules import Occurrence
from digest.staff import activity
from digest.staff.accounts import EDITOR, VIEWER, Account
from digest.web import look
from digest.web.console import badges, door, frame, months, moving_outlook
from digest.web.console.charts import NAMES
from digest.web.console.months import Mark
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import by_hand, tally

HERE = "/staff/schedule"
MONTHS = 3
LETTERS = {"daily": "D", "weekly": "W", "monthly": "M"}
ORDINALS = {1: "1st", 2: "2nd", 3: "3rd", 21: "21st", 22: "22nd", 23: "23rd"}
DONE = {
    "skipped": "Skipped. What is new waits for the run after it.",
    "back": "The run happens after all.",
    "moved": "Moved. The run after it stays where it is.",
    "moved-back": "The run happens at its own moment.",
    "saved": "Saved.",
    "same": "Nothing was changed, so nothing was saved.",
}


@dataclass(frozen=True)
class Row:
    """One series with its next run; alerts have none but what gathers."""

    digest: Digest
    series: Series
    at: datetime | None
    run: Occurrence | None  # that can be skipped or moved
    people: int
    moved: Move | None = None

    @property
    def due_now(self) -> bool:
        """Whether a run is due and has not happened yet."""
        return self.run is not None and self.at is not None and self.at < self.run.at


def show(request: WebRequest) -> Response[Any]:
    """What runs when."""
    site, now = look.of(request), look.of(request).clock()
    until = months.last_day(site.today.replace(day=1) + timedelta(days=31 * (MONTHS - 1)))
    with site.home.db.reading() as conn:
        digests = publications.all(conn)
        rows = [row for digest in digests for row in _rows(conn, digest, now)]
        skips = occurrences.skips_ahead(conn, now=now)
        moves = moving.ahead(conn, now=now)
        marks = _marks(conn, site, until)
    days = (until - site.today).days + 1
    return frame.page(
        request,
        "schedule.html",
        here=HERE,
        rows=rows,
        skips=[(skip, digest) for skip in skips for digest in digests if digest.id == skip.digest_id],
        moves=[(move, digest) for move in moves for digest in digests if digest.id == move.digest_id],
        skipped={(skip.digest_id, skip.cadence, skip.moment) for skip in skips},
        now=now,
        months=months.months(MONTHS, site.today, marks, timetable.change_days(site.zone.key, site.today, days)),
        letters=sorted({mark.letter for those in marks.values() for mark in those}),
        notes=_notes(rows, now, until),
        names=NAMES,
        weekdays=months.DAYS,
        digests=digests,
        when=when,
        late=moving_outlook.LATE,
        badge=badges.badge,
        done=DONE.get(request.query_params.get("done", "")),
    )


def when(row: Row) -> str:
    """The day and hour of a series in words."""
    series = row.series
    if series.cadence == "instant":
        return "When something is new, after ten minutes"
    hour = frame.oclock(series.hour)
    if series.cadence == "weekly":
        return f"{rules.WEEKDAYS[series.weekday or 0].capitalize()}s at {hour}"
    if series.cadence == "monthly":
        return f"On the {month_day(series.month_day or 31)} of the month at {hour}"
    return f"Every day at {hour}"


def month_day(day: int) -> str:
    """A day of the month in words; the 31st is the last one."""
    return "last day" if day == 31 else ORDINALS.get(day, f"{day}th")


def _rows(conn: Connection, digest: Digest, now: datetime) -> list[Row]:
    found, choices = [], tally.choices(conn, digest.id)
    for series in publications.series(conn, digest.id):
        if not series.offered:
            continue
        alert = series.cadence == "instant"
        at = occurrences.next_alert(conn, series) if alert else occurrences.next_run(conn, digest, series, now)
        run = None if alert else occurrences.coming(conn, digest, series, now)
        moved = moving.find(conn, series, run.moment) if run and at == run.at else None
        found.append(Row(digest, series, at, run, choices.takers(series.cadence), moved))
    return found


def _marks(conn: Connection, site: Site, until: date) -> dict[date, list[Mark]]:
    """What happens on each day where the site is: runs, and letters that wait for their moment."""
    now, zone = site.clock(), site.home.settings.site.time_zone
    due = coming.calendar(conn, now=now, days=(until - site.today).days + 1, zone=zone)
    found = {
        day: [Mark(LETTERS[one.cadence], _said(site, one), bool(one.skipped), bool(one.moved)) for one in those]
        for day, those in due.items()
    }
    for one in runs.open_ones(conn):
        starts = one.edition.starts_at
        if one.edition.is_letter and starts and starts > now:
            waits = ", waits for approval" if one.edition.state == editions.REVIEW else ""
            words = f"Letter: {one.subject}, {frame.hour(site, starts)}{waits}"
            found.setdefault(starts.astimezone(site.zone).date(), []).append(Mark("L", words))
    return found


def _said(site: Site, one: coming.Due) -> str:
    at = f"{one.digest.name}, {NAMES[LETTERS[one.cadence]]}, {frame.hour(site, one.at)}"
    moved = f", moved from {frame.moment(site, one.moved.planned_at)}" if one.moved else ""
    return f"{at}{moved}: skipped" if one.skipped else f"{at}{moved}"


def _notes(rows: list[Row], now: datetime, until: date) -> list[str]:
    """What clock changes do to the runs, each sentence once."""
    plans = [plan for row in rows if (plan := editions.schedule(row.series, row.digest.zone))]
    ends = [schedules.resolve(until + timedelta(days=1), 0, plan.zone) for plan in plans]
    told = [schedules.clock_changes(plan, now, end) for plan, end in zip(plans, ends, strict=True)]
    return list(dict.fromkeys(note for notes in told for note in notes))


# --- one run ---------------------------------------------------------------------------------------------------


def skip_page(request: WebRequest) -> Response[Any]:
    """Asks before a run is skipped."""
    return _ask(request)


def _ask(
    request: WebRequest, *, status: int = 200, why: str = "", wrong: dict[str, str] | None = None
) -> Response[Any]:
    site, now = look.of(request), look.of(request).clock()
    with site.home.db.reading() as conn:
        digest, series = series_of(conn, request)
        run = occurrences.coming(conn, digest, series, now)
        calendar = occurrences.calendar(conn, digest, series)
        waiting = editions.waiting(conn, series)
        told = items.by_ids(conn, {entry.item_id for entry in waiting})
        people = tally.takers(conn, digest.id, series.cadence)
    return frame.page(
        request,
        "skip.html",
        status=status,
        here=HERE,
        digest=digest,
        series=series,
        run=run,
        after=calendar.next(run.at).at if calendar else None,
        titles=[told[entry.item_id].title for entry in waiting],
        people=people,
        why=why,
        wrong=wrong or {},
    )


def skip(request: WebRequest, form: Form) -> Response[Any]:
    """Skips a run."""
    site, typed = look.of(request), form.typed("why")
    try:
        why = form.one("why")
        if not why:
            raise BadInput("why", "Say why, for your colleagues.", "A few words will do.")
        site.home.db.run(partial(_skip, request, form.one("moment"), why))
    except NotFound:
        raise
    except DigestError as error:
        status = 400 if isinstance(error, BadInput) else 409
        return _ask(request, status=status, why=typed["why"], wrong=frame.wrong(error, "why"))
    return frame.redirect(f"{HERE}?done=skipped")


def _skip(request: WebRequest, moment: str, why: str, conn: Connection) -> None:
    site, account = look.of(request), door.of(request).account
    digest, series = series_of(conn, request)
    reason = f"Skipped by {account.name}. {why}"
    done = occurrences.skip(conn, digest, series, moment, why=reason, now=site.clock())
    _record(conn, site, account, "skipped", digest, done, after={"why": why})


def back(request: WebRequest, form: Form) -> Response[Any]:
    """Lets a skipped run happen after all."""
    look.of(request).home.db.run(partial(_back, request, form.one("moment")))
    return frame.redirect(f"{HERE}?done=back")


def _back(request: WebRequest, moment: str, conn: Connection) -> None:
    site, account = look.of(request), door.of(request).account
    digest, series = series_of(conn, request)
    done = occurrences.take_back(conn, series, moment, now=site.clock())
    _record(conn, site, account, "took back the skipping of", digest, done, before={"why": done.reason})


def _record(
    conn: Connection, site: Site, account: Account, deed: str, digest: Digest, done: Skip, **what: dict[str, str]
) -> None:
    thing = f"the {done.cadence} run of {digest.slug} on {frame.moment(site, done.due_at)}"
    activity.record(conn, account, deed, thing, now=site.clock(), **what)


def series_of(conn: Connection, request: WebRequest) -> tuple[Digest, Series]:
    """The digest and the series that an address names. Raises NotFound or Refused."""
    return by_hand.which(conn, request.path_params["digest"], request.path_params["cadence"])


HANDLERS = [
    frame.page_at("/schedule", VIEWER, show),
    frame.page_at("/schedule/{digest:str}/{cadence:str}/skip", EDITOR, skip_page),
    frame.deed_at("/schedule/{digest:str}/{cadence:str}/skip", EDITOR, skip),
    frame.deed_at("/schedule/{digest:str}/{cadence:str}/back", EDITOR, back),
]
