"""Preference sets and refiling: which topics how often, at which hour, and what a change does to what is still owed.

A set maps topics to cadences ("*" is the rest, "off" is never). Sets, slots and carries are interned. Refiling gathers
everything not yet served, files each entry under the cadence that the new set gives it, and starts afresh from the
counter of the log: nothing is lost, nothing comes twice. Promises: each change holds the log's counter and the digest's
series until the transaction ends, so no plan and no new entry can come between; locks are taken in the order counter,
series, digest, editions, subscriptions, batches, deliveries. Refuses: a cadence that the digest does not offer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db, news, publications
from digest.delivery import ledger
from digest.errors import BadInput, NotFound
from digest.tables import State, batches, deliveries, editions, series, variant_entries
from subscribers.tables import carries, preference_sets, slots, subscriptions

CADENCES = publications.CADENCES  # from the most to the least frequent
OFF = "off"
REST = "*"


# --- choices: pure ---------------------------------------------------------------------------------------------


def parse(text: str, offered: Sequence[str]) -> dict[str, str]:
    """The set that a text such as `hiring=daily;detainers=off;*=weekly` names; what is not named is off.

    Raises BadInput for a topic that is no slug, one named twice, and anything but an offered cadence or "off".
    """
    choices: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        topic, equals, how_often = (piece.strip().lower() for piece in part.partition("="))
        if not equals:
            raise BadInput("topics", f"{part!r} says no how often.", "Write each choice as topic=weekly.")
        topic = checked_topic(topic)
        if topic in choices:
            raise BadInput("topics", f"{topic!r} is named twice.", "Name each topic once.")
        choices[topic] = checked_cadence(how_often, offered)
    if not choices:
        raise BadInput("topics", "no topic is named.", "Write for example *=weekly.")
    return {**choices, REST: choices.get(REST, OFF)}


def of(topics: Iterable[str], cadence: str) -> dict[str, str]:
    """The set that gives these topics at one cadence and nothing else; all topics when none is named."""
    named = dict.fromkeys(topics, cadence)
    return {REST: OFF, **named} if named else {REST: cadence}


def checked_topic(topic: str) -> str:
    """The slug of a topic, or "*" for it and for `all`. Raises BadInput for anything else."""
    return REST if topic in (REST, publications.ALL_TOPICS) else publications.slug(topic, "topics")


def checked_cadence(how_often: str, offered: Sequence[str]) -> str:
    """An offered cadence, or "off". Raises BadInput for anything else."""
    if how_often != OFF and how_often not in offered:
        raise BadInput("how often", f"{how_often!r} is not offered.", f"Choose one of {', '.join([*offered, OFF])}.")
    return how_often


def fit(mapping: Mapping[str, str], offered: Sequence[str]) -> dict[str, str]:
    """The set with every cadence that is not offered replaced by the next slower one that is, else by the slowest."""
    ranks = sorted(CADENCES.index(cadence) for cadence in offered)
    if not ranks:
        return {REST: OFF, **mapping}

    def nearest(cadence: str) -> str:
        return CADENCES[next((rank for rank in ranks if rank >= CADENCES.index(cadence)), ranks[-1])]

    return {REST: OFF} | {topic: OFF if cadence == OFF else nearest(cadence) for topic, cadence in mapping.items()}


def no_oftener(mapping: Mapping[str, str], cadence: str) -> dict[str, str]:
    """The same choices with `cadence` wherever it is less often; what is off stays off."""
    slowest = CADENCES.index(cadence)
    return {
        topic: often if often == OFF or CADENCES.index(often) >= slowest else cadence
        for topic, often in mapping.items()
    }


def how_often(mapping: Mapping[str, str]) -> str:
    """Every cadence in somebody's choices, the most frequent first, with blanks between."""
    chosen = set(mapping.values())
    return " ".join(cadence for cadence in CADENCES if cadence in chosen)


def cadence_for(mapping: Mapping[str, str], topics: Iterable[str]) -> str:
    """The cadence at which an entry with these topics reaches a reader: the most frequent, "off" only if all are."""
    rest = mapping.get(REST, OFF)
    given = {mapping.get(topic, rest) for topic in topics} or {rest}
    return next((cadence for cadence in CADENCES if cadence in given), OFF)


