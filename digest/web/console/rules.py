"""The rules of one digest: what an owner types, what follows from it, and the saving.

Promises: before anything is kept the page shows the next ten runs under what is typed, and what of it may surprise;
what surprises is saved only for whoever has seen it; everything typed is kept on every error; a change is recorded
with what was before. Refuses: values that cannot be understood, each at its field, and a page that is older than
somebody else's change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import editions, occurrences, publications, rules, schedules, timetable
from digest.errors import BadInput, DigestError
from digest.publications import Digest, Series
from digest.rules import CADENCES, WEEKDAYS
from digest.schedules import Schedule
from digest.staff import activity
from digest.staff.accounts import OWNER, Account
from digest.timetable import Run
from digest.web import look
from digest.web.console import badges, door, frame
from digest.web.console.schedule import HERE, month_day
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import offers, tally

AHEAD = 10  # runs that are shown
LONG = 1000  # characters of a field
OF_DIGEST = ("name", "description", "from_name", "from_address", "reply_to", "zone")
_ALWAYS = ("most", "late_hours", "late_policy", "needs_approval")
OF_SERIES = {
    "instant": _ALWAYS,
    "daily": ("hour", "fewest", *_ALWAYS),
    "weekly": ("weekday", "hour", "fewest", *_ALWAYS),
    "monthly": ("month_day", "hour", "fewest", *_ALWAYS),
}
# What a cadence begins with that was never offered; its hour is that of the others.
NEW = {"weekday": "monday", "month_day": "1", "fewest": "1", "most": "12"}
NEW |= {"late_hours": "2", "late_policy": "send", "needs_approval": "no"}

Texts = Mapping[str, str]  # settings by name, as they are typed


@dataclass(frozen=True)
class Outlook:
    """What follows from what is typed: the next runs, and sentences about what may surprise."""

    runs: list[Run]
    warnings: list[str]
    skipped: frozenset[tuple[str, datetime]] = frozenset()  # runs, by cadence and moment, that are skipped already


class _Moved(Exception):
    """What the page showed is not true any more."""


def show(request: WebRequest) -> Response[Any]:
    """The rules as they are."""
    with look.of(request).home.db.reading() as conn:
        kept = _kept(conn, publications.find(conn, _slug(request)))
    return _page(request, kept, seen=_mark(kept))


def look_ahead(request: WebRequest, form: Form) -> Response[Any]:
    """The next runs under what is typed; nothing is saved."""
    return _page(request, _typed(form), seen=form.one("seen"))


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps what is typed, when it can be understood and whatever surprises in it has been seen."""
    site, typed = look.of(request), _typed(form)
    if wrong := _faults(typed):
        return _page(request, typed, seen=form.one("seen"), status=400, wrong=wrong)
    try:
        told = site.home.db.run(partial(_save, request, typed, form))
    except (_Moved, DigestError) as error:
        where = error.problem.where if isinstance(error, BadInput) else "cadences"
        with site.home.db.reading() as conn:
            seen = _mark(_kept(conn, publications.find(conn, _slug(request))))
        return _page(request, typed, seen=seen, status=409, wrong={where: str(error)})
    return frame.redirect(f"{HERE}?done={told}")


def _save(request: WebRequest, typed: Texts, form: Form, conn: Connection) -> str:
    site, account = look.of(request), door.of(request).account
    digest = publications.find(conn, _slug(request))
    kept = _kept(conn, digest)
    if form.one("seen") != _mark(kept):
        raise _Moved("Somebody changed these rules meanwhile. Yours are still here: compare them, then save.")
    read = form.one("told", most=LONG).split()
    if any(_mark(one) not in read for one in _outlook(conn, site, digest, typed).warnings):
        raise _Moved("Something about this may surprise: read it below, then save.")
    changes = _changes(kept, typed)
    if not changes:
        return "same"
    _keep(conn, site, account, digest, kept, changes)
    return "saved"


