"""`digest import`: items from Markdown files, an export of WordPress, or a feed."""

from __future__ import annotations

from typing import Annotated

import typer

from digest import intake
from digest.cli import content, desk
from digest.errors import BadInput
from digest.intake import Report, uploads, ways
from digest.intake.uploads import Uploads


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("import")(bring_in)


def bring_in(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Markdown files, an export, or a feed's address.")],
    kind: Annotated[str, typer.Option("--as", help="What it is: markdown, wordpress or feed.")] = "",
    digest: Annotated[str, typer.Option(help="Whose rules say what categories are; the first one's.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    known: Annotated[bool, typer.Option("--known", help="An old library: publish without telling readers.")] = False,
    folder: Annotated[str, typer.Option("--uploads", help="WordPress: a copy of wp-content/uploads.")] = "",
    fetching: Annotated[bool, typer.Option("--fetch-files", help="WordPress: fetch images and PDFs there.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Bring items in; again is harmless, and one bad file or post never stops the rest."""
    way = ways.find(path, kind)
    if way != ways.WORDPRESS and (folder or fetching):
        raise BadInput("--uploads, --fetch-files", "They are for exports of WordPress.", "Leave them out.")
    home = desk.desk(context).home()
    way_out = ways.way_out(home) if fetching else None
    files = Uploads(home.media, uploads.checked(folder), way_out, keep=not dry_run)
    drafts = ways.read(home, path, way, digest=digest, now=desk.now(), files=files)
    zone = home.settings.site.time_zone
    report = intake.bring_in_turns(home.db, drafts, now=desk.now(), zone=zone, known=known, dry_run=dry_run)
    if not dry_run:
        content.follow(home)
    anything = report != Report()
    desk.answer(report, *(_came(report, dry_run) if anything else [_nothing(path, way)]), as_json=as_json)
    if not as_json:
        desk.problems(report.problems)
        if report.more_problems:
            desk.say(f"  and {report.more_problems} more like these.")


def _came(report: Report, dry_run: bool) -> list[str]:
    return [f"{'Would be: ' if dry_run else ''}{came(report)}", *(["Nothing was changed."] if dry_run else [])]


def came(report: Report) -> str:
    """What came in, in a line."""
    counts = (
        f"{report.created} created, {report.changed} changed, {report.unchanged} unchanged, {report.refused} refused"
    )
    return f"{counts}. {report.news} {'is' if report.news == 1 else 'are'} news to readers."


def _nothing(named: str, way: str) -> str:
    if way == ways.MARKDOWN:
        return f"There is no Markdown file in {named}, so nothing came in. Files end in .md; a README is no item."
    return f"There is no {'post and no page' if way == ways.WORDPRESS else 'entry'} in {named}, so nothing came in."
