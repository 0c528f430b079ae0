"""Commands about people: add, set, import, export, show; and the do-not-mail list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from digest import publications
from digest.cli import desk, person
from digest.errors import BadInput, Refused
from digest.home import Home
from subscribers import (
    consent,
    departures,
    members,
    newcomers,
    preferences,
    records,
    sheets,
    transfer,
    welcomes,
)
from subscribers.consent import Origin

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The e-mail address.")]
Digest = Annotated[str, typer.Option(help="The digest; the first one by default.")]
Topics = Annotated[str, typer.Option(metavar="MAP", help='Such as "hiring=weekly;detainers=off;*=weekly".')]
Hour = Annotated[int | None, typer.Option(help="0 to 23, in their zone.")]
Zone = Annotated[str | None, typer.Option(help="Such as America/New_York.")]
Name = Annotated[str | None, typer.Option(help="Their name.")]
Language = Annotated[str | None, typer.Option(help="Such as en.")]

people_app = typer.Typer(help="People: who gets the mail, and what of it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(people_app, name="people")


@dataclass(frozen=True)
class _Wish:
    """What a command asks for one person; None and empty leave a thing as it is."""

    digest: str
    topics: str
    hour: int | None
    zone: str | None
    name: str | None
    language: str | None

    def values(self, mapping: Mapping[str, str] | None) -> dict[str, Any]:
        """As the services take them."""
        plain = {"hour": self.hour, "zone": self.zone, "name": self.name, "language": self.language}
        return {"mapping": mapping, **plain}


def _mapping(conn: Connection, digest_id: int, topics: str) -> dict[str, str] | None:
    return preferences.parse(topics, newcomers.offered(conn, digest_id)) if topics else None


def _unknown(conn: Connection, mapping: Mapping[str, str] | None) -> list[str]:
    """The topics of a choice that no item has yet: perhaps mistyped."""
    known = {topic.slug for topic in publications.topics(conn)} | {"*"}
    return [topic for topic in mapping or {} if topic not in known]


def _note(unknown: list[str]) -> list[str]:
    names = ", ".join(unknown)
    return [f"There is no topic {names} yet: the choice counts from its first item on. Was it mistyped?"] * bool(
        unknown
    )


# --- one person ------------------------------------------------------------------------------------------------

_ADDED = {
    "created": "is added.",
    "changed": "was here already; what they chose is changed.",
    "unchanged": "was here already; nothing was changed.",
    "suppressed": "is on the do-not-mail list, and was not added. `digest suppress ADDRESS --lift` allows it.",
}


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
    as_json: desk.AsJson = False,
) -> None:
    """Add one person on your word; who is here already gets the new choices."""
    home = desk.desk(context).home()
    wish = _Wish(digest, topics, hour, zone, name, language)
    what, welcomed, unknown = home.db.run(partial(_add, home, address, wish, source))
    lines = [f"{address} {_ADDED[what]}"] + ["The latest edition goes to them as a welcome."] * welcomed
    said = {"email": address, "what": what, "welcome": welcomed}
    desk.answer(said, *lines, *_note(unknown), as_json=as_json)


def _add(home: Home, address: str, wish: _Wish, source: str, conn: Connection) -> tuple[str, bool, list[str]]:
    digest_id = publications.first(conn, wish.digest).id
    mapping = _mapping(conn, digest_id, wish.topics)
    origin, now = Origin(text=source, source="command line"), desk.now()
    added = members.add(conn, home.keys, address, digest_id=digest_id, now=now, origin=origin, **wish.values(mapping))
    one = added.subscriber_id
    welcomed = one is not None and welcomes.queue(conn, home, digest_id, one, now=now)
    return added.what, welcomed, _unknown(conn, mapping)


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
    pause_until: Annotated[
        str, typer.Option("--pause-until", metavar="DAY", help="No mail until 2026-10-01, or `always`.")
    ] = "",
    wake: Annotated[bool, typer.Option("--wake", help="End a pause.")] = False,
    afresh: Annotated[bool, typer.Option("--afresh", help="With --wake: nothing of what came meanwhile.")] = False,
    leave: Annotated[bool, typer.Option("--leave", help="End the subscription.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Change what a person gets: topics, hour, zone, pause; or end it."""
    if bool(pause_until) + wake + leave > 1:
        raise BadInput("--pause-until, --wake, --leave", "They exclude each other.", "Choose one of them.")
    if afresh and not wake:
        raise BadInput("--afresh", "It says how a pause ends.", "Write it together with --wake.")
    home = desk.desk(context).home()
    wish = _Wish(digest, topics, hour, zone, name, language)
    standing = "paused" if pause_until else "afresh" if afresh else "wake" if wake else "leave" if leave else ""
    until = _day(pause_until) if pause_until else None
    changed, unknown = home.db.run(partial(_change, home, address, wish, standing, until))
    line = f"{address} is changed." if changed else f"{address} is as it was; there was nothing to change."
    desk.answer({"email": address, "changed": changed}, line, *_note(unknown), as_json=as_json)


