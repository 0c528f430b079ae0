"""Brings a database to the newest schema, and says where it stands.

Promises: `upgrade` is one transaction, so a database is on the old schema or on the new one and never between; two
processes that start at once do it one after the other, and the second finds nothing to do. The number of a revision
is the number in its file's name, so a database that is up to date is recognised without loading Alembic. Refuses: a
database that a newer version of the program has already changed.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData

from digest.db import Database
from digest.errors import Refused

FOLDER = Path(__file__).parent / "migrations"
PATTERN = "[0-9][0-9][0-9][0-9]_*.py"
LOCK = 0x_D16E_57  # PostgreSQL's advisory lock for schema changes: any number, as long as everybody takes the same


def head() -> str:
    """The revision that this version of the program works with."""
    return max(path.name for path in (FOLDER / "versions").glob(PATTERN))[:4]


def current(db: Database) -> str | None:
    """The revision that the database is on; None when it has no schema yet."""
    with db.reading() as conn:
        return _current(conn)


def upgrade(db: Database, metadata: MetaData) -> bool:
    """Whether anything was done to bring the database to `head()`. Raises Refused when it is newer than that."""
    if _stands(current(db)):
        return False
    with db.transaction() as conn:
        if not db.is_sqlite:
            conn.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        if _stands(_current(conn)):  # another process was first
            return False
        _migrate(conn, metadata)
    return True


def _current(conn: Connection) -> str | None:
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _stands(revision: str | None) -> bool:
    if revision is not None and revision > head():
        raise Refused(
            f"The database is on schema {revision}, this version of Digest knows {head()}. "
            "Start the newer version, or restore the backup made before it."
        )
    return revision == head()


def _migrate(conn: Connection, metadata: MetaData) -> None:
    # Loaded here because it takes half a second, which every start would pay for nothing.
    from alembic import command
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    settings.attributes["connection"] = conn
    settings.attributes["metadata"] = metadata
    command.upgrade(settings, "head")
