"""Commands that send: send, run, and what staff say about editions."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

import scheduler
from digest import editions, publications, review
from digest.cli import desk
from digest.cli.publishing import Digest
from digest.delivery import closing, ledger
from digest.editions import Edition
from digest.errors import BadInput
from subscribers import records
from subscribers.audience import Audience

Number = Annotated[int, typer.Argument(metavar="N", help="The edition's number, as `digest editions list` shows it.")]

editions_app = typer.Typer(help="What went out, goes out, or waits.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("send")(send)
    app.command("run")(run)
    app.add_typer(editions_app, name="editions")


def send(
    context: typer.Context,
    digest: Digest,
    cadence: Annotated[str, typer.Option(help="Which series; the first one by default.")] = "",
    owed: Annotated[bool, typer.Option("--owed", help="Only what is owed to some, to those.")] = False,
    yes: desk.Yes = False,
    wait: Annotated[bool, typer.Option("--wait", help="Deliver in this process, and return when settled.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Send an edition now, with what is new."""
    home = desk.desk(context).home()
    desk.confirm(f"Send {digest} now, to everyone it is for?", yes=yes or as_json)
    office = scheduler.open_office(home)
    edition = scheduler.dispatch(office, digest, cadence=cadence, owed=owed)
    if wait:
        edition = scheduler.see_through(office, edition.id)
    with home.db.reading() as conn:
        if as_json:
            desk.document(described(conn, edition))
        else:
            desk.say(result(conn, edition))


