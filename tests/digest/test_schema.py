from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from digest import drafts, schema, search
from digest.db import Database
from digest.drafts import Draft
from digest.errors import Refused
from digest.shelf import Author, by_ids, lay
from digest.tables import item_authors, item_topics, item_words, items, metadata, news_counter, topics
from tests.conftest import NOW
from tests.standins.postgres import Server

CATALOGUE = """
    SELECT 'column', table_name || '.' || column_name, concat_ws(' ', data_type, is_nullable, column_default)
      FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT 'options', relname, array_to_string(reloptions, ',')
      FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
        yield database
        database.close()
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.database() as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def made(request: pytest.FixtureRequest, empty: Database) -> Iterator[Database]:
    """A database of the same kind, made from the metadata."""
    if empty.is_sqlite:
        yield request.getfixturevalue("db")
        return
    database = Database(request.getfixturevalue("postgres_url"))
    yield database
    database.close()


def known(name: str | None, kind: str, parents: object) -> bool:
    """Whether Alembic knows such a thing: what only one database has for search is made by its own statements."""
    return not re.fullmatch("item_search.*|vector|ix_item_words_vector", name or "")


def definitions(db: Database) -> set[tuple[str, ...]]:
    """Everything that the database itself says about its tables, Alembic's own apart."""
    query = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'" if db.is_sqlite else CATALOGUE
    with db.reading() as conn:
        rows = conn.execute(sa.text(query)).all()
    return {(kind, name, *_clauses(text)) for kind, name, text in rows if "alembic_version" not in name}


def _clauses(text: str | None) -> list[str]:
    """The parts of a definition in an order of their own: SQLite keeps statements as written, and adds columns last."""
    words = " ".join((text or "").split())
    head, _, rest = words.partition("(")
    rest, _, tail = rest.rpartition(")")
    depth, parts = 0, [""]
    for sign in rest:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [head.strip(), *sorted(part.strip() for part in parts), tail.strip()]


def test_a_new_database_gets_exactly_the_tables_of_the_metadata(empty: Database, made: Database) -> None:
    assert schema.upgrade(empty, metadata)
    with empty.transaction() as conn:
        assert compare_metadata(MigrationContext.configure(conn, opts={"include_name": known}), metadata) == []
    # Alembic compares neither checks nor partial indexes nor storage options nor an index of words; the databases'
    # own words do.
    assert definitions(empty) == definitions(made)


def test_upgrading_again_does_nothing(empty: Database) -> None:
    assert schema.current(empty) is None
    assert schema.upgrade(empty, metadata)
    assert schema.current(empty) == schema.head()
    assert not schema.upgrade(empty, metadata)


def test_the_counter_of_the_publication_log_is_there_from_the_start(empty: Database) -> None:
    schema.upgrade(empty, metadata)
    with empty.reading() as conn:
        assert conn.execute(sa.select(news_counter)).all() == [(1, 0)]


def test_of_two_that_upgrade_at_once_one_does_and_one_finds_it_done(empty: Database) -> None:
    results: list[bool] = []
    barrier = threading.Barrier(2)

    def start() -> None:
        other = Database(empty.url.render_as_string(hide_password=False))
        barrier.wait()
        try:
            results.append(schema.upgrade(other, metadata))
        finally:
            other.close()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]


def test_a_database_of_a_newer_version_is_left_alone(empty: Database) -> None:
    schema.upgrade(empty, metadata)
    with empty.transaction() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refused, match="newer version"):
        schema.upgrade(empty, metadata)


def test_a_failure_on_the_way_leaves_the_database_as_it_was(empty: Database) -> None:
    with empty.transaction() as conn:
        conn.execute(sa.text("CREATE TABLE variants (in_the_way INTEGER)"))
    before = definitions(empty)
    with pytest.raises(sa.exc.DBAPIError):
        schema.upgrade(empty, metadata)
    assert definitions(empty) == before
    assert schema.current(empty) is None


def test_items_from_before_search_are_found_after_it(empty: Database) -> None:
    settings = Config()
    settings.set_main_option("script_location", str(schema.FOLDER).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(settings).walk_revisions()
    (before,) = (script.down_revision for script in scripts if script.doc.startswith("Search items"))
    draft = Draft(
        slug="wso",
        kind="fact sheet",
        title="Línea DIRECTA (警察)",
        subtitle="قُرْآن",
        body="<p>Of<b>fic</b>er &amp; sheriff</p><p>जनता\u00ad</p>",
        topics=("hiring",),
        authors=(Author("Zoë Ruíz", "Director", "The Forum"),),
    )
    with empty.transaction() as conn:
        settings.attributes.update(connection=conn, metadata=metadata)
        command.upgrade(settings, str(before))
        item = dataclasses.asdict(drafts.item(draft, zone="UTC", now=NOW))
        rows = {column.name: item[column.name] for column in items.c if column.name in item} | {"id": 1}
        conn.execute(sa.insert(items).values(rows | {"content_hash": b"", "revision": 1}))
        conn.execute(sa.insert(topics).values(slug="hiring", name="Hiring"))
        conn.execute(sa.insert(item_topics).values(item_id=1, topic="hiring", position=0))
        conn.execute(sa.insert(item_authors).values(item_id=1, position=0, **dataclasses.asdict(draft.authors[0])))
    assert schema.upgrade(empty, metadata)
    with empty.transaction() as conn:
        filled = conn.execute(sa.select(item_words)).one()
        assert search.find(conn, "officer linea", drafts=True).total == 1
        (stored,) = by_ids(conn, [1]).values()
        lay(conn, stored, dataclasses.replace(stored, featured=True))
        assert conn.execute(sa.select(item_words)).one() == filled


def test_the_head_by_file_name_is_the_head_that_alembic_finds() -> None:
    settings = Config()
    settings.set_main_option("script_location", str(schema.FOLDER).replace("%", "%%"))
    assert schema.head() == ScriptDirectory.from_config(settings).get_current_head()


def test_a_start_with_nothing_to_do_does_not_load_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from digest import schema; from digest.db import Database; from digest.tables import metadata;"
        f"import subscribers.tables; db = Database('sqlite:///{tmp_path / 'd.db'}');"
        "print(schema.upgrade(db, metadata), 'alembic' in sys.modules); db.close()"
    )
    command = [sys.executable, "-c", program]
    first, second = (
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=schema.FOLDER.parent.parent).stdout
        for _ in range(2)
    )
    assert first.split() == ["True", "True"]
    assert second.split() == ["False", "False"]
