"""An edition as it would go out if it were locked this moment: the next one of a series, or one that is open.

Promises: contents, revisions, order and settings are those that locking would fix now; nothing is written. Serves all
that is said of an edition before it goes: its mails, and whom it would reach. Of a letter there is but the frame;
`digest.letters` has the text. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from digest import archive, arrangements, editions, items, news, publications, sharing
from digest.archive import Story
from digest.arrangements import Arrangement
from digest.config import Settings
from digest.editions import FROZEN, Edition
from digest.items import Entry
from digest.publications import Digest, Series


@dataclass(frozen=True)
class Proposal:
    """An edition with its settings, as if it were locked, and what it holds, in reading order.

    The edition has the number 0 when there is none yet.
    """

    edition: Edition
    stories: tuple[Story, ...]
    digest: Digest
    series: Series


def of_series(
    conn: Connection, settings: Settings, digest: Digest, series: Series, *, now: datetime, owed: bool = False
) -> Proposal:
    """The next edition of the series, sent by hand at `now`; `owed`: with nothing of its own."""
    last = news.counter(conn)
    contents = [] if owed else editions.collect(conn, digest.id, series, last)
    arrangement = arrangements.of(conn, digest.id, series.cadence)
    stories = _stories(conn, contents, arrangement)
    edition = _unwritten(
        digest,
        kind="carries" if owed else "digest",
        cadence=series.cadence,
        marks=(series.mark, last, last if stories else series.mark),
        content_hash=editions.contents_hash(((story.sequence, story.item.revision) for story in stories), arrangement),
        settings=_settings(conn, settings, digest, series, 0, now),
        now=now,
    )
    return Proposal(edition, stories, digest, series)


def of_edition(conn: Connection, settings: Settings, edition: Edition, *, now: datetime) -> Proposal:
    """One that is in review, locked or further."""
    digest = publications.by_id(conn, edition.digest_id)
    series = publications.one_series(conn, digest.id, edition.series)
    if edition.settings is None:
        day = edition.starts_at or now
        plain = _settings(conn, settings, digest, series, edition.id, day)
        edition = replace(edition, settings=plain)
    return Proposal(edition, archive.stories(conn, edition.id), digest, series)


def of_letter(conn: Connection, digest: Digest, *, now: datetime) -> Edition:
    """What a letter to readers of the digest is as an edition; its text is not asked for here."""
    last = news.counter(conn)
    return _unwritten(digest, kind="letter", cadence=None, marks=(last, last, last), now=now)


def _unwritten(
    digest: Digest, *, kind: str, cadence: str | None, marks: tuple[int, int, int], now: datetime, **more: Any
) -> Edition:
    """An edition that stands in no table, as if it were locked now."""
    mark_from, last, mark_to = marks
    return Edition(
        id=0,
        uid="",
        kind=kind,
        digest_id=digest.id,
        cadence=cadence,
        state=FROZEN,
        mark_from=mark_from,
        last=last,
        mark_to=mark_to,
        by_hand=True,
        created_at=now,
        frozen_at=now,
        starts_at=now,
        **more,
    )


def _stories(conn: Connection, contents: Sequence[Entry], arrangement: Arrangement) -> tuple[Story, ...]:
    by_id = items.by_ids(conn, {entry.item_id for entry in contents})
    log = {entry.sequence: entry for entry in contents}
    order = sharing.reading_order(log, log, by_id, placed=arrangement.placed)
    return tuple(Story(s, log[s].what, log[s].note, by_id[log[s].item_id]) for s in order)


def _settings(
    conn: Connection, settings: Settings, digest: Digest, series: Series, number: int, day: datetime
) -> dict[str, Any]:
    since = editions.since(conn, digest.id, series.cadence, before=number or None)
    return editions.snapshot(
        settings,
        digest,
        cadence=series.cadence,
        edition=number,
        day=day,
        since=since,
        series=series,
        arrangement=arrangements.of(conn, digest.id, series.cadence),
    )
