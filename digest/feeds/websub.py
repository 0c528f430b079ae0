"""Tells the hub that feeds have changed, so that their readers learn of it at once (WebSub, section 6).

Promises: each change of a feed is told once it can be read at its address, and told again until the hub has taken it
or refused it; a hub that is away is left alone for a while, longer each time. What the hub knows is kept beside the
feeds, so any process may go on. Goes through the guard of `fetch`. Refuses to be done twice at a time: whoever comes
second leaves it to the first.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

from digest import fetch
from digest.config import Settings
from digest.errors import BadInput, Refused
from digest.feeds import files, formats

TOLD = ".told"
LIMITS = fetch.Limits(size=100_000, seconds=10.0)
MOST = 20  # feeds told in one round
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=1)  # until a hub that was away is asked again
SETTLE = 0.05  # seconds; whoever serves the files has noticed new ones by then
LATER = (408, 425, 429)  # beside all from 500 on: no refusal


@dataclass(frozen=True)
class Told:
    """What the hub knows: of each file the fingerprint that it was told of; how often it was away in a row."""

    hub: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    failures: int = 0
    again_at: datetime | None = None


@dataclass(frozen=True)
class Round:
    """What one round did: names that the hub took, those that it refused, and why it could not go on."""

    taken: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    why: str = ""


def announce(
    settings: Settings,
    folder: Path,
    *,
    now: datetime,
    way: fetch.Way | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Round:
    """Tells the hub, if there is one, of the feeds in `folder` that it does not know as they are; `stopping` ends it
    after the feed that it is at."""
    if not settings.feeds.hub or not folder.is_dir():
        return Round()
    with (folder / ".told.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Round()
        told, standing = _read(folder, settings.feeds.hub), files.manifest(folder)
        names = due(told, standing, now)
        if not names:
            return Round()
        time.sleep(SETTLE)
        way = way or fetch.also(settings.intake.inner_networks)
        done, after = _tell(settings, takewhile(lambda _: not stopping(), names), told, standing, now, way)
        with files.turn(folder):
            files.put(folder / TOLD, _written(after, standing))
        return done


def due(told: Told, standing: Mapping[str, str], now: datetime) -> list[str]:
    """The files to be told of now: feeds that readers poll, which are not as the hub was told. Pure."""
    if told.again_at is not None and now < told.again_at <= now + LONGEST:  # a clock that was set back waits no longer
        return []
    return [name for name, mark in standing.items() if formats.is_polled(name) and told.files.get(name) != mark][:MOST]


def _tell(
    settings: Settings, names: Iterable[str], told: Told, standing: Mapping[str, str], now: datetime, way: fetch.Way
) -> tuple[Round, Told]:
    """Tells of one after the other, until the hub cannot be reached."""
    taken: list[str] = []
    refused: list[str] = []
    for name in names:
        topic = f"{settings.site.url}/feeds/{name}"
        form = {"hub.mode": "publish", "hub.url": topic, "hub.topic": topic}  # hubs differ in which they read
        try:
            status = fetch.post(told.hub, form, limits=LIMITS, way=way).status
        except (BadInput, Refused) as error:
            return Round((*taken,), (*refused,), str(error)), _later(told, now)
        if status in LATER or status >= 500:
            return Round((*taken,), (*refused,), f"{told.hub} answered {status}."), _later(told, now)
        (taken if 200 <= status < 300 else refused).append(name)
        told = replace(told, files={**told.files, name: standing[name]}, failures=0, again_at=None)
    return Round((*taken,), (*refused,)), told


def _later(told: Told, now: datetime) -> Told:
    wait = min(SHORTEST * 2 ** min(told.failures, 10), LONGEST)
    return replace(told, failures=told.failures + 1, again_at=now + wait)


def _read(folder: Path, hub: str) -> Told:
    """What this hub knows; nothing when it is another than before."""
    try:
        found = json.loads((folder / TOLD).read_bytes())
        again = found["again_at"] and datetime.fromisoformat(found["again_at"])
        told = Told(found["hub"], dict(found["files"]), int(found["failures"]), again or None)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return Told(hub)
    return told if told.hub == hub else Told(hub)


def _written(told: Told, standing: Mapping[str, str]) -> bytes:
    kept = {name: mark for name, mark in told.files.items() if name in standing}
    again = told.again_at.isoformat() if told.again_at else ""
    document = {"hub": told.hub, "files": kept, "failures": told.failures, "again_at": again}
    return (json.dumps(document, indent=0) + "\n").encode()
