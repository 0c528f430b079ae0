"""A real Postfix of our own: it listens on one loopback port, and puts every mail into one Maildir of a temp folder.

Nothing it is given can leave the machine: it knows no other transport than virtual(8), and every domain but one is an
error. It shares no file with a Postfix of the system. Promises: master and its children end with the block, and with
the tests when those are killed (the kernel tells master that its parent is gone).
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.runs import until

DOMAIN = "example.org"
BOX_OWNER = "nobody"  # virtual(8) delivers as a user who is neither root nor Postfix itself
_MISSING = "Postfix is missing, so mail is not tried with it. Debian: apt-get install postfix (No configuration)"

# Asks the kernel for SIGTERM when the parent dies, in a session of its own, since master signals its whole group.
_SHIM = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """One at work."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def delivered(self) -> list[Path]:
        """The mails in the Maildir."""
        return list((self.folder / "box" / "inbox" / "new").glob("*"))

    @property
    def log(self) -> str:
        return (self.folder / "log" / "maillog").read_text(encoding="utf-8", errors="replace")

    def queue(self) -> int:
        """How many mails it still holds."""
        places = ("maildrop", "incoming", "active", "deferred", "hold")
        return sum(path.is_file() for place in places for path in (self.folder / "queue" / place).rglob("*"))

    def settle(self) -> None:
        """Waits until nothing is queued any more."""
        until(lambda: not self.queue(), "the queue is empty", why=lambda: self.log[-2000:])

    def processes(self) -> list[int]:
        """Its processes: they all work in the queue's folder."""
        here = str(self.folder / "queue")
        return [int(link.parent.name) for link in Path("/proc").glob("[0-9]*/cwd") if _leads_to(link, here)]

    def stop(self) -> None:
        """Ends it as an administrator does, and waits for master."""
        _do(_program("postfix"), "-c", str(self.folder / "etc"), "stop")
        self.process.wait(30)


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[Postfix]:
    """One at work for the length of the block, with these settings beside our own. Skips where there is none."""
    program = _program("postfix")
    if not program:
        pytest.skip(_MISSING)
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only: run the tests as root to try mail with it")
    folder = Path(tempfile.mkdtemp(prefix="digest-postfix-", dir="/var/tmp"))
    try:
        port = _free_port()
        _configure(folder, port, settings or {})
        process = _start(program, folder)
        postfix = Postfix(folder, port, process)
        try:
            until(lambda: _answers(port) or process.poll() is not None, "Postfix answers")
            assert process.poll() is None, f"Postfix did not start. {_words(folder)}"
            yield postfix
        finally:
            if process.poll() is None:
                postfix.stop()
    finally:
        shutil.rmtree(folder)


def _configure(folder: Path, port: int, more: Mapping[str, str]) -> None:
    folder.chmod(0o755)
    owner = pwd.getpwnam(BOX_OWNER)
    for name in ("etc", "queue", "data", "box", "log"):
        (folder / name).mkdir(mode=0o755)
    shutil.chown(folder / "data", "postfix")
    os.chown(folder / "box", owner.pw_uid, owner.pw_gid)
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": f"{folder}/queue",
        "data_directory": f"{folder}/data",
        "command_directory": _built_in("command_directory"),
        "daemon_directory": _built_in("daemon_directory"),
        "maillog_file": f"{folder}/log/maillog",
        "maillog_file_prefixes": str(folder),
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "mynetworks": "127.0.0.1/32",
        "myhostname": "mail.example.org",
        "mydestination": "",
        "alias_maps": "",
        "local_recipient_maps": "",
        "local_transport": "error:there is no local mail here",
        "default_transport": "error:nothing leaves this machine",
        "relay_transport": "error:nothing leaves this machine",
        "virtual_transport": "virtual",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_base": f"{folder}/box",
        "virtual_mailbox_maps": "static:inbox/",
        "virtual_mailbox_limit": "0",
        "virtual_uid_maps": f"static:{owner.pw_uid}",
        "virtual_gid_maps": f"static:{owner.pw_gid}",
        "smtpd_peername_lookup": "no",
        "smtp_dns_support_level": "disabled",
        "in_flow_delay": "0",
        **more,
    }
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (folder / "etc" / "main.cf").write_text(lines, encoding="ascii")
    (folder / "etc" / "master.cf").write_text(_MASTER.format(port=port), encoding="ascii")


def _built_in(name: str) -> str:
    """What Postfix was built with, which differs from system to system."""
    return _do(_program("postconf"), "-dh", name).strip()


def _program(name: str) -> str:
    """Where a program of Postfix is; empty when it is nowhere."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or ""


def _start(program: str, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log" / "start").open("wb") as words:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid()), program, "-c", f"{folder}/etc", "start-fg"],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
        )


def _leads_to(link: Path, folder: str) -> bool:
    try:
        return str(link.readlink()).startswith(folder)
    except OSError:  # it has ended, or is none of ours
        return False


def _do(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False


def _words(folder: Path) -> str:
    files = (folder / "log" / "start", folder / "log" / "maillog")
    return "\n".join(file.read_text(encoding="utf-8", errors="replace")[-2000:] for file in files if file.exists())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
