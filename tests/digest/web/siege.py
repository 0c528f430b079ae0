"""The whole site besieged: every form and every page of the route table is sent what `hostile` makes, as the owner.

After a request that did something the home is put back as it was, so that each is sent to the same world. The suite
sends a few to each, always the same; run as a program it sends others by chance, for as long as it is told, and prints
what went wrong: `python -m tests.digest.web.siege --minutes 15 --seed 7`.
"""

from __future__ import annotations

import argparse
import logging
import random
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx

from digest import config, keys, parking
from digest.bench import routes
from digest.bench.routes import Route
from digest.db import sqlite_module
from digest.home import Home, open_home
from digest.web import app
from digest.web.console import door
from tests import conftest
from tests.digest.web import hostile, serving
from tests.digest.web.console import everything
from tests.digest.web.console.everything import Everything
from tests.digest.web.hostile import Attempt, Sheet

FORM_MARK = "browser"  # binds forms to a browser that is not signed in
SETTINGS = conftest.SETTINGS.replace("staff_to", 'questions_to = "questions@example.org"\nstaff_to')
# Forms that stand on no page, or on none at the same time as the others: their fields.
ELSEWHERE = {
    "/staff/items/import/feed": {"address": "http://127.0.0.1:9/feed"},
    "/staff/account/second-step/codes": {"current": ""},
    "/settings": {"email": "ann@example.org"},
    "/u/{token}/{step}": {"cadence": "monthly"},
}
_QUESTION = re.compile(r'href="[^"?]*\?([^"]+)"')


@dataclass
class Siege:
    """The running site and its world."""

    home: Home
    world: Everything
    client: httpx.Client
    _before: Path

    def send(self, attempt: Attempt, least: str) -> list[str]:
        """Sends it; what is wrong with the answer."""
        headers = {"cookie": self._cookie(least), "content-type": attempt.kind}
        try:
            answer = self.client.request(attempt.method, attempt.address, content=attempt.body or None, headers=headers)
        except httpx.HTTPError as error:
            self.restore()
            return [f"{attempt.told()} was not answered: {type(error).__name__}"]
        found = [f"{attempt.told()} was {fault}" for fault in hostile.faults(attempt, answer)]
        self.client.cookies.clear()  # each request says by itself who asks
        if attempt.method == "POST" and answer.status_code < 400:
            self.restore()
        return found

    def page(self, address: str, least: str) -> httpx.Response:
        """A page as it stands."""
        return self.client.get(address, headers={"cookie": self._cookie(least)})

    def _cookie(self, least: str) -> str:
        if least == door.ANYONE:
            return f"digest-form={FORM_MARK}"
        return f"digest-staff={self.world.half if least == door.HALF else self.world.owner}"

    def restore(self) -> None:
        """Puts everything back as it was before."""
        sqlite = sqlite_module()  # the server's own: two copies of SQLite in one process undo each other's locks
        kept, now = (closing(sqlite.connect(folder / "digest.db")) for folder in (self._before, self.home.path))
        with kept as before, now as here:
            before.backup(here)
        shutil.copy(self._before / config.FILE, self.home.path / config.FILE)
        shutil.copytree(self._before / parking.FOLDER, self.home.path / parking.FOLDER, dirs_exist_ok=True)


@contextmanager
def laid(path: Path) -> Iterator[Siege]:
    """The site, over a home at `path` in which everything is."""
    home, before = _home(path / "home"), path / "before"
    try:
        world = everything.fill(home)
        with home.db.reading() as conn:
            conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copytree(home.path, before)
        with serving.serve(home, lambda: everything.MOMENT) as address, serving.client(address) as client:
            client.timeout = httpx.Timeout(30)
            yield Siege(home, world, client, before)
    finally:
        home.close()


def _home(path: Path) -> Home:
    path.mkdir(parents=True)
    (path / config.FILE).write_text(SETTINGS, encoding="utf-8")
    keys.make(path)
    home = open_home(path)
    conftest.make_schema(home.db)
    return home


# --- every form ------------------------------------------------------------------------------------------------


