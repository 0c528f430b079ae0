"""Items on their way in by the console: parked, tried without a trace, then brought in, beside the site's own work.

Promises: what was tried is what is brought in, since a feed is asked once and its answer kept; nobody waits for it, and
one goes at a time, whoever asks: the lock of the one that works is let go of by its death; what it came to is noted
after each of its transactions, so that one that was killed goes on behind the last that was noted, and what comes
twice changes nothing. The file is deleted once its items are in, or after a day. Refuses: a file of another kind than
was said, and an import that nobody has tried.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath

import structlog

from digest import intake, markup, parking, wxr
from digest.drafts import Draft
from digest.errors import BadInput, DigestError, NotFound, Problem, Refused
from digest.home import Home
from digest.intake import Report, look, markdown, packed, ways
from digest.intake.uploads import Uploads

log = structlog.get_logger(__name__)

LARGEST = {ways.MARKDOWN: 200 << 20, ways.WORDPRESS: 512 << 20}  # bytes of an upload
LONGEST = 2_000  # characters of an address
FIRST = 20  # items that a trial names
TURN = 50  # drafts in one transaction: about a second, while whoever else writes waits
NEW, TRYING, TRIED, BRINGING, DONE = "new", "trying", "tried", "bringing", "done"
WORKING = (TRYING, BRINGING)
FAULT = "The program failed at it; its log says how."
_LOCK, _DOOR = "at-work", "door"  # locks of the operating system: of the one at work, and of whoever looks for it
_ROOM = "unpacked."  # what folders are called into which one is unpacked
_ZIP = b"PK\x03\x04", b"PK\x05\x06"


@dataclass(frozen=True)
class Wish:
    """What staff say of it: whose rules say what categories are, that nobody is told, and that files are fetched."""

    digest: str = ""
    known: bool = False
    fetching: bool = False


NO_WISH, NOTHING = Wish(), Report()


@dataclass(frozen=True)
class Parcel:
    """One import: its number by chance, how it is read, what it was called, and how far it is.

    `read` drafts have been dealt with; `first` are the titles of the first of them; `why` says what ended it early.
    """

    id: str
    way: str
    name: str
    kind: str  # of the parked file: md, zip, xml, feed
    address: str = ""  # of a feed
    media_type: str = ""
    wish: Wish = NO_WISH
    state: str = NEW
    read: int = 0
    report: Report = NOTHING
    first: tuple[str, ...] = ()
    why: str = ""


Then = Callable[[Parcel], None]


# --- taking it -------------------------------------------------------------------------------------------------


def take(home: Home, half: Path, name: str, way: str, wish: Wish, *, now: datetime) -> Parcel:
    """Parks an upload that has come whole. Raises BadInput naming "file" when it is not what it should be."""
    parcel = Parcel(parking.number(), way, markup.line(name)[:120], _kind(half, name, way), wish=wish)
    parking.take(home, half, parcel.id, parcel.kind, now=now)
    return _noted(home, parcel, now)


def ask(home: Home, address: str, wish: Wish, *, now: datetime) -> Parcel:
    """Asks for a feed and parks the answer. Raises BadInput or Refused naming what is wrong with it."""
    if not ways.is_address(address) or len(address) > LONGEST:
        raise BadInput("address", "This is no address of a feed.", "Write it whole, such as https://example.org/feed/.")
    answer, _ = look.first(home.settings, address)
    kind = markup.line(answer.fields.get("content-type", ""))[:200]
    parcel = Parcel(parking.number(), ways.FEED, address[:120], "feed", answer.url, kind, wish)
    half, out = parking.begin(home)
    with out:
        out.write(answer.body)
    parking.take(home, half, parcel.id, parcel.kind, now=now)
    return _noted(home, parcel, now)


def _kind(half: Path, name: str, way: str) -> str:
    with half.open("rb") as file:
        begins = file.read(4)
    if not begins:
        raise BadInput("file", "It is empty.", "Choose another.")
    if way == ways.WORDPRESS:
        if not wxr.is_export(half):
            raise BadInput("file", "It is no export of WordPress.", "Take the .xml that Tools, Export writes there.")
        return "xml"
    if begins in _ZIP:
        return "zip"
    if not name.lower().endswith(packed.TEXTS):
        raise BadInput("file", "It is neither a zip nor a Markdown file.", "Choose a .zip, or one file ending in .md.")
    return "md"


# --- finding it ------------------------------------------------------------------------------------------------


def find(home: Home, number: str) -> Parcel:
    """The import with this number. Raises NotFound, also when its day is over."""
    said = parking.facts(home, number)
    if set(said) != {one.name for one in fields(Parcel)}:
        raise NotFound("There is no such import.")  # but a file of another kind
    report = said.pop("report")
    problems = tuple(Problem(**one) for one in report.pop("problems"))
    wish, first = Wish(**said.pop("wish")), tuple(said.pop("first"))
    return Parcel(**said, wish=wish, first=first, report=Report(**report, problems=problems))


def all(home: Home) -> list[Parcel]:
    """Those that are kept, the latest first."""
    notes = sorted((home.path / parking.FOLDER).glob("*.json"), key=_age, reverse=True)
    found = []
    for note in notes:
        try:
            found.append(find(home, note.stem))
        except NotFound:
            continue
    return found


def _age(note: Path) -> float:
    try:
        return note.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def at_work(home: Home) -> str:
    """The number of the one that is being tried or brought in, by whichever process; empty when none is.

    Asked before `find`, it tells of one that is noted as under way whether it is, or was cut off.
    """
    with _locked(home, _DOOR):
        try:
            with _locked(home, _LOCK, wait=False):
                return ""
        except BlockingIOError:
            return (parking.folder(home) / _LOCK).read_text(encoding="ascii")


def wait(home: Home) -> None:
    """Returns when none is at work."""
    with _locked(home, _LOCK):
        pass


# --- working on it ---------------------------------------------------------------------------------------------


def rehearse(home: Home, parcel: Parcel, wish: Wish, *, now: datetime) -> Parcel:
    """Begins to try it, beside whoever asked. Raises Refused when it is in, or while another is at work."""
    if parcel.state in (BRINGING, DONE):
        raise Refused("These items are in already, or some of them: go on with it.")
    fresh = replace(parcel, wish=wish, state=TRYING, read=0, report=NOTHING, first=(), why="")
    return _begin(home, fresh, now, lambda one: None)


def perform(home: Home, parcel: Parcel, *, now: datetime, first: Callable[[], object], then: Then) -> Parcel:
    """Begins to bring it in, or goes on with it: `first` is called before, `then` when all is in.

    Raises Refused without a trial, or while another is at work.
    """
    if parcel.state not in (TRIED, BRINGING):
        told = "These items are in already." if parcel.state == DONE else "Look first at what would happen."
        raise Refused(told)
    if parcel.state == TRIED:
        parcel = replace(parcel, state=BRINGING, read=0, report=NOTHING)
    return _begin(home, replace(parcel, why=""), now, then, first)


def _begin(home: Home, parcel: Parcel, now: datetime, then: Then, first: Callable[[], object] = bool) -> Parcel:
    with ExitStack() as held:
        with _locked(home, _DOOR):
            try:
                lock = held.enter_context(_locked(home, _LOCK, wait=False))
            except BlockingIOError:
                why = "Another import is under way. Wait until it has ended, then try again."
                raise Refused(why) from None
            os.truncate(lock, 0)
            os.pwrite(lock, parcel.id.encode(), 0)
        first()
        _noted(home, parcel, now)
        work = _Work(home, parcel, now, then, held.pop_all())
        threading.Thread(target=work.do, name=parcel.id, daemon=True).start()
    return parcel


class _Work:
    """One import at work, in a thread of its own; it holds the lock until its end."""

    def __init__(self, home: Home, parcel: Parcel, now: datetime, then: Then, held: ExitStack) -> None:
        self.home, self.parcel, self.now, self.then, self.held = home, parcel, now, then, held

    def do(self) -> None:
        """Goes through all that is left of it, and notes how it ended."""
        with self.held:
            try:
                for left in parking.folder(self.home).glob(f"{_ROOM}*"):  # by one that was killed: this one is alone
                    shutil.rmtree(left, ignore_errors=True)
                with tempfile.TemporaryDirectory(prefix=_ROOM, dir=parking.folder(self.home)) as room:
                    self._go_through(Path(room))
                self._end()
            except DigestError as error:
                self._note(state=_cut_off(self.parcel), why=_said(self.home, self.parcel, error))
            except Exception:
                log.exception("an import failed", way=self.parcel.way)
                self._note(state=_cut_off(self.parcel), why=FAULT)

    def _go_through(self, room: Path) -> None:
        drafts = islice(_drafts(self.home, self.parcel, room, self.now), self.parcel.read, None)
        before = self.parcel.report

        def told(turn: int, report: Report) -> None:
            self._note(read=self.parcel.read + turn, report=before + report)

        intake.bring_in_turns(
            self.home.db,
            self._seen(drafts),
            now=self.now,
            zone=self.home.settings.site.time_zone,
            known=self.parcel.wish.known,
            dry_run=self.parcel.state == TRYING,
            told=told,
            most=TURN,
        )

    def _seen(self, drafts: Iterator[Draft | Problem]) -> Iterator[Draft | Problem]:
        """The same, whose first titles are remembered."""
        for one in drafts:
            if isinstance(one, Draft) and len(self.parcel.first) < FIRST:
                self.parcel = replace(self.parcel, first=(*self.parcel.first, one.title))
            yield one

    def _end(self) -> None:
        if self.parcel.state == TRYING:
            self._note(state=TRIED)
            return
        self.then(self.parcel)
        self._note(state=DONE)
        parking.drop(self.home, self.parcel.id, self.parcel.kind)

    def _note(self, **facts: object) -> None:
        self.parcel = _noted(self.home, replace(self.parcel, **facts), self.now)  # type: ignore[arg-type]


def _cut_off(parcel: Parcel) -> str:
    """What one is that ended early: what it has brought in stays."""
    return BRINGING if parcel.state == BRINGING else NEW


def _drafts(home: Home, parcel: Parcel, room: Path, now: datetime) -> Iterator[Draft | Problem]:
    """What the parked file holds. Raises BadInput, also in the midst of it; NotFound without the file."""
    path = parking.path(home, parcel.id, parcel.kind)
    if not path.exists():
        raise NotFound("This file is not kept any more. Bring it again.")
    bringing, digest = parcel.state == BRINGING, parcel.wish.digest
    if parcel.way == ways.WORDPRESS:
        files = Uploads(home.media, None, ways.way_out(home) if parcel.wish.fetching else None, keep=bringing)
        return ways.read(home, str(path), ways.WORDPRESS, digest=digest, now=now, files=files)
    if parcel.way == ways.FEED:
        answer = ways.Fetched(path.read_bytes(), parcel.address, parcel.media_type)
        return ways.read_answer(home, answer, digest=digest, now=now)
    if parcel.kind == "zip":
        packed.unpack(path, room)
    else:
        stem = markdown.slugify(PurePosixPath(parcel.name).stem) or "item"
        (room / f"{stem}.md").write_bytes(path.read_bytes())
    return markdown.read(room, zone=home.settings.site.time_zone, media=home.media if bringing else None)


def _said(home: Home, parcel: Parcel, error: DigestError) -> str:
    """The error in words, with the name that staff know the file by."""
    return str(error).replace(str(parking.path(home, parcel.id, parcel.kind)), parcel.name).removeprefix("file: ")


def _noted(home: Home, parcel: Parcel, now: datetime) -> Parcel:
    parking.note(home, parcel.id, asdict(parcel), now=now)
    return parcel


@contextmanager
def _locked(home: Home, name: str, *, wait: bool = True) -> Iterator[int]:
    """Holds a lock that ends with the process. Raises BlockingIOError when it is held and is not waited for."""
    descriptor = os.open(parking.folder(home) / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield descriptor
    finally:
        os.close(descriptor)