def _keep(conn: Connection, site: Site, account: Account, digest: Digest, kept: Texts, changes: Texts) -> None:
    now = site.clock()
    offers.set(conn, digest.slug, changes, now=now)
    after = _kept(conn, publications.find(conn, digest.slug))
    values = {"before": {key: kept[key] for key in changes}, "after": {key: after[key] for key in changes}}
    activity.record(conn, account, "changed", f"the rules of {digest.slug}", now=now, **values)


# --- what is typed ---------------------------------------------------------------------------------------------


def _kept(conn: Connection, digest: Digest) -> dict[str, str]:
    """The rules as they are, as they would be typed; with those that a cadence would begin with."""
    series = {one.cadence: one for one in publications.series(conn, digest.id)}
    hour = str(next(iter(series.values())).hour)
    found = {name: str(getattr(digest, name)) for name in OF_DIGEST}
    found["cadences"] = ",".join(cadence for cadence in CADENCES if cadence in series and series[cadence].offered)
    for cadence, names in OF_SERIES.items():
        one = series.get(cadence)
        for name in names:
            found[f"{cadence}.{name}"] = _text(one, name) if one else NEW.get(name, hour)
    return found


def _text(series: Series, name: str) -> str:
    value = getattr(series, name)
    if name == "weekday":
        return WEEKDAYS[value or 0]
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _typed(form: Form) -> dict[str, str]:
    typed = {name: form.one(name, most=LONG) for name in OF_DIGEST}
    ticked = form.every("cadences")
    typed["cadences"] = ",".join(cadence for cadence in CADENCES if cadence in ticked)
    for key in (f"{cadence}.{name}" for cadence, names in OF_SERIES.items() for name in names):
        typed[key] = form.one(key, most=LONG)
        if key.endswith("needs_approval") and typed[key] != "yes":
            typed[key] = "no"  # a box that is not ticked sends nothing
    return typed


def _offered(typed: Texts) -> list[str]:
    return typed["cadences"].split(",") if typed["cadences"] else []


def _asked(typed: Texts) -> Iterator[str]:
    """The settings that count: those of cadences that are not offered do not."""
    yield from OF_DIGEST
    yield from (f"{cadence}.{name}" for cadence in _offered(typed) for name in OF_SERIES[cadence])


def _faults(typed: Texts) -> dict[str, str]:
    """What cannot be understood, by field."""
    wrong = {}
    if not typed["cadences"]:
        wrong["cadences"] = "A digest comes at least one way. Tick how often."
    for key in _asked(typed):
        try:
            rules.understand(key, typed[key])
        except BadInput as error:
            wrong[key] = f"{error.problem.why} {error.problem.remedy}"
    return wrong


def _changes(kept: Texts, typed: Texts) -> dict[str, str]:
    """What is typed and is not so yet; of a cadence that is new to the digest, all of it."""
    begun = set(_offered(typed)) - set(_offered(kept))
    changed = {key: typed[key] for key in _asked(typed) if typed[key] != kept[key] or key.split(".")[0] in begun}
    return changed | ({"cadences": typed["cadences"]} if typed["cadences"] != kept["cadences"] else {})


def _mark(value: object) -> str:
    """Stands for a value in a form, to tell whether it is still the same."""
    return blake2b(json.dumps(value).encode(), digest_size=12).hexdigest()


# --- what follows from it --------------------------------------------------------------------------------------


def _outlook(conn: Connection, site: Site, digest: Digest, typed: Texts) -> Outlook:
    """What follows from values that can be understood."""
    now = site.clock()
    plans = _plans(typed)
    warnings = [
        *_moving(conn, digest, typed),
        *_meeting(conn, site, digest, plans),
        *_unskipped(conn, site, digest, plans),
    ]
    skips = [one for one in occurrences.skips_ahead(conn, now=now) if one.digest_id == digest.id]
    skipped = frozenset((one.cadence, one.due_at) for one in skips)
    return Outlook(timetable.first(plans, now, AHEAD), warnings, skipped)


