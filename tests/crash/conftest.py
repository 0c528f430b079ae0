"""What the crash tests share: one fork server for all of them in a process, and what to say without strace."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import strace
from tests.crash.forkserver import ForkServer
from tests.crash.workshop import Workshop, fast_folder
from tests.standins import postgres


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """What starts the workers."""
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def workshop(forks: ForkServer) -> Iterator[Workshop]:
    """Performs runs on SQLite."""
    with (
        tempfile.TemporaryDirectory(prefix="crash-", dir=fast_folder()) as folder,
        Workshop(Path(folder), forks) as made,
    ):
        yield made


@pytest.fixture(scope="session")
def postgres_workshop(forks: ForkServer, postgres_server: postgres.Server) -> Iterator[Workshop]:
    """Performs runs on PostgreSQL."""
    with (
        tempfile.TemporaryDirectory(prefix="crash-", dir=fast_folder()) as folder,
        Workshop(Path(folder), forks, postgres_server) as made,
    ):
        yield made


@pytest.fixture(scope="session")
def traced() -> None:
    """Skips, and says so, where strace cannot be used; with CI=true that is a failure."""
    if why := strace.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(f"strace is needed with CI=true. {why}")
        pytest.skip(f"NOT KILLED AT SYSTEM CALLS. {why}")
