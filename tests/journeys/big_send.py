"""A send from the browser whose server is killed half-way: what the page says before, at and after it, and what came.

A real `digest serve`, mail in the Maildir of the home, and Chromium on the edition's page. When half of the mails are
there, the site and its worker get SIGKILL in the same moment; they are started again, the browser loads the page again,
and it goes on to the end. At every look the parts on the page add up to the whole, and the page claims no mail that is
not there. In the end each address is counted in the mails themselves.

The suite does it with a few readers; by hand: `python -m tests.journeys.big_send --n 50000`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

from digest import config, items, keys, publications, schema
from digest.bench import made_up
from digest.cli import desk
from digest.home import open_home
from digest.staff import accounts, passwords
from tests.conftest import SETTINGS
from tests.journeys import looks
from tests.journeys.test_pages import ARGUMENTS

ROOT = Path(__file__).parents[2]
OWNER, PASSWORD = "dana@example.org", "several words do well"
SHAPE = made_up.Shape(sets=10, hours=24, topics=8, chosen=4, text=500, by_hand=True)
PATIENCE = 60.0  # seconds until a server answers, or something moves on the page
PARTS = """
() => ({
  state: document.getElementById("progress").dataset.state,
  parts: [...document.querySelectorAll("#progress dl div")].map((one) =>
    [one.querySelector("dt").innerText.trim().toLowerCase(), one.querySelector("dd").innerText.replace(/[^0-9]/g, "")]),
})
"""


@dataclass
class Look:
    """What the page said at one moment, and how many mails were there right after it."""

    at_s: float
    state: str
    parts: dict[str, int]
    mails: int

    def check(self) -> None:
        """Raises AssertionError when its parts do not add up, or when it claims what is not there."""
        if "planned" in self.parts:
            others = sum(count for name, count in self.parts.items() if name != "planned")
            assert others == self.parts["planned"], self
            assert self.parts.get("accepted", 0) <= self.mails, self

    def __str__(self) -> str:
        told = " + ".join(f"{count:,} {name}" for name, count in self.parts.items() if name != "planned")
        return f"{self.at_s:7.1f} s  {self.state:8} {self.parts.get('planned', 0):,} = {told}; {self.mails:,} mails"


@dataclass
class Told:
    """What came of it all."""

    n: int
    looks: list[Look] = field(default_factory=list)
    mails_at_kill: int = 0
    seconds: float = 0.0
    peak_mb: dict[str, float] = field(default_factory=dict)
    doubled: int = 0
    lost: int = 0
    strangers: int = 0


class Server:
    """`digest serve` as a process, and the worker that it starts."""

    def __init__(self, home: Path, port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DIGEST_SITE__URL": url}
        command = [sys.executable, "-m", "digest.cli", "--home", str(home), "serve", "--port", str(port)]
        self._log = (home / "serve.log").open("ab")
        self.process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)
        _wait(lambda: _answers(port), "the site does not answer")
        _wait(lambda: bool(self.worker), "there is no worker")

    @property
    def worker(self) -> int:
        """The process that sends; 0 when there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}").parent.glob("*/children")
        found = [int(one) for child in children for one in child.read_text().split()]
        return found[0] if found else 0

    def peak_mb(self) -> dict[str, float]:
        """The most memory that each had so far."""
        return {"site": _peak_mb(self.process.pid), "worker": _peak_mb(self.worker)}

    def kill(self) -> None:
        """Ends both at once, with no word to either."""
        for pid in (self.worker, self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()

    def stop(self) -> None:
        """Ends it as Ctrl-C does."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self._log.close()


def _peak_mb(pid: int) -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return round(int(found[1]) / 1024, 1) if found else 0.0


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _wait(is_so: Callable[[], bool], why: str) -> None:
    until = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > until:
            raise AssertionError(f"After {PATIENCE:.0f} seconds {why}.")
        time.sleep(0.05)


def make_home(path: Path, n: int, *, per_second: int = 0) -> None:
    """A home of `n` readers, with items that wait for them, in which a send starts at once."""
    path.mkdir()
    pace = f"\n[pace]\nper_second = {per_second}\n" if per_second else ""
    (path / config.FILE).write_text(f"{SETTINGS}\n[staff]\nundo_minutes = 0\n{pace}", encoding="utf-8")
    keys.make(path)
    home, now = open_home(path), datetime.now(UTC)
    schema.upgrade(home.db, desk.METADATA)
    with home.db.transaction() as conn:
        digest = publications.create(conn, "weekly", "Weekly digest", now=now,  # no run of it is due
                                     zone=made_up.ZONE, from_name="Path", from_address="digest@example.org",
                                     languages=made_up.LANGUAGES)  # fmt: skip
        for number in range(SHAPE.topics):
            items.put(conn, made_up.draft(number, SHAPE), now=now, zone=made_up.ZONE)
        accounts.add(conn, OWNER, name="Dana Ruiz", role=accounts.OWNER, now=now)
        conn.exec_driver_sql("UPDATE staff SET password_hash = ?", (passwords.hashed(PASSWORD),))
    for start in range(0, n, made_up.CHUNK):
        with home.db.transaction() as conn:
            made_up.people(conn, digest.id, SHAPE, [], range(start, min(n, start + made_up.CHUNK)))
    home.close()


def run(home: Path, n: int, browser: Browser, say: Callable[[str], object] = lambda line: None) -> Told:
    """Sends, kills half-way, starts again, and counts."""
    told, began = Told(n), time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = Server(home, port)
    try:
        page = browser.new_context().new_page()
        _send(page, port, n)
        watch = _Watch(page, home, told, began, say)
        watch.until(lambda look: look.mails >= n // 2)
        told.peak_mb = {f"{name}, killed": mb for name, mb in server.peak_mb().items()}
        server.kill()
        told.mails_at_kill = _mails(home)
        say(f"{time.monotonic() - began:7.1f} s  killed, with {told.mails_at_kill:,} mails there")
        watch.look()  # the page as it stands while nobody answers
        server = Server(home, port)
        say(f"{time.monotonic() - began:7.1f} s  started again")
        page.reload()
        watch.until(lambda look: look.state in ("sent", "cancelled"))
        told.seconds = time.monotonic() - began
        told.peak_mb |= server.peak_mb()
    finally:
        server.stop()
    count(home, told)
    return told


def _send(page: Page, port: int, n: int) -> None:
    page.goto(f"http://127.0.0.1:{port}/staff/sign-in")
    page.get_by_label("E-mail address").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Send now…").first.click()
    assert page.get_by_role("heading", level=1).inner_text() == f"Send Weekly digest to {n:,} people now?"
    page.locator("input[name=typed]").fill(str(n))
    with page.expect_navigation():
        page.get_by_role("button", name=f"Send to {n:,} people").click()
    assert page.locator("#progress").count(), page.inner_text("main")


@dataclass
class _Watch:
    page: Page
    home: Path
    told: Told
    began: float
    say: Callable[[str], object]

    def look(self) -> Look:
        """What the page says now; it is checked."""
        try:
            said = self.page.evaluate(PARTS)
        except Error:  # the page loads itself again when the state changes
            self.page.locator("#progress").wait_for()
            said = self.page.evaluate(PARTS)
        parts = {name: int(count) for name, count in said["parts"] if count}
        look = Look(time.monotonic() - self.began, said["state"], parts, _mails(self.home))
        look.check()
        last = self.told.looks[-1] if self.told.looks else None
        if last is None or (look.state, look.parts) != (last.state, last.parts):
            self.told.looks.append(look)
            self.say(str(look))
        return look

    def until(self, is_so: Callable[[Look], bool]) -> None:
        """Looks until it is so; the page asks by itself every two seconds."""
        moved, mails = time.monotonic(), -1
        while not is_so(look := self.look()):
            if look.mails != mails:
                moved, mails = time.monotonic(), look.mails
            assert time.monotonic() < moved + PATIENCE, f"Nothing moves any more: {look}"
            self.page.wait_for_timeout(100)


def _mails(home: Path) -> int:
    folder = home / "mail" / "new"
    return sum(1 for _ in os.scandir(folder)) if folder.is_dir() else 0


def count(home: Path, told: Told) -> None:
    """Each address, as it stands in the mails."""
    found = Counter(_addresses(home / "mail" / "new"))
    wanted = {f"reader-{k}@example.org" for k in range(told.n)}
    told.doubled = sum(count - 1 for count in found.values())
    told.lost, told.strangers = len(wanted - found.keys()), len(found.keys() - wanted)


def _addresses(folder: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        head = Path(entry.path).read_bytes().partition(b"\n\n")[0].decode()
        yield re.findall(r"^To:.*?([^\s<>]+@[^\s<>]+)", head, re.MULTILINE)[0]


def main() -> None:
    """Does it with many readers, and prints what was seen."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--n", type=int, default=50_000)
    words.add_argument("--folder", type=Path, default=None, help="where the home is made; it is deleted afterwards")
    asked = words.parse_args()
    folder = Path(tempfile.mkdtemp(dir=asked.folder))
    try:
        make_home(folder / "home", asked.n)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=looks.chromium(), args=ARGUMENTS)
            told = run(folder / "home", asked.n, browser, print)
            browser.close()
        print(f"{told.n:,} readers in {told.seconds:.1f} s; {told.mails_at_kill:,} mails were there at the kill")
        print(f"{told.doubled} doubled, {told.lost} lost, {told.strangers} strangers; memory in MB: {told.peak_mb}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
