"""Commands about items: list, show, publish, withdraw, revise, hold and release; and feeds."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Connection

from digest import drafting, feeds, items, publications, review
from digest.cli import desk, paper
from digest.errors import BadInput, Refused
from digest.home import Home
from digest.publications import Series

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The item's short name, as in its address.")]
Digest = Annotated[str, typer.Option(help="The digest's short name, such as weekly.")]
HowOften = Annotated[str, typer.Option("--cadence", help="Which of its editions: weekly, daily ...")]

STATES = ("draft", "scheduled", "published", "withdrawn")
DOUBTS = {"yearless": " (no year)", "seen": " (first seen)"}  # of a date, by its precision

items_app = typer.Typer(help="The items: what is published, planned or taken back.", no_args_is_help=True)
feeds_app = typer.Typer(help="The feed files.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(items_app, name="items")
    app.add_typer(feeds_app, name="feeds")


# --- feeds -----------------------------------------------------------------------------------------------------


def follow(home: Home) -> feeds.Built:
    """Lets the feed files follow the items."""
    with home.db.reading() as conn:
        return feeds.build(home.settings, conn, home.feeds)


@feeds_app.command("build")
def build(context: typer.Context, as_json: desk.AsJson = False) -> None:
    """Write the feed files that changed."""
    home = desk.desk(context).home()
    built = follow(home)
    line = f"{len(built.written)} written, {len(built.unchanged)} unchanged, in {home.feeds}."
    desk.answer(built, line, as_json=as_json)


# --- looking ---------------------------------------------------------------------------------------------------


@items_app.command("list")
def show_all(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="Only these: draft, scheduled, published or withdrawn.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Every item, the last modified first."""
    if state and state not in STATES:
        raise BadInput("--state", f"{state[:40]!r} is no state of an item.", f"Write one of {', '.join(STATES)}.")
    with desk.desk(context).home().db.reading() as conn:
        found = items.everything(conn, state=state or None)
    if as_json:
        desk.document(found)
        return
    rows = [(i.slug, i.state, i.kind, _date(i), i.title) for i in found]
    empty = f"No item is {state}." if state else "There is no item yet. `digest import FOLDER` brings some in."
    paper.table(("slug", "state", "kind", "date", "title"), rows, empty=empty)


def _date(item: items.Item) -> str:
    return f"{item.published_on or ''}{DOUBTS.get(item.date_precision, '')}"


@items_app.command("show")
def show(context: typer.Context, slug: Slug, as_json: desk.AsJson = False) -> None:
    """One item with all its fields."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        item = items.find(conn, slug)
    if as_json:
        desk.document(item)
        return
    authors = "; ".join(", ".join(filter(None, (a.name, a.role, a.organization))) for a in item.authors)
    fields = {
        "slug": item.slug,
        "state": f"withdrawn: {item.withdrawn_why}" if item.state == "withdrawn" else item.state,
        "appears": item.publish_at and desk.local(item.publish_at, home.settings.site.time_zone),
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
    paper.table(("field", "value"), [(k, v) for k, v in fields.items() if v])


# --- changing --------------------------------------------------------------------------------------------------


@items_app.command("publish")
def publish(
    context: typer.Context,
    slug: Slug,
    at: Annotated[str, typer.Option(help="Later: 2026-09-07T09:00, in the site's zone.")] = "",
    known: Annotated[bool, typer.Option("--known", help="Without telling readers.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Publish an item now or at a later moment; what was withdrawn comes back as news."""
    home = desk.desk(context).home()
    zone = home.settings.site.time_zone
    when = desk.moment("--at", at, zone) if at else None
    before, news, item = home.db.run(partial(_publish, home, slug, when, known))
    follow(home)
    if item.state == "scheduled" and item.publish_at:
        line = f"{slug} will be published on {desk.local(item.publish_at, zone)}, while Digest runs."
    elif before.state == "published":
        line = f"{slug} was published already; nothing was changed."
    else:
        line = f"{slug} is published. {_told(item, news)}"
    desk.answer(_changed(item, news), line, as_json=as_json)


def _publish(
    home: Home, slug: str, when: datetime | None, known: bool, conn: Connection
) -> tuple[items.Item, int, items.Item]:
    before = items.find(conn, slug)
    zone = home.settings.site.time_zone
    news = review.publish_item(conn, slug, now=desk.now(), at=when, known=known, zone=zone)
    return before, news, items.find(conn, slug)


