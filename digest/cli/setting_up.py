"""Commands that make a home: setup, and `up`, what `./run` calls."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path
from typing import Annotated

import typer

import scheduler
from digest import config, editions, feeds, intake, keys, publications, schema
from digest.cli import desk, processes
from digest.config import Settings
from digest.db import Database
from digest.home import Home
from digest.intake import markdown
from subscribers import sheets, transfer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FIRST = "weekly"

_TEMPLATE = """\
# The settings of this installation. docs/reference/settings.md explains every one.

[site]
name = "{name}"
organization = ""
url = "{url}"
address = ""                # your postal address: mail cannot be sent without it
time_zone = "UTC"
questions_to = ""
staff_to = ""

[transport]
kind = "maildir"            # mail goes to the folder mail/ of this home
"""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("setup")(setup)
    app.command("up")(up)


def setup(
    context: typer.Context,
    example: Annotated[bool, typer.Option("--example", help="Load the example store.")] = False,
    url: Annotated[str, typer.Option(help="The address of the site.")] = "",
) -> None:
    """Make the home: settings file, keys, database and one weekly digest. Again is harmless."""
    where = desk.desk(context)
    made = make_home(where.path, example=example, url=url)
    home = where.home()
    ensure_digest(home)
    desk.say(f"{'Made' if made else 'Found'} the home {where.path}.")
    if example:
        load_example(home)
    if faults := config.sending_faults(home.settings):
        desk.say("Before mail can be sent:", *(f"  {fault}" for fault in faults))


def make_home(path: Path, *, example: bool, url: str) -> bool:
    """The folder with its settings file and keys; True when there was none. What exists is left alone."""
    path.mkdir(parents=True, exist_ok=True)
    settings = path / config.FILE
    if settings.exists():
        keys.make(path)
        return False
    text = (EXAMPLES / config.FILE).read_text(encoding="utf-8") if example else _TEMPLATE
    address = url or "http://127.0.0.1:8080"
    Settings(site=config.Site(url=address))
    text = text.replace('url = "http://127.0.0.1:8080"', f'url = "{address}"')
    text = text.replace("{name}", "News").replace("{url}", address)
    settings.write_text(text, encoding="utf-8")
    keys.make(path)
    database = Database(config.database_url(config.load(path), path))
    schema.upgrade(database, desk.METADATA)
    database.close()
    return True


def ensure_digest(home: Home) -> None:
    """The first digest, when there is none."""
    site = home.settings.site
    with home.db.transaction() as conn:
        if not publications.all(conn):
            name = "Weekly digest"
            sender = site.staff_to or "digest@localhost.localdomain"
            publications.create(
                conn,
                FIRST,
                name,
                now=desk.now(),
                zone=site.time_zone,
                from_name=site.name,
                from_address=sender,
                languages=site.languages,
            )


def load_example(home: Home) -> None:
    """People first, then items: so that everything is news to them."""
    site, now = home.settings.site, desk.now()
    given = tomllib.loads((EXAMPLES / "topics.toml").read_text(encoding="utf-8"))
    with home.db.transaction() as conn:
        for slug, topic in given.items():
            publications.set_topic(conn, slug, topic["name"], topic.get("description", ""))
    people = transfer.import_people(
        home.db,
        home.keys,
        sheets.read(EXAMPLES / "people.csv"),
        digest=FIRST,
        consent="Made up for the example.",
        now=now,
    )
    with home.db.transaction() as conn:
        drafts = markdown.read(EXAMPLES / "items", zone=site.time_zone, media=home.media)
        report = intake.bring_in(conn, drafts, now=now, zone=site.time_zone)
    desk.say(
        f"People: {people.created} new, {people.changed} changed, {people.unchanged} unchanged.",
        f"Items: {report.created} new, {report.changed} changed, {report.unchanged} unchanged; "
        f"{report.news} of them news.",
    )
    desk.problems([*people.problems, *report.problems])


def up(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Do everything, then end instead of serving the site.")] = False,
    host: Annotated[str, typer.Option(help="Where the site listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; the next free one when it is taken.")] = 8080,
) -> None:
    """Set up, load the example, build feeds, send the digest to the local mailbox, and serve the site."""
    where = desk.desk(context)
    port = processes.free_port(host, port)
    fresh = make_home(where.path, example=True, url=f"http://{host}:{port}")
    _follow_port(where.path, host, port)
    home = where.home()
    desk.say(f"{'Made' if fresh else 'Using'} the home {where.path}.")
    ensure_digest(home)
    load_example(home)
    office = scheduler.open_office(home)
    sent = _send(office)
    _where_to_look(home, sent)
    if not once:
        home.close()
        processes.serve_forever(where, host, port)


def _follow_port(path: Path, host: str, port: int) -> None:
    """While the site's address is this machine's own, links name the port that is really used, in all processes."""
    if config.is_loopback(config.load(path).site.url):
        os.environ["DIGEST_SITE__URL"] = f"http://{host}:{port}"


def _send(office: scheduler.Office) -> editions.Edition | None:
    """The digest, when there is anything new; then everything else that is due."""
    home = office.home
    with home.db.reading() as conn:
        feeds.build(home.settings, conn, home.feeds)
        series = publications.one_series(conn, publications.find(conn, FIRST).id, FIRST)
        news = editions.waiting(conn, series)
        owed = office.people.owed(conn, series.digest_id, series.cadence)
    if not news and not owed:
        desk.say("Nothing is new since the last edition, so nothing is sent.")
        scheduler.until_idle(office)
        return None
    edition = scheduler.see_through(office, scheduler.dispatch(office, FIRST).id)
    scheduler.until_idle(office)
    with home.db.reading() as conn:
        edition = editions.find(conn, edition.id)
        desk.say(processes.result(conn, edition))
    return edition


def _where_to_look(home: Home, sent: editions.Edition | None) -> None:
    site = home.settings.site.url
    mail = sorted((home.mail / "new").glob("*"), key=lambda path: path.stat().st_mtime) if sent else []
    desk.say(
        "",
        "Where to look:",
        f"  Site        {site}/",
        f"  Feeds       {site}/feeds/all.rss   {site}/feeds/all.atom   {site}/feeds/all.json",
        f"  Feed files  {home.feeds}",
        f"  Archive     {site}/editions/{sent.id if sent else ''}",
        f"  Mailbox     {home.mail}   (a Maildir: mutt -f, Thunderbird, or any mail reader)",
    )
    if mail:
        example = home.path / "example.eml"
        shutil.copyfile(mail[0], example)
        desk.say(f"  One mail    {example}")
    desk.say("")
