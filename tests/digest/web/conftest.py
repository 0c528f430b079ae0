"""The filled site, served."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from digest import feeds
from digest.home import Home, open_home
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


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """A home filled by `serving.fill`, its feeds built, made once and copied for each test."""
    path = tmp_path_factory.mktemp("library") / "home"
    home = serving.filled(path, sqlite_template)
    with home.db.reading() as conn:
        feeds.build(home.settings, conn, home.feeds)
    home.close()
    return path


@pytest.fixture
def served(library: Path, tmp_path: Path) -> Iterator[Served]:
    """The site over the library of `serving.fill`."""
    home = open_home(shutil.copytree(library, tmp_path / "copy"))
    with serving.serve(home) as address, serving.client(address) as client:
        yield Served(home, client, edition=1)
    home.close()
