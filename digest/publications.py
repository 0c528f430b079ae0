"""Digests and topics as staff set them: identity, how often, schedule, rules.

Promises: a new series starts with the log as it stands, so a new digest never mails an old library; another day or
hour counts from now on, and makes no run happen that lies behind; a slug is made of small letters, digits and
hyphens, since it becomes an address that readers keep. Refuses: the topic `all`, which stands for every topic. `rules`
understands what staff write; this module keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from digest import markup, news, rules, tables
from digest.errors import BadInput, NotFound, Refused

CADENCES = rules.CADENCES
ALL_TOPICS = "all"
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Digest:
    """A publication as it is set."""

    id: int
    slug: str
    name: str
    description: str
    from_name: str
    from_address: str
    reply_to: str
    languages: tuple[str, ...]
    zone: str
    welcome: str  # of who is new: nothing, last (edition)
    import_kinds: str
    import_topics: str
    people_rev: int


@dataclass(frozen=True)
class Series:
    """One digest at one cadence: its schedule, its rules, and how far it has come."""

    digest_id: int
    cadence: str
    offered: bool
    mark: int
    next_number: int
    hour: int
    weekday: int | None  # 0 is Monday
    month_day: int | None  # 31 means the last
    fewest: int
    most: int
    age_limit: int  # days
    daily_cap: int  # alerts per reader and local day; 0: no cap
    late_hours: int
    late_policy: str
    needs_approval: bool
    skipped_runs: int
    since: datetime
    owed_seen: datetime | None


@dataclass(frozen=True)
class Topic:
    """A subject readers can pick, and how many published items it has."""

    slug: str
    name: str
    description: str
    items: int


def slug(text: str, where: str = "slug") -> str:
    """`text` when it is a slug. Raises BadInput when it is not."""
    if len(text) > 120 or not _SLUG.fullmatch(text):
        raise BadInput(where, f"{text[:60]!r} cannot be part of an address.", "Use small letters, digits and hyphens.")
    return text


def topic_slug(text: str) -> str:
    """`text` when a topic can be called so in addresses. Raises BadInput when it cannot, and for `all`."""
    if text == ALL_TOPICS:
        raise BadInput("topics", "`all` stands for every topic.", "Choose another name.")
    return slug(text, "topics")


def create(
    conn: Connection,
    slug_: str,
    name: str,
    *,
    now: datetime,
    zone: str,
    from_name: str,
    from_address: str,
    cadences: Iterable[str] = ("weekly",),
    weekday: int = 0,
    hour: int = 7,
    languages: Iterable[str] = ("en",),
) -> Digest:
    """A new digest with a series for each cadence. Raises Refused when the slug is taken."""
    mark = news.counter(conn)
    if conn.scalar(sa.select(tables.digests.c.id).where(tables.digests.c.slug == slug(slug_))):
        raise Refused(f"There is a digest {slug_!r} already. Change it with `digest publications set {slug_}`.")
    given = {"name": name, "from_name": from_name, "from_address": from_address, "zone": zone}
    values = {key: rules.understand(key, text).value for key, text in given.items()}
    values |= {"slug": slug_, "languages": rules.languages("languages", ",".join(languages))}
    digest_id = conn.execute(sa.insert(tables.digests).values(values).returning(tables.digests.c.id)).scalar_one()
    for cadence in dict.fromkeys(cadences):
        _create_series(conn, digest_id, cadence, mark=mark, hour=hour, weekday=weekday, now=now)
    return by_id(conn, digest_id)


def offer(conn: Connection, digest_id: int, cadences: Iterable[str], *, now: datetime) -> list[str]:
    """Offers just these cadences; those newly withdrawn, the most frequent first. What is new starts with the log.

    Where their readers go is the people's business: `subscribers.offers` calls this.
    """
    mark, wanted = news.counter(conn), [*cadences]
    standing = {one.cadence: one for one in series(conn, digest_id)}
    usual = next(iter(standing.values()))
    for cadence in wanted:
        if cadence not in standing:
            _create_series(conn, digest_id, cadence, mark=mark, hour=usual.hour, weekday=usual.weekday or 0, now=now)
        elif not standing[cadence].offered:
            change = {"offered": True, "mark": mark, "since": now, "skipped_runs": 0}
            conn.execute(sa.update(tables.series).where(*_one(digest_id, cadence)).values(change))
    withdrawn = [cadence for cadence, one in standing.items() if one.offered and cadence not in wanted]
    for cadence in withdrawn:
        conn.execute(sa.update(tables.series).where(*_one(digest_id, cadence)).values(offered=False))
    return withdrawn


def usual(cadences: Sequence[str]) -> str:
    """How often, when nothing is said: weekly where that is offered, else the slowest there is."""
    return "weekly" if "weekly" in cadences or not cadences else cadences[-1]


def _one(digest_id: int, cadence: str) -> tuple[sa.ColumnElement[bool], ...]:
    return tables.series.c.digest_id == digest_id, tables.series.c.cadence == cadence


def _create_series(
    conn: Connection, digest_id: int, cadence: str, *, mark: int, hour: int, weekday: int, now: datetime
) -> None:
    day = {"weekday": weekday if cadence == "weekly" else None, "month_day": 1 if cadence == "monthly" else None}
    values = {"digest_id": digest_id, "cadence": cadence, "mark": mark, "hour": hour, "since": now}
    conn.execute(sa.insert(tables.series).values(values | day))


def set(conn: Connection, slug_: str, changes: Mapping[str, str], *, now: datetime) -> Digest:
    """Changes settings by name: "KEY" for the digest or all its series, "CADENCE.KEY" for one. All or none.

    Raises BadInput naming the setting that cannot be understood.
    """
    digest = find(conn, slug_)
    have = [one.cadence for one in series(conn, digest.id)]
    understood = [rules.understand(key, text) for key, text in changes.items()]
    for setting in understood:
        if setting.cadence and setting.cadence not in have:
            key = f"{setting.cadence}.{setting.column}"
            raise BadInput(key, f"{slug_!r} has no {setting.cadence} editions.", f"It has: {', '.join(have)}.")
    before = _calendars(conn, digest)
    for setting in understood:
        _set_one(conn, digest.id, setting)
    digest = by_id(conn, digest.id)
    for cadence, calendar in _calendars(conn, digest).items():
        if calendar != before[cadence]:
            conn.execute(sa.update(tables.series).where(*_one(digest.id, cadence)).values(since=now))
    return digest


def _calendars(conn: Connection, digest: Digest) -> dict[str, tuple[object, ...]]:
    """What decides when each series runs."""
    return {one.cadence: (digest.zone, one.hour, one.weekday, one.month_day) for one in series(conn, digest.id)}


def _set_one(conn: Connection, digest_id: int, setting: rules.Setting) -> None:
    change: sa.Update
    if setting.of_series:
        change = sa.update(tables.series).where(tables.series.c.digest_id == digest_id)
        if setting.cadence:
            change = change.where(tables.series.c.cadence == setting.cadence)
    else:
        change = sa.update(tables.digests).where(tables.digests.c.id == digest_id)
    conn.execute(change.values({setting.column: setting.value}))


def find(conn: Connection, slug_: str) -> Digest:
    """The digest with this slug. Raises NotFound with the slugs there are."""
    row = conn.execute(sa.select(tables.digests).where(tables.digests.c.slug == slug_)).one_or_none()
    if row is None:
        known = conn.scalars(sa.select(tables.digests.c.slug).order_by(tables.digests.c.slug)).all()
        raise NotFound(f"There is no digest {slug_!r}. There is: {', '.join(known) or 'none yet'}.")
    return _digest(row)


def first(conn: Connection, slug_: str = "") -> Digest:
    """The digest with this slug; when none is named, the oldest. Raises NotFound, also when there is none at all."""
    if slug_:
        return find(conn, slug_)
    row = conn.execute(sa.select(tables.digests).order_by(tables.digests.c.id).limit(1)).one_or_none()
    if row is None:
        raise NotFound("There is no digest yet. `digest setup` makes one.")
    return _digest(row)


def by_id(conn: Connection, digest_id: int) -> Digest:
    """The digest with this id. Raises NotFound."""
    row = conn.execute(sa.select(tables.digests).where(tables.digests.c.id == digest_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no digest with the id {digest_id}.")
    return _digest(row)


def all(conn: Connection) -> list[Digest]:
    """Every digest, the oldest first."""
    return [_digest(row) for row in conn.execute(sa.select(tables.digests).order_by(tables.digests.c.id))]


def series(conn: Connection, digest_id: int) -> list[Series]:
    """The series of a digest, the most frequent first."""
    rows = conn.execute(sa.select(tables.series).where(tables.series.c.digest_id == digest_id))
    return sorted((_series(row) for row in rows), key=lambda one: CADENCES.index(one.cadence))


def one_series(conn: Connection, digest_id: int, cadence: str) -> Series:
    """One series. Raises NotFound when the digest does not come that often."""
    for one in series(conn, digest_id):
        if one.cadence == cadence:
            return one
    have = ", ".join(one.cadence for one in series(conn, digest_id)) or "none"
    raise NotFound(f"{by_id(conn, digest_id).slug!r} has no {cadence} editions. It has: {have}.")


def touch_people(conn: Connection, digest_id: int) -> None:
    """Notes that somebody's subscription changed: a plan that is being completed then looks again."""
    changed = {"people_rev": tables.digests.c.people_rev + 1}
    conn.execute(sa.update(tables.digests).where(tables.digests.c.id == digest_id).values(changed))