def _plans(typed: Texts) -> dict[str, Schedule]:
    zone = str(rules.understand("zone", typed["zone"]).value)
    found = {}
    for cadence in _offered(typed):
        if cadence != "instant":
            names = [name for name in ("hour", "weekday", "month_day") if name in OF_SERIES[cadence]]
            values = {name: rules.understand(f"{cadence}.{name}", typed[f"{cadence}.{name}"]).value for name in names}
            found[cadence] = Schedule(cadence, zone=zone, **values)
    return found


def _moving(conn: Connection, digest: Digest, typed: Texts) -> Iterator[str]:
    for series in publications.series(conn, digest.id):
        if series.offered and series.cadence not in _offered(typed):
            people = tally.takers(conn, digest.id, series.cadence)
            if people:
                takes = "1 person takes" if people == 1 else f"{people:,} people take"
                yield f"{takes} it {_often(series.cadence)}. They get the same at the next slower way that is offered."


def _meeting(conn: Connection, site: Site, digest: Digest, plans: Mapping[str, Schedule]) -> Iterator[str]:
    """Two runs within an hour for the same people, of this digest or of this and another."""
    named: dict[str, tuple[Digest, str]] = {cadence: (digest, cadence) for cadence in plans}
    others = {}
    for other in publications.all(conn):
        for series in publications.series(conn, other.id) if other.id != digest.id else ():
            plan = editions.schedule(series, other.zone)
            if plan and series.offered:
                key = f"{other.slug} {series.cadence}"
                others[key], named[key] = plan, (other, series.cadence)
    for met in timetable.meetings({**plans, **others}, site.clock()):
        if met.names[0] not in plans:
            continue
        (one, often), (other, other_often) = (named[name] for name in met.names)
        people = tally.takers_of_both(conn, (one.id, often), (other.id, other_often))
        if people:
            both = "1 person takes" if people == 1 else f"{people:,} people take"
            what = f"{one.name} ({often}) and {other.name} ({other_often})"
            yield f"{what} come within an hour of each other, first on {frame.moment(site, met.at)}. {both} both."


def _unskipped(conn: Connection, site: Site, digest: Digest, plans: Mapping[str, Schedule]) -> Iterator[str]:
    """A run that was skipped beforehand, and that another day or hour would make happen at another moment."""
    for skip in occurrences.skips_ahead(conn, now=site.clock()):
        plan = plans.get(skip.cadence)
        if skip.digest_id == digest.id and plan and skip.moment not in _moments(plan, skip.due_at):
            was = frame.moment(site, skip.due_at)
            yield f"The {skip.cadence} run of {was} was skipped, and would not be a run any more: skip the new one."


def _moments(plan: Schedule, near: datetime) -> list[str]:
    day = timedelta(days=1)
    return [run.moment for run in schedules.between(plan, near - day, near + day)]


def _often(cadence: str) -> str:
    return "at once" if cadence == "instant" else cadence


# --- the page --------------------------------------------------------------------------------------------------


def _page(
    request: WebRequest, typed: Texts, *, seen: str, status: int = 200, wrong: dict[str, str] | None = None
) -> Response[Any]:
    site, faults = look.of(request), _faults(typed)
    with site.home.db.reading() as conn:
        digest = publications.find(conn, _slug(request))
        outlook = Outlook([], []) if faults else _outlook(conn, site, digest, typed)
    return frame.page(
        request,
        "rules.html",
        status=status,
        here=HERE,
        digest=digest,
        typed=typed,
        offered=_offered(typed),
        settings=OF_SERIES,
        outlook=outlook,
        seen=seen,
        told=" ".join(_mark(one) for one in outlook.warnings),
        wrong=faults | (wrong or {}),
        hours=[(str(hour), frame.oclock(hour)) for hour in range(24)],
        weekdays=[(day, day.capitalize()) for day in WEEKDAYS],
        month_days=[(str(day), month_day(day)) for day in range(1, 32)],
        badge=badges.badge,
    )


def _slug(request: WebRequest) -> str:
    return str(request.path_params["digest"])


HANDLERS = [
    frame.page_at("/schedule/{digest:str}", OWNER, show),
    frame.deed_at("/schedule/{digest:str}", OWNER, save),
    frame.deed_at("/schedule/{digest:str}/ahead", OWNER, look_ahead),
]