def sheets(siege: Siege) -> dict[str, list[tuple[str, Sheet]]]:
    """For each route of a form: its least role, and the forms that lead there as they stand on the pages. Raises
    AssertionError for a route to which no form of this world leads."""
    forms: dict[str, Sheet] = {}
    for route, address in all_pages(siege):
        answer = siege.page(address, route.least)
        if answer.headers.get("content-type", "").startswith("text/html") and answer.text:
            for sheet in hostile.sheets(answer.text, address):
                forms.setdefault(_distinct(sheet), sheet)
    found: dict[str, list[tuple[str, Sheet]]] = {}
    posts = routes.routes("POST", app.HANDLERS)
    plain = {route.pattern for route in posts}
    for route in posts:
        mine = [one for one in forms.values() if _leads(one.action, route, plain)] or _made_up(siege, route)
        found[route.pattern] = [(route.least, one) for one in mine]
    return found


def _distinct(sheet: Sheet) -> str:
    return f"{sheet.action} {sorted((one.name, one.kind) for one in sheet.fields)}"


def _leads(action: str, route: Route, patterns: Collection[str]) -> bool:
    """Whether a form goes to this route, and not to one whose address has no parameter there."""
    path = action.partition("?")[0].rstrip("/") or "/"
    if not re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", route.pattern), path):
        return False
    return path == route.pattern or path not in patterns


def _made_up(siege: Siege, route: Route) -> list[Sheet]:
    assert route.pattern in ELSEWHERE, (
        f"No page of the world in {everything.__name__} shows a form that leads to {route.pattern}: make it show one, "
        f"or name its fields in {__name__}.ELSEWHERE."
    )
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', siege.page("/staff/account", "viewer").text)
    fields = {"form_token": token[1] if token else "", **ELSEWHERE[route.pattern]}
    kinds = {"form_token": "hidden"}
    own = tuple(hostile.Field(name, value, kinds.get(name, "text")) for name, value in fields.items())
    return [Sheet(address, address, own, in_parts=False) for address in route.addresses(siege.world.things)]


def all_pages(siege: Siege) -> list[tuple[Route, str]]:
    """Every page of the route table, with real things in the place of its parameters."""
    found = routes.routes("GET", app.HANDLERS)
    return [(route, address) for route in found for address in route.addresses(siege.world.things)]


# --- every page ------------------------------------------------------------------------------------------------


def questions(siege: Siege) -> list[str]:
    """The names of what pages can be asked, as their links and forms have them."""
    found = {"before", "below", "done", "q", "lang", "digest", "to", "part", "language", "as"}
    for route, address in all_pages(siege):
        for query in _QUESTION.findall(siege.page(address, route.least).text):
            found |= {pair.partition("=")[0] for pair in query.replace("&amp;", "&").split("&")}
    return sorted(found)


# --- by hand ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Besieges the site for some minutes."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=15)
    words.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    asked = words.parse_args()
    print(f"seed {asked.seed}")
    logging.disable(logging.INFO)
    dice, until, told = random.Random(asked.seed), time.monotonic() + asked.minutes * 60, 0
    seen: set[str] = set()
    with tempfile.TemporaryDirectory() as folder, laid(Path(folder)) as siege:
        forms = [one for those in sheets(siege).values() for one in those]
        pages = [
            (route, address)
            for route in routes.routes("GET", app.HANDLERS)
            for address in route.addresses(siege.world.things)
        ]
        asks = questions(siege)
        print(f"{len(forms)} forms, {len(pages)} pages, {len(asks)} questions", flush=True)
        while time.monotonic() < until:
            for attempt, least in [*_round(forms, pages, asks, dice)]:
                told += 1
                for fault in siege.send(attempt, least):
                    key = re.sub(r"\(.*\)|[0-9a-f]{32}", "", fault)
                    if key not in seen:
                        seen.add(key)
                        print(fault, flush=True)
                if time.monotonic() > until:
                    break
    print(f"{told} requests, {len(seen)} faults")


def _round(
    forms: list[tuple[str, Sheet]], pages: list[tuple[Route, str]], asks: list[str], dice: random.Random
) -> Iterator[tuple[Attempt, str]]:
    for least, sheet in dice.sample(forms, len(forms)):
        for attempt in islice(hostile.attempts(sheet, dice), 4):
            yield attempt, least
    for route, address in dice.sample(pages, len(pages)):
        for attempt in islice(hostile.looks(address, places(route), asks, dice), 2):
            yield attempt, route.least


def places(route: Route) -> list[int]:
    """Where the parameters stand in the address of a route."""
    return [at for at, part in enumerate(route.pattern.split("/")) if part.startswith("{")]


if __name__ == "__main__":
    main()
