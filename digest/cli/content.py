"""Commands about items: import, list, show, publish, withdraw, revise, hold and release."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from digest import feeds, intake, items, publications, review
from digest.cli import desk
from digest.errors import BadInput, Refused
from digest.home import Home
from digest.intake import markdown

Slug = Annotated[str, typer.Argument(help="The item's short name, as in its address.")]

items_app = typer.Typer(help="The content store.", no_args_is_help=True)
feeds_app = typer.Typer(help="The feed files.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("import")(bring_in)
    app.add_typer(items_app, name="items")
    app.add_typer(feeds_app, name="feeds")


def bring_in(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A folder of Markdown files.")],
    kind: Annotated[str, typer.Option("--as", help="What it is: markdown.")] = "markdown",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    known: Annotated[bool, typer.Option("--known", help="An old library: publish without making it news.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Bring items in; again is harmless, and one bad file never stops the rest."""
    if kind != "markdown":
        raise BadInput("--as", f"{kind!r} cannot be read yet.", "Use --as markdown.")
    if not path.is_dir():
        raise BadInput("path", f"{path} is no folder.", "Name a folder of Markdown files.")
    home = desk.desk(context).home()
    zone = home.settings.site.time_zone
    with home.db.transaction() as conn:
        drafts = markdown.read(path, zone=zone, media=None if dry_run else home.media)
        report = intake.bring_in(conn, drafts, now=desk.now(), zone=zone, known=known, dry_run=dry_run)
    if not dry_run:
        _build(home)
    if as_json:
        desk.document(report)
        return
    begin = "Would be: " if dry_run else ""
    desk.say(
        f"{begin}{report.created} created, {report.changed} changed, {report.unchanged} unchanged, "
        f"{report.refused} refused. {report.news} of them news."
    )
    desk.problems(report.problems)


def _build(home: Home) -> feeds.Built:
    with home.db.reading() as conn:
        return feeds.build(home.settings, conn, home.feeds)


@feeds_app.command("build")
def build(context: typer.Context, as_json: desk.AsJson = False) -> None:
    """Write the feed files that changed."""
    home = desk.desk(context).home()
    built = _build(home)
    if as_json:
        desk.document(built)
    else:
        desk.say(f"{len(built.written)} written, {len(built.unchanged)} unchanged, in {home.feeds}.")


