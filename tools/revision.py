"""Writes the next version of the schema from the difference between the newest version and the tables.

    .venv/bin/python -m tools.revision "Say what changes"
    .venv/bin/python -m tools.revision --first     writes 0001 anew from nothing: only before the first release

What it writes is a proposal: read it, and run tests/digest/test_schema.py, which compares every table, index and
constraint on both databases. Versions import nothing of ours, so that they stay true when the code moves on.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator

import subscribers.tables  # noqa: F401 - registers the people's tables
from digest import schema
from digest.db import Database
from digest.tables import metadata

FIRST = "The first schema"
# The log's counter is one row that every writer takes: it must be there from the start.
FIRST_ROW = """
    op.bulk_insert(
        sa.table("news_counter", sa.column("id", sa.Integer), sa.column("value", sa.Integer)),
        [{"id": 1, "value": 0}],
    )
"""
VERSIONS = schema.FOLDER / "versions"


def main(arguments: list[str]) -> int:
    """Writes one file and says its name."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    first = arguments[0] == "--first"
    path = write(FIRST if first else arguments[0], first=first)
    path.write_text(tidy(path.read_text(encoding="utf-8")) + (FIRST_ROW if first else ""), encoding="utf-8")
    for step in (["format"], ["check", "--fix"]):
        subprocess.run([sys.executable, "-m", "ruff", *step, "--quiet", str(path)], check=True)
    print(path)
    return 0


def tidy(text: str) -> str:
    """The proposal without Alembic's remarks, and with defaults that both databases understand."""
    text = re.sub(r"^ *# .*\n", "", text, flags=re.MULTILINE)
    for number, word in (("0", "false"), ("1", "true")):
        default = re.escape(f"sa.Boolean(), server_default=sa.text('{number}')")
        text = re.sub(default, f"sa.Boolean(), server_default=sa.{word}()", text)
    return text.rstrip() + "\n"


def write(message: str, *, first: bool) -> Path:
    """The new version file, written by Alembic against a temporary SQLite database on the newest schema."""
    if first:
        for old in VERSIONS.glob(schema.PATTERN):
            old.unlink()
    number = "0001" if first else f"{int(schema.head()) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/digest.db")
        try:
            if not first:
                schema.upgrade(db, metadata)
            with db.transaction() as conn:
                _autogenerate(conn, message, number, first=first)
        finally:
            db.close()
    return next(VERSIONS.glob(f"{number}_*.py"))


def _autogenerate(conn: Connection, message: str, number: str, *, first: bool) -> None:
    settings = Config()
    settings.set_main_option("script_location", str(schema.FOLDER).replace("%", "%%"))
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    settings.attributes["connection"] = conn
    settings.attributes["metadata"] = metadata
    settings.attributes["render_item"] = _render
    settings.attributes["render_as_batch"] = not first  # SQLite changes a table by making a new one
    command.revision(settings, message, autogenerate=True, rev_id=number)


def _render(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """Our own column types by what they are stored as."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
