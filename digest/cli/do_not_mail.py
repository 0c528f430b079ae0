"""Commands about the do-not-mail list: one address, and the list as a whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from digest.cli import desk
from digest.cli.people import Address
from digest.errors import BadInput, Problem
from digest.home import Home
from subscribers import departures, sheets, suppression

list_app = typer.Typer(help="The do-not-mail list as a whole.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("suppress")(suppress)
    app.add_typer(list_app, name="do-not-mail")


def suppress(
    context: typer.Context,
    address: Address,
    lift: Annotated[bool, typer.Option("--lift", help="Take it off the list.")] = False,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who answers for taking it off.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Never mail an address again (the do-not-mail list); or allow it, with --lift and --by NAME."""
    home = desk.desk(context).home()
    if lift:
        done = departures.lift(home, address, by=by, now=desk.now())
        words = ("is off the do-not-mail list.", "was not on the do-not-mail list.")
    else:
        done = departures.suppress(home, address, reason="by-staff", by=by or desk.user(), now=desk.now())
        words = ("is on the do-not-mail list.", "was on the do-not-mail list already.")
    line = f"{address} {words[0] if done else words[1]}"
    desk.answer({"email": address, "listed": not lift, "changed": done}, line, as_json=as_json)


@list_app.command("export")
def export_list(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A file; else standard output.")] = None,
) -> None:
    """The list as CSV: marks that this installation made of the addresses, and why they stand there."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        desk.rows(suppression.export(conn), out)


@list_app.command("import")
def import_list(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a column `mark` or `email`, and `reason`.")],
    as_json: desk.AsJson = False,
) -> None:
    """Add a list: one that `export` wrote, or addresses from another system."""
    home = desk.desk(context).home()
    added, problems = home.db.run(partial(_take_list, home, path), bulk=True)
    desk.answer({"added": added, "problems": desk.plain(problems)}, f"{added} added to the list.", as_json=as_json)
    if not as_json:
        desk.problems(problems)


def _take_list(home: Home, path: Path, conn: Connection) -> tuple[int, list[Problem]]:
    added, problems = 0, []
    for line, cells in sheets.table(path):
        try:
            added += suppression.take(conn, home.keys, cells, now=desk.now(), by=desk.user())
        except BadInput as error:
            problems.append(error.problem.on(line))
    return added, problems
