"""Commands that make a home: setup, and `up`, what `./run` calls."""

from __future__ import annotations

import shutil
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from sqlalchemy import Connection

import scheduler
from digest import config, editions, feeds, intake, keys, publications, schema, settings_file
from digest.cli import desk, processes, telling
from digest.db import Database
from digest.errors import BadInput
from digest.home import Home
from digest.intake import markdown
from digest.staff import accounts, links
from subscribers import offices, sheets, transfer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FIRST = "weekly"
SENDER = "digest@localhost.localdomain"  # a home of this machine alone
FIRST_OWNER = "owner@example.org"  # until they say who they are

_TEMPLATE = """\
# The settings of this installation. docs/reference/settings.md explains every one.

[site]
name = "News"
organization = ""
url = "http://127.0.0.1:8080"
address = ""                # your postal address: mail cannot be sent without it
time_zone = "UTC"
questions_to = ""
staff_to = ""

[transport]
kind = "maildir"            # mail goes to the folder mail/ of this home
"""


_SITE = "Write one such as https://news.example.org."


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("setup")(setup)
    app.command("up")(up)


def setup(
    context: typer.Context,
    example: Annotated[bool, typer.Option("--example", help="Load the example library and its people.")] = False,
    url: Annotated[str, typer.Option(help="The site's address, such as https://news.example.org.")] = "",
    as_json: desk.AsJson = False,
) -> None:
    """Make the home: settings file, keys, database and one weekly digest. Again is harmless."""
    where = desk.desk(context)
    made = make_home(where.path, example=example, url=url)
    home = where.home()
    ensure_digest(home)
    lines = [f"{'Made' if made else 'Found'} the home {where.path}."]
    if url and home.settings.site.url != url.rstrip("/"):
        lines.append(f"The site's address stays {home.settings.site.url}. Change it in {where.path / config.FILE}.")
    if example:
        lines += load_example(home)
    faults = config.sending_faults(home.settings)
    if faults:
        lines += ["Before mail can be sent:", *(f"  {fault}" for fault in faults)]
    link = first_link(home)
    if link:
        lines += ["This link lets the first owner into the console, once, within two days:", f"  {link}"]
    facts = {"home": where.path, "made": made, "url": home.settings.site.url, "before_sending": faults, "link": link}
    desk.answer(facts, *lines, as_json=as_json)


def make_home(path: Path, *, example: bool, url: str) -> bool:
    """The folder with its settings file, keys and database; True when it was not whole. What exists is left alone.

    Keys are made for an empty database only: for one in use they would end every link in mails already sent.
    """
    file = path / config.FILE
    if not file.exists():
        text = _settings(example=example, url=url)
        path.mkdir(parents=True, exist_ok=True)
        settings_file.put(file, text.encode(), mode=0o644)
    database = Database(config.database_url(config.load(path), path))
    try:
        fresh = schema.current(database) is None
        if fresh:
            keys.make(path)
        schema.upgrade(database, desk.METADATA)
    finally:
        database.close()
    return fresh


def _settings(*, example: bool, url: str) -> str:
    """The text of a new settings file. Raises BadInput for an address that cannot be one."""
    text = (EXAMPLES / config.FILE).read_text(encoding="utf-8") if example else _TEMPLATE
    if not url:
        return text
    try:
        config.Site(url=url)
    except ValueError:
        raise BadInput("--url", f"{url[:80]!r} is no address of a site.", _SITE) from None
    if any(sign in '"\\' or not sign.isprintable() for sign in url):  # it becomes a TOML string as it stands
        raise BadInput("--url", "It holds signs that no address has.", _SITE)
    return text.replace('url = "http://127.0.0.1:8080"', f'url = "{url}"')


def ensure_digest(home: Home) -> None:
    """The first digest, when there is none."""
    home.db.run(partial(_ensure_digest, home.settings.site))


def _ensure_digest(site: config.Site, conn: Connection) -> None:
    if publications.all(conn):
        return
    publications.create(
        conn,
        FIRST,
        "Weekly digest",
        now=desk.now(),
        zone=site.time_zone,
        from_name=site.name,
        from_address=_sender(site),
        languages=site.languages,
    )


def first_link(home: Home) -> str:
    """A new link for the first owner, who has not signed in yet; nothing when somebody has."""
    token = home.db.run(partial(_first_link, home.settings.site.staff_to or FIRST_OWNER))
    return links.address(home.settings.site.url, token) if token else ""


def _first_link(email: str, conn: Connection) -> str:
    account = accounts.first_owner(conn, email, now=desk.now())
    return links.issue(conn, account.id, now=desk.now()) if account else ""