# --- interning -------------------------------------------------------------------------------------------------


def intern_set(conn: Connection, mapping: Mapping[str, str]) -> int:
    """The id of this preference set."""
    text = json.dumps({REST: OFF, **mapping}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _intern(conn, preference_sets, map=text)


def maps(conn: Connection) -> dict[int, dict[str, str]]:
    """Every set of choices there is: a few hundred, whatever the number of people."""
    rows = conn.execute(sa.select(preference_sets.c.id, preference_sets.c.map))
    return {number: json.loads(chosen) for number, chosen in rows}


def map_of(conn: Connection, set_id: int) -> dict[str, str]:
    """The preference set with this id."""
    text = conn.scalar(sa.select(preference_sets.c.map).where(preference_sets.c.id == set_id))
    if text is None:
        raise NotFound(f"There is no preference set {set_id}.")
    mapping: dict[str, str] = json.loads(text)
    return mapping


def intern_slot(conn: Connection, hour: int, zone: str) -> int:
    """The id of this hour in this zone."""
    return _intern(conn, slots, hour=hour, zone=zone)


def intern_carry(conn: Connection, sequences: Iterable[int]) -> int | None:
    """The id of this list of entries, None for the empty list."""
    entries = sorted(set(sequences))
    return _intern(conn, carries, entries=json.dumps(entries, separators=(",", ":"))) if entries else None


def carry_of(conn: Connection, carry_id: int | None) -> tuple[int, ...]:
    """The entries of the carry with this id, ascending; none for None."""
    if carry_id is None:
        return ()
    text = conn.scalar(sa.select(carries.c.entries).where(carries.c.id == carry_id))
    return tuple(json.loads(text)) if text else ()


def _intern(conn: Connection, table: sa.Table, **values: Any) -> int:
    wanted = sa.select(table.c.id).where(*(table.c[name] == value for name, value in values.items()))
    found = conn.scalar(wanted)
    if found is None:
        conn.execute(db.insert_new(conn, table).values(**values))  # waits for whoever inserts the same just now
        found = conn.execute(wanted).scalar_one()
    return int(found)


# --- what is owed ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ground:
    """What stands still until the transaction ends: the log's counter, and the digest's marks and cadences."""

    news: int
    marks: Mapping[str, int]
    offered: tuple[str, ...]  # from the most to the least frequent


def hold(conn: Connection, digest_id: int) -> Ground:
    """Holds the log and the digest's series for a change to its people, and tells its plans that people changed."""
    latest = news.counter(conn)
    theirs = sa.select(series.c.cadence, series.c.mark, series.c.offered).where(series.c.digest_id == digest_id)
    rows = conn.execute(theirs.order_by(series.c.cadence).with_for_update(read=True)).all()
    publications.touch_people(conn, digest_id)
    offered = {row.cadence for row in rows if row.offered}
    return Ground(latest, {row.cadence: row.mark for row in rows}, tuple(c for c in CADENCES if c in offered))


def refile(
    conn: Connection,
    digest_id: int,
    subscriber_id: int,
    mapping: Mapping[str, str] | None = None,
    *,
    drop: bool = False,
    alone: bool = False,
    taken: Iterable[int] = (),
) -> None:
    """Files everything still owed to a reader as the new set (by default the old one) says, and starts from now.

    `alone` judges by `since` and never by the marks: the rule for readers who are or were paused. `taken` are entries
    taken back from planned mail. `drop` forgets what is owed. Raises NotFound without a subscription.
    """
    ground = hold(conn, digest_id)
    row = subscription(conn, digest_id, subscriber_id)
    old = map_of(conn, row.preference_set_id)
    new = fit(old if mapping is None else mapping, ground.offered)
    owed = set() if drop else set(taken) | pending(conn, ground, row, old, alone=alone)
    values = {"preference_set_id": intern_set(conn, new), "since": ground.news}
    _store(conn, row, filed(conn, new, owed), values)


def pending(
    conn: Connection, ground: Ground, row: sa.Row[Any], mapping: Mapping[str, str], *, alone: bool = False
) -> set[int]:
    """What is owed to the reader of this row and what is new for them: everything that they have not been served."""
    owed = {sequence for entries in carries_of(conn, row).values() for sequence in entries}
    return owed | _unserved(conn, ground, mapping, floors(conn, ground, row, alone=alone))


def put_off(conn: Connection, digest_id: int, owed: Mapping[int, Iterable[int]], *, from_cadence: str) -> None:
    """Owes entries to readers at the next slower cadence offered, whatever their choices, or else at the same one.

    The caller holds the series and these subscriptions.
    """
    offered = [one.cadence for one in publications.series(conn, digest_id) if one.offered]
    slower = [one for one in offered if CADENCES.index(one) > CADENCES.index(from_cadence)]
    cadence = next(iter(slower), from_cadence)
    publications.touch_people(conn, digest_id)
    for subscriber_id, sequences in sorted(owed.items()):
        row = subscription(conn, digest_id, subscriber_id)
        standing = carries_of(conn, row)
        _store(conn, row, {**standing, cadence: {*standing[cadence], *sequences}}, {})


def give_back(conn: Connection, digest_id: int, subscriber_id: int, sequences: Iterable[int]) -> None:
    """Owes these entries again to a reader, filed as their set of today says; nothing for who left or is gone."""
    give_back_all(conn, digest_id, {subscriber_id: tuple(sequences)})


def give_back_all(conn: Connection, digest_id: int, owed: Mapping[int, Iterable[int]]) -> None:
    """`give_back` for many readers of one digest: subscriber id to entries. Locks subscriptions in order of id."""
    ground = hold(conn, digest_id)
    topics = _topics(conn, {s for sequences in owed.values() for s in sequences})
    maps: dict[int, dict[str, str]] = {}
    for subscriber_id, sequences in sorted(owed.items()):
        row = find(conn, digest_id, subscriber_id)
        if row is None or row.state == "left":
            continue
        if row.preference_set_id not in maps:
            maps[row.preference_set_id] = fit(map_of(conn, row.preference_set_id), ground.offered)
        again = _filed(maps[row.preference_set_id], {s: topics[s] for s in sequences if s in topics})
        standing = carries_of(conn, row)
        _store(conn, row, {c: [*standing[c], *again[c]] for c in CADENCES}, {})


def take_back(conn: Connection, digest_id: int, subscriber_id: int, why: str, *, now: datetime) -> frozenset[int]:
    """Skips, for the reason `why`, the mail of this digest that is planned for a reader and not yet on its way.

    Returns the entries it held. The batch is locked before its delivery, as everywhere, and counts with it.
    """
    taken: set[int] = set()
    while row := _planned(conn, digest_id, subscriber_id):
        batch = (batches.c.edition_id == row.edition_id) & (batches.c.n == row.batch_n)
        leased = conn.scalar(sa.select(batches.c.state).where(batch).with_for_update()) == ledger.LEASED
        mine = [deliveries.c[name] == getattr(row, name) for name in ("edition_id", "batch_n", "pos", "subscriber_id")]
        skip = sa.update(deliveries).where(*mine, deliveries.c.state == State.PLANNED)
        if conn.execute(skip.values(state=State.SKIPPED, code=why, carried=True, updated_at=now)).rowcount == 1:
            ledger.count(conn, row.edition_id, row.batch_n, {State.SKIPPED: 1})
            if not leased:  # who holds the lease closes it
                ledger.close_if_done(conn, row.edition_id, row.batch_n)
            taken |= _entries(conn, row.edition_id, row.variant_n)
    return frozenset(taken)


def find(conn: Connection, digest_id: int, subscriber_id: int) -> sa.Row[Any] | None:
    """The row of a subscription, locked, or None."""
    mine = (subscriptions.c.digest_id == digest_id) & (subscriptions.c.subscriber_id == subscriber_id)
    return conn.execute(sa.select(subscriptions).where(mine).with_for_update()).first()


def subscription(conn: Connection, digest_id: int, subscriber_id: int) -> sa.Row[Any]:
    """The row of a subscription, locked. Raises NotFound when there is none."""
    row = find(conn, digest_id, subscriber_id)
    if row is None:
        raise NotFound("This person has no subscription to this digest. Add them first.")
    return row


def carries_of(conn: Connection, row: sa.Row[Any]) -> dict[str, tuple[int, ...]]:
    """What the row of a subscription says is owed, per cadence."""
    return {cadence: carry_of(conn, row._mapping[f"carry_{cadence}"]) for cadence in CADENCES}


def floors(
    conn: Connection, ground: Ground, row: sa.Row[Any], *, alone: bool = False, lock: bool = True
) -> dict[str, int]:
    """Per cadence, the sequence up to which this reader is served; alone, no mark counts.

    `lock` keeps an edition that is being planned as it is until the transaction ends.
    """
    reached = dict.fromkeys(CADENCES, int(row.since))
    if alone:
        return reached
    planning = (
        sa.select(editions.c.cadence, editions.c.mark_to)
        .join(deliveries, deliveries.c.edition_id == editions.c.id)
        .where(editions.c.digest_id == row.digest_id, deliveries.c.subscriber_id == row.subscriber_id)
        .where(editions.c.cadence.is_not(None), editions.c.state == "frozen", editions.c.plan_done_at.is_(None))
    )
    if lock:
        planning = planning.with_for_update(read=True, of=editions)
    for cadence, upto in [*ground.marks.items(), *conn.execute(planning)]:
        reached[cadence] = max(reached[cadence], upto)
    return reached


def _unserved(conn: Connection, ground: Ground, mapping: Mapping[str, str], reached: Mapping[str, int]) -> set[int]:
    wanted = set(mapping.values()) - {OFF}
    if not wanted:
        return set()
    lowest = min(reached[cadence] for cadence in wanted)
    return {
        entry.sequence
        for entry in news.entries(conn, above=lowest, upto=ground.news)
        if (cadence := cadence_for(mapping, entry.topics)) != OFF and entry.sequence > reached[cadence]
    }


def _topics(conn: Connection, sequences: set[int]) -> dict[int, tuple[str, ...]]:
    found = news.by_sequences(conn, sequences) if sequences else {}
    return {sequence: entry.topics for sequence, entry in found.items()}


def _filed(mapping: Mapping[str, str], topics: Mapping[int, Iterable[str]]) -> dict[str, list[int]]:
    filed: dict[str, list[int]] = {cadence: [] for cadence in CADENCES}
    for sequence in sorted(topics):
        cadence = cadence_for(mapping, topics[sequence])
        if cadence != OFF:
            filed[cadence].append(sequence)
    return filed


def filed(conn: Connection, mapping: Mapping[str, str], owed: set[int]) -> dict[str, list[int]]:
    """These entries by the cadence at which a set asks for them; those that are off are dropped."""
    return _filed(mapping, _topics(conn, owed))


def carry_columns(conn: Connection, owed: Mapping[str, Iterable[int]]) -> dict[str, int | None]:
    """The columns of a subscription that hold what is owed, per cadence."""
    return {f"carry_{cadence}": intern_carry(conn, owed[cadence]) for cadence in CADENCES}


def _store(conn: Connection, row: sa.Row[Any], owed: Mapping[str, Iterable[int]], values: Mapping[str, Any]) -> None:
    carried = carry_columns(conn, owed)
    mine = (subscriptions.c.digest_id == row.digest_id) & (subscriptions.c.subscriber_id == row.subscriber_id)
    conn.execute(sa.update(subscriptions).where(mine).values(**values, **carried, rev=subscriptions.c.rev + 1))


def _planned(conn: Connection, digest_id: int, subscriber_id: int) -> sa.Row[Any] | None:
    """The first delivery, by edition and batch, that is planned for this reader in an edition still open."""
    theirs = (
        sa.select(deliveries)
        .join(editions, editions.c.id == deliveries.c.edition_id)
        .where(editions.c.digest_id == digest_id, editions.c.state.in_(("frozen", "sending")))
        .where(deliveries.c.subscriber_id == subscriber_id, deliveries.c.state == State.PLANNED)
    )
    return conn.execute(theirs.order_by(deliveries.c.edition_id).limit(1)).first()


def _entries(conn: Connection, edition_id: int, variant_n: int) -> set[int]:
    held = (variant_entries.c.edition_id == edition_id) & (variant_entries.c.variant_n == variant_n)
    return set(conn.scalars(sa.select(variant_entries.c.sequence).where(held)))
