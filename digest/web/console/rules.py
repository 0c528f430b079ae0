"""The rules of one digest: what an owner types, what follows from it, and the saving.

Promises: before anything is kept the page shows the next ten runs under what is typed, and what of it may surprise;
what surprises is saved only for whoever has seen it; everything typed is kept on every error; a change is recorded
with what was before. Refuses: values that cannot be understood, each at its field, and a page that is older than
somebody else's change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import markup, publications, rules
from digest.errors import BadInput, DigestError
from digest.publications import Digest, Series
from digest.rules import CADENCES, WEEKDAYS
from digest.staff import activity
from digest.staff.accounts import OWNER, Account
from digest.web import look
from digest.web.console import badges, door, frame, rules_outlook
from digest.web.console.rules_outlook import OF_SERIES, Outlook, Texts
from digest.web.console.schedule import HERE, month_day
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import offers

LONG = 1000  # characters of a field
OF_DIGEST = ("name", "description", "zone")  # its sender asks for the password: see `setting_senders`
FIELDS = (*OF_DIGEST, *(f"{cadence}.{name}" for cadence, names in OF_SERIES.items() for name in names))
# What a cadence begins with that was never offered; its hour is that of the others.
NEW = {"weekday": "monday", "month_day": "1", "fewest": "1", "most": "12"}
NEW |= {"late_hours": "2", "late_policy": "send", "needs_approval": "no"}


class _Moved(Exception):
    """What the page showed is not true any more."""


def show(request: WebRequest) -> Response[Any]:
    """The rules as they are."""
    with look.of(request).home.db.reading() as conn:
        kept = _kept(conn, publications.find(conn, _slug(request)))
    return _page(request, kept, seen=_mark(kept))


def look_ahead(request: WebRequest, form: Form) -> Response[Any]:
    """The next runs under what is typed; nothing is saved."""
    return _page(request, _typed(form), seen=form.one("seen"), wrong=_unfit(form))


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps what is typed, when it can be understood and whatever surprises in it has been seen."""
    site, typed = look.of(request), _typed(form)
    if wrong := _unfit(form) | _faults(typed):
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
    if any(_mark(one) not in read for one in rules_outlook.outlook_of(conn, site, digest, typed).warnings):
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
    typed = {name: markup.line(text) for name, text in form.typed(*FIELDS).items()}
    ticked = form.every("cadences")
    typed["cadences"] = ",".join(cadence for cadence in CADENCES if cadence in ticked)
    for key in FIELDS:
        if key.endswith("needs_approval") and typed[key] != "yes":
            typed[key] = "no"  # a box that is not ticked sends nothing
    return typed


def _unfit(form: Form) -> dict[str, str]:
    """What is wrong with how it came, by field."""
    return form.faults(*FIELDS, most=LONG)


def _asked(typed: Texts) -> Iterator[str]:
    """The settings that count: those of cadences that are not offered do not."""
    yield from OF_DIGEST
    yield from (f"{cadence}.{name}" for cadence in rules_outlook.offered(typed) for name in OF_SERIES[cadence])


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
    begun = set(rules_outlook.offered(typed)) - set(rules_outlook.offered(kept))
    changed = {key: typed[key] for key in _asked(typed) if typed[key] != kept[key] or key.split(".")[0] in begun}
    return changed | ({"cadences": typed["cadences"]} if typed["cadences"] != kept["cadences"] else {})


def _mark(value: object) -> str:
    """Stands for a value in a form, to tell whether it is still the same."""
    return blake2b(json.dumps(value).encode(), digest_size=12).hexdigest()


# --- the page --------------------------------------------------------------------------------------------------


def _page(
    request: WebRequest, typed: Texts, *, seen: str, status: int = 200, wrong: dict[str, str] | None = None
) -> Response[Any]:
    site, faults = look.of(request), _faults(typed)
    with site.home.db.reading() as conn:
        digest = publications.find(conn, _slug(request))
        outlook = Outlook([], []) if faults else rules_outlook.outlook_of(conn, site, digest, typed)
    return frame.page(
        request,
        "rules.html",
        status=status,
        here=HERE,
        digest=digest,
        typed=typed,
        offered=rules_outlook.offered(typed),
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