def _sender(site: config.Site) -> str:
    """The address that mails come from until staff set one: digest@ at the staff's domain, or at the site's host."""
    domain = site.staff_to.rpartition("@")[2] or urlsplit(site.url).hostname or ""
    known = site.staff_to or not config.is_loopback(site.url)
    return f"digest@{domain}" if known else SENDER


def load_example(home: Home) -> list[str]:
    """People first, then items: so that everything is news to them. Says what came."""
    site, now = home.settings.site, desk.now()
    topics = tomllib.loads((EXAMPLES / "topics.toml").read_text(encoding="utf-8"))
    home.db.run(partial(_name_topics, topics))
    people = transfer.import_people(
        home.db,
        home.keys,
        sheets.read(EXAMPLES / "people.csv"),
        digest=FIRST,
        consent="Made up for the example.",
        now=now,
    )
    drafts = list(markdown.read(EXAMPLES / "items", zone=site.time_zone, media=home.media))
    report = home.db.run(partial(intake.bring_in, drafts=drafts, now=now, zone=site.time_zone))
    desk.problems([*people.problems, *report.problems])
    if not (people.created or people.changed or report.created or report.changed):
        return [f"The example is loaded already: {people.unchanged} people, {report.unchanged} items."]
    return [
        f"Example people: {people.created} new, {people.changed} changed, {people.unchanged} unchanged.",
        f"Example items: {report.created} new, {report.changed} changed, {report.unchanged} unchanged.",
    ]


def _name_topics(topics: dict[str, dict[str, str]], conn: Connection) -> None:
    for slug, topic in topics.items():
        publications.set_topic(conn, slug, topic["name"], topic.get("description", ""))


def up(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Do everything, then end instead of serving the site.")] = False,
    host: Annotated[str, typer.Option(help="Where the site listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; the next free one when it is taken.")] = 8080,
) -> None:
    """Set up, load the example, build feeds, send the digest to the local mailbox, and serve the site."""
    where = desk.desk(context)
    port = processes.free_port(host, port)
    fresh = make_home(where.path, example=True, url=processes.address(host, port))
    processes.follow_port(where, host, port)
    home = where.home()
    desk.say(f"{'Made' if fresh else 'Using'} the home {where.path}.")
    ensure_digest(home)
    if _is_example(where.path):
        desk.say(*load_example(home))
        _where_to_look(home, _send(offices.open_office(home)))
    else:
        desk.say("It is not the example's, so the example was not loaded and nothing was sent by this command.")
        _where_to_look(home, None)
    sys.stdout.flush()
    if not once:
        processes.serve_forever(where, host, port)


def _is_example(path: Path) -> bool:
    """Whether a home has the example's name: made-up items must never go to somebody's own readers."""
    theirs, example = (
        tomllib.loads((folder / config.FILE).read_text(encoding="utf-8")).get("site", {}) for folder in (path, EXAMPLES)
    )
    return bool(theirs.get("name") == example["name"])


def _send(office: offices.Office) -> editions.Edition | None:
    """The digest, when there is anything new; then everything else that is due."""
    home = office.home
    with home.db.reading() as conn:
        feeds.build(home.settings, conn, home.feeds)
        series = publications.one_series(conn, publications.find(conn, FIRST).id, FIRST)
        news = editions.waiting(conn, series)
        owed = office.people.owed(conn, series.digest_id, series.cadence, now=office.clock())
    if not news and not owed:
        desk.say("Nothing is new since the last edition, so no mail is sent.")
        scheduler.until_idle(office)
        return None
    edition = scheduler.see_through(office, scheduler.dispatch(office, FIRST).id)
    scheduler.until_idle(office)
    with home.db.reading() as conn:
        edition = editions.find(conn, edition.id)
        desk.say(telling.result(conn, edition))
    return edition


def _where_to_look(home: Home, sent: editions.Edition | None) -> None:
    site, example, link = home.settings.site.url, home.path / "example.eml", first_link(home)
    mail = sorted((home.mail / "new").glob("*"), key=lambda path: path.stat().st_mtime) if sent else []
    if mail:
        shutil.copyfile(mail[0], example)
    desk.say(
        "",
        "Where to look:",
        f"  Site        {site}/",
        f"  Console     {link or f'{site}/staff/'}" + ("   (this link lets the first owner in, once)" if link else ""),
        f"  Feeds       {site}/feeds/all.rss   {site}/feeds/all.atom   {site}/feeds/all.json",
        f"  Feed files  {home.feeds}",
        f"  Archive     {site}/editions/{sent.id if sent else ''}",
        f"  Mailbox     {home.mail}   (a Maildir: mutt -f, Thunderbird, or any mail reader)",
        *([f"  One mail    {example}"] if example.exists() else []),
        "",
    )
