"""From errors to what the person reads and the exit code: the command line's one table.

Promises: a fault of the surroundings (a full disk, a missing folder, a database that does not answer) is told like a
refusal, in one or two sentences, and never as a traceback. Refuses: to explain what nobody foresaw; that stays a
traceback, since it is a fault of the program.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass

import typer
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from digest import errors

WRONG_USE = typer.BadParameter.__mro__[1]  # typer's parent of all faults of use; it has no public name


@dataclass(frozen=True)
class Told:
    """What is printed on standard error, and the exit code."""

    lines: Sequence[str]
    code: int


def told(error: BaseException) -> Told | None:
    """What to say about an error; None for one that nobody foresaw."""
    if isinstance(error, errors.ConfigError):
        return Told(error.faults, 1)
    if isinstance(error, errors.BadInput):
        return Told([_one_line(str(error))], 2)
    if isinstance(error, errors.DigestError):
        return Told([_one_line(str(error))], 1)
    if isinstance(error, WRONG_USE):
        return Told(_use(error), 2)
    if isinstance(error, typer.Abort):
        return Told(["Not answered, so nothing was done. Add --yes to do it without being asked."], 1)
    sentence = _surroundings(error)
    return Told([_one_line(sentence)], 1) if sentence else None


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- wrong use -------------------------------------------------------------------------------------------------

_PLAINER = (
    (r"Got unexpected extra argument\(s\) \((.*)\)", r"There is one word too many: \1"),
    (r"Input should be a valid integer.*", "it is no whole number"),
    (r"Input should be greater than or equal to (\S+)", r"it must be \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"it must be \1 or less"),
    (r"Invalid value for (\S+):", r"\1 cannot be understood:"),
    (r"Missing (option|argument) (\S+?)\.?$", r"The \1 \2 is missing"),
    (r"No such (option|command):? (\S+?)\.?(?: \(.*\))?$", r"There is no \1 \2"),
)


def _use(error: BaseException) -> list[str]:
    message = _one_line(getattr(error, "format_message", lambda: str(error))())
    if not message:  # a group without a command: its help has been printed
        return []
    for pattern, plainer in _PLAINER:
        message = re.sub(pattern, plainer, message)
    place = getattr(getattr(error, "ctx", None), "command_path", "digest")
    return [f"{message.rstrip('.')}. `{place} --help` shows how it is used."]


# --- the surroundings ------------------------------------------------------------------------------------------

_FILES = {
    errno.EACCES: "may not be read or written by this account. Change its rights, or name another place.",
    errno.EPERM: "may not be read or written by this account. Change its rights, or name another place.",
    errno.EROFS: "is on a disk that cannot be written. Look after the disk, or name another place.",
    errno.ENOENT: "does not exist, or its folder does not. Make it first, or name another place.",
    errno.ENOTDIR: "is no folder, or lies in something that is none. Name another place.",
    errno.EEXIST: "is there already and is no folder, or another start is making it just now. Try again, or elsewhere.",
    errno.EISDIR: "is a folder, and a file is meant. Name a file.",
    errno.ENAMETOOLONG: "is too long a name. Name another place.",
}
_DATABASE = (
    ("unable to open", "it cannot be opened. See that its folder is there and that this account may write in it."),
    ("readonly", "this account may not write it. Change the rights of the file and of its folder."),
    ("disk is full", "the disk is full. Make room, then try again; what was begun goes on where it stopped."),
    ("disk I/O", "the disk does not read or write. Look after the disk, then try again."),
    ("not a database", "the file is no database, or it is damaged. Put back the last good copy of the home."),
    ("malformed", "the file is damaged. Put back the last good copy of the home."),
)


def _surroundings(error: BaseException) -> str:
    if isinstance(error, OSError):
        return _file(error)
    if isinstance(error, ArgumentError | NoSuchModuleError):
        return "[database] url is no address of a database. Write one such as postgresql://user@host/name, or none."
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        return "A PostgreSQL database needs the package psycopg. Install it with `pip install 'psycopg[binary]'`."
    if isinstance(error, OperationalError) or type(error) is DatabaseError:
        return _database(str(error.orig))
    return ""


def _first(message: str) -> str:
    lines = message.strip().splitlines() or ["no reason is given"]
    return f"{lines[0].strip()[:300].rstrip('.')}."


def _file(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "The disk is full. Make room, then try again; what was begun goes on where it stopped."
    said = _FILES.get(error.errno or 0)
    if error.filename is None or said is None:
        return f"The system refuses: {error}. Mend that, then try again."
    return f"{error.filename} {said}"


def _database(message: str) -> str:
    for part, said in _DATABASE:
        if part in message:
            return f"The database cannot be used: {said}"
    return f"The database does not answer: {_first(message)} See that it runs and that [database] url is right."
