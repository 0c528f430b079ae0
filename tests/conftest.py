"""What every test may ask for: a fixed moment, a database of either kind with the whole schema, and a home.

Promises: each test has its own database and its own folder, and everything is closed at its end. A test that asks
for PostgreSQL is skipped, and says so, where no server can be found; with CI=true that is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest

import subscribers.tables  # noqa: F401 - registers the people's tables
from digest import config, home, keys, tables
from digest.db import Database
from tests.standins import postgres

# The checks of a change say the same each time; `--hypothesis-profile explore` looks for new examples.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile("repeatable")

NOW = datetime(2026, 9, 7, 11, 0, tzinfo=UTC)  # a Monday, 7:00 in New York

SETTINGS = """\
[site]
name = "Path to Public Safety"
organization = "Law Enforcement Immigration Task Force"
url = "http://127.0.0.1:8080"
address = "100 Example Street NW, Suite 4, Washington, DC 20000"
time_zone = "America/New_York"
staff_to = "staff@example.org"

[[site.calls_to_action]]
title = "Share a question"
text = "Ask the Task Force what you would like to know."
link = "/ask"
label = "Ask a question"

[[site.calls_to_action]]
title = "Get involved"
text = "Law enforcement leaders can join the Task Force."
link = "https://example.org/join"
label = "Join us"

[[site.calls_to_action]]
title = "Contact us"
text = "Reach the team that runs this library."
link = "https://example.org/contact"
label = "Write to us"
"""


def make_schema(db: Database) -> None:
    """Every table of the metadata, and the counter's one row, as a migrated database has them."""
    with db.transaction() as conn:
        tables.metadata.create_all(conn)
        conn.execute(tables.news_counter.insert().values(id=1, value=0))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with the schema, made once and copied for each test."""
    path = tmp_path_factory.mktemp("template") / "digest.db"
    db = Database(f"sqlite:///{path}")
    make_schema(db)
    db.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server of this test process, started when the first test asks."""
    try:
        server = postgres.start()
    except postgres.Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"PostgreSQL is needed with CI=true. {missing}")
        pytest.skip(f"NOT TESTED ON POSTGRESQL. {missing}")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: postgres.Server) -> Iterator[str]:
    """The name of a PostgreSQL database with the schema."""
    with postgres_server.database() as url:
        db = Database(url)
        make_schema(db)
        db.close()
        yield str(db.url.database)


@pytest.fixture
def postgres_url(postgres_server: postgres.Server, postgres_template: str) -> Iterator[str]:
    """The address of a fresh PostgreSQL database with the schema."""
    with postgres_server.database(template=postgres_template) as url:
        yield url


@pytest.fixture
def db(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """A fresh SQLite database with the schema."""
    path = tmp_path / "digest.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def either_db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database with the schema: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("db")
        return
    database = Database(request.getfixturevalue("postgres_url"))
    yield database
    database.close()


@pytest.fixture
def home_path(tmp_path: Path, sqlite_template: Path) -> Path:
    """The folder of a home that is set up: settings, keys, and an empty database."""
    path = tmp_path / "home"
    path.mkdir()
    (path / config.FILE).write_text(SETTINGS, encoding="utf-8")
    keys.make(path)
    shutil.copy(sqlite_template, path / "digest.db")
    return path


@pytest.fixture(name="home")
def _home(home_path: Path) -> Iterator[home.Home]:
    """A home, opened."""
    opened = home.open_home(home_path)
    yield opened
    opened.close()
