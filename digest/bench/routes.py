"""The pages and forms of the console as its route table has them, with real things in the place of parameters.

Promises: a page that is new is found by itself. Refuses: a route with a parameter for which nothing real is named;
what it says then tells what to add. Serves the benchmark of the console, and the tests that open every page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute

from digest.errors import Refused
from digest.web.console import CONSOLE, door

Things = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Route:
    """One route: its method, the address with its parameters in braces, and the least role."""

    method: str
    pattern: str
    least: str

    def addresses(self, things: Things) -> list[str]:
        """Its addresses with these things, which are named by the last two parts of what leads to them:
        "editions/{number}", "{digest}/{cadence}". Raises Refused when one is missing."""
        parts = self.pattern.split("/")
        places = [at for at, part in enumerate(parts) if part.startswith("{")]
        values = [self._of(things, f"{parts[at - 1]}/{parts[at]}") for at in places]
        found = []
        for chosen in product(*values):
            for at, value in zip(places, chosen, strict=True):
                parts[at] = value
            found.append("/".join(parts))
        return found

    def _of(self, things: Things, name: str) -> Sequence[str]:
        if not things.get(name):
            raise Refused(f"The route {self.pattern} is new: name real things for {name!r} where the others are.")
        return things[name]


def routes(method: str, handlers: Sequence[Any] = (CONSOLE,)) -> list[Route]:
    """The routes for this method: those of the console, or of other handlers."""
    return [route for route in _all(handlers) if route.method == method]


def _all(handlers: Sequence[Any]) -> Iterator[Route]:
    for route in Litestar([*handlers], openapi_config=None).routes:
        if isinstance(route, HTTPRoute):
            pattern = re.sub(r"\{([a-z_]+):[a-z]+\}", r"{\1}", route.path)
            for method, (handler, _) in sorted(route.route_handler_map.items()):
                if method != "OPTIONS":
                    yield Route(method, pattern, handler.opt.get("least", door.ANYONE))
