"""What staff say about an edition before and while it goes out: approve, undo, pause, resume, withdraw an item in it.

Promises: an approval is bound to the exact contents that were proposed; undo works as long as nobody was counted; a
withdrawal inside an edition under way pauses it and asks, and the answer stands. Refuses: what the edition's state
does not allow, with the command that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import arrangements, config, editions, items, news, second_person, tables
from digest.config import Settings
from digest.editions import DRAFT, ENDED, FROZEN, REVIEW, SENDING, Edition
from digest.errors import Refused
from digest.second_person import Colleague
from digest.tables import State, edition_entries, variant_entries
from digest.tables import editions as t


def approve(
    conn: Connection,
    number: int,
    settings: Settings,
    *,
    by: Colleague | str,
    now: datetime,
    seen: str | None = None,
    starts_at: datetime | None = None,
) -> tuple[Edition, bool]:
    """Approves exactly what was proposed, and freezes it; True beside it when it is approved.

    When an item in it changed or was withdrawn meanwhile, the edition is proposed anew and must be looked at again;
    so it must when what is proposed is not what was `seen`, by the hash of its contents. It starts no earlier than
    `starts_at`. Of an edition of a series; a letter is approved by `letters.approve`.
    Raises Refused when it is not in review, while the settings are not fit for sending, and to whoever is no second
    person where there must be one.
    """
    last = news.counter(conn)
    edition = in_review(editions.find(conn, number))
    series = editions.lock_series(conn, edition.digest_id, edition.series)
    edition = in_review(editions.find(conn, number, lock=True))
    second_person.refuse_author(settings, edition.sender, by)
    if faults := config.sending_faults(settings):
        raise Refused(" ".join(faults))
    if seen is not None and seen != edition.content_hash:
        return edition, False
    if edition.content_hash != _hash_now(conn, edition):
        return editions.propose_anew(conn, edition, series, last, now), False
    approved(conn, edition, by=by, starts_at=starts_at)
    return editions.freeze(conn, number, settings, now), True


def approved(conn: Connection, edition: Edition, *, by: Colleague | str, starts_at: datetime | None) -> None:
    """Notes who approved an edition, and that it starts no earlier than that."""
    values: dict[str, Any] = {"approved_by": by if isinstance(by, str) else by.name}
    if starts_at is not None:
        values["starts_at"] = max(starts_at, edition.starts_at or starts_at)
    conn.execute(sa.update(t).where(t.c.id == edition.id).values(values))


def in_review(edition: Edition) -> Edition:
    """The edition, when it waits for approval. Raises Refused when it does not."""
    if edition.state != REVIEW:
        raise Refused(f"Edition {edition.id} is {edition.shown_state}; only an edition in review is approved.")
    return edition


def _hash_now(conn: Connection, edition: Edition) -> str:
    """The hash of the proposed entries with the revisions that their items have now; withdrawn ones count as 0."""
    e, log, i = edition_entries, tables.publication_log, tables.items
    rows = conn.execute(
        sa.select(e.c.sequence, sa.case((i.c.state == "published", i.c.revision), else_=0))
        .join(log, log.c.sequence == e.c.sequence)
        .join(i, i.c.id == log.c.item_id)
        .where(e.c.edition_id == edition.id)
        .order_by(e.c.position)
    )
    arrangement = arrangements.of(conn, edition.digest_id, edition.series)
    return editions.contents_hash(((row[0], row[1]) for row in rows), arrangement)


def undo(conn: Connection, number: int) -> Edition:
    """Back to draft, as long as nothing was planned: nobody has it and nobody was counted.

    Of an edition of a series; a letter is taken back by `letter_drafts.take_back`.
    """
    undoable(conn, number)
    conn.execute(sa.delete(edition_entries).where(edition_entries.c.edition_id == number))
    conn.execute(
        sa.update(t)
        .where(t.c.id == number)
        .values(
            state=DRAFT,
            kind="digest",
            frozen_at=None,
            content_hash="",
            question=False,
            paused_at=None,
            asked_by_id=None,
            asked_by="",
            approved_by=None,
        )
    )
    return editions.find(conn, number)


def undoable(conn: Connection, number: int) -> Edition:
    """The edition, held, as long as nobody was counted. Raises Refused when it is too late."""
    edition = editions.find(conn, number, lock=True)
    if edition.state != FROZEN or edition.plan_fence:
        raise Refused(
            f"Edition {number} is {edition.shown_state} and can no longer be undone. "
            f"`digest editions cancel {number}` stops what has not gone out."
        )
    return edition


def pause(conn: Connection, number: int, *, why: str, now: datetime) -> Edition:
    """Stops planning and sending at the next commit of whoever does it; the edition keeps its place."""
    edition = editions.find(conn, number, lock=True)
    if edition.state not in (FROZEN, SENDING):
        raise Refused(f"Edition {number} is {edition.shown_state}; only one that goes out can be paused.")
    if edition.paused_at is None:
        conn.execute(sa.update(t).where(t.c.id == number).values(paused_at=now, paused_why=why))
    return editions.find(conn, number)


def resume(conn: Connection, number: int) -> Edition:
    """Goes on with a paused edition. Raises Refused while a withdrawn item in it waits for an answer."""
    edition = editions.find(conn, number, lock=True)
    if edition.paused_at is None or edition.state in ENDED:
        raise Refused(f"Edition {number} is {edition.shown_state}, not paused.")
    if edition.question:
        raise Refused(
            f"An item in edition {number} was withdrawn. Say what to do: `digest editions resume {number} --without` "
            f"leaves it out, `--as-is` sends it all the same, `digest editions cancel {number}` stops the rest."
        )
    return answered(conn, number)


def answered(conn: Connection, number: int, *, as_is: bool = False) -> Edition:
    """The question is answered and the edition goes on; `as_is`: with what was withdrawn."""
    edition = editions.find(conn, number)
    conn.execute(
        sa.update(t)
        .where(t.c.id == number)
        .values(paused_at=None, paused_why="", question=False, as_is=as_is or edition.as_is)
    )
    return editions.find(conn, number)


@dataclass(frozen=True)
class Line:
    """One entry of an edition, for staff."""

    sequence: int
    slug: str
    what: str
    title: str


def contents(conn: Connection, number: int) -> list[Line]:
    """What an edition holds, in reading order."""
    e, log, i = edition_entries, tables.publication_log, tables.items
    rows = conn.execute(
        sa.select(e.c.sequence, i.c.slug, log.c.what, i.c.title)
        .join(log, log.c.sequence == e.c.sequence)
        .join(i, i.c.id == log.c.item_id)
        .where(e.c.edition_id == number)
        .order_by(e.c.position)
    )
    return [Line(*row) for row in rows]


def answer(conn: Connection, number: int, *, as_is: bool) -> Edition:
    """Answers what to do about a withdrawn item: go on as it is, or without it. Raises Refused when none is asked.

    Rows that were planned with it are stripped when their turn comes, before they are marked.
    """
    edition = editions.find(conn, number, lock=True)
    if not edition.question:
        raise Refused(f"Edition {number} is {edition.shown_state}; nothing in it was withdrawn.")
    if not as_is:
        drop_withdrawn(conn, number)
        _tell_whoever_works(conn, number)
    return answered(conn, number, as_is=as_is)


def _tell_whoever_works(conn: Connection, number: int) -> None:
    """Whoever plans or sends with the contents as they were stops at the next commit and reads them anew."""
    begun = sa.update(t).where(t.c.id == number, t.c.plan_fence > 0)
    conn.execute(begun.values(plan_fence=t.c.plan_fence + 1, plan_until=0))


def drop_withdrawn(conn: Connection, number: int) -> None:
    """Takes withdrawn items out of a frozen edition's contents."""
    log, i, e = tables.publication_log, tables.items, edition_entries
    gone = sa.select(log.c.sequence).join(i, i.c.id == log.c.item_id).where(i.c.state != "published")
    conn.execute(sa.delete(e).where(e.c.edition_id == number, e.c.sequence.in_(gone)))


