"""How many alerts a reader has had on their own local day.

Promises: counts the rows of alerts that are planned, under way, accepted or unsure; what was skipped or failed does not
use up the day. The day is the reader's, midnight to midnight. Decides nothing else: what becomes of an alert too many
is planning's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from digest.tables import State, batches, deliveries, editions

LIVE = (State.PLANNED, State.TRYING, State.ACCEPTED, State.UNSURE)
LONGEST_DAY = timedelta(hours=27)  # a clock may be set back by three hours in one day


def recent(
    conn: Connection, digest_id: int, which: sa.ColumnElement[bool], *, now: datetime
) -> Mapping[int, Sequence[datetime]]:
    """When the alerts of one digest were due that these readers (a condition on deliveries) may have had today."""
    rows = conn.execute(
        sa.select(deliveries.c.subscriber_id, batches.c.due_at)
        .join(batches, (batches.c.edition_id == deliveries.c.edition_id) & (batches.c.n == deliveries.c.batch_n))
        .join(editions, editions.c.id == deliveries.c.edition_id)
        .where(editions.c.digest_id == digest_id, editions.c.cadence == "instant")
        .where(editions.c.plan_done_at > now - LONGEST_DAY - timedelta(days=1))
        .where(batches.c.due_at > now - LONGEST_DAY, deliveries.c.state.in_(LIVE), which)
    )
    found: dict[int, list[datetime]] = {}
    for reader, due in rows:
        found.setdefault(reader, []).append(due)
    return found


def reached(cap: int, dues: Collection[datetime], zone: str, *, now: datetime) -> bool:
    """Whether a reader in this zone has had as many alerts today as they get in a day; no cap is never reached."""
    clock = ZoneInfo(zone)
    today = now.astimezone(clock).date()
    return 0 < cap <= sum(due.astimezone(clock).date() == today for due in dues)
