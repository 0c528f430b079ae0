"""Commands about the runs of a digest: schedule show, skip, move and restore."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from digest import moving, occurrences, schedules
from digest.cli import desk, paper
from digest.cli.publishing import Digest
from digest.errors import BadInput
from digest.home import Home
from digest.publications import Series
from digest.staff import activity
from subscribers import by_hand

SHOWN = 10

Cadence = Annotated[str, typer.Option(help="Which of its runs: weekly, daily ...; weekly, or the slowest.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="The reason, for everybody who works with it.")]

schedule_app = typer.Typer(help="The runs of a digest: what comes, skipped or moved.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(schedule_app, name="schedule")


@schedule_app.command("show")
def show(context: typer.Context, digest: Digest, cadence: Cadence = "", as_json: desk.AsJson = False) -> None:
    """The next ten runs, with those that are skipped or moved."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        found = list(_runs(conn, digest, cadence))
    if as_json:
        desk.document(found)
        return
    rows = [(one["run"], desk.local(one["at"], home.settings.site.time_zone), one["note"]) for one in found]
    paper.table(("run", "happens", ""), rows, empty="Alerts go out when something is new: they have no calendar.")


def _runs(conn: Connection, slug: str, cadence: str) -> Iterator[dict[str, Any]]:
    digest, series = by_hand.which(conn, slug, cadence)
    calendar, now = occurrences.calendar(conn, digest, series), desk.now()
    mine = (digest.id, series.cadence)
    skips = {one.moment: one for one in occurrences.skips_ahead(conn, now=now) if (one.digest_id, one.cadence) == mine}
    moves = {one.moment: one for one in moving.ahead(conn, now=now) if (one.digest_id, one.cadence) == mine}
    for run in calendar.ahead(now, SHOWN) if calendar else ():
        skip, move = skips.get(run.moment), moves.get(run.moment)
        note = f"skipped: {skip.reason}" if skip else f"moved: {move.reason}" if move else ""
        yield {"run": run.moment, "at": run.at, "skipped": bool(skip), "moved": bool(move), "note": note}


@schedule_app.command("skip")
def skip(context: typer.Context, digest: Digest, why: Why, cadence: Cadence = "", as_json: desk.AsJson = False) -> None:
    """Skip the next run; what is new waits for the one after it."""
    home = desk.desk(context).home()
    done = home.db.run(partial(_skip, home, digest, cadence, _reason(why)))
    when = desk.local(done.due_at, home.settings.site.time_zone)
    line = (
        f"The {done.cadence} run of {digest} on {when} is skipped. Until then `digest schedule restore` takes it back."
    )
    desk.answer({"run": done.moment, "at": done.due_at, "reason": done.reason}, line, as_json=as_json)


def _skip(home: Home, slug: str, cadence: str, why: str, conn: Connection) -> occurrences.Skip:
    digest, series = by_hand.which(conn, slug, cadence)
    run = occurrences.coming(conn, digest, series, desk.now())
    reason = f"Skipped by {desk.user()}. {why}"
    done = occurrences.skip(conn, digest, series, run.moment, why=reason, now=desk.now())
    _record(conn, home, "skipped", slug, series, done.due_at, after={"why": why})
    return done


@schedule_app.command("move")
def move(
    context: typer.Context,
    digest: Digest,
    to: Annotated[str, typer.Option(metavar="MOMENT", help="Such as 2026-09-16T10, in the digest's zone.")],
    why: Why,
    cadence: Cadence = "",
    as_json: desk.AsJson = False,
) -> None:
    """Let the next run happen at another moment; the runs before and after it stay."""
    home = desk.desk(context).home()
    done = home.db.run(partial(_move, home, digest, cadence, to, _reason(why)))
    zone = home.settings.site.time_zone
    was, now = desk.local(done.planned_at, zone), desk.local(done.due_at, zone)
    lines = (
        f"The {done.cadence} run of {digest} on {was} happens on {now}.",
        "People get it at their own hour from then.",
    )
    desk.answer(done, *lines, as_json=as_json)


def _move(home: Home, slug: str, cadence: str, to: str, why: str, conn: Connection) -> moving.Move:
    digest, series = by_hand.which(conn, slug, cadence)
    run = occurrences.coming(conn, digest, series, desk.now())
    reason = f"Moved by {desk.user()}. {why}"
    there = _moment(to, digest.zone)
    done = moving.move(conn, digest, series, run.moment, to=there, why=reason, now=desk.now())
    _record(conn, home, "moved", slug, series, done.planned_at, after={"to": _said(home, done.due_at), "why": why})
    return done


@schedule_app.command("restore")
def restore(
    context: typer.Context,
    digest: Digest,
    run: Annotated[str, typer.Argument(metavar="RUN", help="As `digest schedule show` names it: 2026-09-14T07.")],
    cadence: Cadence = "",
    as_json: desk.AsJson = False,
) -> None:
    """Let a run happen after all that was skipped, or when it was planned."""
    home = desk.desk(context).home()
    what = home.db.run(partial(_restore, home, digest, cadence, run))
    desk.answer({"run": run, "was": what}, f"The run {run} of {digest} is {what} no more.", as_json=as_json)


def _restore(home: Home, slug: str, cadence: str, run: str, conn: Connection) -> str:
    now = desk.now()
    digest, series = by_hand.which(conn, slug, cadence)
    skipped = [one for one in occurrences.skips_ahead(conn, now=now) if one.digest_id == digest.id]
    if any((one.cadence, one.moment) == (series.cadence, run) for one in skipped):
        taken = occurrences.take_back(conn, series, run, now=now)
        _record(conn, home, "took back the skipping of", slug, series, taken.due_at, before={"why": taken.reason})
        return "skipped"
    back = moving.move_back(conn, digest, series, run, now=now)
    _record(conn, home, "moved back", slug, series, back.planned_at, before={"to": _said(home, back.due_at)})
    return "moved"


def _record(
    conn: Connection, home: Home, deed: str, slug: str, series: Series, at: datetime, **what: dict[str, str]
) -> None:
    thing = f"the {series.cadence} run of {slug} on {_said(home, at)}"
    activity.record(conn, desk.user(), deed, thing, now=desk.now(), **what)


def _said(home: Home, moment: datetime) -> str:
    return desk.local(moment, home.settings.site.time_zone)


def _reason(why: str) -> str:
    if not why.strip():
        raise BadInput("--why", "It says nothing.", "A few words will do.")
    return why.strip()


def _moment(text: str, zone: str) -> datetime:
    """The moment at which the zone's clock shows this, or a later time when it never does."""
    told = desk.moment("--to", text, zone)
    if datetime.fromisoformat(text).tzinfo:
        return told
    return schedules.resolve(told.date(), told.hour, zone, told.minute)
