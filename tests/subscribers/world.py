"""A small world for tests of people: one digest with every cadence, items that become news, editions in any state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import news, publications, tables
from digest.keys import Keyring
from subscribers import members, records
from tests.conftest import NOW

KEYS = Keyring({1: b"1" * 32, 2: b"2" * 32}, b"f" * 32)


def digest(conn: Connection, slug: str = "weekly", cadences: Iterable[str] = publications.CADENCES) -> int:
    """A digest that is offered at these cadences, in New York's time."""
    return publications.create(
        conn,
        slug,
        "The Digest",
        now=NOW,
        zone="America/New_York",
        from_name="Digest",
        from_address="digest@example.org",
        cadences=cadences,
    ).id


def add(conn: Connection, digest_id: int, email: str = "ann@example.org", **given: Any) -> int:
    """The id of a person who is added with these choices."""
    added = members.add(conn, KEYS, email, digest_id=digest_id, now=NOW, **given)
    assert added.subscriber_id is not None
    return added.subscriber_id


def publish(conn: Connection, *topics: str, at: datetime = NOW) -> int:
    """The sequence of a new item with these topics."""
    number = news.counter(conn) + 1
    item_id = conn.execute(
        sa.insert(tables.items)
        .values(
            slug=f"item-{number}",
            state="published",
            kind="fact sheet",
            title=f"Item {number}",
            revision=1,
            content_hash=b"",
            modified_at=NOW,
        )
        .returning(tables.items.c.id)
    ).scalar_one()
    return news.write_entry(conn, item_id, 1, "new", topics=topics, now=at).sequence


def mark(conn: Connection, digest_id: int, cadence: str) -> int:
    """How far the series has come."""
    return publications.one_series(conn, digest_id, cadence).mark


def move_mark(conn: Connection, digest_id: int, cadence: str, to: int) -> None:
    """As the completion of a plan does."""
    mine = (tables.series.c.digest_id == digest_id) & (tables.series.c.cadence == cadence)
    conn.execute(sa.update(tables.series).where(mine).values(mark=to))


def freeze(conn: Connection, digest_id: int, cadence: str, **given: Any) -> int:
    """The id of an edition whose plan is under way, holding everything up to the counter."""
    last = news.counter(conn)
    count = conn.scalar(sa.select(sa.func.count()).select_from(tables.editions)) or 0
    values = {
        "uid": f"{count:032x}",
        "kind": "digest",
        "digest_id": digest_id,
        "cadence": cadence,
        "number": count + 1,
        "state": "frozen",
        "mark_from": mark(conn, digest_id, cadence),
        "last": last,
        "mark_to": last,
        "created_at": NOW,
    } | given
    edition_id: int = conn.execute(
        sa.insert(tables.editions).values(values).returning(tables.editions.c.id)
    ).scalar_one()
    return edition_id


def complete(conn: Connection, edition_id: int) -> None:
    """Ends the planning of an edition: the mark moves, sending may begin."""
    edition = conn.execute(sa.select(tables.editions).where(tables.editions.c.id == edition_id)).one()
    move_mark(conn, edition.digest_id, edition.cadence, edition.mark_to)
    conn.execute(
        sa.update(tables.editions).where(tables.editions.c.id == edition_id).values(state="sending", plan_done_at=NOW)
    )


def plan_row(
    conn: Connection, edition_id: int, subscriber_id: int, entries: Iterable[int], *, size: int = 1, state: int = 0
) -> None:
    """A delivery of these entries, planned in a batch of its own."""
    wanted = sorted(entries)
    variant = {"edition_id": edition_id, "n": subscriber_id, "language": f"x-{subscriber_id}", "entries": str(wanted)}
    conn.execute(sa.insert(tables.variants).values(**variant, subject="s", html="h", text="t"))
    for sequence in wanted:
        held = {"edition_id": edition_id, "variant_n": subscriber_id, "sequence": sequence}
        conn.execute(sa.insert(tables.variant_entries).values(held))
    batch = {"edition_id": edition_id, "n": subscriber_id, "due_at": NOW, "deadline": NOW + timedelta(hours=12)}
    conn.execute(sa.insert(tables.batches).values(**batch, size=size))
    row = {"edition_id": edition_id, "batch_n": subscriber_id, "pos": 1, "subscriber_id": subscriber_id}
    conn.execute(sa.insert(tables.deliveries).values(**row, variant_n=subscriber_id, state=state))


def subscription(conn: Connection, digest_id: int, subscriber_id: int) -> records.Subscription:
    """The subscription as it stands."""
    return records.of_digest(conn, digest_id, [subscriber_id])[subscriber_id]


def owed(conn: Connection, digest_id: int, subscriber_id: int) -> dict[str, tuple[int, ...]]:
    """What the subscription carries, per cadence."""
    return dict(subscription(conn, digest_id, subscriber_id).owed)


def rev(conn: Connection, digest_id: int, subscriber_id: int) -> int:
    """The revision that a plan compares."""
    from subscribers.tables import subscriptions

    mine = (subscriptions.c.digest_id == digest_id) & (subscriptions.c.subscriber_id == subscriber_id)
    return int(conn.execute(sa.select(subscriptions.c.rev).where(mine)).scalar_one())
