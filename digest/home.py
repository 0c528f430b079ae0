"""A home: the one folder that holds everything of an installation, opened as a whole.

Promises: settings, keys and database belong together and are opened together. Refuses: a home that was never set up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from digest import config, keys
from digest.config import Settings
from digest.db import Database
from digest.keys import Keyring


@dataclass(frozen=True)
class Home:
    """One installation: its folder, settings, keys and database."""

    path: Path
    settings: Settings
    keys: Keyring
    db: Database

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

    def close(self) -> None:
        self.db.close()


def open_home(path: Path) -> Home:
    """The home at `path`. Raises Refused or ConfigError, each with the remedy."""
    settings = config.load(path)
    return Home(path, settings, keys.load(path), Database(config.database_url(settings, path)))
