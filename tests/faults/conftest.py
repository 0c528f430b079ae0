"""What the tests of faults share: a home that is copied for each, and a mail server whose record tells who got what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import ground, truth
from tests.faults.ground import Ground
from tests.standins import postgres, smtp_server


@dataclass(frozen=True)
class Mailbox:
    """A mail server at work: its port, and its record of what it took."""

    port: int
    record: Path

    @property
    def total(self) -> int:
        """Mails taken so far."""
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0

    def copies(self) -> Counter[str]:
        """Mails by address."""
        return truth.copies(self.record)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead to it."""
        section = "DIGEST_TRANSPORT__SMTP__"
        return {
            "DIGEST_TRANSPORT__KIND": "smtp",
            f"{section}HOST": "127.0.0.1",
            f"{section}PORT": str(self.port),
            f"{section}SECURITY": "none",
            f"{section}CONNECTIONS": "4",
        }


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """A mail server of its own."""
    record = tmp_path / "record"
    with smtp_server.running(record) as port:
        yield Mailbox(port, record)


@pytest.fixture(scope="session")
def sqlite_ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """The home on SQLite that is copied."""
    return ground.make(tmp_path_factory.mktemp("ground") / "home")


@pytest.fixture(scope="session")
def postgres_ground(postgres_server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The home on PostgreSQL that is copied."""
    with postgres_server.database() as url:
        yield ground.make(tmp_path_factory.mktemp("ground") / "home", url=url)


@pytest.fixture
def on_sqlite(sqlite_ground: Ground, tmp_path: Path) -> Iterator[Ground]:
    """A home of its own on SQLite."""
    with sqlite_ground.copy(tmp_path / "home") as copied:
        yield copied


@pytest.fixture
def on_postgres(postgres_ground: Ground, postgres_server: postgres.Server, tmp_path: Path) -> Iterator[Ground]:
    """A home of its own on PostgreSQL."""
    with postgres_ground.copy(tmp_path / "home", postgres_server) as copied:
        yield copied


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def on_either(request: pytest.FixtureRequest) -> Ground:
    """A home of its own, once on SQLite and once on PostgreSQL."""
    found: Ground = request.getfixturevalue(f"on_{request.param}")
    return found
