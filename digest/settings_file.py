"""Writes `digest.toml`: some settings change, every comment and the order of all others stay.

Promises: what is written has been understood as settings first, and says what it said before but for the changes; the
file is replaced as a whole and keeps its mode, so that whoever reads meanwhile, or a loss of power, finds the old one
or the new one; two who write do it one after the other (`held`). Refuses: what is no setting or does not fit, each
fault by its key; and what the environment sets, which would win over the file.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, Comment, Table, Whitespace

from digest import config
from digest.config import Settings
from digest.errors import BadInput, Refused

NEW_MODE = 0o600  # of a file that was not there: it may come to name what is nobody's business


@dataclass(frozen=True)
class File:
    """The file as it is while it is held."""

    path: Path
    text: str

    def changed(self, changes: Mapping[str, Any]) -> tuple[str, Settings]:
        """The text with these changes (by key, "site.name", in plain values), and the settings that it stands for.

        Raises ConfigError with the faults by key, BadInput for a key that the environment sets.
        """
        wanted = tomllib.loads(self.text)
        document = tomlkit.parse(self.text)
        for key, value in changes.items():
            if is_outside(key):
                raise BadInput(key, "The environment of the program sets it.", "Change it there.")
            *sections, name = key.split(".")
            _into(wanted, sections)[name] = copy.deepcopy(value)
            _set(document, sections, name, value)
        text = tomlkit.dumps(document)
        if not _says(text, wanted):
            raise Refused(f"{self.path} is written in a way that cannot be changed from here. Change it by hand.")
        return text, config.understood(text, self.path)

    def write(self, text: str) -> None:
        """Puts `text` in the place of the file. Raises Refused when this account may not."""
        try:
            put(self.path, text.encode(), mode=NEW_MODE)
        except OSError as error:
            raise Refused(f"{self.path} cannot be written: {error.strerror}. Nothing was changed.") from error


@contextlib.contextmanager
def held(home: Path) -> Iterator[File]:
    """The settings file of `home`, which nobody else writes from here meanwhile. Raises Refused when it is away."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield _read((home / config.FILE).resolve())  # a link goes on leading to the file
    finally:
        os.close(folder)


def _read(path: Path) -> File:
    try:
        return File(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Refused(f"{path} cannot be read: {why}. Nothing was changed.") from error


def is_outside(key: str) -> bool:
    """Whether the environment sets this key, or a part of it."""
    return bool(outside([key]))


def outside(keys: Iterable[str]) -> list[str]:
    """Those of the keys that the environment sets, or a part of them."""
    given = config.given_outside()
    return [key for key in keys if _is_in(given, key)]


def _is_in(found: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def put(path: Path, data: bytes, *, mode: int) -> None:
    """The whole file or none, on the disk when this returns; one that is there keeps its mode, and its owner where
    this account may give that. Raises OSError."""
    half = path.with_name(f".{path.name}.new")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        with contextlib.suppress(FileNotFoundError):
            old = path.stat()
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- one change in the document --------------------------------------------------------------------------------


def _into(container: Any, sections: list[str], *, new: Any = dict) -> Any:
    """The section below these; those that are missing are made."""
    for name in sections:
        if name not in container:
            container[name] = new()
        container = container[name]
        if not isinstance(container, MutableMapping):
            raise Refused(f"[{'.'.join(sections)}] in {config.FILE} is no section. Correct it by hand.")
    return container


def _set(document: tomlkit.TOMLDocument, sections: list[str], name: str, value: Any) -> None:
    section = _into(document, sections, new=tomlkit.table)
    if isinstance(value, Mapping):
        _set_pairs(section, name, value)
    elif isinstance(section.get(name), AoT) or (isinstance(value, list) and value and isinstance(value[0], Mapping)):
        _set_rows(section, name, value)
    else:
        section[name] = value


def _set_pairs(section: Any, name: str, pairs: Mapping[str, Any]) -> None:
    """Pair by pair, so that the comments of those that stay do too."""
    if not isinstance(section.get(name), MutableMapping):
        section[name] = tomlkit.inline_table()
    held = section[name]
    for gone in [key for key in held if key not in pairs]:
        del held[gone]
    for key, value in pairs.items():
        if key not in held or held[key] != value:
            held[key] = value


def _set_rows(section: Any, name: str, rows: list[Mapping[str, Any]]) -> None:
    """A list of tables. What stands behind its last one, and belongs to what follows, stays behind the last one."""
    old = section.get(name)
    tail = _tail(old[-1]) if isinstance(old, AoT) and len(old) else []
    kept = [*old] if isinstance(old, AoT) else []
    if name in section:
        del section[name]
    if not rows:
        section[name] = []
        for trivia in tail:
            section.add(trivia)
        return
    fresh = tomlkit.aot()
    for place, row in enumerate(rows):
        table = kept[place] if place < len(kept) else tomlkit.table()
        for gone in [key for key in table if key not in row]:
            del table[gone]
        for key, value in row.items():
            if key not in table or table[key] != value:
                table[key] = value
        if place == len(kept) - 1 and place < len(rows) - 1:
            table.add(tomlkit.nl())
        fresh.append(table)
    for trivia in tail:
        fresh[-1].add(trivia)
    section[name] = fresh


def _tail(table: Table) -> list[Any]:
    """Takes the comments and empty lines from the end of a table."""
    body, found = table.value.body, []
    while body and body[-1][0] is None and isinstance(body[-1][1], Comment | Whitespace):
        found.append(body.pop()[1])
    return found[::-1]
