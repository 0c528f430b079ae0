"""Passwords and keys by which carriers know this installation: written, never read back by a page.

Promises: each is a file of its own in keys/, readable by this account alone, under a new name each time: until the
settings name the new one the old one holds, and processes notice the change by the name. What the settings name
outside keys/ is the operator's own and left alone. Refuses what cannot be written.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from digest import settings_file
from digest.errors import Refused

PASSWORD, KEY = "smtp-password", "sendgrid-key"
_OURS = re.compile(rf"keys/(?:{PASSWORD}|{KEY})-[0-9a-f]{{8}}")


def keep(home: Path, kind: str, secret: str) -> str:
    """Writes a secret down; the name of its file, as the settings name it. Raises Refused when it cannot be written."""
    name = f"keys/{kind}-{secrets.token_hex(4)}"
    try:
        settings_file.put(home / name, f"{secret}\n".encode(), mode=0o600)
    except OSError as error:
        raise Refused(f"{home / 'keys'} cannot be written: {error.strerror}. Nothing was changed.") from error
    return name


def forget(home: Path, name: str) -> None:
    """Deletes a secret that this module wrote; any other file is left alone."""
    if _OURS.fullmatch(name):
        (home / name).unlink(missing_ok=True)


@contextlib.contextmanager
def lent(home: Path, kind: str, secret: str) -> Iterator[str]:
    """The same for as long as the block lasts."""
    name = keep(home, kind, secret)
    try:
        yield name
    finally:
        forget(home, name)


def set_on(home: Path, name: str) -> datetime | None:
    """When the secret in this file was written; None when there is none."""
    try:
        return datetime.fromtimestamp((home / name).stat().st_mtime, UTC) if name else None
    except OSError:
        return None