def _change(
    home: Home, address: str, wish: _Wish, standing: str, until: date | None, conn: Connection
) -> tuple[bool, list[str]]:
    digest_id, now = publications.first(conn, wish.digest).id, desk.now()
    person = records.find(conn, address).subscriber_id
    mapping = _mapping(conn, digest_id, wish.topics)
    choices = wish.values(mapping)
    given = any(value is not None for value in choices.values())
    changed = given and members.change(conn, digest_id, person, **choices)
    if standing == "paused":
        changed |= members.pause(conn, digest_id, person, now=now, until=until)
    elif standing in ("wake", "afresh"):
        changed |= members.wake(conn, digest_id, person, drop=standing == "afresh")
    elif standing == "leave":
        changed |= departures.leave_within(home, digest_id, person, Origin(source="staff"), now, conn)
    return changed, _unknown(conn, mapping)


def _day(text: str) -> date | None:
    if text == "always":
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadInput("--pause-until", f"{text[:40]!r} is no day.", "Write it as 2026-10-01, or `always`.") from None
    if day < (desk.now() - timedelta(days=1)).date():  # today somewhere on earth may still be yesterday in UTC
        raise BadInput("--pause-until", f"{text} is over.", "Name a day to come, or end a pause with --wake.")
    return day


@people_app.command("show")
def show(context: typer.Context, address: Address, as_json: desk.AsJson = False) -> None:
    """One person: their choices, what waits for them and why, what they were sent, and the proof that they asked."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        found = person.look(conn, address, now=desk.now())
    if as_json:
        desk.document(person.described(found))
    else:
        desk.say(*person.lines(found, home.settings.site.time_zone))


@people_app.command("erase")
def erase(
    context: typer.Context,
    address: Address,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Delete everything personal that is known of somebody, for good; no import brings them back."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        found = records.find(conn, address)
    if not yes and not typer.confirm(f"Delete everything about {found.email}? This cannot be undone.", err=True):
        raise Refused("Nothing was changed.")
    done = departures.erase(home, found.subscriber_id, how=Origin(source="staff"), now=desk.now())
    desk.answer({"email": address, "erased": done}, f"{address} is erased.", as_json=as_json)


# --- many ------------------------------------------------------------------------------------------------------


@people_app.command("import")
def bring_in(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with a header row; `email` is required.")],
    source: Annotated[
        str, typer.Option("--consent", metavar="TEXT", help="Where the consent of all these people comes from.")
    ],
    digest: Digest = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Bring people in from a CSV file; who left or must not be mailed is never brought back."""
    home = desk.desk(context).home()
    if not source.strip():
        raise BadInput("--consent", "It is empty.", "Say in words where the consent of these people comes from.")
    reading = sheets.read(path)
    with home.db.reading() as conn:
        slug = publications.first(conn, digest).slug
    report = transfer.import_people(
        home.db,
        home.keys,
        reading,
        digest=slug,
        consent=source,
        now=desk.now(),
        dry_run=dry_run,
        name=f"{reading.fingerprint} {slug} {source}",
    )
    if as_json:
        desk.document(desk.plain(report) | {"warnings": reading.warnings})
        return
    desk.say(
        f"{'Would be: ' if dry_run else ''}{report.created} created, {report.changed} changed, "
        f"{report.unchanged} unchanged, {report.suppressed} on the do-not-mail list, {report.refused} refused."
        f"{' Nothing was changed.' if dry_run else ''}"
    )
    desk.problems([*reading.warnings, *report.problems])


@people_app.command("export")
def export(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A file; else standard output.")] = None,
    evidence: Annotated[bool, typer.Option("--evidence", help="The proof that each asked, instead of people.")] = False,
) -> None:
    """Everyone as CSV, as `people import` reads it; or the evidence of everyone's consent."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        desk.rows(consent.export(conn) if evidence else transfer.export(conn), out)
