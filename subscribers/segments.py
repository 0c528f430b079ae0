"""Which of a digest's readers a letter is for, as conditions on a select.

Promises: pure but for the choices it looks up; a reader counts as not surely reached when their mail failed, is unsure,
or was skipped because they were paused or the edition was canceled, and not when they had left. Refuses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.delivery import closing
from digest.letters import Segment
from digest.tables import State, deliveries, items, publication_log, variant_entries
from subscribers import preferences
from subscribers.tables import preference_sets, subscribers, subscriptions


def conditions(conn: Connection, segment: Segment) -> Iterator[sa.ColumnElement[bool]]:
    """What must hold of a subscription joined with its subscriber."""
    if segment.topics:
        yield subscriptions.c.preference_set_id.in_(_choosing(conn, segment.topics))
    if segment.language:
        yield sa.or_(
            subscribers.c.language == segment.language, subscribers.c.language.startswith(f"{segment.language}-")
        )
    if segment.joined_since:
        yield subscriptions.c.joined_at >= segment.joined_since
    if segment.received is not None:
        yield _row_of(segment.received, deliveries.c.state == State.ACCEPTED)
    if segment.received_item:
        yield subscriptions.c.subscriber_id.in_(_had_item(segment.received_item))
    if segment.not_reached is not None:
        yield _row_of(segment.not_reached, _not_surely_reached())


def _choosing(conn: Connection, topics: tuple[str, ...]) -> list[int]:
    """The preference sets that want one of the topics, however often."""
    rows = conn.execute(sa.select(preference_sets.c.id, preference_sets.c.map))
    return [row.id for row in rows if preferences.cadence_for(json.loads(row.map), topics) != preferences.OFF]


def _row_of(edition_id: int, so: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        deliveries.c.edition_id == edition_id, deliveries.c.subscriber_id == subscriptions.c.subscriber_id, so
    )


def _had_item(slug: str) -> sa.Select[tuple[int]]:
    """Those for whom a mail with the item was accepted, in whichever edition."""
    variant = sa.and_(
        variant_entries.c.edition_id == deliveries.c.edition_id, variant_entries.c.variant_n == deliveries.c.variant_n
    )
    return (
        sa.select(deliveries.c.subscriber_id)
        .join(variant_entries, variant)
        .join(publication_log, publication_log.c.sequence == variant_entries.c.sequence)
        .join(items, items.c.id == publication_log.c.item_id)
        .where(items.c.slug == slug, deliveries.c.state == State.ACCEPTED)
    )


def _not_surely_reached() -> sa.ColumnElement[bool]:
    kept_from = sa.and_(deliveries.c.state == State.SKIPPED, deliveries.c.code.in_(closing.OWED_SKIPPED))
    return sa.or_(deliveries.c.state.in_((State.FAILED, State.UNSURE)), kept_from)