@items_app.command("list")
def show_all(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="draft, scheduled, published or withdrawn.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Every item, the last modified first."""
    with desk.desk(context).home().db.reading() as conn:
        found = items.everything(conn, state=state or None)
    if as_json:
        desk.document(found)
        return
    rows = [(i.slug, i.state, i.kind, _date(i), i.title) for i in found]
    desk.table(("slug", "state", "kind", "date", "title"), rows)


def _date(item: items.Item) -> str:
    return f"{item.published_on or ''}{' (no year)' if item.date_precision == 'yearless' else ''}"


@items_app.command("show")
def show(context: typer.Context, slug: Slug, as_json: desk.AsJson = False) -> None:
    """One item with all its fields."""
    with desk.desk(context).home().db.reading() as conn:
        item = items.find(conn, slug)
    if as_json:
        desk.document(item)
        return
    authors = "; ".join(", ".join(filter(None, (a.name, a.role, a.organization))) for a in item.authors)
    fields = {
        "slug": item.slug,
        "state": f"{item.state} {item.withdrawn_why}".strip(),
        "kind": item.kind,
        "title": item.title,
        "subtitle": item.subtitle,
        "date": _date(item),
        "updated": f"{item.updated_on or ''} {item.update_note}".strip(),
        "authors": authors,
        "topics": ", ".join(item.topics),
        "files": ", ".join(f"{a.name} ({a.size} bytes)" for a in item.attachments),
        "revision": item.revision,
        "excerpt": item.excerpt,
    }
    desk.table(("field", "value"), [(k, v) for k, v in fields.items() if v])


@items_app.command("publish")
def publish(
    context: typer.Context,
    slug: Slug,
    at: Annotated[str, typer.Option(help="Later: 2026-09-07T09:00, in the site's zone.")] = "",
    known: Annotated[bool, typer.Option("--known", help="Without making it news.")] = False,
) -> None:
    """Publish an item now or at a later moment; what was withdrawn comes back as news."""
    home = desk.desk(context).home()
    zone = home.settings.site.time_zone
    with home.db.transaction() as conn:
        moment = _moment(at, zone) if at else None
        news = review.publish_item(conn, slug, now=desk.now(), at=moment, known=known, zone=zone)
        item = items.find(conn, slug)
    _build(home)
    if item.state == "scheduled" and item.publish_at:
        desk.say(f"{slug} will be published on {desk.local(item.publish_at, zone)}.")
    else:
        desk.say(f"{slug} is published. " + ("It goes with the next edition." if news else "It is no news."))


def _moment(text: str, zone: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput("--at", f"{text!r} is no moment.", "Write it as 2026-09-07T09:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))


@items_app.command("withdraw")
def withdraw(
    context: typer.Context, slug: Slug, why: Annotated[str, typer.Option(help="One sentence; readers see it.")]
) -> None:
    """Take an item back; an edition that still holds it stops and asks."""
    home = desk.desk(context).home()
    with home.db.transaction() as conn:
        asked = review.withdraw_item(conn, slug, why=why, now=desk.now())
    _build(home)
    desk.say(f"{slug} is withdrawn from the site, the feeds and coming editions. Mail already sent stays.")
    for number in asked:
        desk.say(
            f"Edition {number} holds it and has stopped. Say what to do: digest editions resume {number} --without, "
            f"digest editions resume {number} --as-is, or digest editions cancel {number}."
        )


@items_app.command("revise")
def revise(
    context: typer.Context,
    slug: Slug,
    changes: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE...", help="title, excerpt, markdown, date ...")],
    tell: Annotated[str, typer.Option(help="Tell readers of the older text, in this sentence.")] = "",
) -> None:
    """Change fields of an item; with --tell the change is news."""
    home = desk.desk(context).home()
    fields = dict(desk.pair(change) for change in changes)
    if "date" in fields:
        fields["published_on"] = fields.pop("date")
    with home.db.transaction() as conn:
        outcome = items.revise(
            conn, slug, now=desk.now(), tell=tell or None, zone=home.settings.site.time_zone, **fields
        )
    _build(home)
    desk.say(f"{slug} is {outcome.what}. " + ("Readers are told." if outcome.news else "It is no news."))


@items_app.command("hold")
def hold(
    context: typer.Context,
    slug: Slug,
    digest: Annotated[str, typer.Option(help="The digest.")],
    cadence: Annotated[str, typer.Option(help="The series of the digest.")] = "weekly",
    why: Annotated[str, typer.Option(help="Why, for your colleagues.")] = "",
) -> None:
    """Keep an item out of the coming editions of one series."""
    with desk.desk(context).home().db.transaction() as conn:
        held = review.hold_back(conn, slug, publications.find(conn, digest).id, cadence, why=why)
    if not held:
        raise Refused(f"{slug} has gone out in the {cadence} {digest} already, or never was news.")
    desk.say(f"{slug} is held back from the {cadence} {digest}. `digest items release` lets it go.")


@items_app.command("release")
def release(
    context: typer.Context,
    slug: Slug,
    digest: Annotated[str, typer.Option(help="The digest.")],
    cadence: Annotated[str, typer.Option(help="The series of the digest.")] = "weekly",
) -> None:
    """Let an item go that was held back."""
    with desk.desk(context).home().db.transaction() as conn:
        review.release(conn, slug, publications.find(conn, digest).id, cadence, now=desk.now())
    desk.say(f"{slug} goes with the next {cadence} {digest}.")
