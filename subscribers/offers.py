"""How often a digest is offered, and where its readers go when that changes.

Promises: a cadence that is withdrawn moves its readers to the next slower one offered, with everything still owed to
them, in the transaction that withdraws it; readers who stand alike are moved together, so a million of them cost a
few hundred statements. Refuses: to withdraw the last one, and one of which an edition is on its way or while readers
are being counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, news, publications, rules
from digest.errors import BadInput, Refused
from digest.publications import Digest
from subscribers import preferences
from subscribers.preferences import CADENCES, Ground
from subscribers.tables import preference_sets, subscriptions

KEY = "cadences"
CARRIES = [subscriptions.c[f"carry_{cadence}"] for cadence in CADENCES]
# What a refiling depends on: readers who agree in it stand alike.
ALIKE = (subscriptions.c.state, subscriptions.c.preference_set_id, subscriptions.c.since, *CARRIES)


def set(conn: Connection, slug: str, changes: Mapping[str, str], *, now: datetime) -> Digest:
    """Changes settings as `publications.set` does, and with the key "cadences" how often the digest can be had.

    All or none. Raises BadInput naming the setting, Refused when a cadence cannot be withdrawn now.
    """
    plain = {key: value for key, value in changes.items() if key != KEY}
    if KEY in changes:
        offer(conn, publications.find(conn, slug).id, rules.cadences(KEY, changes[KEY]), now=now)
    return publications.set(conn, slug, plain, now=now)


def offer(conn: Connection, digest_id: int, cadences: tuple[str, ...], *, now: datetime) -> int:
    """Offers just these cadences (one at least); how many people had to be moved to another."""
    news.counter(conn)
    ground = preferences.hold(conn, digest_id)
    leaving = [cadence for cadence in ground.offered if cadence not in cadences]
    if not cadences:
        raise BadInput(KEY, "Nothing is named.", "A digest comes at least one way.")
    for cadence in leaving:
        _refuse_while_under_way(conn, digest_id, cadence)
    publications.offer(conn, digest_id, cadences, now=now)
    return refit(conn, digest_id) if leaving else 0


def _refuse_while_under_way(conn: Connection, digest_id: int, cadence: str) -> None:
    """Who has a row of an edition that is being planned stands for himself; once it is planned nobody does."""
    for edition in editions.all_editions(conn, states=(editions.DRAFT, editions.REVIEW, editions.FROZEN)):
        if edition.digest_id == digest_id and (edition.cadence == cadence or (edition.cadence and edition.plan_fence)):
            raise Refused(
                f"Edition {edition.id} ({edition.cadence or 'letter'}) is {edition.shown_state}. Let it go out or "
                f"`digest editions cancel {edition.id}`, then withdraw the {cadence} editions."
            )


def refit(conn: Connection, digest_id: int) -> int:
    """Moves everyone whose choices or debts name a cadence that is not offered; says how many."""
    ground = preferences.hold(conn, digest_id)
    sets = sa.select(preference_sets).join(subscriptions).where(subscriptions.c.digest_id == digest_id).distinct()
    maps = {row.id: json.loads(row.map) for row in conn.execute(sets)}
    unfit = [set_id for set_id, mapping in maps.items() if preferences.fit(mapping, ground.offered) != mapping]
    stranded = [CARRIES[CADENCES.index(one)].is_not(None) for one in CADENCES if one not in ground.offered]
    first = sa.func.min(subscriptions.c.subscriber_id).label("subscriber_id")  # stands for all of them
    theirs = (
        sa.select(subscriptions.c.digest_id, first, *ALIKE)
        .where(subscriptions.c.digest_id == digest_id)
        .where(sa.or_(subscriptions.c.preference_set_id.in_(unfit), *stranded))
        .group_by(subscriptions.c.digest_id, *ALIKE)
    )
    return sum(_move(conn, digest_id, ground, row, maps) for row in conn.execute(theirs).all())


def _move(
    conn: Connection, digest_id: int, ground: Ground, row: sa.Row[Any], maps: Mapping[int, dict[str, str]]
) -> int:
    """Refiles all who stand as this row says; how many they are."""
    old = maps[row.preference_set_id]
    new = preferences.fit(old, ground.offered)
    values: dict[str, Any] = {"preference_set_id": preferences.intern_set(conn, new)}
    if row.state in ("active", "paused"):
        owed = preferences.pending(conn, ground, row, old, alone=row.state == "paused")
        values |= preferences.carry_columns(conn, preferences.filed(conn, new, owed))
        values |= {"since": ground.news, "rev": subscriptions.c.rev + 1}
    alike = [column.is_not_distinct_from(row._mapping[column.name]) for column in ALIKE]
    return conn.execute(
        sa.update(subscriptions).where(subscriptions.c.digest_id == digest_id, *alike).values(values)
    ).rowcount
