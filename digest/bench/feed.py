"""`digest bench feed`: asks for a feed of 30 kB as fast as wrk can, whole and by its tag, beside nginx with that file.

Both servers run on one core, wrk on another; they take turns of a second each, so that what else the machine does
falls on both. Rates are medians over the turns.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from digest import feeds
from digest.bench import made_up, processes
from digest.bench.measuring import Measured, each
from digest.bench.processes import Part
from digest.bench.web_server import HOST
from digest.config import TransportSection
from digest.db import Database
from digest.errors import Refused

SHAPE = replace(made_up.TOGETHER, text=3_000)
PATH = "/feeds/all.rss"
TURN = 1  # seconds
FEWEST, MOST = 3, 60  # turns
CONNECTIONS = 32
WHOLE, BY_TAG = "200", "304"


@dataclass
class Tally:
    """What one server did for one kind of request."""

    n: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    rates: list[float] = field(default_factory=list)

    def of(self, peak_mb: float) -> dict[str, Any]:
        """The figures, as every measurement has them."""
        rate = round(statistics.median(self.rates), 1)
        cpu = each(self.cpu_s, self.n)
        return {"n": self.n, "wall_s": round(self.seconds, 3), "rate": rate, "cpu_us": cpu, "peak_mb": peak_mb}


class Server:
    """One of the servers at work."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.port = int(part.ask()["port"])
        self.tallies = {WHOLE: Tally(), BY_TAG: Tally()}
        self.size, self.tag = self._first()

    def _first(self) -> tuple[int, str]:
        """The size of the feed and its tag. Raises Refused when it does not answer as it should."""
        deadline = time.monotonic() + processes.END_WITHIN
        while True:
            try:
                first = self._ask({})
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise Refused(f"A server of the benchmark takes no connection ({error}).") from error
                time.sleep(0.05)
        again = self._ask({"If-None-Match": first[1]})
        if (first[0], again[0]) != (200, 304):
            raise Refused(f"A server of the benchmark answered {first[0]} and {again[0]}, and not 200 and 304.")
        return first[2], first[1]

    def _ask(self, fields: Mapping[str, str]) -> tuple[int, str, int]:
        connection = HTTPConnection(HOST, self.port, timeout=processes.END_WITHIN)
        try:
            connection.request("GET", PATH, headers=dict(fields))
            answer = connection.getresponse()
            return answer.status, answer.headers["ETag"], len(answer.read())
        finally:
            connection.close()

    def take_turn(self, kind: str) -> None:
        """One turn of wrk against it."""
        fields = ["-H", f"If-None-Match: {self.tag}"] if kind == BY_TAG else []
        before = float(self.part.ask()["cpu_s"])
        n, seconds = _wrk(f"http://{HOST}:{self.port}{PATH}", fields)
        tally = self.tallies[kind]
        tally.cpu_s += float(self.part.ask()["cpu_s"]) - before
        tally.n, tally.seconds = tally.n + n, tally.seconds + seconds
        tally.rates.append(n / seconds)

    def figures(self, kind: str) -> dict[str, Any]:
        """What it did for this kind of request."""
        return self.tallies[kind].of(float(self.part.ask()["peak_mb"]))


def feed(n: int) -> Measured:
    """Asks at least `n` times for the whole feed, and as often by its tag. Raises Refused without wrk."""
    if shutil.which("wrk") is None:
        raise Refused("wrk, which asks for the feed, is not installed. Debian: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, (core, elsewhere) = Path(name), _cores()
        made_up.make(folder, SHAPE, 1)
        _build(folder)
        servers = {"site": stack.enter_context(_started("site", folder, core))}
        if shutil.which("nginx") is not None:
            servers["nginx"] = stack.enter_context(_started("nginx", folder, core))
        stack.enter_context(_on(elsewhere))
        for turn in range(MOST):
            if turn >= FEWEST and all(tally.n >= n for one in servers.values() for tally in one.tallies.values()):
                break
            for kind in (WHOLE, BY_TAG):
                for server in servers.values():
                    server.take_turn(kind)
        return _told(servers)


def _told(servers: Mapping[str, Server]) -> Measured:
    ours, by_tag = servers["site"].figures(WHOLE), servers["site"].figures(BY_TAG)
    parts: dict[str, float | str] = {"bytes_each": servers["site"].size, "by_tag_rate": by_tag["rate"],
                                     "by_tag_cpu_us": by_tag["cpu_us"], "connections": CONNECTIONS}  # fmt: skip
    if "nginx" not in servers:
        return Measured(**ours, parts=parts | {"nginx": "not installed"})
    beside = {f"nginx, {kind}": servers["nginx"].figures(kind) for kind in (WHOLE, BY_TAG)}
    for name, figures, kind in (("share_of_nginx", ours, WHOLE), ("by_tag_share_of_nginx", by_tag, BY_TAG)):
        parts[name] = round(figures["rate"] / beside[f"nginx, {kind}"]["rate"], 2)
    return Measured(**ours, parts=parts, beside=beside)


def _build(folder: Path) -> None:
    database = Database(made_up.database_url(folder))
    try:
        with database.reading() as conn:
            feeds.build(made_up.settings(TransportSection()), conn, folder / "feeds")
    finally:
        database.close()


@contextmanager
def _started(name: str, folder: Path, core: int) -> Iterator[Server]:
    with processes.running(processes.module("web_server", name, folder, core)) as part:
        yield Server(part)


def _cores() -> tuple[int, set[int]]:
    """The core of the servers, and those of wrk; the same one where there is no other."""
    with suppress(AttributeError):
        first, *others = sorted(os.sched_getaffinity(0))
        return first, set(others) or {first}
    return 0, {0}


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """Runs what is started in the block on these cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _wrk(url: str, fields: list[str]) -> tuple[int, float]:
    """How many answers came in how many seconds. Raises Refused when some were faults."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{TURN}s", *fields, url]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s)\b", told)
    if not found or "Non-2xx" in told or "Socket errors" in told:
        raise Refused(f"wrk did not get what it asked for: {told.strip()[-300:]}")
    return int(found[1]), float(found[2]) / (1000 if found[3] == "ms" else 1)
