"""The filled site, served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from digest.home import Home
from tests.digest.web import serving


@dataclass(frozen=True)
class Served:
    """A running site: its home, a client, and the number of its one edition."""

    home: Home
    client: httpx.Client
    edition: int


@pytest.fixture
def empty(home: Home) -> Iterator[Served]:
    """The site of a home in which nothing was published yet."""
    with serving.serve(home) as address, serving.client(address) as client:
        yield Served(home, client, 0)


@pytest.fixture
def served(home: Home) -> Iterator[Served]:
    """The site over the library of `serving.fill`."""
    edition = serving.fill(home)
    with serving.serve(home) as address, serving.client(address) as client:
        yield Served(home, client, edition)
