"""`digest bench console`: asks for every page of the console of a large made-up home, and tells which are slow.

The pages are those of the route table, so a new one is measured too. A page takes what passes from its request to the
last byte of its answer, over loopback on one connection, with nobody else asking; beside it stands the page for signing
in, the plainest that the same server has.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol

from digest.bench import measuring, processes, routes
from digest.bench.console_home import Told, Years
from digest.bench.measuring import Figures, Measured, Timer
from digest.bench.web_server import HOST
from digest.errors import Refused
from digest.staff import accounts
from digest.web.console import frame

LIMIT = 100.0  # milliseconds on the server, of any page
TIMES = 9  # each page is asked for
YEARS = Years()
COOKIE = "__Host-staff"
GOOD = 200


# What a page must be asked; and pages of an edition that waits for approval, of which this home has none.
QUESTIONS = {"/staff/send/{digest}/{cadence}/people": "?by=by_language&value=en"}
WITHOUT = ("/staff/editions/{number}/people",)


@dataclass(frozen=True)
class Page:
    """One page: milliseconds to its last byte, and milliseconds of CPU of the server."""

    page: str
    median_ms: float
    slowest_ms: float
    cpu_ms: float
    bytes: int

    @property
    def slow(self) -> bool:
        """Whether it takes longer than a page may. What others do on the machine meanwhile counts in neither way: it
        makes the wall time longer than the CPU's, and waiting for the disk makes it so too."""
        return min(self.median_ms, self.cpu_ms) > LIMIT


@dataclass(frozen=True)
class Console(Measured):
    """What all pages took together, and each; `n` is how many people the home has."""

    pages: Sequence[Page] = ()


def console(n: int) -> Console:
    """Asks several times for each page of a home with `n` people. Raises Refused for a page that does not come."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        told = Told(**processes.result("console_home", folder, n, json.dumps(asdict(YEARS))))
        made_s = time.perf_counter() - began
        serving = processes.running(processes.module("web_server", "console", folder, 0))
        with serving as part, closing(Asking(part, told.session)) as asking:
            return _measure(asking, told, n, made_s)


def _measure(asking: Asking, told: Told, n: int, made_s: float) -> Console:
    plain, _ = asking.ask(frame.SIGN_IN, signed_in=False)
    pages, all_of_it = [], Timer()
    for route in routes.routes("GET"):
        if route.least in accounts.ROLES and route.pattern not in WITHOUT:  # the others lead past who is signed in
            for address in route.addresses(told.things):
                page, timer = asking.ask(address + QUESTIONS.get(route.pattern, ""))
                pages.append(page)
                all_of_it.wall, all_of_it.cpu = all_of_it.wall + timer.wall, all_of_it.cpu + timer.cpu
    asked = len(pages) * TIMES
    figures = all_of_it.of(asked) | {"n": n, "peak_mb": asking.peak_mb()}
    parts: dict[str, float | str] = {
        "pages": len(pages),
        "asked": asked,
        "median_ms": round(statistics.median(page.median_ms for page in pages), 1),
        "slowest_median_ms": max(page.median_ms for page in pages),
        "over_the_limit": sum(page.slow for page in pages),
        "making_the_home_s": round(made_s, 1),
    }
    beside = {"the page for signing in": _figures(plain, asking.peak_mb())}
    return Console(**figures, parts=parts, beside=beside, pages=pages)


def _figures(page: Page, peak_mb: float) -> Figures:
    """A page as every measurement is told."""
    figures = Timer(page.median_ms * TIMES / 1e3, page.cpu_ms * TIMES / 1e3).of(TIMES)
    figures["peak_mb"] = peak_mb
    return figures


class Server(Protocol):
    """What answers with its port, and the CPU and memory that it took so far."""

    def ask(self) -> Any: ...


class Asking:
    """One connection to the server, kept alive."""

    def __init__(self, part: Server, session: str) -> None:
        self._part, self._session = part, session
        self._connection = HTTPConnection(HOST, int(part.ask()["port"]), timeout=60)

    def close(self) -> None:
        """Ends it."""
        self._connection.close()

    def peak_mb(self) -> float:
        """The most memory that the server had so far."""
        return float(self._part.ask()["peak_mb"])

    def ask(self, address: str, *, signed_in: bool = True) -> tuple[Page, Timer]:
        """Asks several times, and once before: what a server loads once is not what a page costs."""
        size = self._once(address, signed_in)
        before, walls = float(self._part.ask()["cpu_s"]), []
        for _ in range(TIMES):
            began = time.perf_counter()
            self._once(address, signed_in)
            walls.append(time.perf_counter() - began)
        cpu = float(self._part.ask()["cpu_s"]) - before
        median, slowest = (round(wall * 1e3, 1) for wall in (statistics.median(walls), max(walls)))
        return Page(address, median, slowest, round(cpu / TIMES * 1e3, 1), size), Timer(sum(walls), cpu)

    def _once(self, address: str, signed_in: bool) -> int:
        """The bytes of the page. Raises Refused when it is none."""
        fields = {"Cookie": f"{COOKIE}={self._session}"} if signed_in else {}
        self._connection.request("GET", address, headers=fields)
        answer = self._connection.getresponse()
        size = len(answer.read())
        if answer.status != GOOD:
            raise Refused(f"{address} was answered with {answer.status}: the benchmark needs something real there.")
        return size


def lines(measured: Console) -> Iterator[str]:
    """The measurement, for people: the slowest pages first."""
    yield f"{measured.parts['pages']} pages of a home with {measured.n} people: {measured.rate} pages a second"
    yield f"  CPU {measured.cpu_us} us each, peak {measured.peak_mb} MB"
    yield f"  {'median':>8} {'slowest':>8} {'CPU':>8} ms"
    for page in sorted(measured.pages, key=lambda page: -page.median_ms):
        flag = f"  over {LIMIT:.0f} ms" if page.slow else ""
        yield f"  {page.median_ms:8.1f} {page.slowest_ms:8.1f} {page.cpu_ms:8.1f}  {page.page}{flag}"
    yield from [*measuring.lines(measured, "people")][2:]
