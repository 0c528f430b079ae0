"""A PostgreSQL server that one test may stop and start again, as an administrator or a failover does.

It is made like the server that the tests share, but it keeps its promises: what is committed survives the server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.standins import postgres

SETTINGS = (*postgres.SETTINGS, "synchronous_commit=on")  # the last word counts


class OwnServer:
    """A server of its own: its folder, its address, and whether it runs."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder, self._user = binaries, folder, postgres._user()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = sa.URL.create(
            "postgresql+psycopg", username="digest", database="postgres", query={"host": str(folder)}
        )

    @property
    def address(self) -> str:
        """The address as settings name it."""
        return self.url.render_as_string(hide_password=False)

    def make(self) -> None:
        """An empty cluster."""
        arguments = ["-D", str(self._folder / "data"), "-U", "digest", "-A", "trust", "-E", "UTF8", "--locale=C"]
        made = postgres._spawn([str(self._binaries / "initdb"), *arguments, "--no-sync"], self._user, self._folder)
        assert made.wait(postgres.START_SECONDS) == 0, postgres._last_words(self._folder)

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = [word for setting in SETTINGS for word in ("-c", setting)]
        command = [str(self._binaries / "postgres"), "-D", str(self._folder / "data"), "-k", str(self._folder)]
        self._process = postgres._spawn([*command, *options], self._user, self._folder)
        postgres._await(self._process, self.url, self._folder)

    def stop_at_once(self) -> None:
        """The immediate shutdown: every session is cut off, and the next start recovers from the log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(postgres.START_SECONDS)
            self._process = None


@contextmanager
def running() -> Iterator[OwnServer]:
    """A server for the length of the block. Skips where there are no binaries of PostgreSQL."""
    try:
        binaries = postgres.find_binaries()
        user = postgres._user()
    except postgres.Missing as missing:
        pytest.skip(str(missing))
    folder = Path(tempfile.mkdtemp(prefix="digest-pg-", dir=postgres._parent()))
    os.chown(folder, user.pw_uid, user.pw_gid)
    server = OwnServer(binaries, folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        with suppress(OSError, subprocess.TimeoutExpired):
            server.stop_at_once()
        shutil.rmtree(folder, ignore_errors=True)
