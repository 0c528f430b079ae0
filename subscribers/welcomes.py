"""The first mail of somebody new: the latest edition in their topics, as a notice of its own.

Promises: one for each joining, queued in the transaction in which they join, and handed over only while they may be
mailed; it holds what they chose and is still published, and nothing that will come to them again. It is no edition:
nothing is owed for it, and it counts for nobody. Refuses nothing: where the digest wants no welcome, nothing
that went out is theirs, or the settings are not fit for sending, there is none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import archive, config, editions, entry_views, items, languages, news, publications, render, sharing
from digest.delivery import notices
from digest.delivery.message import Recipient
from digest.editions import SENDING, SENT, Edition
from digest.home import Home
from digest.publications import Digest
from digest.render import words as wording
from digest.tables import editions as t
from subscribers import preferences
from subscribers.audience import Audience
from subscribers.tables import subscribers

LAST = "last"  # the setting of a digest that has them
LOOK_BACK = 12  # editions, the latest first, of which one may hold something of theirs


def queue(conn: Connection, home: Home, digest_id: int, subscriber_id: int, *, now: datetime) -> bool:
    """Queues the welcome of somebody who joins at this very moment (`now`); whether there is one."""
    digest = publications.by_id(conn, digest_id)
    row = preferences.subscription(conn, digest_id, subscriber_id)
    if digest.welcome != LAST or row.state != "active" or row.joined_at != now or config.sending_faults(home.settings):
        return False
    mapping = preferences.map_of(conn, row.preference_set_id)
    for edition in _latest(conn, digest_id, set(mapping.values()) - {preferences.OFF}):
        if told := _told(conn, edition, mapping):
            return _queue(conn, home, digest, edition, told, row, now)
    return False


def _latest(conn: Connection, digest_id: int, cadences: Collection[str]) -> list[Edition]:
    """What went out or is going out at these cadences, the latest first; nothing that staff stopped."""
    gone = sa.or_(t.c.state == SENT, sa.and_(t.c.state == SENDING, t.c.paused_at.is_(None)))
    rows = conn.execute(
        sa.select(*editions.COLUMNS)
        .where(t.c.digest_id == digest_id, t.c.kind == "digest", t.c.cadence.in_(cadences), gone)
        .order_by(t.c.id.desc())
        .limit(LOOK_BACK)
    )
    return [editions.from_row(row) for row in rows]


def _told(conn: Connection, edition: Edition, mapping: dict[str, str]) -> dict[int, tuple[news.Entry, items.Item]]:
    """Of its entries those in topics that are not off, each with its item as it is now; withdrawn ones are left out."""
    log = news.by_sequences(conn, {story.sequence for story in archive.stories(conn, edition.id)})
    published = editions.published_ids(conn, {entry.item_id for entry in log.values()})
    wanted = {
        sequence: entry
        for sequence, entry in log.items()
        if entry.item_id in published and preferences.cadence_for(mapping, entry.topics) != preferences.OFF
    }
    by_id = items.by_ids(conn, {entry.item_id for entry in wanted.values()})
    return {sequence: (entry, by_id[entry.item_id]) for sequence, entry in wanted.items()}


def _queue(
    conn: Connection,
    home: Home,
    digest: Digest,
    edition: Edition,
    told: dict[int, tuple[news.Entry, items.Item]],
    row: sa.Row[Any],
    now: datetime,
) -> bool:
    whose = (digest.id, row.subscriber_id)
    recipient = _recipient(conn, home, edition, row.subscriber_id, now)
    if recipient is None:
        return False
    spoken = conn.scalar(sa.select(subscribers.c.language).where(subscribers.c.id == row.subscriber_id)) or ""
    language = languages.choose(spoken, digest.languages)
    shell = _shell(conn, home, digest, edition)
    letter = notices.Letter(
        f"welcome {digest.id} {row.subscriber_id} {now.isoformat()}",
        "welcome",
        recipient.address,
        _rendered(conn, digest, shell, told, language),
        whose,
    )
    key = home.keys.derive_fixed("message-id")
    return bool(notices.queue(conn, letter, shell, key=key, now=now, slots=dict(recipient.slots)))


def _recipient(conn: Connection, home: Home, edition: Edition, subscriber_id: int, now: datetime) -> Recipient | None:
    """The address with links that hold from now on; None when they must not be mailed."""
    fresh = replace(edition, frozen_at=now)
    found = Audience(home.keys, home.settings.site.url).resolve(conn, fresh, [subscriber_id])[subscriber_id]
    return found if isinstance(found, Recipient) else None


def _shell(conn: Connection, home: Home, digest: Digest, edition: Edition) -> render.Shell:
    """That of the edition, with identity and addresses as they are now."""
    series = publications.one_series(conn, digest.id, edition.series)
    day = edition.frozen_at or edition.created_at
    plain = editions.snapshot(
        home.settings, digest, cadence=edition.series, edition=edition.id, day=day, since="", series=series
    )
    return render.Shell.from_json(plain)


def _rendered(
    conn: Connection,
    digest: Digest,
    shell: render.Shell,
    told: dict[int, tuple[news.Entry, items.Item]],
    language: str,
) -> render.Rendered:
    order = sharing.reading_order(
        told, {s: entry for s, (entry, _) in told.items()}, {item.id: item for _, item in told.values()}
    )
    words = wording.of(language)
    lead = words.welcome_lead(words.long(date.fromisoformat(shell.date)))
    press = render.Press(shell, language, entry_views.of(conn, list(told.values()), shell.zone))
    return press.variant(order, most=shell.most, welcome=render.Welcome(words.welcome(digest.name), lead))
