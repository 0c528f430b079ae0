"""Commands about watched sources: add, list, check, remove."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer

from digest import publications
from digest.cli import content, desk, importing, paper
from digest.delivery import staff_mail
from digest.errors import BadInput, Problem
from digest.home import Home
from digest.intake import Report, checking, polling, sources
from digest.intake.checking import Check, Wish
from digest.intake.sources import Source

Number = Annotated[int, typer.Argument(metavar="N", min=1, help="Its number, as `digest sources list` shows it.")]

sources_app = typer.Typer(help="Outside feeds that are watched.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(sources_app, name="sources")


@sources_app.command("add")
def add(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The address of an RSS, Atom or JSON feed.")],
    digest: Annotated[str, typer.Option(help="Whose rules say what categories are; the first one's.")] = "",
    as_new: Annotated[bool, typer.Option("--as-new", help="What is in it already is news too.")] = False,
    drafts: Annotated[
        bool, typer.Option("--drafts", help="Its entries wait as drafts until you publish them.")
    ] = False,
    name: Annotated[str, typer.Option(help="What you call it; its own title by default.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Read a feed now, and watch it from now on."""
    home = desk.desk(context).home()
    wish = Wish(address, digest=digest, name=name, as_new=as_new, drafts=drafts)
    added = checking.add(home, wish, clock=desk.now)
    content.follow(home)
    desk.answer(_document(home, added), *_welcome(home, added), as_json=as_json)
    if not as_json:
        desk.problems(_problems([added]))


def _welcome(home: Home, added: Check) -> Iterator[str]:
    source, standing = added.source, added.source.standing
    count, report = source.entries, added.report or Report()
    yield f"{source.name} is watched now, as source {source.id}: {standing.address}"
    if standing.moved_from:
        yield f"It has moved there from {standing.moved_from}."
    yield f"It has {count} {'entry' if count == 1 else 'entries'}: {importing.came(report)}"
    if source.drafts:
        yield "They wait as drafts, and so will new ones: `digest items list --state draft` shows them, and "
        yield "`digest items publish SLUG` publishes one (with --known: without telling readers)."
    else:
        if report.created and not report.news:
            yield "What it has now is known already: nobody is mailed about it."
        yield "New entries from now on are published, and go with the next edition."
    yield f"It is checked while Digest runs, next on {_when(home, standing.next_check_at)}."


@sources_app.command("list")
def show_all(context: typer.Context, as_json: desk.AsJson = False) -> None:
    """Every source: how it stands, when it was read, when it is checked next, and what came."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        found = sources.all(conn)
    if as_json:
        desk.document([_facts(home, one) for one in found])
        return
    rows = [_row(home, one) for one in found]
    empty = "No feed is watched. `digest sources add ADDRESS` watches one."
    head = ("n", "name", "state", "last read", "next check", "entries", "created", "changed", "address", "remark")
    paper.table(head, rows, empty=empty)


def _row(home: Home, source: Source) -> tuple[object, ...]:
    standing = source.standing
    return (
        source.id,
        source.name,
        f"{_state(source)}{', as drafts' if source.drafts else ''}",
        _when(home, standing.read_at),
        _when(home, standing.next_check_at),
        source.entries,
        source.created,
        source.changed,
        standing.address,
        " ".join(
            filter(None, (standing.last_error, standing.moved_from and f"It moved here from {standing.moved_from}."))
        ),
    )


def _state(source: Source) -> str:
    return "failing" if source.standing.failures and source.standing.state == polling.WATCHED else source.standing.state


@sources_app.command("check")
def check(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="N", help="The number of a source; without it, all of them.")] = "all",
    as_json: desk.AsJson = False,
) -> None:
    """Look at one source, or at all that have not stopped, now."""
    home = desk.desk(context).home()
    numbers = _numbers(home, which)
    done = checking.check(home, numbers, clock=desk.now, tell=partial(staff_mail.source_ails, home))
    content.follow(home)
    if as_json:
        desk.document([_document(home, one) for one in done])
    else:
        desk.say(*(_told(home, one) for one in done))
        desk.say(*([] if numbers else ["No feed is watched, so nothing was asked."]))
        desk.problems(_problems(done))
    if len(done) < len(numbers) or any(one.source.standing.last_error for one in done):
        raise typer.Exit(1)


def _numbers(home: Home, which: str) -> list[int]:
    if which.isdecimal():
        return [int(which)]
    if which != "all":
        raise BadInput("N", f"{which[:40]!r} is no number of a source.", "`digest sources list` shows them.")
    with home.db.reading() as conn:
        return [one.id for one in sources.all(conn) if one.standing.state == polling.WATCHED]


def _told(home: Home, done: Check) -> str:
    source, standing = done.source, done.source.standing
    if standing.last_error:
        then = f"It is tried again on {_when(home, standing.next_check_at)}." if standing.next_check_at else ""
        return f"{source.id} {source.name}: {standing.last_error} {then or 'It is not asked any more.'}"
    return f"{source.id} {source.name}: {importing.came(done.report) if done.report else 'nothing has changed.'}"


@sources_app.command("remove")
def remove(context: typer.Context, number: Number, as_json: desk.AsJson = False) -> None:
    """Watch a source no longer; the items that came from it stay."""
    home = desk.desk(context).home()
    gone = home.db.run(partial(sources.remove, number=number))
    line = f"{gone.name} is not watched any more. The items that came from it stay."
    desk.answer({"source": gone.id, "name": gone.name, "removed": True}, line, as_json=as_json)


# --- as it is printed ------------------------------------------------------------------------------------------


def _when(home: Home, moment: datetime | None) -> str:
    return desk.local(moment, home.settings.site.time_zone) if moment else ""


def _problems(done: list[Check]) -> Iterator[Problem]:
    return (problem for one in done if one.report for problem in one.report.problems)


def _document(home: Home, done: Check) -> dict[str, Any]:
    return _facts(home, done.source) | {"report": done.report}


def _facts(home: Home, source: Source) -> dict[str, Any]:
    """A source as one flat document; how it is guarded against two who ask at once is nobody's affair."""
    with home.db.reading() as conn:
        digest = publications.by_id(conn, source.digest_id).slug
    first = {"source": source.id, "name": source.name, "state": _state(source), "digest": digest}
    facts = first | {**vars(source), **vars(source.standing)} | first
    return {name: value for name, value in facts.items() if name not in ("id", "digest_id", "fence", "standing")}
