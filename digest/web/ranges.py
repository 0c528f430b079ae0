"""A part of a file, as a browser asks for it (RFC 9110, section 14). Pure.

Promises: one range is answered as asked; what is no such request is answered with the whole, as the RFC allows, and so
are several ranges at once. Refuses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_ONE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """The bytes from `start` up to, but not including, `end`, of `size`."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """As the field Content-Range says it (section 14.4)."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def asked(field: str | None, size: int) -> Part | Literal[416] | None:
    """The part that Range asks for of a file of `size` bytes: None for the whole, 416 for what is not there."""
    if not (one := _ONE.fullmatch(field or "")):
        return None
    first, last = one.groups()
    if not first and not last:
        return None
    if not first:  # the last so many
        return Part(max(0, size - int(last)), size, size) if int(last) and size else 416
    if last and int(last) < int(first):
        return None
    return Part(int(first), min(int(last or size) + bool(last), size), size) if int(first) < size else 416