def _told(item: items.Item, news: int) -> str:
    if news:
        return "It goes with the next edition."
    if item.date_precision == "yearless":
        return (
            f"Its date has no year, so it goes with no edition until you set one: digest items revise {item.slug} date="
        )
    return "Readers are not told: it goes with no edition."


def _changed(item: items.Item, news: int) -> dict[str, object]:
    return {"slug": item.slug, "state": item.state, "revision": item.revision, "news": news}


@items_app.command("withdraw")
def withdraw(
    context: typer.Context,
    slug: Slug,
    why: Annotated[str, typer.Option(help="One sentence; readers see it.")],
    as_json: desk.AsJson = False,
) -> None:
    """Take an item back; an edition that still holds it stops and asks."""
    home = desk.desk(context).home()
    state, asked = home.db.run(partial(_withdraw, slug, why))
    follow(home)
    desk.answer(
        {"slug": slug, "state": state, "asked": asked},
        f"{slug} is withdrawn from the site, the feeds and coming editions. Mail already sent stays."
        if state == "withdrawn"
        else f"{slug} will not be published by itself any more; it is a {state} again.",
        *(
            f"Edition {number} holds it and has stopped. Say what to do: `digest editions resume {number} --without`, "
            f"`digest editions resume {number} --as-is`, or `digest editions cancel {number}`."
            for number in asked
        ),
        as_json=as_json,
    )


def _withdraw(slug: str, why: str, conn: Connection) -> tuple[str, list[int]]:
    asked = review.withdraw_item(conn, slug, why=why, now=desk.now())
    return items.find(conn, slug).state, asked


@items_app.command("revise")
def revise(
    context: typer.Context,
    slug: Slug,
    changes: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE...", help="title, excerpt, markdown, date ...")],
    tell: Annotated[str, typer.Option(help="Tell readers of the older text, in this sentence.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Change fields of an item; with --tell the change is news."""
    home = desk.desk(context).home()
    fields = dict(desk.pair(change, "title=The new title") for change in changes)
    if "date" in fields:
        fields["published_on"] = fields.pop("date")
    outcome = home.db.run(partial(_revise, home, slug, fields, tell or None))
    follow(home)
    told = "Readers are told with the next edition." if outcome.news else "Readers are not told."
    desk.answer(outcome, f"{slug} is {outcome.what}. {told}", as_json=as_json)


def _revise(home: Home, slug: str, fields: dict[str, str], tell: str | None, conn: Connection) -> items.Outcome:
    if taken := sorted(fields.keys() & {"conn", "slug", "now", "tell", "zone"}):
        raise BadInput(taken[0], "It cannot be revised.", "Fields are title, excerpt, markdown, date and the like.")
    zone = home.settings.site.time_zone
    return items.revise(conn, slug, now=desk.now(), tell=tell, zone=zone, **fields)


@items_app.command("hold")
def hold(
    context: typer.Context,
    slug: Slug,
    digest: Digest,
    cadence: HowOften = "weekly",
    why: Annotated[str, typer.Option(help="Why, for your colleagues.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Keep an item out of the coming editions of a digest."""
    home = desk.desk(context).home()
    if not home.db.run(partial(_hold, slug, digest, cadence, why)):
        raise Refused(
            f"No {cadence} edition of {digest} waits with {slug}: it has gone out already, or readers were never told. "
            "Nothing was held back."
        )
    line = f"{slug} is held back from the {cadence} editions of {digest}. `digest items release` lets it go."
    desk.answer({"slug": slug, "digest": digest, "cadence": cadence, "held": True}, line, as_json=as_json)


def _hold(slug: str, digest: str, cadence: str, why: str, conn: Connection) -> object:
    return drafting.hold_back(conn, _series(conn, digest, cadence), slug, why=why, now=desk.now())


def _series(conn: Connection, digest: str, cadence: str) -> Series:
    return publications.one_series(conn, publications.find(conn, digest).id, cadence)


@items_app.command("release")
def release(
    context: typer.Context, slug: Slug, digest: Digest, cadence: HowOften = "weekly", as_json: desk.AsJson = False
) -> None:
    """Let an item go that was held back."""
    desk.desk(context).home().db.run(partial(_release, slug, digest, cadence))
    line = f"{slug} goes with the next {cadence} edition of {digest}."
    desk.answer({"slug": slug, "digest": digest, "cadence": cadence, "held": False}, line, as_json=as_json)


def _release(slug: str, digest: str, cadence: str, conn: Connection) -> None:
    drafting.release(conn, _series(conn, digest, cadence), slug, now=desk.now())
