"""Finds items by words: one search for readers and for staff, on both databases.

Promises: an item is found when it says every word, each as it is or as the beginning of a longer one, wherever it
says them; parts in quotes must stand together; accents and capitals do not matter. Titles weigh more than names
(authors, kind, topics), names more than the text. No question is an error, however odd; one without words finds
nothing. Readers find what is published; only `drafts` finds the rest. Refuses: to guess what was meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import folding, inventory, markup, shelf, snippets, tables
from digest.shelf import Item
from digest.snippets import Piece
from digest.tables import EPOCH

MOST_WORDS = 12  # of a question; the rest is not looked for
SNIPPET = 240  # characters
LOOKED_AT = 20_000  # characters of an item's text in which a snippet is sought

_ITEMS = tables.items
_WEIGHTS = (10.0, 4.0, 1.0)  # title, names, body


@dataclass(frozen=True)
class Hit:
    """An item that was found, and some of its text with the found words told apart."""

    item: Item
    text: tuple[Piece, ...]


@dataclass(frozen=True)
class Found:
    """One page of what was found, the best first, how many there are in all, and what was looked for."""

    hits: tuple[Hit, ...]
    total: int
    phrases: tuple[tuple[str, ...], ...] = ()


def find(
    conn: Connection,
    question: str,
    *,
    kind: str = "",
    topic: str = "",
    drafts: bool = False,
    state: str = "",
    limit: int = 10,
    offset: int = 0,
) -> Found:
    """What answers the question: published items, or with `drafts` those in every state, or in one `state` (see
    `inventory.standing`)."""
    phrases = tuple(folding.phrases(question, MOST_WORDS))
    if not phrases:
        return Found((), 0)
    matches = _sqlite(phrases) if conn.dialect.name == "sqlite" else _postgres(phrases)
    chosen = sa.select(_ITEMS.c.id, matches.c.rank).join(matches, matches.c.id == _ITEMS.c.id)
    chosen = chosen.where(*_wanted(kind, topic, state if drafts else "published"))
    total = conn.scalar(chosen.with_only_columns(sa.func.count())) or 0  # without the rank, which costs most
    best = (matches.c.rank, sa.func.coalesce(_ITEMS.c.published_at, sa.literal(EPOCH, tables.Instant)).desc())
    ids = conn.scalars(chosen.order_by(*best, _ITEMS.c.id.desc()).limit(limit).offset(offset)).all()
    found = shelf.by_ids(conn, ids)
    return Found(tuple(_hit(found[one], phrases) for one in ids), total, phrases)


def _wanted(kind: str, topic: str, state: str) -> list[sa.ColumnElement[bool]]:
    tagged = sa.select(tables.item_topics.c.item_id).where(tables.item_topics.c.topic == topic)
    given = ((kind, _ITEMS.c.kind == kind), (topic, _ITEMS.c.id.in_(tagged)), (state, inventory.standing(state)))
    return [condition for value, condition in given if value]


def _sqlite(phrases: Sequence[tuple[str, ...]]) -> sa.Subquery:
    """What FTS5 finds, ranked by bm25 (less is better); https://sqlite.org/fts5.html, section 3."""
    query = " ".join(f'"{" ".join(phrase)}"*' for phrase in phrases)
    index = sa.table("item_search", sa.column("rowid", sa.Integer))
    whole: sa.ColumnClause[Any] = sa.literal_column("item_search")
    found = sa.select(index.c.rowid.label("id"), sa.func.bm25(whole, *_WEIGHTS).label("rank"))
    return found.where(whole.op("MATCH")(query)).subquery()


def _postgres(phrases: Sequence[tuple[str, ...]]) -> sa.Subquery:
    """What the vectors match, ranked by how often and how near; a word is quoted, so it is never an operator."""
    query = " & ".join(_tsquery(phrase) for phrase in phrases)
    words = sa.table("item_words", sa.column("item_id", sa.Integer), sa.column("vector"))
    asked = sa.func.to_tsquery(sa.literal_column("'simple'"), query)
    weights: sa.ColumnClause[Any] = sa.literal_column("'{0.1, 0.1, 0.4, 1.0}'")  # of D, C, B, A
    rank = -sa.func.ts_rank(weights, words.c.vector, asked, type_=sa.Float)
    return sa.select(words.c.item_id.label("id"), rank.label("rank")).where(words.c.vector.op("@@")(asked)).subquery()


def _tsquery(phrase: tuple[str, ...]) -> str:
    quoted = [f"'{word}'" for word in phrase]
    return f"({' <-> '.join(quoted)}:*)"


def _hit(item: Item, phrases: Sequence[tuple[str, ...]]) -> Hit:
    texts = (item.excerpt, item.subtitle, markup.line(markup.words(item.body)[:LOOKED_AT]))
    said = (snippets.stretch(text, phrases, max(SNIPPET, len(item.excerpt))) for text in texts)
    text = next((pieces for pieces in said if pieces), snippets.marked(item.excerpt or item.subtitle, ()))
    return Hit(item, text)