# --- items that change under an edition ------------------------------------------------------------------------


def withdraw_item(conn: Connection, slug: str, *, why: str, now: datetime) -> list[int]:
    """Withdraws an item; editions that still hold it pause and ask. Returns their numbers."""
    items.withdraw(conn, slug, why=why, now=now)
    asked = []
    for edition in _holding(conn, items.find(conn, slug).id):
        if edition.paused_at and edition.as_is:
            continue
        conn.execute(
            sa.update(t)
            .where(t.c.id == edition.id)
            .values(paused_at=edition.paused_at or now, paused_why=f"{slug} was withdrawn.", question=True, as_is=False)
        )
        asked.append(edition.id)
    return asked


def publish_item(
    conn: Connection, slug: str, *, now: datetime, zone: str, at: datetime | None = None, known: bool = False
) -> int:
    """Publishes an item, and returns how many entries that wrote; coming back answers the editions that asked."""
    news = items.publish(conn, slug, now=now, at=at, known=known, zone=zone)
    _answer_who_asked(conn, slug)
    return news


def publish_due(conn: Connection, now: datetime) -> list[str]:
    """Publishes the scheduled items whose moment has come, as `publish_item` does one; their slugs."""
    slugs = items.publish_due(conn, now)
    for slug in slugs:
        _answer_who_asked(conn, slug)
    return slugs


