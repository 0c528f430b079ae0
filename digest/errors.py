"""Every error raised on purpose.

    DigestError
    ├── ConfigError      the settings are wrong; `faults` lists all of them at once
    ├── BadInput         a value from outside is wrong; says where, why and the remedy
    ├── NotFound         what was named does not exist
    ├── Refused          what was asked cannot be done now; says why and what to do instead
    ├── Busy             the database was held by another process for too long; trying again is safe
    └── Stale            a lease was lost to another process: stop, and touch nothing more

The message of each is one sentence for the person who caused it: what is so, and what to do. The faces map the
classes to exit codes and pages, each in one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class DigestError(Exception):
    """Something went wrong that the program foresaw."""


class ConfigError(DigestError):
    """The settings are wrong."""

    def __init__(self, faults: Sequence[str], by_key: Mapping[str, str] | None = None) -> None:
        self.faults = tuple(faults)
        self.by_key = dict(by_key or {})  # where a fault belongs to one setting
        super().__init__("; ".join(self.faults))


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in something that came from outside: the place, the reason, and what to do about it."""

    where: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why} {self.remedy}"

    @property
    def said(self) -> str:
        """Beside its own field: the reason, and what to do."""
        return f"{self.why} {self.remedy}".rstrip()

    def on(self, line: int) -> Problem:
        """The same fault, of something on this line."""
        return Problem(f"line {line}, {self.where}", self.why, self.remedy)

    def within(self, place: str) -> Problem:
        """The same fault, of something inside this place."""
        return Problem(f"{place} ({self.where})", self.why, self.remedy)


class BadInput(DigestError):
    """A value from outside is wrong."""

    def __init__(self, where: str, why: str, remedy: str) -> None:
        self.problem = Problem(where, why, remedy)
        super().__init__(str(self.problem))


class NotFound(DigestError):
    """What was named does not exist."""


class Refused(DigestError):
    """What was asked cannot be done now."""


class Busy(DigestError):
    """The database is held by another process."""


class Stale(DigestError):
    """This process's lease has passed to another."""
