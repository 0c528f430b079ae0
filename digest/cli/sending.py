"""Commands that send: send, and run for cron."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

import scheduler
from digest import clock_watch, publications, second_person
from digest.cli import colleagues, desk, telling
from digest.cli.publishing import Digest
from digest.editions import Edition
from digest.errors import BadInput
from subscribers import offices
from subscribers.offices import Office

Wait = Annotated[bool, typer.Option("--wait", help="Deliver in this process, and return when settled.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("send")(send)
    app.command("run")(run)


def send(
    context: typer.Context,
    digest: Digest,
    cadence: Annotated[
        str, typer.Option(help="Which of its editions: weekly, daily ...; weekly, or the slowest.")
    ] = "",
    owed: Annotated[bool, typer.Option("--owed", help="Only what is owed to some, to those.")] = False,
    by: colleagues.By = "",
    yes: desk.Yes = False,
    wait: Wait = False,
    as_json: desk.AsJson = False,
) -> None:
    """Send an edition now, with what is new."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        publications.find(conn, digest)  # a mistyped name is no question
        sender = colleagues.sender(conn, by)
        second_person.reason(home.settings, sender)
    desk.confirm(f"Send {digest} now, to everyone it is for?", yes=yes or as_json)
    office = offices.open_office(home)
    edition = scheduler.dispatch(office, digest, cadence=cadence, owed=owed, sender=sender)
    see_off(office, edition, wait=wait, as_json=as_json)


def see_off(office: Office, edition: Edition, *, wait: bool, as_json: bool) -> None:
    """Delivers an edition that was just locked, when somebody waits for it, and tells how it stands."""
    if wait:
        office.sender.clerk.hours = False  # whoever waits for it wants it now
        edition = scheduler.see_through(office, edition.id)
    telling.tell(office.home, edition.id, as_json=as_json)
    if wait and edition.shown_state == "paused":
        raise typer.Exit(1)


def run(
    context: typer.Context,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Until nothing is due or to be tried again within 2 minutes.")
    ] = False,
    accept_clock: Annotated[
        bool, typer.Option("--accept-clock", help="After a jump of the clock: it is right as it is.")
    ] = False,
    at: Annotated[str, typer.Option("--at", hidden=True, help="For rehearsals: as if it were this moment.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """One pass of the clock: publishes, prepares and sends what is due. For cron."""
    home = desk.desk(context).home()
    office = offices.open_office(home, clock=_rehearsal(at) if at else offices.utc_now)
    if accept_clock:
        scheduler.accept_clock(office)
    if until_idle:
        wake = scheduler.until_idle(office)
    else:
        scheduler.one_pass(office)
        wake = scheduler.next_moment(office)
    if as_json:
        desk.document({"next": wake, "jump": str(office.jump) if office.jump else None})
        return
    if office.jump:
        desk.say(f"{office.jump} Runs wait for approval until it is right. {clock_watch.HELP}")
    zone = home.settings.site.time_zone
    for edition in scheduler.under_way(office):
        desk.say(*telling.standing(home, edition))
    desk.say(f"Next due: {desk.local(wake, zone)}." if wake else "Nothing is due, and nothing is planned.")


def _rehearsal(at: str) -> offices.Clock:
    """A clock that stood at that moment when the process began, and goes on from there."""
    try:
        start = datetime.fromisoformat(at)
    except ValueError:
        raise BadInput("--at", f"{at!r} is no moment.", "Write it as 2026-09-07T11:00+00:00.") from None
    if start.tzinfo is None:
        raise BadInput("--at", f"{at!r} has no zone.", "Write it as 2026-09-07T11:00+00:00.")
    shift = start - offices.utc_now()
    return lambda: offices.utc_now() + shift