def _answer_who_asked(conn: Connection, slug: str) -> None:
    """Editions that asked about the item go on as they are, unless something else in them is withdrawn."""
    for edition in _holding(conn, items.find(conn, slug).id):
        if edition.question and not _withdrawn_inside(conn, edition.id):
            answered(conn, edition.id, as_is=True)


def _holding(conn: Connection, item_id: int) -> list[Edition]:
    """Editions under way that hold the item in their contents or in a row that is still planned."""
    log, e, ve, d = tables.publication_log, edition_entries, variant_entries, tables.deliveries
    of_item = sa.select(log.c.sequence).where(log.c.item_id == item_id)
    in_contents = sa.select(e.c.edition_id).where(e.c.sequence.in_(of_item))
    in_rows = (
        sa.select(ve.c.edition_id)
        .join(d, sa.and_(d.c.edition_id == ve.c.edition_id, d.c.variant_n == ve.c.variant_n))
        .where(ve.c.sequence.in_(of_item), d.c.state == State.PLANNED)
    )
    rows = conn.execute(
        sa.select(*editions.COLUMNS)
        .where(t.c.state.in_((FROZEN, SENDING)), sa.or_(t.c.id.in_(in_contents), t.c.id.in_(in_rows)))
        .order_by(t.c.id)
        .with_for_update()
    )
    return [editions.from_row(row) for row in rows]


def _withdrawn_inside(conn: Connection, edition_id: int) -> bool:
    """Whether its contents, or a row that is still planned, hold an item that is withdrawn."""
    e, log, i, d, ve = edition_entries, tables.publication_log, tables.items, tables.deliveries, variant_entries
    in_rows = (
        sa.select(ve.c.sequence)
        .join(d, sa.and_(d.c.edition_id == ve.c.edition_id, d.c.variant_n == ve.c.variant_n))
        .where(ve.c.edition_id == edition_id, d.c.state == State.PLANNED)
    )
    inside = sa.union(sa.select(e.c.sequence).where(e.c.edition_id == edition_id), in_rows).subquery()
    gone = (
        sa.select(log.c.sequence)
        .join(inside, inside.c.sequence == log.c.sequence)
        .join(i, i.c.id == log.c.item_id)
        .where(i.c.state != "published")
    )
    return conn.scalar(gone.limit(1)) is not None
