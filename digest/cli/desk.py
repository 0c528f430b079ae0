"""What every command needs: the home, the clock, and one way to print.

Promises: the home is opened once and brought to the newest schema before a command touches it; a command prints
either lines for people or one JSON document. Refuses: nothing.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import logging
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import structlog
import typer

import subscribers.tables  # the people's tables belong to the schema
from digest import config, schema
from digest.errors import BadInput, Refused
from digest.home import Home, open_home
from subscribers import sheets

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

METADATA = subscribers.tables.subscribers.metadata  # of content and people: they share one


class Desk:
    """The home of this command, opened when it is asked for."""

    def __init__(self, folder: Path | None) -> None:
        self.path = config.home_from(folder)
        self._home: Home | None = None
        to_stderr()

    def home(self) -> Home:
        """The opened home, its database on the newest schema. Raises Refused and ConfigError."""
        if self._home is None:
            self._home = open_home(self.path)
            if schema.current(self._home.db) is None:
                raise Refused(
                    f"The database of the home {self.path} is empty or gone. Put back the last good copy, "
                    f"or make a new one with `digest --home {self.path} setup`."
                )
            schema.upgrade(self._home.db, METADATA)
        return self._home

    def close(self) -> None:
        """Closes the home, if it was opened."""
        if self._home is not None:
            self._home.close()
            self._home = None


def to_stderr() -> None:
    """One event per line on stderr; stdout belongs to results."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when something is said
        cache_logger_on_first_use=False,
    )


def chatty() -> None:
    """Resident processes also tell what they do."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


def desk(context: typer.Context) -> Desk:
    """The desk that the callback of the app made."""
    found: Desk = context.obj
    return found


def now() -> datetime:
    """The time, aware and in UTC: commands are the faces that read the clock."""
    return datetime.now(UTC)


def say(*lines: str) -> None:
    """Prints lines for people."""
    for line in lines:
        print(line)


def answer(value: Any, *lines: str, as_json: bool) -> None:
    """Prints the result: as one JSON document, or as lines for people."""
    if as_json:
        document(value)
    else:
        say(*lines)


def document(value: Any) -> None:
    """Prints one JSON document."""
    print(json.dumps(plain(value), ensure_ascii=False, indent=2))


def plain(value: Any) -> Any:
    """Dataclasses, moments and paths as JSON knows them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def local(moment: datetime, zone: str) -> str:
    """A moment as people read it: Mon, Aug 31, 2026, 7:00 a.m. EDT."""
    there = moment.astimezone(ZoneInfo(zone))
    half = "a.m." if there.hour < 12 else "p.m."
    return f"{there:%a, %b} {there.day}, {there.year}, {there.hour % 12 or 12}:{there:%M} {half} {there:%Z}"


def problems(found: Iterable[Any]) -> None:
    """Prints what was refused: the place, the reason, the remedy."""
    for problem in found:
        print(f"  {problem}", file=sys.stderr)


def user() -> str:
    """The name of the account that runs this command, as the record of who decided."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return f"account {os.getuid()}"


def moment(where: str, text: str, zone: str) -> datetime:
    """An aware moment; without a zone of its own it is in `zone`. Raises BadInput."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(where, f"{text[:40]!r} is no moment.", "Write it as 2026-09-07T09:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))


def confirm(question: str, *, yes: bool) -> None:
    """Asks before something that cannot be undone; with `yes`, or without a terminal to ask, does not."""
    if not yes and sys.stdin is not None and sys.stdin.isatty() and not typer.confirm(question):
        raise Refused("Nothing was done.")


def pair(text: str, example: str = "hour=7") -> tuple[str, str]:
    """KEY=VALUE as its two halves. Raises BadInput without the sign."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise BadInput(text[:40] or "KEY=VALUE", "It is not of the form KEY=VALUE.", f'Write for example "{example}".')
    return key.strip(), value.strip()


def rows(lines: Iterable[tuple[str, ...]], out: Path | None) -> None:
    """Rows as CSV, the first being the names of the columns: to a file, saying how many it got, or printed."""
    if out is None:
        sheets.write(lines, sys.stdout)
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        count = sheets.write(lines, file)
    say(f"{count} {'row' if count == 1 else 'rows'} written to {out}.")
