"""Commands about people: add, set, import, export, show; and the do-not-mail list."""

from __future__ import annotations

import csv
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from digest import publications
from digest.cli import desk
from digest.errors import BadInput
from digest.home import Home
from subscribers import consent, members, newcomers, preferences, records, sheets, suppression, transfer

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The e-mail address.")]
Digest = Annotated[str, typer.Option(help="The digest; the first one by default.")]
Topics = Annotated[str, typer.Option(help='Such as "hiring=weekly;detainers=off;*=weekly".')]
Hour = Annotated[int | None, typer.Option(help="0 to 23, in their zone.")]
Zone = Annotated[str | None, typer.Option(help="Such as America/New_York.")]
Name = Annotated[str | None, typer.Option(help="Their name.")]
Language = Annotated[str | None, typer.Option(help="Such as en.")]

people_app = typer.Typer(help="Who gets the mail.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(people_app, name="people")
    app.command("suppress")(suppress)


def _digest_id(conn: Connection, slug: str) -> int:
    if slug:
        return publications.find(conn, slug).id
    return publications.all(conn)[0].id


def _mapping(conn: Connection, digest_id: int, topics: str) -> dict[str, str] | None:
    return preferences.parse(topics, newcomers.offered(conn, digest_id)) if topics else None


@people_app.command("add")
def add(
    context: typer.Context,
    address: Address,
    digest: Digest = "",
    topics: Topics = "",
    hour: Hour = None,
    zone: Zone = None,
    name: Name = None,
    language: Language = None,
    source: Annotated[str, typer.Option("--consent", help="Where their consent comes from, in words.")] = "",
) -> None:
    """Add one person on somebody's word; who is here already gets the new choices."""
    home = desk.desk(context).home()
    with home.db.transaction() as conn:
        digest_id = _digest_id(conn, digest)
        added = members.add(
            conn,
            home.keys,
            address,
            digest_id=digest_id,
            now=desk.now(),
            mapping=_mapping(conn, digest_id, topics),
            hour=hour,
            zone=zone,
            name=name,
            language=language,
            origin=consent.Origin(text=source, source="command line"),
        )
    words = {"suppressed": "is on the do-not-mail list, and was not added. `digest suppress --lift` takes it off."}
    desk.say(f"{address} {words.get(added.what, added.what + '.')}")


@people_app.command("set")
def change(
    context: typer.Context,
    address: Address,
    digest: Digest = "",
    topics: Topics = "",
    hour: Hour = None,
    zone: Zone = None,
    name: Name = None,
    language: Language = None,
    pause_until: Annotated[str, typer.Option("--pause-until", help="A day such as 2026-10-01, or `always`.")] = "",
    wake: Annotated[bool, typer.Option("--wake", help="End a pause.")] = False,
    leave: Annotated[bool, typer.Option("--leave", help="End the subscription.")] = False,
) -> None:
    """Change what a person gets: topics, hour, zone, pause; or end it."""
    home = desk.desk(context).home()
    now = desk.now()
    with home.db.transaction() as conn:
        digest_id = _digest_id(conn, digest)
        person = records.find(conn, address).subscriber_id
        mapping = _mapping(conn, digest_id, topics)
        choices: dict[str, Any] = {"mapping": mapping, "hour": hour, "zone": zone, "name": name, "language": language}
        changed = any(value is not None for value in choices.values()) and members.change(
            conn, digest_id, person, **choices
        )
        if pause_until:
            changed |= members.pause(conn, digest_id, person, now=now, until=_day(pause_until))
        if wake:
            changed |= members.wake(conn, digest_id, person)
        if leave:
            changed |= members.leave(conn, digest_id, person, now=now, how="staff")
    desk.say(f"{address} is changed." if changed else f"{address} is as it was; nothing to change.")


def _day(text: str) -> date | None:
    if text == "always":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput("--pause-until", f"{text!r} is no day.", "Write it as 2026-10-01, or `always`.") from None


@people_app.command("import")
def bring_in(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A CSV file with a header row; `email` is required.")],
    source: Annotated[str, typer.Option("--consent", help="Where the consent of all these people comes from.")],
    digest: Digest = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Bring people in from a CSV file; who left or must not be mailed is never brought back."""
    home = desk.desk(context).home()
    reading = sheets.read(path)
    with home.db.reading() as conn:
        slug = digest or publications.all(conn)[0].slug
    report = transfer.import_people(
        home.db, home.keys, reading, digest=slug, consent=source, now=desk.now(), dry_run=dry_run
    )
    if as_json:
        desk.document(desk.plain(report) | {"warnings": reading.warnings})
        return
    desk.say(
        f"{'Would be: ' if dry_run else ''}{report.created} created, {report.changed} changed, "
        f"{report.unchanged} unchanged, {report.suppressed} on the do-not-mail list, {report.refused} refused."
    )
    desk.problems([*reading.warnings, *report.problems])


@people_app.command("export")
def export(
    context: typer.Context, out: Annotated[Path | None, typer.Option(help="A file; else standard output.")] = None
) -> None:
    """Everyone as CSV, as `people import` reads it."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        if out is None:
            csv.writer(sys.stdout).writerows(transfer.export(conn))
            return
        with out.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(transfer.export(conn))
    desk.say(f"Written: {out}")


@people_app.command("show")
def show(context: typer.Context, address: Address, as_json: desk.AsJson = False) -> None:
    """One person: their choices, what they were sent and what not, and the proof that they asked."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        person = records.find(conn, address)
        events = consent.of_subscriber(conn, person.subscriber_id)
    if as_json:
        desk.document(desk.plain(person) | {"evidence": events})
        return
    desk.say(f"{person.email} {person.name}".strip(), f"State: {person.state} {person.suppressed or ''}".strip())
    for one in person.subscriptions:
        choices = ", ".join(f"{topic}: {how_often}" for topic, how_often in one.preferences.items())
        desk.say(f"{one.digest}: {one.state}; {choices}; {one.hour}:00 in {one.zone}")
    _history(home, person, events)


def _history(home: Home, person: records.Person, events: list[consent.Event] | tuple[consent.Event, ...]) -> None:
    zone = home.settings.site.time_zone
    if person.deliveries:
        rows = [(d.edition, d.digest, d.state, d.code, d.at and desk.local(d.at, zone)) for d in person.deliveries]
        desk.table(("edition", "digest", "state", "reason", "when"), rows)
    for event in events:
        desk.say(f"{event.at:%Y-%m-%d %H:%M} UTC  {event.what}  {event.origin.text} {event.origin.source}".rstrip())


def suppress(
    context: typer.Context,
    address: Address,
    lift: Annotated[bool, typer.Option("--lift", help="Take it off the list.")] = False,
    by: Annotated[str, typer.Option(help="Who answers for taking it off.")] = "",
) -> None:
    """Never mail an address again; or allow it (--lift, with --by NAME)."""
    home = desk.desk(context).home()
    with home.db.transaction() as conn:
        if lift:
            done = suppression.lift(conn, home.keys, address, by=by, now=desk.now())
            line = "is off the do-not-mail list." if done else "was not on the do-not-mail list."
        else:
            done = suppression.add(conn, home.keys, address, reason="by-staff", now=desk.now(), by=by)
            line = "is on the do-not-mail list." if done else "was on the do-not-mail list already."
    desk.say(f"{address} {line}")
