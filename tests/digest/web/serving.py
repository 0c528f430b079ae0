"""The site as outsiders meet it: a real server on a loopback port, over a small library with every kind of item."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import uvicorn

from digest import config, editions, intake, items, keys, media, publications
from digest.home import Home, open_home
from digest.intake import markdown
from digest.items import Author, Draft
from digest.web import app
from subscribers import links, members, sent_links
from tests.conftest import NOW, SETTINGS
from tests.digest import samples
from tests.subscribers import world

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "items"
ZONE = "America/New_York"
ANN = "ann@example.org"


@contextlib.contextmanager
def serve(home: Home, clock: Callable[[], datetime] = lambda: NOW) -> Iterator[str]:
    """Serves `home` on a free loopback port and yields the address; stopped at the end."""
    config = uvicorn.Config(
        app.create(home, clock=clock, patience=0),
        port=0,
        log_level="critical",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        loop="asyncio",
    )
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    # asyncio does this itself, but not for sockets that were made for it; without it each answer waits 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.listen()  # from now on a client waits, and is not refused, until the server answers
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def client(address: str) -> httpx.Client:
    """A client that follows no redirect, so that each one shows."""
    return httpx.Client(base_url=address, follow_redirects=False, trust_env=False)


def draft(slug: str, **fields: object) -> Draft:
    """A published fact sheet."""
    given = {"kind": "fact sheet", "title": f"Fact Sheet: {slug}", "body": f"<p>All of {slug}.</p>"}
    return Draft(**({"slug": slug, "published_on": "2026-08-17", "topics": ("hiring",)} | given | fields))  # type: ignore[arg-type]


def filled(path: Path, sqlite_template: Path) -> Home:
    """A home of its own at `path`, filled by `fill`; its edition is number 1."""
    path.mkdir()
    (path / config.FILE).write_text(SETTINGS, encoding="utf-8")
    keys.make(path)
    shutil.copy(sqlite_template, path / "digest.db")
    home = open_home(path)
    fill(home)
    return home


def fill(home: Home) -> int:
    """The library: the published example items, one of each awkward kind, one edition sent; the edition's number."""
    with home.db.transaction() as conn:
        digest_id = world.digest(conn, cadences=("weekly", "monthly"))
        shutil.copytree(EXAMPLES, home.path / "items")
        intake.bring_in(conn, markdown.read(home.path / "items", zone=ZONE, media=home.media), now=NOW, zone=ZONE)
        publications.set_topic(conn, "hiring", "Hiring officers", "Who may serve.")
        publications.set_topic(conn, "empty", "Nothing here yet")
        for one in (
            draft("told", update_note="Now with the figures of July.", updated_on="2026-09-01"),
            draft("taken-back"),
            draft("no-year", published_on="--06-29"),
            draft("unfinished", state="draft"),
            draft(
                "long",
                title="Supercalifragilistic" * 6,
                authors=(Author("Dana Ruiz", "Director", "The Forum"),),
                attachments=(media.keep(home.media, samples.photograph((1800, 900)), "wide.jpg", alt="A wide river"),),
            ),
            draft("hostile", title="<script>alert(1)</script> & “more”", excerpt="<b>bold</b>"),
        ):
            items.put(conn, one, now=NOW, zone=ZONE)
        number = _edition(home, conn, digest_id)
        items.withdraw(conn, "taken-back", now=NOW, why="The numbers were wrong.")
        members.add(conn, home.keys, ANN, digest_id=digest_id, now=NOW)
        return number


def _edition(home: Home, conn: object, digest_id: int) -> int:
    digest = publications.by_id(conn, digest_id)  # type: ignore[arg-type]
    series = publications.one_series(conn, digest_id, "weekly")  # type: ignore[arg-type]
    run = editions.Run(NOW, NOW, by_hand=True)
    edition = editions.compile(conn, home.settings, digest, series, run)  # type: ignore[arg-type]
    editions.freeze(conn, edition.id, home.settings, NOW)  # type: ignore[arg-type]
    world.complete(conn, edition.id)  # type: ignore[arg-type]
    return edition.id


def token(home: Home, scope: str, subscriber_id: int = 1, digest_id: int = 1) -> str:
    """The link of a person, as a mail holds it."""
    expires = (NOW + timedelta(days=90)).date() if scope == links.PREFERENCES else None
    return links.issue(home.keys, scope, digest_id, subscriber_id, expires=expires)


def confirm_link(home: Home) -> str:
    """The page behind the button of a confirmation mail."""
    wish = {"choices": {"mapping": {"*": "weekly"}, "language": "en"}, "origin": {}}
    with home.db.transaction() as conn:
        link = sent_links.create(conn, sent_links.CONFIRM, 1, 1, wish=wish, now=NOW)
    return f"/c/{sent_links.token(home.keys, link)}"
