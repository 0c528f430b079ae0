"""Transports that need no server: `Outbox` in memory, and `Maildir`, a local mailbox.

Promises: both are repeatable, handing over the same delivery again keeps one copy. A mail accepted into a Maildir is
on disk: the file is named from the edition's uid and the subscriber, written under tmp/, synced, linked into new/ (a
name that is there already is the proof of an earlier delivery), and the folder is synced before the receipt is told.
A mail that its reader has moved to cur/, with any flags, counts as delivered. Line ends in the files are LF.
Refuses: to leave anything half-written in new/; a mailbox that cannot be written answers RELAY, which stops the run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, unquote

from digest.delivery import owners
from digest.delivery.message import Recipient
from digest.delivery.transports.base import Answer, Body, Receipt, Sequential, unfit
from digest.errors import BadInput
from digest.home import Home

TOGETHER = 50  # mails between two syncs of new/; their receipts are told after it
STALE_SECONDS = 36 * 3600  # a file in tmp/ this old is abandoned (https://cr.yp.to/proto/maildir.html)
STEADY_NS = 1_000_000_000  # a folder changed more recently may change again without a new time stamp
FLAGS = ":"  # what a mail reader puts between the name and its flags

ACCEPTED = Receipt(Answer.ACCEPTED)

_serial = itertools.count()
_tmp_name = re.compile(r".+\.digest,\d+,(?P<owner>[^,]+)")


class Outbox(Sequential):
    """Keeps every mail in memory, or with `keep=False` only its SHA-256: for tests, dry runs and measuring."""

    name = "outbox"
    repeatable = True

    def __init__(self, *, keep: bool = True) -> None:
        super().__init__()
        self._keep = keep
        self._kept: dict[str, dict[int, bytes]] = {}

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        """Keeps the mail; a second hand-over of the same delivery replaces the first."""
        body = variant.join(recipient)
        edition = self._kept.setdefault(variant.uid, {})
        edition[recipient.subscriber_id] = body if self._keep else sha256(body).digest()
        return ACCEPTED

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return ((uid, subscriber_id) for uid, edition in self._kept.items() for subscriber_id in edition)

    def get(self, uid: str, subscriber_id: int) -> bytes | None:
        """The mail of one delivery (its SHA-256 with `keep=False`), or None."""
        return self._kept.get(uid, {}).get(subscriber_id)


class Maildir(Sequential):
    """A mailbox in a folder, as any mail reader opens it."""

    name = "maildir"
    repeatable = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._present = _Present(folder)
        self._known: deque[tuple[int, Receipt]] = deque()
        self._owner = ""

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        """Delivers what waits, some together under one sync of new/, until `timeout` is over."""
        until = time.monotonic() + timeout
        while self._known or (self._waiting and time.monotonic() < self._until):
            if not self._known:
                self._deliver_some()
            while self._known:
                yield self._known.popleft()
            if time.monotonic() >= until:
                return

    def single(self) -> Maildir:
        """Another one over the same folder."""
        return Maildir(self._folder)

    def close(self) -> None:
        """Forgets what waits; what was delivered is found again."""
        super().close()
        self._known.clear()

    def _deliver_some(self) -> None:
        some = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        try:
            self._prepare()
            self._present.refresh()
        except OSError as error:
            self._known.extend((position, _unwritable(error)) for position, _, _ in some)
            return
        linked: dict[int, str] = {}
        known = {position: self._link(position, variant, recipient, linked) for position, variant, recipient in some}
        try:
            self._settle(linked.values())
        except OSError as error:
            self._take_back(linked.values())
            known |= dict.fromkeys(linked, _unwritable(error))
        self._known.extend(known.items())

    def _link(self, position: int, variant: Body, recipient: Recipient, linked: dict[int, str]) -> Receipt:
        name = file_name(variant.uid, recipient.subscriber_id)
        if name in self._present or (self._folder / "new" / name).exists():
            return ACCEPTED
        tmp = self._folder / "tmp" / f"{name},{next(_serial)},{self._owner}"
        try:
            _write(tmp, variant.join(recipient).replace(b"\r\n", b"\n"))
            with contextlib.suppress(FileExistsError):
                os.link(tmp, self._folder / "new" / name)
                linked[position] = name
            tmp.unlink()
        except OSError as error:
            with contextlib.suppress(OSError):
                tmp.unlink(missing_ok=True)
            return _unwritable(error)
        except BadInput as error:
            return unfit(error)
        return ACCEPTED

    def _settle(self, names: Iterable[str]) -> None:
        """Makes the links durable. A copy that was moved to cur/ between the look and the link is the one kept."""
        _sync(self._folder / "new")
        self._present.refresh()
        for name in names:
            if name in self._present.moved:
                (self._folder / "new" / name).unlink(missing_ok=True)

    def _take_back(self, names: Iterable[str]) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                (self._folder / "new" / name).unlink(missing_ok=True)

    def _prepare(self) -> None:
        if self._owner:
            return
        for name in (".", "tmp", "new", "cur"):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self._folder, self._folder.parent):
            _sync(folder)
        _clear(self._folder / "tmp")
        self._owner = quote(owners.me(), safe="")


class _Present:
    """The names in a mailbox, flags left off, read when first asked and again when a mail reader changed cur/.

    Names are never forgotten: a mail that its reader has deleted was delivered all the same.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._new: set[str] = set()
        self.moved: set[str] = set()
        self._stamp: int | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._new or name in self.moved

    def refresh(self) -> None:
        stamp = (self._folder / "cur").stat().st_mtime_ns
        if stamp == self._stamp:
            return
        steady = time.time_ns() - stamp > STEADY_NS
        self._new.update(_names(self._folder / "new"))
        self.moved.update(_names(self._folder / "cur"))
        self._stamp = stamp if steady else None


def maildir(home: Home) -> Maildir:
    """The transport that fills the home's own mailbox."""
    return Maildir(home.mail)


def file_name(uid: str, subscriber_id: int) -> str:
    """The name of one delivery's file, the same at every try."""
    if not uid.isalnum():
        raise ValueError("an edition's uid consists of letters and digits")
    return f"{uid}-{subscriber_id}.digest"


def find(folder: Path, uid: str, subscriber_id: int) -> Path | None:
    """The file of one delivery in the mailbox `folder`, whether new or moved by a mail reader, or None."""
    name = file_name(uid, subscriber_id)
    for place in (folder / "new", folder / "cur"):
        if (place / name).exists():
            return place / name
        if flagged := next(place.glob(f"{name}{FLAGS}*"), None):
            return flagged
    return None


def _names(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name.partition(FLAGS)[0]


def _write(path: Path, body: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(tmp: Path) -> None:
    """Removes what dead processes of ours left in tmp/; files of other programs are theirs."""
    with os.scandir(tmp) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if _is_abandoned(entry.name, age=time.time() - entry.stat().st_mtime):
                    Path(entry.path).unlink()


def _is_abandoned(name: str, *, age: float) -> bool:
    written_by = _tmp_name.fullmatch(name)
    if written_by is None:
        return False
    return owners.is_gone(unquote(written_by["owner"])) or age > STALE_SECONDS


def _unwritable(error: OSError) -> Receipt:
    return Receipt(Answer.RELAY, "mailbox", f"The mailbox cannot be written: {error.strerror or error}.")
