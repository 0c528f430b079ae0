"""Commands about digests: publications list, show and set; preview."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from digest import preflight, previews, publications
from digest.cli import desk
from digest.delivery import staff_mail
from subscribers import suppression

Digest = Annotated[str, typer.Argument(metavar="DIGEST", help="The digest's short name, such as weekly.")]

publications_app = typer.Typer(help="Digests and their rules.", no_args_is_help=True)

MARKS = {"fine": "fine    ", "look": "look    ", "fix": "MUST FIX"}


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(publications_app, name="publications")
    app.command("preview")(preview)


@publications_app.command("list")
def show_all(context: typer.Context, as_json: desk.AsJson = False) -> None:
    """Every digest."""
    with desk.desk(context).home().db.reading() as conn:
        found = publications.all(conn)
    if as_json:
        desk.document(found)
    else:
        desk.table(("digest", "name", "sender", "zone"), [(d.slug, d.name, d.from_address, d.zone) for d in found])


@publications_app.command("show")
def show(context: typer.Context, digest: Digest, as_json: desk.AsJson = False) -> None:
    """One digest with its series and rules."""
    with desk.desk(context).home().db.reading() as conn:
        found = publications.find(conn, digest)
        series = publications.series(conn, found.id)
    if as_json:
        desk.document(desk.plain(found) | {"series": series})
        return
    desk.table(("setting", "value"), [(k, v) for k, v in desk.plain(found).items() if k not in ("id", "people_rev")])
    for one in series:
        desk.say("", f"{one.cadence}:")
        rows = [(k, v) for k, v in desk.plain(one).items() if k not in ("digest_id", "cadence")]
        desk.table(("setting", "value"), rows)


@publications_app.command("set")
def change(
    context: typer.Context,
    digest: Digest,
    changes: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="hour=7, weekday=monday, fewest=2 ...")],
) -> None:
    """Change settings of a digest; CADENCE.KEY=VALUE for one of its series."""
    with desk.desk(context).home().db.transaction() as conn:
        publications.set(conn, digest, dict(desk.pair(change) for change in changes))
    desk.say(f"{digest} is set.")


def preview(
    context: typer.Context,
    digest: Digest,
    out: Annotated[Path, typer.Option(help="The folder for the .html, .txt and .eml.")] = Path("preview"),
    to: Annotated[str, typer.Option(help="Also send it as a test mail to this address.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Compile what the next edition would be, without freezing anything, and check it."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        made = previews.make(conn, home, digest, now=desk.now())
    files = made.write(out)
    if to:
        address = suppression.address(to).email
        with home.db.transaction() as conn:
            staff_mail.test_mail(conn, home, made, address, occasion=secrets.token_hex(8), now=desk.now())
    if as_json:
        desk.document({"files": files, "items": made.count, "findings": made.findings, "test_to": to or None})
        return
    desk.say(f"{made.rendered.subject}", f"{made.count} items. Written: {', '.join(map(str, files))}", "")
    for finding in made.findings:
        desk.say(f"  {MARKS[finding.level]}  {finding.what} {finding.where} {finding.figure}".rstrip())
    desk.say("", "It may go out." if preflight.passed(made.findings) else "Mend what must be fixed first.")
    if to:
        desk.say(f"The test mail to {to} goes with the next pass of the clock (`digest run` makes one now).")