def run(
    context: typer.Context,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Until nothing is due or to be tried again within 2 minutes.")
    ] = False,
    at: Annotated[str, typer.Option("--at", hidden=True, help="For rehearsals: as if it were this moment.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """One pass of the clock: publish, compile, plan, deliver, close. For cron."""
    home = desk.desk(context).home()
    office = scheduler.open_office(home, clock=_rehearsal(at) if at else scheduler.utc_now)
    if until_idle:
        wake = scheduler.until_idle(office)
    else:
        scheduler.one_pass(office)
        wake = scheduler.next_moment(office)
    if as_json:
        desk.document({"next": wake})
        return
    zone = home.settings.site.time_zone
    desk.say(f"Next due: {desk.local(wake, zone)}." if wake else "Nothing is due.")


def _rehearsal(at: str) -> scheduler.Clock:
    """A clock that stood at that moment when the process began, and goes on from there."""
    try:
        start = datetime.fromisoformat(at)
    except ValueError:
        raise BadInput("--at", f"{at!r} is no moment.", "Write it as 2026-09-07T11:00+00:00.") from None
    if start.tzinfo is None:
        raise BadInput("--at", f"{at!r} has no zone.", "Write it as 2026-09-07T11:00+00:00.")
    shift = start - scheduler.utc_now()
    return lambda: scheduler.utc_now() + shift


# --- editions --------------------------------------------------------------------------------------------------


def described(conn: Connection, edition: Edition) -> dict[str, Any]:
    """An edition as `--json` prints it."""
    totals = ledger.totals(conn, edition.id)
    return {
        "edition": edition.id,
        "digest": publications.by_id(conn, edition.digest_id).slug,
        "kind": edition.kind,
        "cadence": edition.cadence,
        "number": edition.number,
        "state": edition.shown_state,
        "reason": edition.reason or edition.paused_why,
        "planned": totals.planned,
        "accepted": totals.accepted,
        "skipped": totals.skipped,
        "failed": totals.failed,
        "unsure": totals.unsure,
        "remaining": totals.remaining,
        "starts_at": desk.plain(edition.starts_at),
        "closed_at": desk.plain(edition.closed_at),
    }


def result(conn: Connection, edition: Edition) -> str:
    """What became of an edition, in one line for people; the parts add up."""
    totals = ledger.totals(conn, edition.id)
    name = f"Edition {edition.id} ({publications.by_id(conn, edition.digest_id).name})"
    if edition.state == editions.REVIEW:
        return f"{name} waits for approval. {edition.reason} `digest editions approve {edition.id}` lets it go out."
    if edition.state == editions.FROZEN:
        return f"{name} is locked; the clock plans and sends it (`digest run` makes a pass now)."
    if edition.state == editions.SKIPPED:
        return f"{name} was skipped. {edition.reason}"
    terms = {
        "accepted": totals.accepted,
        "skipped": totals.skipped,
        "failed": totals.failed,
        "unsure": totals.unsure,
        "still to go": totals.remaining,
    }
    sum_ = " + ".join(f"{count} {word}" for word, count in terms.items() if count or word == "accepted")
    reason = edition.paused_why or edition.reason
    return f"{name} is {edition.shown_state}: {totals.planned} planned = {sum_}." + (f" {reason}" if reason else "")


@editions_app.command("list")
def show_all(context: typer.Context, as_json: desk.AsJson = False) -> None:
    """Every edition, oldest first."""
    with desk.desk(context).home().db.reading() as conn:
        found = [described(conn, edition) for edition in editions.all_editions(conn)]
    if as_json:
        desk.document(found)
        return
    columns = (
        "edition", "digest", "cadence", "number", "state", "planned", "accepted", "skipped", "failed", "unsure",
        "remaining", "reason",
    )  # fmt: skip
    desk.table(columns, [[one[column] for column in columns] for one in found])


@editions_app.command("show")
def show(context: typer.Context, number: Number, as_json: desk.AsJson = False) -> None:
    """One edition: its sum, its contents, and who is not among the accepted."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        edition = editions.find(conn, number)
        facts = described(conn, edition)
        stories = review.contents(conn, number)
        exceptions = records.unreached(conn, number)
        line = result(conn, edition)
    if as_json:
        desk.document(facts | {"contents": stories, "exceptions": exceptions})
        return
    desk.say(line)
    if edition.starts_at:
        desk.say(f"Starts {desk.local(edition.starts_at, home.settings.site.time_zone)}.")
    desk.table(("item", "what", "title"), [(one.slug, one.what, one.title) for one in stories])
    if exceptions:
        desk.say("")
        desk.table(("address", "state", "reason", "reply"), [(e.email, e.state, e.code, e.reply) for e in exceptions])


@editions_app.command("approve")
def approve(context: typer.Context, number: Number) -> None:
    """Let an edition in review go out, exactly as it was proposed."""
    home = desk.desk(context).home()
    with home.db.transaction() as conn:
        edition, done = review.approve(conn, number, home.settings, by=getpass.getuser(), now=desk.now())
        line = result(conn, edition)
    if not done:
        raise typer.Exit(_changed(number))
    desk.say(f"Approved. {line}")


def _changed(number: int) -> int:
    typer.echo(
        f"The items of edition {number} changed after it was proposed, so it was not approved. "
        f"Look at it again (digest editions show {number}), then approve it.",
        err=True,
    )
    return 1


@editions_app.command("undo")
def undo(context: typer.Context, number: Number) -> None:
    """Back to draft, as long as nobody was counted."""
    with desk.desk(context).home().db.transaction() as conn:
        review.undo(conn, number)
    desk.say(f"Edition {number} is a draft again. The next run, or `digest send`, takes it up.")


@editions_app.command("pause")
def pause(
    context: typer.Context,
    number: Number,
    why: Annotated[str, typer.Option(help="Why, for your colleagues.")] = "Paused by staff.",
) -> None:
    """Stop an edition; it keeps its place."""
    with desk.desk(context).home().db.transaction() as conn:
        review.pause(conn, number, why=why, now=desk.now())
    desk.say(f"Edition {number} is paused. `digest editions resume {number}` goes on.")


@editions_app.command("resume")
def resume(
    context: typer.Context,
    number: Number,
    without: Annotated[bool, typer.Option("--without", help="Leave out what was withdrawn.")] = False,
    as_is: Annotated[bool, typer.Option("--as-is", help="Send it with what was withdrawn.")] = False,
) -> None:
    """Go on with a paused edition."""
    if without and as_is:
        raise BadInput("--without", "It cannot go with --as-is.", "Choose one of them.")
    with desk.desk(context).home().db.transaction() as conn:
        if without or as_is:
            review.answer(conn, number, as_is=as_is)
        else:
            review.resume(conn, number)
    desk.say(f"Edition {number} goes on.")


@editions_app.command("cancel")
def cancel(
    context: typer.Context,
    number: Number,
    drop: Annotated[bool, typer.Option("--drop", help="Do not send its items later either.")] = False,
    yes: desk.Yes = False,
) -> None:
    """Stop what has not gone out; its items come with the next edition."""
    home = desk.desk(context).home()
    desk.confirm(f"Cancel what has not gone out of edition {number}?", yes=yes)
    people = Audience(home.keys, home.settings.site.url)
    edition = closing.cancel(home.db, number, people, drop=drop, now=desk.now())
    with home.db.reading() as conn:
        desk.say(result(conn, edition))


@editions_app.command("settle")
def settle(
    context: typer.Context,
    number: Number,
    addresses: Annotated[list[str] | None, typer.Argument(help="These people; everyone unsure by default.")] = None,
    arrived: Annotated[bool, typer.Option("--arrived", help="The mail arrived.")] = False,
    owed: Annotated[bool, typer.Option("--owed", help="It did not; it is owed.")] = False,
) -> None:
    """Decide what is unsure: it arrived, or it did not and is owed."""
    if arrived == owed:
        raise BadInput("--arrived", "Say one of --arrived and --owed.", "Add the one that is true.")
    home = desk.desk(context).home()
    people = Audience(home.keys, home.settings.site.url)
    with home.db.transaction() as conn:
        ids = [records.find(conn, address).subscriber_id for address in addresses or []]
        done = closing.settle(conn, number, people, ids or None, arrived=arrived, now=desk.now())
    desk.say(f"{done.settled} settled." + (_wait(done.too_early) if done.too_early else ""))
    if owed and done.settled:
        desk.say("What is owed goes with the next edition, or now with `digest send DIGEST --owed`.")


def _wait(count: int) -> str:
    return f" {count} are younger than 15 minutes: an answer may still come. Try again then."
