"""Search items, and list them from indexes"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INTO = "INSERT INTO item_search (rowid, title, names, body) VALUES (new.item_id, new.title, new.names, new.body);"
OUT = (
    "INSERT INTO item_search (item_search, rowid, title, names, body) "
    "VALUES ('delete', old.item_id, old.title, old.names, old.body);"
)
SQLITE = (
    "CREATE VIRTUAL TABLE item_search USING fts5(title, names, body, content='item_words', "
    "content_rowid='item_id', tokenize=\"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\", prefix='1 2 3')",
    f"CREATE TRIGGER item_words_added AFTER INSERT ON item_words BEGIN {INTO} END",
    f"CREATE TRIGGER item_words_removed AFTER DELETE ON item_words BEGIN {OUT} END",
    f"CREATE TRIGGER item_words_changed AFTER UPDATE ON item_words BEGIN {OUT} {INTO} END",
)
POSTGRES = (
    "ALTER TABLE item_words ADD COLUMN vector tsvector GENERATED ALWAYS AS "
    "(setweight(to_tsvector('simple', title), 'A') || $$'.':1$$::tsvector || "  # no phrase goes over a dot
    "setweight(to_tsvector('simple', names), 'B') || $$'.':1$$::tsvector || "
    "setweight(to_tsvector('simple', body), 'C')) STORED",
    "CREATE INDEX ix_item_words_vector ON item_words USING gin (vector)",
)

# The folding of this version, so that items from before it are found at once.
RUNNING = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
DROPPED = (
    "\u00ad\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u061c\u0640\u064b-\u065f\u0670"
    "\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
)
WORD = re.compile(rf"[{RUNNING}]|(?:[^\W_{RUNNING}]|[\u0900-\u0963\u0966-\u0dff{DROPPED}])+")
TAG = re.compile(r'<(/?)([a-z0-9]+)((?: [a-z-]+="[^"]*")*)>')
IN_WORDS = "a abbr b cite code del em i ins q s small strong sub sup u"
INLINE = frozenset(IN_WORDS.split())
MOST = 100_000  # characters of one field


def upgrade() -> None:
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.create_index("ix_items_kind", ["state", "kind", "published_at"], unique=False)
        batch_op.create_index("ix_items_year", ["state", "published_on"], unique=False)
        batch_op.create_index("ix_items_modified", ["state", "modified_at", "slug"], unique=False)

    with op.batch_alter_table("item_topics", schema=None) as batch_op:
        batch_op.drop_index("ix_item_topics_topic")
        batch_op.create_index("ix_item_topics_topic", ["topic", "item_id"], unique=False)

    op.create_table(
        "item_words",
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_words_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_item_words")),
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES:
        op.get_bind().exec_driver_sql(statement)
    _fill(op.get_bind())


def _fill(conn: sa.Connection) -> None:
    """The words of every item there is."""
    words = sa.table("item_words", *(sa.column(name) for name in ("item_id", "title", "names", "body")))
    ids = conn.execute(sa.text("SELECT id FROM items ORDER BY id")).scalars().all()
    for item_id in ids:
        row = conn.execute(sa.text("SELECT * FROM items WHERE id = :id"), {"id": item_id}).one()
        names = [row.kind, row.slug, *_parts(conn, "name, organization", "item_authors", item_id)]
        names += _parts(conn, "topic", "item_topics", item_id)
        body = unescape(TAG.sub(lambda tag: "" if tag[2] in INLINE else " ", row.body))
        values = {
            "item_id": item_id,
            "title": _folded(row.title, row.subtitle),
            "names": _folded(*names),
            "body": _folded(row.excerpt, body),
        }
        conn.execute(sa.insert(words).values(values))


def _parts(conn: sa.Connection, columns: str, table: str, item_id: int) -> list[Any]:
    query = f"SELECT {columns} FROM {table} WHERE item_id = :id ORDER BY position"  # noqa: S608 - from above
    return [text for row in conn.execute(sa.text(query), {"id": item_id}) for text in row]


def _folded(*texts: str) -> str:
    whole = unicodedata.normalize("NFKD", " ".join(texts)).casefold()
    whole = unicodedata.normalize("NFC", re.sub(f"[{DROPPED}]+", "", whole))
    return " ".join(word[:64] for word in WORD.findall(whole))[:MOST]
