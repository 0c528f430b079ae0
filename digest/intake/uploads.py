"""The files of another site that its items carry: taken from a copy of its folder, or fetched, once each.

Promises: a file that came before is known by its address and is neither read nor fetched again; what cannot be had is
said, and stays a link to where it is; all that a run fetches is bounded in number, size and time, and a later run goes
on from there. Refuses: addresses that `fetch` refuses, and files that `media` refuses.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from digest import fetch, markup, media
from digest.errors import BadInput, DigestError, NotFound, Refused
from digest.shelf import Attachment

FIELDS = {"Accept": "application/pdf, image/*;q=0.9", "User-Agent": "Digest (newsletter; brings in its own site)"}
TYPES = {"pdf": "application/pdf", "image": "image/*"}
ROOT = "/uploads/"  # what comes before it in an address is WordPress's, what comes behind it is in the folder


@dataclass
class Budget:
    """What a run may still fetch."""

    files: int = 2_000
    size: int = 2_000_000_000  # bytes
    until: float = field(default_factory=lambda: time.monotonic() + 3_600)

    def spend(self, *, files: int = 0, size: int = 0) -> None:
        """Takes so many files, or bytes, off."""
        self.files, self.size = self.files - files, self.size - size

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be fetched in this run."""
        return self.files <= 0 or self.size <= 0 or time.monotonic() > self.until


@dataclass(frozen=True)
class Uploads:
    """Where files come from: a copy of wp-content/uploads, the way out, neither or both; and where they are kept."""

    media: Path | None = None
    folder: Path | None = None
    way: fetch.Way | None = None
    keep: bool = True  # without it files of the folder are only looked at, and nothing is fetched
    budget: Budget = field(default_factory=Budget)

    def bring(self, role: str, url: str, alt: str = "") -> tuple[Attachment | None, DigestError | None]:
        """The file at an address as an item carries it, and why it stays where it is, if it should have come.

        Without https and without having come it cannot be carried: then there is no attachment.
        """
        known = media.brought(self.media, url) if self.media else None
        failed = None
        if known is None:
            try:
                known = self._found(url)
            except DigestError as error:
                failed = error
        if known is not None and known.role == role:
            return dataclasses.replace(known, alt=markup.line(alt) if role == "image" else ""), None
        if known is not None:
            failed = BadInput(role, f"{url[:200]} is of another type than its address says.", "Look at it there.")
        return _link(role, url, alt), failed

    def _found(self, url: str) -> Attachment | None:
        """The file from the folder, else fetched; None when neither way is open. Raises DigestError."""
        name = _name(url)
        try:
            if self.folder is not None:
                data = media.read(self.folder, name, media.LARGEST, "uploads")
                return self._kept(data, url)
        except BadInput:
            if self.way is None:
                raise
        if self.way is None or not self.keep:
            return None
        return self._kept(self._fetched(url, self.way), url)

    def _kept(self, data: bytes, url: str) -> Attachment:
        return media.keep(self.media if self.keep else None, data, _name(url), origin=url, where="file")

    def _fetched(self, url: str, way: fetch.Way) -> bytes:
        if self.budget.is_spent:
            raise Refused(f"{url[:200]} was not fetched: this run has fetched enough. Import again to go on.")
        self.budget.spend(files=1)  # before the host is asked: one that gives no answer has cost a turn too
        answer = fetch.get(url, fields=FIELDS, limits=fetch.Limits(size=media.LARGEST), way=way)
        self.budget.spend(size=len(answer.body))
        if answer.status != 200:
            raise Refused(f"{url[:200]} answers {answer.status}. Look at it there, and import again.")
        return answer.body


NONE = Uploads()


def checked(folder: str) -> Path | None:
    """The folder that staff name, if they name one. Raises NotFound when it is not there."""
    if folder and not Path(folder).is_dir():
        raise NotFound(f"There is no folder {folder}. Name a copy of wp-content/uploads.")
    return Path(folder) if folder else None


def _name(url: str) -> str:
    """Where a file with this address lies in the folder, such as 2021/05/a.pdf."""
    path = unquote(urlsplit(url).path)
    return path.partition(ROOT)[2] or path.lstrip("/")


def _link(role: str, url: str, alt: str) -> Attachment | None:
    """The file where it is, when readers can be sent there."""
    if not (address := markup.address(url, schemes=("https",))):
        return None
    shown = markup.line(PurePosixPath(_name(url)).name)
    return Attachment(role, address, shown, TYPES[role], 0, alt=markup.line(alt))
