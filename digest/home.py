"""A home: the one folder that holds everything of an installation, opened as a whole.

Promises: settings, keys and database belong together and are opened together; a process that stays takes up changed
settings when it asks (`follow`), all of them at once. A file that has become wrong changes nothing, and the log says
so. Refuses: a home that was never set up.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from digest import config, keys
from digest.config import Settings
from digest.db import Database
from digest.errors import DigestError
from digest.keys import Keyring

log = structlog.get_logger(__name__)

Mark = tuple[int, int, int]  # what tells one state of a file from another


@dataclass
class Home:
    """One installation: its folder, settings, keys and database. The settings are replaced as a whole, by `follow`."""

    path: Path
    settings: Settings
    keys: Keyring
    db: Database
    seen: Mark | None = field(default=None, repr=False, compare=False)  # the file of the settings; None: not from one

    @property
    def feeds(self) -> Path:
        """The folder of the feed files."""
        return self.path / "feeds"

    @property
    def mail(self) -> Path:
        """The local mailbox (Maildir) that the default transport fills."""
        return self.path / "mail"

    @property
    def media(self) -> Path:
        """The folder of PDFs and images, named by hash."""
        return self.path / "media"

    def follow(self) -> bool:
        """Takes up what the file says now, when it has changed; whether anything did. One call to the system."""
        if self.seen is None or (now := _mark(self.path)) in (None, self.seen):
            return False
        self.seen = now
        try:
            fresh = config.load(self.path)
        except (DigestError, OSError) as error:
            log.error("the settings stay as they were: the file is wrong", why=str(error))
            return False
        changed, self.settings = fresh != self.settings, fresh
        return changed

    def close(self) -> None:
        self.db.close()


def open_home(path: Path) -> Home:
    """The home at `path`. Raises Refused or ConfigError, each with the remedy."""
    seen = _mark(path)  # before it is read: what is written meanwhile is taken up later
    settings = config.load(path)
    return Home(path, settings, keys.load(path), Database(config.database_url(settings, path)), seen)


def _mark(path: Path) -> Mark | None:
    try:
        found = os.stat(path / config.FILE)  # noqa: PTH116 - on the way of every request, where Path.stat costs twice
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
