"""Who has an item already that comes again, so that it is left out of their list.

Promises: a reader has it who has, may have, or is about to get a mail with its last told revision or a later one. Reads
only. Serves planning, and the count of whom a plan would reach, which must agree.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import tables
from digest.delivery import alerts
from digest.news import Entry
from digest.tables import deliveries, variant_entries


def of_again(
    conn: Connection,
    digest_id: int,
    log: Mapping[int, Entry],
    again: Mapping[int, int],
    *readers: sa.ColumnElement[bool],
) -> dict[int, frozenset[int]]:
    """Reader -> those entries of the log that come again and whose item they have.

    `again` is what `news.coming_again` says; `readers` are conditions on the deliveries that count.
    """
    d, ve, p = deliveries.c, variant_entries.c, tables.publication_log.c
    had: dict[int, set[int]] = {}
    for sequence in again.keys() & log.keys():
        told = sa.select(p.sequence).where(p.item_id == log[sequence].item_id, p.sequence >= again[sequence])
        holding = (
            sa.select(d.subscriber_id)
            .join(variant_entries, sa.and_(ve.edition_id == d.edition_id, ve.variant_n == d.variant_n))
            .join(tables.editions, tables.editions.c.id == d.edition_id)
            .where(tables.editions.c.digest_id == digest_id, ve.sequence.in_(told), d.state.in_(alerts.LIVE), *readers)
        )
        for reader in conn.scalars(holding):
            had.setdefault(reader, set()).add(sequence)
    return {reader: frozenset(sequences) for reader, sequences in had.items()}
