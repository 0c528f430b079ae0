"""Who receives the mail in a crash run, and keeps a record that owes nothing to the sender's tables.

Promises: a copy is in the record only when the receiver has all of it, and before the receiver answers; copies are
told by address. Each receiver says how the product is told to use it, and how many rows a dead sender can leave
unsure at most.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from hashlib import sha256
from pathlib import Path

from tests.crash import tap
from tests.crash.forkserver import ForkServer
from tests.standins import record_server

Copies = dict[str, list[str]]  # address -> SHA-256 of each copy kept

WINDOW = 8  # rows under way at once, as the worker is told


@dataclass(frozen=True)
class Receiving:
    """A receiver at work: its port, if it has one, and its record."""

    port: int | None
    record: Path


@dataclass(frozen=True)
class Receiver:
    """One kind of receiver and the transport that leads to it."""

    name: str
    repeatable: bool
    bound: int  # rows that one kill leaves unsure at most
    group: int  # recipients in one request
    server: str  # the module that receives; empty for a mailbox in the home
    settings: Callable[[int, Path], Mapping[str, str]]  # (port, home) to the environment of the worker
    copies: Callable[[Path], Copies]
    reader: tap.Reader | None = None  # how far a hand-over over a socket is
    arguments: Sequence[str] = ()

    @contextmanager
    def running(self, folder: Path, forks: ForkServer) -> Iterator[Receiving]:
        """At work for the length of the block; `folder` holds the home."""
        if not self.server:
            yield Receiving(None, folder / "home" / "mail")
            return
        with forks.serving(self.server, [str(folder / "record"), *self.arguments], folder) as port:
            yield Receiving(port, folder / "record")


def _mailbox_settings(port: int, home: Path) -> Mapping[str, str]:
    return {"DIGEST_TRANSPORT__KIND": "maildir"}


def _mailbox_copies(mail: Path) -> Copies:
    """What lies in new/ and cur/, each mail with its line ends as they were joined."""
    copies: Copies = {}
    for path in [*mail.glob("new/*"), *mail.glob("cur/*")]:
        data = path.read_bytes()
        address = parseaddr(str(BytesHeaderParser().parsebytes(data)["To"]))[1]
        copies.setdefault(address, []).append(sha256(data.replace(b"\n", b"\r\n")).hexdigest())
    return copies


def _record_settings(port: int, home: Path) -> Mapping[str, str]:
    return {"DIGEST_TRANSPORT__KIND": "tests.standins.faulty:faulty", "FAULTY_RECORD": f"127.0.0.1:{port}"}


def _record_copies(record: Path) -> Copies:
    copies: Copies = {}
    for kept in record_server.read(record):
        copies.setdefault(f"reader{kept.subscriber_id}@example.org", []).append(kept.sha256)
    return copies


def _smtp_settings(port: int, home: Path) -> Mapping[str, str]:
    smtp = "DIGEST_TRANSPORT__SMTP__"
    return {
        "DIGEST_TRANSPORT__KIND": "smtp",
        f"{smtp}HOST": "127.0.0.1",
        f"{smtp}PORT": str(port),
        f"{smtp}SECURITY": "none",
        f"{smtp}CONNECTIONS": "4",
    }


def _sendgrid_settings(port: int, home: Path) -> Mapping[str, str]:
    key = home / "sendgrid.key"
    if port and not key.exists():
        key.write_text("SG.for.tests\n", encoding="ascii")
        key.chmod(0o600)
    sendgrid = "DIGEST_TRANSPORT__SENDGRID__"
    return {
        "DIGEST_TRANSPORT__KIND": "sendgrid",
        f"{sendgrid}BASE_URL": f"http://127.0.0.1:{port}",
        f"{sendgrid}API_KEY_FILE": str(key),
        f"{sendgrid}MAX_PER_REQUEST": "4",
        f"{sendgrid}CONNECTIONS": "2",
    }


def _json_copies(record: Path) -> Copies:
    """One JSON object a line; a server that is killed may leave half of one, which it never answered for."""
    copies: Copies = {}
    text = record.read_text(encoding="utf-8") if record.exists() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            kept = json.loads(line)
            assert "violation" not in kept, f"the client broke the protocol: {kept['violation']}"
            copies.setdefault(kept["address"], []).append(kept["sha256"])
    return copies


MAILDIR = Receiver("maildir", True, 0, 1, "", _mailbox_settings, _mailbox_copies)
SMTP = Receiver("smtp", False, WINDOW, 1, "tests.standins.smtp_server", _smtp_settings, _json_copies, tap.smtp)
SENDGRID = Receiver(
    "sendgrid", False, WINDOW, 4, "tests.standins.sendgrid_server", _sendgrid_settings, _json_copies, tap.http
)
FAULTY = Receiver(
    "faulty",
    False,
    WINDOW,
    1,
    "tests.standins.record_server",
    _record_settings,
    _record_copies,
    tap.lines,
    arguments=("--wait", "0-2"),
)

RECEIVERS = {receiver.name: receiver for receiver in (MAILDIR, SMTP, SENDGRID)}
