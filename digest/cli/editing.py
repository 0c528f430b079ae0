"""Commands about editions: list, show, approve, undo, pause, resume, cancel, settle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from digest import config, editions, letter_drafts, letters, markup, review
from digest.cli import colleagues, desk, paper, telling
from digest.delivery import closing, ledger
from digest.errors import BadInput, NotFound, Refused
from digest.home import Home
from digest.staff import approvals
from subscribers import records
from subscribers.audience import Audience
from subscribers.records import Unreached

MOST = 20  # people named for each reason

Number = Annotated[
    int,
    typer.Argument(metavar="N", min=1, max=2**31 - 1, help="The edition's number, as `digest editions list` shows it."),
]

editions_app = typer.Typer(help="Editions: what went out, goes out, or waits.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(editions_app, name="editions")


@editions_app.command("list")
def show_all(context: typer.Context, as_json: desk.AsJson = False) -> None:
    """Every edition, oldest first."""
    with desk.desk(context).home().db.reading() as conn:
        every = editions.all_editions(conn)
        found = [telling.described(conn, edition) for edition in every]
        sums = [telling.sum_of(ledger.totals(conn, edition.id)) if edition.plan_done_at else "" for edition in every]
    if as_json:
        desk.document(found)
        return
    rows = [
        (one["edition"], one["digest"], one["cadence"] or one["kind"], one["number"], one["state"], _line(sum_, one))
        for one, sum_ in zip(found, sums, strict=True)
    ]
    empty = "There is no edition yet. `digest send DIGEST` sends one."
    paper.table(("N", "digest", "how often", "number", "state", "people"), rows, empty=empty)


def _line(sum_: str, one: dict[str, Any]) -> str:
    return ". ".join(filter(None, (sum_, one["reason"])))


@editions_app.command("show")
def show(
    context: typer.Context,
    number: Number,
    everyone: Annotated[bool, typer.Option("--all", help="Name everyone whom it did not reach.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """One edition: its sum, its items or its text, and who is not among the accepted."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        edition = editions.find(conn, number)
        facts = telling.described(conn, edition)
        stories = review.contents(conn, number)
        exceptions = records.unreached(conn, number)
        line = telling.result(conn, edition)
        going, going_lines = telling.under_way(home, conn, edition)
        letter = letters.of(conn, number) if edition.is_letter else None
    if as_json:
        told = vars(letter.manuscript) | {"segment": letter.segment} if letter else {}
        desk.document(facts | going | {"contents": stories, "exceptions": exceptions} | told)
        return
    desk.say(line, *going_lines)
    if edition.starts_at:
        begin = "Started" if edition.starts_at <= desk.now() else "Starts"
        desk.say(f"{begin} {desk.local(edition.starts_at, home.settings.site.time_zone)}.")
    desk.say("")
    if letter:
        desk.say(markup.to_text(letter.manuscript.body, links=True))
    else:
        rows = [(one.slug, one.what, one.title) for one in stories]
        paper.table(("item", "what", "title"), rows, empty="It holds no items of its own, only what is owed to some.")
    if exceptions:
        desk.say("")
        _tell_unreached(exceptions, number, most=len(exceptions) if everyone else MOST)


def _tell_unreached(exceptions: Sequence[Unreached], number: int, *, most: int) -> None:
    """At most so many of each state and reason; how many others there are is said."""
    left: Counter[tuple[str, str | None]] = Counter()
    rows = []
    for one in exceptions:
        left[one.state, one.code] += 1
        if left[one.state, one.code] <= most:
            rows.append((one.email, one.state, one.code, one.reply))
    paper.table(("address", "state", "reason", "reply"), rows)
    for (state, code), count in left.items():
        if count > most:
            kind = f"{state} ({code})" if code else state
            desk.say(f"{count - most} more are {kind}. `digest editions show {number} --all` names everyone.")


@editions_app.command("approve")
def approve(context: typer.Context, number: Number, by: colleagues.By = "", as_json: desk.AsJson = False) -> None:
    """Let an edition that waits for approval go out, exactly as it was proposed."""
    home = desk.desk(context).home()
    if faults := config.sending_faults(home.settings):
        raise Refused(" ".join(faults))
    if not home.db.run(partial(_approve, home, number, by)):
        raise Refused(
            f"The items of edition {number} changed after it was proposed, so it was not approved. "
            f"Look at it again (`digest editions show {number}`), then approve it."
        )
    telling.tell(home, number, "Approved.", as_json=as_json)


def _approve(home: Home, number: int, by: str, conn: Connection) -> bool:
    return approvals.approve(conn, home, number, by=colleagues.approver(conn, by), now=desk.now())[1]


