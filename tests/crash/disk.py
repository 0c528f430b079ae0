"""What a process asked of the disk, read from strace, and what a disk may hold of it when the power fails.

The model: what was written before a file's last completed sync is there. Of what was written after it, any part may
be there: each write with one chance in two, in any order, and one in four of those only in part, sector by sector.
Names of files are taken as durable when they are given: this is the limit of the method.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

SECTOR = 512  # bytes that a disk writes whole or not at all

CALLS = ("pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "write", "writev", "sendto", "sendmsg")

# What strace is told to write down: all bytes in hexadecimal, each descriptor with its file.
OPTIONS = ("-y", "-xx", "-s", "10000000", "-e", f"trace={','.join(CALLS)}")

_LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")
_FILE = re.compile(r"^\d+<([^>]*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Asked:
    """One thing that was asked: write, truncate, sync, unlink, send."""

    what: str
    file: str
    data: bytes = b""
    at: int = 0


def read(log: Path) -> Iterator[Asked]:
    """What was asked, in order; a sync counts when it has returned, everything else when it began."""
    unfinished: dict[str, str] = {}  # process -> the file that it syncs
    with log.open(encoding="ascii") as file:
        for text in file:
            if (line := _LINE.match(text)) is None:
                continue
            process, call, rest = line.groups()
            if "resumed>" in text[:60]:
                if process in unfinished and _succeeded(rest):
                    yield Asked("sync", unfinished.pop(process))
            elif call in ("fsync", "fdatasync"):
                name = _name(rest)
                if "<unfinished" in rest:
                    unfinished[process] = name
                elif _succeeded(rest):
                    yield Asked("sync", name)
            else:
                yield _asked(call, rest)


def _succeeded(rest: str) -> bool:
    return rest.rstrip().endswith("= 0")


def _asked(call: str, rest: str) -> Asked:
    data = bytes.fromhex("".join(_TEXT.findall(rest)).replace("\\x", ""))
    match call:
        case "pwrite64":
            return Asked("write", _name(rest), data, int(rest.rpartition(")")[0].rpartition(", ")[2]))
        case "ftruncate":
            return Asked("truncate", _name(rest), at=int(rest.partition(")")[0].rpartition(", ")[2]))
        case "unlink":
            return Asked("unlink", data.decode())
        case _:
            return Asked("send", _name(rest), data)


def _name(rest: str) -> str:
    found = _FILE.match(rest)
    text = found.group(1) if found else ""
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text


@dataclass
class Disk:
    """The files of one folder, as a failing disk may hold them."""

    _durable: dict[str, bytearray] = field(default_factory=dict)
    _pending: dict[str, list[Asked]] = field(default_factory=dict)

    def begin(self, name: str, content: bytes) -> None:
        """A file that was there before."""
        self._durable[name] = bytearray(content)

    def take(self, asked: Asked) -> None:
        """One more thing is asked of the disk."""
        match asked.what:
            case "write" | "truncate":
                self._pending.setdefault(asked.file, []).append(asked)
            case "sync":
                for each in self._pending.pop(asked.file, []):
                    _do(self._durable.setdefault(asked.file, bytearray()), each)
            case "unlink":
                self._durable.pop(asked.file, None)
                self._pending.pop(asked.file, None)

    def after_power_loss(self, dice: random.Random) -> dict[str, bytes]:
        """What may be left of each file."""
        left = {}
        for name in self._durable.keys() | self._pending.keys():
            content = bytearray(self._durable.get(name, b""))
            some = [each for each in self._pending.get(name, []) if dice.random() < 0.5]
            dice.shuffle(some)
            for each in some:
                for part in _torn(each, dice) if dice.random() < 0.25 else [each]:
                    _do(content, part)
            left[name] = bytes(content)
        return left


def _torn(asked: Asked, dice: random.Random) -> list[Asked]:
    """Half of the sectors of a write, at random."""
    if asked.what != "write":
        return [asked]
    first = SECTOR - asked.at % SECTOR
    cuts = [0, *range(first, len(asked.data), SECTOR), len(asked.data)]
    parts = [Asked("write", asked.file, asked.data[a:b], asked.at + a) for a, b in pairwise(cuts)]
    return [part for part in parts if dice.random() < 0.5]


def _do(content: bytearray, asked: Asked) -> None:
    if asked.what == "truncate":
        del content[asked.at :]
        content.extend(bytes(asked.at - len(content)))
        return
    if len(content) < asked.at:
        content.extend(bytes(asked.at - len(content)))
    content[asked.at : asked.at + len(asked.data)] = asked.data
