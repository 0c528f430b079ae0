"""Commands about digests: publications list, show and set; preview."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from digest import preflight, previews, publications, rules
from digest.cli import desk, paper
from digest.delivery import staff_mail
from digest.errors import Refused
from digest.publications import Series
from subscribers import offers, suppression

Digest = Annotated[str, typer.Argument(metavar="DIGEST", help="The digest's short name, such as weekly.")]

publications_app = typer.Typer(help="Digests: their names, days, hours and rules.", no_args_is_help=True)

MARKS = {"fine": "fine    ", "look": "look    ", "fix": "MUST FIX"}
HIDDEN = ("id", "people_rev", "digest_id", "cadence", "offered", "mark", "skipped_runs", "since", "owed_seen")


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
        return
    rows = [(d.slug, d.zone, d.from_address, d.name) for d in found]
    paper.table(("digest", "zone", "sender", "name"), rows, empty="There is no digest yet. `digest setup` makes one.")


@publications_app.command("show")
def show(context: typer.Context, digest: Digest, as_json: desk.AsJson = False) -> None:
    """One digest with its editions' days, hours and rules."""
    with desk.desk(context).home().db.reading() as conn:
        found = publications.find(conn, digest)
        series = publications.series(conn, found.id)
    _show(found, series, as_json=as_json)


def _show(found: publications.Digest, series: list[Series], *, as_json: bool) -> None:
    facts = desk.plain(found)
    if as_json:
        desk.document(facts | {"series": series})
        return
    facts["languages"] = ", ".join(found.languages)
    paper.table(("setting", "value"), _settings(facts))
    for one in series:
        desk.say("", f"{one.cadence}{'' if one.offered else ' (no longer offered)'}:")
        facts = desk.plain(one)
        if one.weekday is not None:
            facts["weekday"] = rules.WEEKDAYS[one.weekday]
        fitting = {key: value for key, value in facts.items() if rules.fits(key, one.cadence)}
        paper.table(("setting", "value"), _settings(fitting))


def _settings(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in facts.items() if key not in HIDDEN and value is not None]


@publications_app.command("set")
def change(
    context: typer.Context,
    digest: Digest,
    changes: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="hour=7, cadences=daily,weekly ...")],
    as_json: desk.AsJson = False,
) -> None:
    """Change settings of a digest; weekly.KEY=VALUE for one kind of its editions."""
    home = desk.desk(context).home()
    asked = dict(desk.pair(change) for change in changes)
    found = home.db.run(partial(offers.set, slug=digest, changes=asked, now=desk.now()))
    with home.db.reading() as conn:
        series = publications.series(conn, found.id)
    if as_json:
        _show(found, series, as_json=True)
        return
    desk.say(f"{digest} is set: {', '.join(f'{key} is {value}' for key, value in asked.items())}.")


def preview(
    context: typer.Context,
    digest: Digest,
    cadence: Annotated[str, typer.Option(help="Such as daily; the usual one by default.")] = "",
    out: Annotated[Path, typer.Option(help="The folder for the .html, .txt and .eml.")] = Path("preview"),
    to: Annotated[str, typer.Option(help="Also send it as a test mail to this address.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Show what the next edition would be, without sending it, and check it."""
    home = desk.desk(context).home()
    address = suppression.address(to).email if to else ""
    with home.db.reading() as conn:
        made = previews.make(conn, home, digest, now=desk.now(), cadence=cadence)
    files = _write(made, out)
    if to:
        occasion = secrets.token_hex(8)
        test = (home, made.rendered, made.shell, address)
        slots = previews.sample_slots(made.shell)
        home.db.run(lambda conn: staff_mail.test_mail(conn, *test, occasion=occasion, slots=slots, now=desk.now()))
    if as_json:
        desk.document({"files": files, "items": made.count, "findings": made.findings, "test_to": address or None})
        return
    count = f"{made.count} {'item' if made.count == 1 else 'items'}"
    desk.say(made.rendered.subject, f"{count}. Written:", *(f"  {file}" for file in files), "")
    for finding in made.findings:
        desk.say(f"  {MARKS[finding.level]}  {finding.what} {finding.where} {finding.figure}".rstrip())
    desk.say("", "It may go out." if preflight.passed(made.findings) else "Mend what must be fixed first.")
    if to:
        desk.say(f"The test mail to {to} goes with the next pass of the clock (`digest run` makes one now).")


def _write(made: previews.Preview, out: Path) -> list[Path]:
    if out.exists() and not out.is_dir():
        raise Refused(f"{out} is a file, and the preview needs a folder. Name another with --out.")
    return made.write(out)