@editions_app.command("undo")
def undo(context: typer.Context, number: Number, as_json: desk.AsJson = False) -> None:
    """Back to draft, as long as nobody was counted."""
    home = desk.desk(context).home()
    again = home.db.run(partial(_undo, number))
    if as_json:
        telling.tell(home, number, as_json=True)
        return
    desk.say(again)


def _undo(number: int, conn: Connection) -> str:
    if editions.find(conn, number).is_letter:
        letter_drafts.take_back(conn, number, by=desk.user(), now=desk.now())
        return f"Letter {number} was stopped before anybody had it. The console has it as a draft."
    review.undo(conn, number)
    return f"Edition {number} is a draft again. The next run, or `digest send`, takes it up."


@editions_app.command("pause")
def pause(
    context: typer.Context,
    number: Number,
    why: Annotated[str, typer.Option(help="Why, for your colleagues.")] = "Paused by staff.",
    as_json: desk.AsJson = False,
) -> None:
    """Stop an edition; it keeps its place."""
    home = desk.desk(context).home()
    home.db.run(partial(review.pause, number=number, why=why, now=desk.now()))
    telling.tell(home, number, as_json=as_json)


@editions_app.command("resume")
def resume(
    context: typer.Context,
    number: Number,
    without: Annotated[bool, typer.Option("--without", help="Leave out what was withdrawn.")] = False,
    as_is: Annotated[bool, typer.Option("--as-is", help="Send it with what was withdrawn.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Go on with a paused edition; ask a mail server again that took nobody."""
    if without and as_is:
        raise BadInput("--without", "It cannot go with --as-is.", "Choose one of them.")
    home = desk.desk(context).home()
    before: tuple[str, ...] = ()
    if without or as_is:
        home.db.run(partial(review.answer, number=number, as_is=as_is))
    elif home.db.run(partial(_ask_again, home, number)):
        before = ("The mail server is asked again at once.",)
    else:
        home.db.run(partial(review.resume, number=number))
    telling.tell(home, number, *before, as_json=as_json)


def _ask_again(home: Home, number: int, conn: Connection) -> bool:
    """Whether the edition is being sent and waited for nothing but its carrier."""
    edition = editions.find(conn, number)
    return edition.shown_state == editions.SENDING and telling.pace(home).ask_again(conn, desk.now())


@editions_app.command("cancel")
def cancel(
    context: typer.Context,
    number: Number,
    drop: Annotated[bool, typer.Option("--drop", help="Do not send its items later either.")] = False,
    yes: desk.Yes = False,
    as_json: desk.AsJson = False,
) -> None:
    """Stop what has not gone out; its items come with the next edition."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        editions.find(conn, number)  # a mistyped number is no question
    desk.confirm(f"Cancel what has not gone out of edition {number}?", yes=yes or as_json)
    people = Audience(home.keys, home.settings.site.url)
    edition = closing.cancel(home.db, number, people, drop=drop, now=desk.now())
    telling.tell(home, edition.id, as_json=as_json)


@editions_app.command("settle")
def settle(
    context: typer.Context,
    number: Number,
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="These people; everyone unsure by default.")
    ] = None,
    arrived: Annotated[bool, typer.Option("--arrived", help="The mail arrived.")] = False,
    owed: Annotated[bool, typer.Option("--owed", help="It did not; it is owed.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Decide what is unsure: it arrived, or it did not and is owed."""
    if arrived == owed:
        raise BadInput("--arrived, --owed", "One of them must be said, and not both.", "Add the one that is true.")
    home = desk.desk(context).home()
    done = home.db.run(partial(_settle, home, number, addresses or [], arrived))
    lines = [f"{done.settled} settled."] if done.settled else []
    if not done.settled and not done.too_early:
        lines.append(f"Nothing of edition {number} is unsure, so nothing was settled.")
    if done.too_early:
        lines.append(f"{done.too_early} became unsure less than 15 minutes ago: an answer may still come. Wait for it.")
    if owed and done.settled:
        with home.db.reading() as conn:
            lines.append(telling.owed(conn, editions.find(conn, number)))
    desk.answer({"edition": number} | desk.plain(done), *lines, as_json=as_json)


def _settle(home: Home, number: int, addresses: list[str], arrived: bool, conn: Connection) -> closing.Settled:
    people = Audience(home.keys, home.settings.site.url)
    editions.find(conn, number)
    ids = [_person(conn, number, address) for address in addresses]
    return closing.settle(conn, number, people, ids or None, arrived=arrived, now=desk.now())


def _person(conn: Connection, number: int, address: str) -> int:
    try:
        return records.find(conn, address).subscriber_id
    except NotFound:
        raise NotFound(
            f"Nobody is here with the address {address}, so nothing was settled. "
            f"`digest editions show {number}` shows who is unsure."
        ) from None
