"""What every command needs: the home, the clock, and one way to print.

Promises: the home is opened once and brought to the newest schema before a command touches it; a command prints
either lines for people or one JSON document. Refuses: nothing.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import structlog
import typer
from rich.console import Console
from rich.table import Table

import subscribers.tables  # the people's tables belong to the schema
from digest import config, schema
from digest.errors import BadInput
from digest.home import Home, open_home

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
            schema.upgrade(self._home.db, METADATA)
        return self._home


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
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


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a table; plain when the output is no terminal."""
    shown = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 200).print(shown)


def local(moment: datetime, zone: str) -> str:
    """A moment as people read it: Mon, Aug 31, 2026, 7:00 a.m. EDT."""
    there = moment.astimezone(ZoneInfo(zone))
    half = "a.m." if there.hour < 12 else "p.m."
    return f"{there:%a, %b} {there.day}, {there.year}, {there.hour % 12 or 12}:{there:%M} {half} {there:%Z}"


def problems(found: Iterable[Any]) -> None:
    """Prints what was refused: the place, the reason, the remedy."""
    for problem in found:
        print(f"  {problem}", file=sys.stderr)


def confirm(question: str, *, yes: bool) -> None:
    """Asks before something that cannot be undone; with `yes`, or without a terminal to ask, does not."""
    if not yes and sys.stdin.isatty() and not typer.confirm(question):
        raise typer.Exit(1)


def pair(text: str) -> tuple[str, str]:
    """KEY=VALUE as its two halves. Raises BadInput without the sign."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise BadInput(text[:40], "It is not of the form KEY=VALUE.", "Write for example: hour=7")
    return key.strip(), value.strip()
