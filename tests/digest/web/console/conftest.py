"""A console with one person of each role, and browsers that sign in as them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import lxml.html
import pytest

from digest.home import Home
from digest.staff import accounts, links, passwords
from tests.conftest import NOW
from tests.digest.web import serving

PASSWORD = "several words do well"
STAFF = {
    "vera@example.org": ("Vera Lund", "viewer"),
    "ada@example.org": ("Ada Quist", "author"),
    "tom@example.org": ("Tom Okafor", "editor"),
    "dana@example.org": ("Dana Ruiz", "owner"),
}
VIEWER, AUTHOR, EDITOR, OWNER = STAFF
_FIELD = re.compile(r'name="form_token" value="([0-9a-f]+)"')


class Browser:
    """Keeps cookies, and sends forms with the token of the page that it shows."""

    def __init__(self, client: httpx.Client) -> None:
        self.client, self.page = client, ""

    def get(self, path: str) -> httpx.Response:
        answer = self.client.get(path)
        self.page = answer.text
        return answer

    def post(self, path: str, *, token: str | None = None, **fields: str) -> httpx.Response:
        """Sends a form; what it leads to is not opened."""
        found = _FIELD.search(self.page)
        token = token if token is not None else found[1] if found else ""
        answer = self.client.post(path, data={"form_token": token, **fields})
        if answer.status_code != 303:
            self.page = answer.text
        return answer

    def form(self, name: str) -> dict[str, list[str]]:
        """What a browser would send of the form with this id, as it stands on the page."""
        form = next(one for one in lxml.html.fromstring(self.page).forms if one.get("id") == name)
        fields: dict[str, list[str]] = {}
        for key, value in form.form_values():
            fields.setdefault(key, []).append(value.removeprefix("\n"))
        return fields

    def send(
        self, path: str, fields: Mapping[str, str | list[str]], files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> httpx.Response:
        """Sends such a form in parts, as one that may bring files."""
        answer = self.client.post(path, data=dict(fields), files=dict(files or {"pdf": ("", b"")}))
        if answer.status_code != 303:
            self.page = answer.text
        return answer

    def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        self.get("/staff/sign-in")
        return self.post("/staff/sign-in", email=email, password=password)


@dataclass
class Console:
    """A running console, its time, and its browsers."""

    home: Home
    address: str
    opened: ExitStack
    now: datetime = NOW

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def browser(self, email: str = "") -> Browser:
        """A new browser, signed in as somebody when they are named."""
        browser = Browser(self.opened.enter_context(serving.client(self.address)))
        if email:
            assert browser.sign_in(email).status_code == 303
        return browser

    def link(self, email: str) -> str:
        """The path of a new link that lets somebody in once."""
        with self.home.db.transaction() as conn:
            return f"/staff/in/{links.issue(conn, accounts.find(conn, email).id, now=self.now)}"


@pytest.fixture(scope="session")
def hashed() -> str:
    """The password of everybody, hashed once: it takes its time."""
    return passwords.hashed(PASSWORD)


@pytest.fixture
def nobody(home: Home) -> Iterator[Console]:
    """A console in which nobody works yet."""
    with ExitStack() as opened:
        console = Console(home, "", opened)
        console.address = opened.enter_context(serving.serve(home, lambda: console.now))
        yield console


@pytest.fixture
def console(nobody: Console, hashed: str) -> Console:
    """A console with one person of each role, who have a password."""
    with nobody.home.db.transaction() as conn:
        for email, (name, role) in STAFF.items():
            accounts.add(conn, email, name=name, role=role, now=NOW)
        conn.exec_driver_sql("UPDATE staff SET password_hash = ?", (hashed,))
    return nobody