def topics(conn: Connection, *narrowed: sa.ColumnElement[bool]) -> list[Topic]:
    """Every topic with the number of its published and complete items (`narrowed` by conditions on them), by name."""
    items, tagged = tables.items, tables.item_topics
    shown = (items.c.state == "published", items.c.published_at.is_not(None), *narrowed)
    number = sa.func.count().label("number")
    count = sa.select(tagged.c.topic, number).join(items, items.c.id == tagged.c.item_id).where(*shown)
    counts = {row.topic: row.number for row in conn.execute(count.group_by(tagged.c.topic))}
    rows = conn.execute(sa.select(tables.topics))
    found = [Topic(row.slug, row.name, row.description, counts.get(row.slug, 0)) for row in rows]
    return sorted(found, key=lambda topic: (topic.name.casefold(), topic.slug))


def topic_names(conn: Connection) -> dict[str, str]:
    """What readers call each topic."""
    return {row.slug: row.name for row in conn.execute(sa.select(tables.topics.c.slug, tables.topics.c.name))}


def topic(conn: Connection, slug_: str) -> Topic:
    """The topic with this slug. Raises NotFound with those that are near."""
    known = {topic.slug: topic for topic in topics(conn)}
    if slug_ not in known:
        near = get_close_matches(slug_, known) or sorted(known)
        raise NotFound(f"There is no topic {slug_!r}. There is: {', '.join(near) or 'none yet'}.")
    return known[slug_]


def set_topic(conn: Connection, slug_: str, name: str, description: str = "") -> None:
    """Names and describes a topic; a new one is made."""
    ensure_topics(conn, [slug_])
    values = {"name": markup.line(name), "description": markup.line(description)}
    if not values["name"]:
        raise BadInput(f"topic {slug_}", "Its name is empty.", "Give it the name that readers see.")
    conn.execute(sa.update(tables.topics).where(tables.topics.c.slug == slug_).values(values))


def ensure_topics(conn: Connection, slugs: Iterable[str]) -> None:
    """Makes the topics that do not exist yet, each named after its slug. Raises BadInput for `all`."""
    wanted = dict.fromkeys(topic_slug(one) for one in slugs)
    known = {*conn.scalars(sa.select(tables.topics.c.slug).where(tables.topics.c.slug.in_(wanted)))}
    for new in (one for one in wanted if one not in known):
        name = new.replace("-", " ")
        conn.execute(sa.insert(tables.topics).values(slug=new, name=name[0].upper() + name[1:]))


def _digest(row: Row[Any]) -> Digest:
    return Digest(**{**row._mapping, "languages": tuple(row.languages)})


def _series(row: Row[Any]) -> Series:
    return Series(**row._mapping)
